#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/common/errors.h"
#include "server/service/convert.h"

namespace xeq::service {
namespace {

constexpr uint64_t kVaLimit = uint64_t{1} << hw::kVaBits;

// Writes the path of a field from what leads to it.
using Prefix = absl::FunctionRef<std::string()>;

absl::Status ReadPolicy(v1::WaitErrorPolicy policy, Prefix field, sched::WaitErrorPolicy& in) {
  switch (policy) {
    case v1::WAIT_ERROR_POLICY_UNSPECIFIED:
    case v1::WAIT_ERROR_POLICY_FAIL:
      in = sched::WaitErrorPolicy::kFail;
      return absl::OkStatus();
    case v1::WAIT_ERROR_POLICY_RUN:
      in = sched::WaitErrorPolicy::kRun;
      return absl::OkStatus();
    case v1::WAIT_ERROR_POLICY_SKIP:
      in = sched::WaitErrorPolicy::kSkip;
      return absl::OkStatus();
    default:
      return FieldUnknownValue(absl::StrCat(field(), "on_error"), policy);
  }
}

// One wait of the request, which becomes several when it is an any_of.
absl::Status ReadWait(const v1::Wait& wait, uint16_t index, bool may_name_job, Prefix field, session::InFences& all) {
  session::InFence in;
  if (absl::Status status = ReadPolicy(wait.on_error(), field, in.on_error); !status.ok()) return status;
  switch (wait.on_case()) {
    case v1::Wait::kFence:
      in.point = {wait.fence().context(), wait.fence().seqno()};
      break;
    case v1::Wait::kJob:
      if (!may_name_job) return FieldNotAllowed(absl::StrCat(field(), "job"), "the call submits no jobs");
      in.job = wait.job();
      break;
    case v1::Wait::kAnyOf: {
      const auto& fences = wait.any_of().fences();
      if (fences.size() < 2)
        return FieldLengthOutOfRange(absl::StrCat(field(), "any_of.fences"), static_cast<uint64_t>(fences.size()), 2,
                                     session::kWaitsPerJobMax);
      in.any_of = static_cast<uint16_t>(index + 1);
      for (const v1::Fence& fence : fences) {
        in.point = {fence.context(), fence.seqno()};
        all.push_back(in);
      }
      return absl::OkStatus();
    }
    case v1::Wait::kSyncobj:
      in.syncobj = wait.syncobj().syncobj();
      in.point.seqno = wait.syncobj().point();
      // 0 would mean none.
      if (in.syncobj == 0) return SyncobjNotFound(absl::StrCat(field(), "syncobj.syncobj"), 0);
      break;
    case v1::Wait::ON_NOT_SET:
      return FieldMissing(absl::StrCat(field(), "on"));
  }
  all.push_back(in);
  return absl::OkStatus();
}

absl::Status ReadWaits(const google::protobuf::RepeatedPtrField<v1::Wait>& waits, bool may_name_job, Prefix prefix,
                       session::InFences& in) {
  size_t count = 0;
  for (const v1::Wait& wait : waits) count += std::max<size_t>(1, static_cast<size_t>(wait.any_of().fences_size()));
  if (count > session::kWaitsPerJobMax) {
    return FieldLengthOutOfRange(absl::StrCat(prefix(), "waits"), count, 0, session::kWaitsPerJobMax);
  }
  in.reserve(count);
  for (int i = 0; i < waits.size(); ++i) {
    const auto field = [&] { return absl::StrCat(prefix(), "waits[", i, "]."); };
    absl::Status status = ReadWait(waits[i], static_cast<uint16_t>(i), may_name_job, field, in);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckBatch(uint64_t address, Prefix field) {
  if (address % hw::kBatchAlignmentBytes != 0) return FieldNotAligned(field(), address, hw::kBatchAlignmentBytes);
  if (address == 0 || address >= kVaLimit) {
    return FieldOutOfRange(field(), address, hw::kBatchAlignmentBytes, kVaLimit - hw::kBatchAlignmentBytes);
  }
  return absl::OkStatus();
}

absl::Status CheckPages(absl::string_view field, uint64_t value) {
  return value % hw::kPageBytes == 0 ? absl::OkStatus() : FieldNotAligned(field, value, hw::kPageBytes);
}

std::string NoPrefix() { return ""; }

}  // namespace

absl::StatusOr<uint32_t> ReadInRange(absl::string_view field, uint32_t value, uint32_t default_value, uint32_t min,
                                     uint32_t max) {
  if (value == 0) return default_value;
  if (value < min || value > max) return FieldOutOfRange(field, value, min, max);
  return value;
}

absl::StatusOr<JobSpecs> ReadJobs(const v1::SubmitRequest& request) {
  const size_t count = static_cast<size_t>(request.jobs_size());
  if (count == 0 || count > session::kJobsPerSubmitMax) {
    return FieldLengthOutOfRange("jobs", count, 1, session::kJobsPerSubmitMax);
  }
  JobSpecs specs(count);
  for (size_t i = 0; i < count; ++i) {
    const v1::Job& job = request.jobs(static_cast<int>(i));
    const auto prefix = [&] { return absl::StrCat("jobs[", i, "]."); };
    specs[i].queue = job.queue();
    specs[i].batches = absl::MakeConstSpan(job.batch_addresses().data(), job.batch_addresses_size());
    for (size_t b = 0; b < specs[i].batches.size(); ++b) {
      const auto field = [&] { return absl::StrCat(prefix(), "batch_addresses[", b, "]"); };
      if (absl::Status status = CheckBatch(specs[i].batches[b], field); !status.ok()) return status;
    }
    if (job.has_user_fence()) {
      const auto field = [&] { return absl::StrCat(prefix(), "user_fence.address"); };
      if (specs[i].batches.empty()) return FieldNotAllowed(field(), "the job has no batches");
      if (absl::Status status = CheckBatch(job.user_fence().address(), field); !status.ok()) return status;
      specs[i].user_fence = {job.user_fence().address(), job.user_fence().value()};
    }
    absl::Status status = ReadWaits(job.waits(), /*may_name_job=*/true, prefix, specs[i].waits);
    if (!status.ok()) return status;
    const auto signals = static_cast<size_t>(job.signals_size());
    if (signals > session::kSignalsPerJobMax) {
      return FieldLengthOutOfRange(absl::StrCat(prefix(), "signals"), signals, 0, session::kSignalsPerJobMax);
    }
    specs[i].signals.reserve(signals);
    for (const v1::SyncobjPoint& signal : job.signals()) {
      specs[i].signals.push_back({signal.syncobj(), signal.point()});
    }
  }
  return specs;
}

absl::StatusOr<session::MapSpec> ReadMap(const v1::BindRequest& request) {
  if (absl::Status status = CheckPages("address", request.address()); !status.ok()) return status;
  if (absl::Status status = CheckPages("offset", request.offset()); !status.ok()) return status;
  if (absl::Status status = CheckPages("size", request.size()); !status.ok()) return status;
  session::MapSpec spec{request.vm(), request.address(), request.size(), request.buffer(), request.offset(), {}};
  // 0 would mean unmap.
  if (spec.buffer == 0) return BufferNotFound("buffer", 0);
  absl::Status status = ReadWaits(request.waits(), /*may_name_job=*/false, NoPrefix, spec.waits);
  if (!status.ok()) return status;
  return spec;
}

absl::StatusOr<session::MapSpec> ReadMap(const v1::UnbindRequest& request) {
  if (absl::Status status = CheckPages("address", request.address()); !status.ok()) return status;
  if (absl::Status status = CheckPages("size", request.size()); !status.ok()) return status;
  if (request.size() == 0) return FieldOutOfRange("size", 0, hw::kPageBytes, kVaLimit);
  session::MapSpec spec{request.vm(), request.address(), request.size(), 0, 0, {}};
  absl::Status status = ReadWaits(request.waits(), /*may_name_job=*/false, NoPrefix, spec.waits);
  if (!status.ok()) return status;
  return spec;
}

namespace {

absl::StatusOr<std::optional<hw::Priority>> ReadPriority(v1::QueuePriority priority) {
  switch (priority) {
    case v1::QUEUE_PRIORITY_UNSPECIFIED:
      return std::nullopt;
    case v1::QUEUE_PRIORITY_LOW:
      return hw::Priority::kLow;
    case v1::QUEUE_PRIORITY_NORMAL:
      return hw::Priority::kNormal;
    case v1::QUEUE_PRIORITY_HIGH:
      return hw::Priority::kHigh;
    default:
      return FieldUnknownValue("priority", priority);
  }
}

absl::Status CheckName(const std::string& name) {
  if (name.size() > session::kQueueNameBytesMax) {
    return FieldLengthOutOfRange("name", name.size(), 0, session::kQueueNameBytesMax);
  }
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable ? absl::OkStatus() : FieldNotAllowed("name", "it holds what is not printable ASCII");
}

}  // namespace

absl::StatusOr<session::QueueSpec> ReadQueue(const v1::CreateQueueRequest& request) {
  session::QueueSpec spec;
  spec.vm = request.vm();
  if (request.engine_class() == v1::ENGINE_CLASS_UNSPECIFIED) return FieldMissing("engine_class");
  if (!v1::EngineClass_IsValid(request.engine_class())) {
    return FieldUnknownValue("engine_class", request.engine_class());
  }
  // The API's values are the kernel's, raised by one.
  spec.engine_class = static_cast<hw::EngineClass>(request.engine_class() - 1);
  if (request.has_engine_instance()) spec.engine_instance = request.engine_instance();
  if (request.placements_size() > static_cast<int>(hw::kBatchesPerJobMax)) {
    return FieldLengthOutOfRange("placements", static_cast<uint64_t>(request.placements_size()), 0,
                                 hw::kBatchesPerJobMax);
  }
  spec.placements.assign(request.placements().begin(), request.placements().end());
  absl::StatusOr<std::optional<hw::Priority>> priority = ReadPriority(request.priority());
  if (!priority.ok()) return priority.status();
  spec.props.priority = priority->value_or(hw::Priority::kNormal);
  // Their limits are the session's and the device's: see Session::CreateQueue.
  if (request.timeslice_us() != 0) spec.props.timeslice_us = request.timeslice_us();
  if (request.preempt_timeout_us() != 0) spec.props.preempt_timeout_us = request.preempt_timeout_us();
  spec.width = std::max(request.width(), 1u);
  spec.msix_vector = request.msix_vector();
  absl::StatusOr<uint32_t> timeout = ReadInRange("job_timeout_ms", request.job_timeout_ms(),
                                                 session::kJobTimeoutMsDefault, 1, session::kJobTimeoutMsMax);
  if (!timeout.ok()) return timeout.status();
  spec.job_timeout_ms = *timeout;
  if (absl::Status status = CheckName(request.name()); !status.ok()) return status;
  spec.name = request.name();
  spec.low_latency = request.low_latency();
  if (request.has_bypass()) spec.bypass = request.bypass();
  if (!v1::PutMode_IsValid(request.put_mode())) return FieldUnknownValue("put_mode", request.put_mode());
  spec.put_mode = request.put_mode() == v1::PUT_MODE_DEFERRED ? sched::PutMode::kDeferred : sched::PutMode::kInline;
  if (!v1::PxpType_IsValid(request.pxp_type())) return FieldUnknownValue("pxp_type", request.pxp_type());
  if (request.pxp_type() != v1::PXP_TYPE_NONE) return NotOnThisDevice("pxp_type", "protected content");
  return spec;
}

absl::StatusOr<session::QueueProperties> ReadProperties(const v1::SetQueuePropertiesRequest& request) {
  session::QueueProperties properties;
  absl::StatusOr<std::optional<hw::Priority>> priority = ReadPriority(request.priority());
  if (!priority.ok()) return priority.status();
  properties.priority = *priority;
  if (request.timeslice_us() != 0) properties.timeslice_us = request.timeslice_us();
  if (request.preempt_timeout_us() != 0) properties.preempt_timeout_us = request.preempt_timeout_us();
  return properties;
}

absl::StatusOr<hw::Nanos> ReadLease(const v1::OpenSessionRequest& request) {
  absl::StatusOr<uint32_t> lease_ms =
      ReadInRange("lease_ms", request.lease_ms(), session::kLeaseMsDefault, session::kLeaseMsMin, session::kLeaseMsMax);
  if (!lease_ms.ok()) return lease_ms.status();
  return *lease_ms * hw::kNanosPerMilli;
}

absl::StatusOr<session::FenceWait::Mode> ReadMode(v1::WaitMode mode) {
  switch (mode) {
    case v1::WAIT_MODE_UNSPECIFIED:
    case v1::WAIT_MODE_ALL:
      return session::FenceWait::Mode::kAll;
    case v1::WAIT_MODE_ANY:
      return session::FenceWait::Mode::kAny;
    default:
      return FieldUnknownValue("mode", mode);
  }
}

absl::StatusOr<std::vector<sched::Point>> ReadFences(const v1::WaitFencesRequest& request) {
  const size_t count = static_cast<size_t>(request.fences_size());
  if (count == 0 || count > session::kWaitsPerCallMax) {
    return FieldLengthOutOfRange("fences", count, 1, session::kWaitsPerCallMax);
  }
  std::vector<sched::Point> points;
  points.reserve(count);
  for (const v1::Fence& fence : request.fences()) points.push_back({fence.context(), fence.seqno()});
  return points;
}

}  // namespace xeq::service
