#include "server/metrics/collector.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <optional>
#include <utility>

namespace xeq::metrics {
namespace {

// Tenants are not told apart yet; the label is there so that dashboards need not change when they are.
constexpr char kTenant[] = "default";
constexpr char kPath[] = "stream";
constexpr char kTransport[] = "stream";

constexpr std::array<const char*, sched::kOutcomeCount> kOutcomeNames = {
    "ok",          "invalid_command", "page_fault", "hang",      "cancelled", "dependency_failed",
    "device_lost", "skipped",         "expired",    "host_error"};
constexpr std::array<const char*, kCloseReasonCount> kCloseReasonNames = {"client", "lease_expired", "shutdown"};
constexpr std::array<const char*, kRejectReasonCount> kRejectReasonNames = {"quota",   "inbox_full", "banned",
                                                                            "invalid", "not_found",  "unavailable"};
constexpr std::array<const char*, kDeviceStateCount> kDeviceStateNames = {"ready", "draining", "lost"};
constexpr std::array<const char*, kDirectionCount> kDirectionNames = {"upload", "download"};

prometheus::MetricType TypeOf(Type type) {
  switch (type) {
    case Type::kCounter:
      return prometheus::MetricType::Counter;
    case Type::kGauge:
      return prometheus::MetricType::Gauge;
    case Type::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

std::string PciId(const hw::DeviceInfo& info) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04x:%04x", info.vendor_id, info.device_id);
  return text;
}

}  // namespace

// A metric family under construction.
class Collector::Family {
 public:
  explicit Family(const MetricDefinition& definition) : definition_(definition) {
    family_.name = std::string(definition.name);
    family_.help = std::string(definition.help);
    family_.type = TypeOf(definition.type);
  }

