// Goal: what is published is the metric table, row for row, with every series from the start; buckets add up and are in
// seconds. Method: a recorder that was told known numbers, and a device with two engines of one class.
#include "server/metrics/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

#include "tests/fakes/manual_device.h"

namespace xeq::metrics {
namespace {

using hw::EngineClass;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Has what the collector asks for, and nothing more.
class ManyPartsDevice : public fakes::ManualDevice {
 public:
  ManyPartsDevice() : info_(fakes::ManualDevice::info()) {
    info_.engines = {
        {EngineClass::kRender, 0, "rcs0"}, {EngineClass::kCopy, 0, "bcs0"}, {EngineClass::kCopy, 1, "bcs1"}};
    info_.regions = {{0, hw::MemoryKind::kSystem, 1 << 20, 4096},
                     {1, hw::MemoryKind::kVram, 1 << 20, 65536},
                     {2, hw::MemoryKind::kVram, 1 << 20, 65536}};
  }
  const hw::DeviceInfo& info() const override { return info_; }
  uint64_t RegionUsedBytes(uint16_t region) const override { return uint64_t{100} << (4 * region); }

 private:
  hw::DeviceInfo info_;
};

using Labels = std::map<std::string, std::string>;

Labels LabelsOf(const ClientMetric& metric) {
  Labels labels;
  for (const ClientMetric::Label& label : metric.label) labels[label.name] = label.value;
  return labels;
}

class CollectorTest : public ::testing::Test {
 protected:
  MetricFamily Family(const std::string& name) {
    for (MetricFamily& family : collector_.Collect()) {
      if (family.name == name) return family;
    }
    ADD_FAILURE() << "no family " << name;
    return {};
  }
  // The one series that has all of `labels`.
  ClientMetric Series(const std::string& name, const Labels& labels = {}) {
    ClientMetric found;
    int count = 0;
    for (const ClientMetric& metric : Family(name).metric) {
      const Labels all = LabelsOf(metric);
      if (!std::includes(all.begin(), all.end(), labels.begin(), labels.end())) continue;
      found = metric;
      ++count;
    }
    EXPECT_EQ(count, 1) << name;
    return found;
  }
  double Counter(const std::string& name, const Labels& labels = {}) { return Series(name, labels).counter.value; }
  double Gauge(const std::string& name, const Labels& labels = {}) { return Series(name, labels).gauge.value; }

  ManyPartsDevice device_;
  Recorder recorder_;
  const Collector collector_{recorder_, device_, "1.2.3"};
};

TEST_F(CollectorTest, PublishesTheTableRowByRow) {
  const std::vector<MetricFamily> families = collector_.Collect();
  ASSERT_EQ(families.size(), kMetricTable.size());
  for (size_t i = 0; i < families.size(); ++i) {
    const MetricDefinition& row = kMetricTable[i];
    EXPECT_EQ(families[i].name, row.name);
    EXPECT_EQ(families[i].help, row.help);
    const MetricType type = row.type == Type::kCounter ? MetricType::Counter
                            : row.type == Type::kGauge ? MetricType::Gauge
                                                       : MetricType::Histogram;
    EXPECT_EQ(families[i].type, type) << row.name;
    EXPECT_FALSE(families[i].metric.empty()) << row.name << " has a series before anything is counted";
  }
}

TEST_F(CollectorTest, EverySeriesHasTheLabelsOfItsRowAndIsAlone) {
  const std::vector<MetricFamily> families = collector_.Collect();
  for (size_t i = 0; i < families.size(); ++i) {
    std::set<Labels> seen;
    for (const ClientMetric& metric : families[i].metric) {
      size_t labels = 0;
      for (const std::string_view label : kMetricTable[i].labels) {
        if (label.empty()) continue;
        ASSERT_LT(labels, metric.label.size()) << families[i].name;
        EXPECT_EQ(metric.label[labels++].name, label) << families[i].name;
      }
      EXPECT_EQ(metric.label.size(), labels) << families[i].name;
      EXPECT_TRUE(seen.insert(LabelsOf(metric)).second) << families[i].name << " has two series with the same labels";
    }
  }
}

TEST(MetricTableTest, RowsAreInTheOrderOfTheEnumAndWellNamed) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kMetricTable.size(); ++i) {
    const MetricDefinition& row = kMetricTable[i];
    EXPECT_EQ(static_cast<size_t>(row.metric), i) << row.name;
    EXPECT_EQ(&Define(row.metric), &row);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(row.name.substr(0, 4), "xeq_");
    EXPECT_EQ(row.help.back(), '.') << row.name;
    const bool is_total = row.name.size() > 6 && row.name.substr(row.name.size() - 6) == "_total";
    EXPECT_EQ(is_total, row.type == Type::kCounter) << row.name;
    EXPECT_EQ(row.buckets != Buckets::kNone, row.type == Type::kHistogram) << row.name;
  }
}