  // `labels` are the values, in the order of the definition.
  void Add(std::initializer_list<std::string> labels, double value) {
    prometheus::ClientMetric& metric = AddSeries(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
  }

  void Add(std::initializer_list<std::string> labels, const Histogram& histogram) {
    prometheus::ClientMetric::Histogram& out = AddSeries(labels).histogram;
    // Divided by, since a product with 1e-9 is not the number that its decimals say, and a bound is a label.
    const double unit = definition_.buckets == Buckets::kCount ? 1 : 1e9;
    for (size_t i = 0; i < histogram.bounds().size(); ++i) {
      out.sample_count += histogram.count(i);
      out.bucket.push_back({out.sample_count, static_cast<double>(histogram.bounds()[i]) / unit});
    }
    out.sample_count += histogram.count(histogram.bounds().size());
    out.bucket.push_back({out.sample_count, std::numeric_limits<double>::infinity()});
    out.sample_sum = static_cast<double>(histogram.sum()) / unit;
  }

  prometheus::MetricFamily Take() { return std::move(family_); }

 private:
  prometheus::ClientMetric& AddSeries(std::initializer_list<std::string> labels) {
    prometheus::ClientMetric& metric = family_.metric.emplace_back();
    size_t next = 0;
    for (const std::string& value : labels) {
      metric.label.push_back({std::string(definition_.labels[next++]), value});
    }
    assert(next == kLabelsMax || definition_.labels[next].empty());
    return metric;
  }

  const MetricDefinition& definition_;
  prometheus::MetricFamily family_;
};

Collector::Collector(const Recorder& recorder, const hw::Device& device, std::string version)
    : recorder_(recorder), device_(device), version_(std::move(version)) {
  for (const hw::EngineInfo& engine : device.info().engines) {
    if (std::find(classes_.begin(), classes_.end(), engine.engine_class) == classes_.end()) {
      classes_.push_back(engine.engine_class);
    }
  }
}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  families.reserve(kMetricTable.size());
  for (const MetricDefinition& definition : kMetricTable) {
    Family family(definition);
    CollectInfo(family, definition.metric);
    CollectDevice(family, definition.metric);
    for (const hw::EngineClass engine_class : classes_) CollectEngine(family, definition.metric, engine_class);
    families.push_back(family.Take());
  }
  return families;
}

void Collector::CollectInfo(Family& family, Metric metric) const {
  const hw::DeviceInfo& info = device_.info();
  switch (metric) {
    case Metric::kBuildInfo:
      return family.Add({version_}, 1);
    case Metric::kDeviceInfo:
      return family.Add({info.id, PciId(info), info.name, info.backend, info.submission}, 1);
    case Metric::kDeviceState:
      for (size_t i = 0; i < kDeviceStateCount; ++i) {
        const bool is_in = recorder_.device().state.load() == static_cast<DeviceState>(i);
        family.Add({info.id, kDeviceStateNames[i]}, is_in ? 1 : 0);
      }
      return;
    case Metric::kMemory:
      // Regions of one kind share a series.
      for (const hw::MemoryKind kind : {hw::MemoryKind::kSystem, hw::MemoryKind::kVram}) {
        std::optional<uint64_t> used_bytes;
        for (const hw::MemoryRegion& region : info.regions) {
          if (region.kind == kind) used_bytes = used_bytes.value_or(0) + device_.RegionUsedBytes(region.id);
        }
        const char* pool = kind == hw::MemoryKind::kVram ? "vram" : "system";
        if (used_bytes) family.Add({info.id, kTenant, pool}, static_cast<double>(*used_bytes));
      }
      return;
    default:
      return;
  }
}

void Collector::CollectDevice(Family& family, Metric metric) const {
  const DeviceCells& cells = recorder_.device();
  const std::string& id = device_.info().id;
  switch (metric) {
    case Metric::kJobsRejected:
      for (size_t i = 0; i < kRejectReasonCount; ++i)
        family.Add({kTenant, kRejectReasonNames[i]}, cells.jobs_rejected[i]);
      return;
    case Metric::kSubmitBatchJobs:
      return family.Add({id}, cells.submit_batch_jobs);
    case Metric::kSubmitServer:
      return family.Add({id}, cells.submit_server);
    case Metric::kVmBind:
      return family.Add({id}, cells.vm_bind);
    case Metric::kFenceNotifyLatency:
      return family.Add({kTransport}, cells.notify_latency);
    case Metric::kFencesSignaled:
      family.Add({id, "ok"}, cells.fences_ok);
      return family.Add({id, "error"}, cells.fences_failed);
    case Metric::kFenceWaiters:
      return family.Add({id}, cells.waiters);
    case Metric::kFenceWatchStreams:
      return family.Add({kTransport}, cells.watches);
    case Metric::kSessions:
      return family.Add({kTenant}, cells.sessions);
    case Metric::kSessionLeaseExpirations:
      return family.Add({kTenant}, cells.lease_expirations);
    case Metric::kTransfer:
      for (size_t i = 0; i < kDirectionCount; ++i) {
        family.Add({kTenant, kDirectionNames[i], kPath}, cells.transfer_bytes[i]);
      }
      return;
    default:
      return;
  }
}

void Collector::CollectEngine(Family& family, Metric metric, hw::EngineClass engine_class) const {
  const EngineCells& cells = recorder_.engine(engine_class);
  const std::string& id = device_.info().id;
  const std::string engine(hw::EngineClassName(engine_class));
  switch (metric) {
    case Metric::kQueues:
      family.Add({id, kTenant, engine, "usable"}, cells.queues_usable);
      return family.Add({id, kTenant, engine, "banned"}, cells.queues_banned);
    case Metric::kQueuesCreated:
      return family.Add({id, kTenant, engine}, cells.queues_created);
    case Metric::kQueuesClosed:
      for (size_t i = 0; i < kCloseReasonCount; ++i) {
        family.Add({id, kTenant, engine, kCloseReasonNames[i]}, cells.queues_closed[i]);
      }
      return;
    case Metric::kJobs: {
      // Ended ones first: a job that ends between the two reads must not make the difference negative.
      uint64_t ended = 0;
      for (const Counter& completed : cells.jobs_completed) ended += completed.load();
      const uint64_t submitted = cells.jobs_submitted.load();
      return family.Add({id, kTenant, engine, "pending"}, submitted > ended ? submitted - ended : 0);
    }
    case Metric::kJobsSubmitted:
      return family.Add({id, kTenant, engine}, cells.jobs_submitted);
    case Metric::kJobsCompleted:
      for (size_t i = 0; i < sched::kOutcomeCount; ++i) {
        family.Add({id, kTenant, engine, kOutcomeNames[i]}, cells.jobs_completed[i]);
      }
      return;
    case Metric::kJobDependencyWait:
      return family.Add({id, kTenant, engine}, cells.dependency_wait);
    case Metric::kJobQueueWait:
      return family.Add({id, kTenant, engine}, cells.queue_wait);
    case Metric::kJobGpuStartDelay:
      return family.Add({id, kTenant, engine}, cells.gpu_start_delay);
    case Metric::kJobExecution:
      return family.Add({id, kTenant, engine}, cells.execution);
    case Metric::kJobEndToEnd:
      return family.Add({id, kTenant, engine}, cells.end_to_end);
    case Metric::kFenceSignalLatency:
      return family.Add({id, engine}, cells.signal_latency);
    case Metric::kGpuTime:
      return family.Add({id, kTenant, engine}, static_cast<double>(cells.gpu_time_ns) / 1e9);
    default:
      return;
  }
}

}  // namespace xeq::metrics