TEST_F(CollectorTest, InfoSaysWhatTheDeviceIs) {
  EXPECT_EQ(Gauge("xeq_build_info", {{"version", "1.2.3"}}), 1);
  EXPECT_EQ(Gauge("xeq_device_info", {{"device", "0000:00:02.0"},
                                      {"pci_id", "8086:9a49"},
                                      {"model", "hand-cranked"},
                                      {"backend", "manual"},
                                      {"submission", "manual"}}),
            1);
}

TEST_F(CollectorTest, TheDeviceIsInOneState) {
  for (const auto& [state, name] : std::map<DeviceState, std::string>{
           {DeviceState::kReady, "ready"}, {DeviceState::kDraining, "draining"}, {DeviceState::kLost, "lost"}}) {
    recorder_.SetDeviceState(state);
    for (const std::string other : {"ready", "draining", "lost"}) {
      EXPECT_EQ(Gauge("xeq_device_state", {{"state", other}}), other == name ? 1 : 0) << name;
    }
  }
}

TEST_F(CollectorTest, MemoryIsSummedByPool) {
  EXPECT_EQ(Gauge("xeq_memory_bytes", {{"pool", "system"}}), 100);
  EXPECT_EQ(Gauge("xeq_memory_bytes", {{"pool", "vram"}}), 1'600 + 25'600);
  const fakes::ManualDevice integrated;
  const Collector collector(recorder_, integrated, "");
  const std::vector<MetricFamily> families = collector.Collect();
  EXPECT_EQ(families[static_cast<size_t>(Metric::kMemory)].metric.size(), 1u) << "a device without memory of its own";
}

TEST_F(CollectorTest, EnginesOfOneClassShareASeries) {
  EXPECT_EQ(Family("xeq_jobs_submitted_total").metric.size(), 2u);
  recorder_.OnJobsArmed(EngineClass::kCopy, 3);
  recorder_.OnJobsArmed(EngineClass::kRender, 4);
  EXPECT_EQ(Counter("xeq_jobs_submitted_total", {{"engine", "bcs"}, {"tenant", "default"}}), 3);
  EXPECT_EQ(Counter("xeq_jobs_submitted_total", {{"engine", "rcs"}}), 4);
}

TEST_F(CollectorTest, PendingJobsAreThoseThatHaveNotEnded) {
  recorder_.OnJobsArmed(EngineClass::kCopy, 3);
  const uint64_t batch = 0x1000;
  sched::QueueSpec queue;
  queue.engine_class = EngineClass::kCopy;
  const auto job = sched::MakeRef<sched::Job>(sched::MakeRef<sched::Timeline>(queue, nullptr),
                                              absl::MakeConstSpan(&batch, 1), std::vector<sched::Wait>());
  job->result.outcome = sched::Outcome::kPageFault;
  job->times.gpu_time = 250'000'000;
  recorder_.Record(*job, queue);
  EXPECT_EQ(Gauge("xeq_jobs", {{"engine", "bcs"}, {"state", "pending"}}), 2);
  EXPECT_EQ(Counter("xeq_jobs_completed_total", {{"engine", "bcs"}, {"outcome", "page_fault"}}), 1);
  EXPECT_EQ(Counter("xeq_jobs_completed_total", {{"engine", "bcs"}, {"outcome", "ok"}}), 0);
  EXPECT_EQ(Counter("xeq_fences_signaled_total", {{"status", "error"}}), 1);
  EXPECT_EQ(Counter("xeq_gpu_time_seconds_total", {{"engine", "bcs"}}), 0.25);
  // The end of a job may be counted before its arming is.
  for (int i = 0; i < 3; ++i) recorder_.Record(*job, queue);
  EXPECT_EQ(Gauge("xeq_jobs", {{"engine", "bcs"}}), 0);
}

TEST_F(CollectorTest, EveryCellComesOutUnderItsName) {
  recorder_.OnSessionOpened();
  recorder_.OnSessionOpened();
  recorder_.OnSessionClosed(session::CloseReason::kLeaseExpired);
  recorder_.OnQueueCreated(EngineClass::kCopy);
  recorder_.OnQueueCreated(EngineClass::kCopy);
  recorder_.OnQueueCreated(EngineClass::kCopy);
  recorder_.OnQueueBanned(EngineClass::kCopy);
  recorder_.OnQueueClosed(EngineClass::kCopy, false, session::CloseReason::kShutdown);
  recorder_.OnRejected(RejectReason::kInboxFull, 11);
  recorder_.OnTransfer(Direction::kUpload, 4'096);
  recorder_.OnWaiters(2);
  recorder_.OnWatches(3);
  EXPECT_EQ(Gauge("xeq_sessions"), 1);
  EXPECT_EQ(Counter("xeq_session_lease_expirations_total"), 1);
  EXPECT_EQ(Counter("xeq_queues_created_total", {{"engine", "bcs"}}), 3);
  EXPECT_EQ(Gauge("xeq_queues", {{"engine", "bcs"}, {"state", "usable"}}), 1);
  EXPECT_EQ(Gauge("xeq_queues", {{"engine", "bcs"}, {"state", "banned"}}), 1);
  EXPECT_EQ(Counter("xeq_queues_closed_total", {{"engine", "bcs"}, {"reason", "shutdown"}}), 1);
  EXPECT_EQ(Counter("xeq_jobs_rejected_total", {{"reason", "inbox_full"}}), 11);
  EXPECT_EQ(Counter("xeq_transfer_bytes_total", {{"direction", "upload"}}), 4'096);
  EXPECT_EQ(Gauge("xeq_fence_waiters"), 2);
  EXPECT_EQ(Gauge("xeq_fence_watch_streams"), 3);
}

TEST_F(CollectorTest, HistogramsAddUpAndAreInSeconds) {
  recorder_.OnSubmitServed(1'000);
  recorder_.OnSubmitServed(1'001);
  recorder_.OnSubmitServed(200'000'000);
  const ClientMetric::Histogram histogram = Series("xeq_submit_server_seconds").histogram;
  ASSERT_EQ(histogram.bucket.size(), BoundsOf(Buckets::kHost).size() + 1);
  EXPECT_EQ(histogram.sample_count, 3u);
  EXPECT_DOUBLE_EQ(histogram.sample_sum, 0.200002001);
  EXPECT_EQ(histogram.bucket.front().cumulative_count, 1u);
  EXPECT_EQ(histogram.bucket[1].cumulative_count, 2u);
  EXPECT_EQ(histogram.bucket[histogram.bucket.size() - 2].cumulative_count, 2u);
  EXPECT_EQ(histogram.bucket.back().cumulative_count, 3u);
  EXPECT_TRUE(std::isinf(histogram.bucket.back().upper_bound));
  double last = 0;
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    EXPECT_GT(bucket.upper_bound, last);
    last = bucket.upper_bound;
  }
}

// A bound is part of a series' name: it has to be the number that a person writes, to the last bit.
TEST_F(CollectorTest, BoundsAreTheNearestNumbersToTheirDecimals) {
  std::vector<double> host;
  for (const auto& bucket : Series("xeq_vm_bind_seconds").histogram.bucket) host.push_back(bucket.upper_bound);
  host.pop_back();
  EXPECT_THAT(host, ::testing::ElementsAre(1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2,
                                           2e-2, 5e-2, 1e-1));
  std::vector<double> gpu;
  for (const auto& bucket : Series("xeq_job_execution_seconds", {{"engine", "bcs"}}).histogram.bucket) {
    gpu.push_back(bucket.upper_bound);
  }
  gpu.pop_back();
  EXPECT_THAT(gpu, ::testing::ElementsAre(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1,
                                          0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000));
}

TEST_F(CollectorTest, CountsAreNotTimes) {
  recorder_.OnSubmitted(2);
  recorder_.OnSubmitted(5'000);
  const ClientMetric::Histogram histogram = Series("xeq_submit_batch_jobs").histogram;
  EXPECT_EQ(histogram.sample_sum, 5'002);
  EXPECT_EQ(histogram.bucket[1].upper_bound, 2);
  EXPECT_EQ(histogram.bucket[1].cumulative_count, 1u);
}

}  // namespace
}  // namespace xeq::metrics
