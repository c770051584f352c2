#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/common/errors.h"
#include "server/service/backend.h"
#include "server/service/convert.h"
#include "server/service/status.h"

namespace xeq::service {
namespace {

using sched::Outcome;

struct Ending {
  absl::StatusCode code;
  const char* reason;
  const char* message;
};

Ending Describe(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      break;
    case Outcome::kInvalidCommand:
      return {absl::StatusCode::kInvalidArgument, "JOB_INVALID_COMMAND",
              "the batch holds a command that the engine does not know"};
    case Outcome::kPageFault:
      return {absl::StatusCode::kFailedPrecondition, "JOB_PAGE_FAULT",
              "the batch touched an address that is not bound"};
    case Outcome::kHang:
      return {absl::StatusCode::kDeadlineExceeded, "JOB_HANG", "the job ran longer than the queue's job timeout"};
    case Outcome::kCancelled:
      return {absl::StatusCode::kAborted, "JOB_CANCELLED", "the job was cancelled"};
    case Outcome::kDependencyFailed:
      return {absl::StatusCode::kAborted, "JOB_DEPENDENCY_FAILED", "a fence that the job waited for failed"};
    case Outcome::kDeviceLost:
      return {absl::StatusCode::kAborted, "JOB_DEVICE_LOST", "the device was lost"};
    case Outcome::kSkipped:
      return {absl::StatusCode::kAborted, "JOB_SKIPPED",
              "the job was skipped, because a fence that it waited for failed"};
    case Outcome::kExpired:
      return {absl::StatusCode::kDeadlineExceeded, "FENCE_EXPIRED", "the host fence was not signalled in time"};
    case Outcome::kHostError:
      return {absl::StatusCode::kAborted, "FENCE_HOST_ERROR", "its client signalled the host fence as failed"};
  }
  return {absl::StatusCode::kOk, "", ""};
}

std::string Hex(uint64_t value) { return absl::StrCat("0x", absl::Hex(value)); }

// Whether the job was at fault, so that the engine's words say something of it.
bool HasFault(Outcome outcome) {
  return outcome == Outcome::kInvalidCommand || outcome == Outcome::kPageFault || outcome == Outcome::kHang;
}

google::rpc::Status ErrorOf(const sched::Point& point, const sched::Result& result) {
  const Ending ending = Describe(result.outcome);
  ErrorDetails details{ending.reason, {}, {}};
  details.metadata.emplace_back("context", absl::StrCat(result.root.context));
  details.metadata.emplace_back("seqno", absl::StrCat(result.root.seqno));
  std::string message = ending.message;
  if (!(result.root == point)) {
    absl::StrAppend(&message, "; first failed {", result.root.context, ", ", result.root.seqno,
                    "}: ", Describe(result.root_outcome).message);
  }
  if (HasFault(result.root_outcome)) {
    if (result.fault.command != 0) details.metadata.emplace_back("command", Hex(result.fault.command));
    if (result.fault.command_address != 0) details.metadata.emplace_back("address", Hex(result.fault.command_address));
    if (result.root_outcome == Outcome::kPageFault) {
      details.metadata.emplace_back("fault_address", Hex(result.fault.fault_address));
    }
    absl::StrAppend(&message, " (command ", Hex(result.fault.command), " at ", Hex(result.fault.command_address), ")");
  }
  return ToProto(ending.code, message, details);
}

// 0 when the job did not get to `end`.
uint64_t Between(hw::Nanos begin, hw::Nanos end) {
  return begin == 0 || end == 0 ? 0 : static_cast<uint64_t>(std::max<hw::Nanos>(end - begin, 0));
}

v1::QueuePriority ToProto(hw::Priority priority) {
  switch (priority) {
    case hw::Priority::kLow:
      return v1::QUEUE_PRIORITY_LOW;
    case hw::Priority::kNormal:
      return v1::QUEUE_PRIORITY_NORMAL;
    case hw::Priority::kHigh:
    case hw::Priority::kKernel:
      return v1::QUEUE_PRIORITY_HIGH;
  }
  return v1::QUEUE_PRIORITY_UNSPECIFIED;
}

v1::EngineClass ToProto(hw::EngineClass engine_class) {
  return static_cast<v1::EngineClass>(static_cast<int>(engine_class) + 1);
}

void WriteLimits(const hw::DeviceInfo& info, v1::DeviceLimits* limits) {
  limits->set_va_bits(hw::kVaBits);
  limits->set_batch_alignment_bytes(hw::kBatchAlignmentBytes);
  limits->set_jobs_per_submit_max(session::kJobsPerSubmitMax);
  limits->set_waits_per_job_max(session::kWaitsPerJobMax);
  limits->set_waits_per_call_max(session::kWaitsPerCallMax);
  limits->set_jobs_on_device_per_queue_max(info.jobs_per_queue_max);
  limits->set_message_bytes_max(kMessageBytesMax);
  limits->set_signals_per_job_max(session::kSignalsPerJobMax);
  limits->set_syncobjs_per_call_max(session::kSyncobjsPerCallMax);
  limits->set_points_per_syncobj_max(session::kPointsPerSyncobjMax);
  limits->set_fences_per_payload_max(session::kFencesPerPayloadMax);
}

}  // namespace

void Write(const sched::Point& point, v1::Fence* proto) {
  proto->set_context(point.context);
  proto->set_seqno(point.seqno);
}

void Write(const session::FenceStatus& status, v1::FenceStatus* proto) {
  Write(status.point, proto->mutable_fence());
  switch (status.state) {
    case session::FenceState::kPending:
      return proto->set_state(v1::FENCE_STATE_PENDING);
    case session::FenceState::kSignaled:
      return proto->set_state(v1::FENCE_STATE_SIGNALED);
    case session::FenceState::kFailed:
      proto->set_state(v1::FENCE_STATE_FAILED);
      *proto->mutable_error() = ErrorOf(status.point, status.result);
      return;
  }
}

namespace {

v1::QueueState ToProto(session::QueueStanding standing) {
  switch (standing) {
    case session::QueueStanding::kUsable:
      return v1::QUEUE_STATE_USABLE;
    case session::QueueStanding::kSuspendPending:
      return v1::QUEUE_STATE_SUSPEND_PENDING;
    case session::QueueStanding::kSuspended:
      return v1::QUEUE_STATE_SUSPENDED;
    case session::QueueStanding::kBanned:
      return v1::QUEUE_STATE_BANNED;
    case session::QueueStanding::kKilled:
      return v1::QUEUE_STATE_KILLED;
    case session::QueueStanding::kLost:
      return v1::QUEUE_STATE_LOST;
  }
  return v1::QUEUE_STATE_UNSPECIFIED;
}

void Write(const hw::QueueSnapshot& snapshot, uint64_t timestamp_hz, v1::QueueUse* proto) {
  proto->set_run_ticks(snapshot.run_ticks);
  // In two steps, so that nothing overflows.
  const uint64_t seconds = snapshot.run_ticks / timestamp_hz;
  proto->set_run_ns(seconds * hw::kNanosPerSecond +
                    snapshot.run_ticks % timestamp_hz * hw::kNanosPerSecond / timestamp_hz);
  proto->set_jobs(snapshot.jobs);
  proto->set_jobs_max(snapshot.jobs_max);
  proto->set_ring_bytes_used(snapshot.ring_bytes_used);
  proto->set_ring_bytes(snapshot.ring_bytes);
  proto->set_next_hw_seqno(snapshot.next_hw_seqno);
  proto->set_hw_seqno(snapshot.hw_seqno);
  proto->set_is_idle(snapshot.is_idle());
  proto->set_ring_full(snapshot.ring_full());
}

}  // namespace

void Write(const session::QueueInfo& queue, uint64_t timestamp_hz, v1::Queue* proto) {
  const session::QueueSpec& spec = queue.spec;
  proto->set_queue(queue.queue);
  proto->set_vm(spec.vm);
  proto->set_engine_class(ToProto(spec.engine_class));
  proto->set_engine_instance(spec.engine_instance.value_or(0));
  proto->mutable_placements()->Assign(spec.placements.begin(), spec.placements.end());
  proto->set_priority(ToProto(spec.props.priority));
  proto->set_timeslice_us(spec.props.timeslice_us);
  proto->set_preempt_timeout_us(spec.props.preempt_timeout_us);
  proto->set_job_timeout_ms(spec.job_timeout_ms);
  proto->set_state(ToProto(queue.standing));
  proto->set_width(spec.width);
  proto->set_low_latency(spec.low_latency);
  proto->set_name(spec.name);
  proto->set_msix_vector(spec.msix_vector);
  proto->set_bypass(spec.bypass);
  proto->set_put_mode(spec.put_mode == sched::PutMode::kInline ? v1::PUT_MODE_INLINE : v1::PUT_MODE_DEFERRED);
  proto->set_last_armed_seqno(queue.last_armed_seqno);
  proto->set_last_ended_seqno(queue.last_ended_seqno);
  proto->set_client_name(queue.client_name);
  if (queue.ban) {
    // Of the job that did it, not of those behind it.
    sched::Result of_culprit = *queue.ban;
    of_culprit.outcome = of_culprit.root_outcome;
    *proto->mutable_ban() = ErrorOf(of_culprit.root, of_culprit);
  }
  if (queue.last_fence) Write(*queue.last_fence, proto->mutable_last_fence());
  if (queue.snapshot) Write(*queue.snapshot, timestamp_hz, proto->mutable_use());
}

void Write(const session::SessionLimits& limits, v1::SessionLimits* proto) {
  proto->set_vms_max(limits.vms_max);
  proto->set_buffers_max(limits.buffers_max);
  proto->set_buffer_bytes_max(limits.buffer_bytes_max);
  proto->set_queues_max(limits.queues_max);
  proto->set_jobs_in_flight_max(limits.jobs_in_flight_max);
  proto->set_waiters_max(limits.waiters_max);
  proto->set_watches_max(limits.watches_max);
  proto->set_events_kept_max(limits.events_kept_max);
  proto->set_syncobjs_max(limits.syncobjs_max);
  proto->set_syncobj_payloads_max(limits.syncobj_payloads_max);
}

void Write(const hw::Device& device, v1::Device* proto) {
  const hw::DeviceInfo& info = device.info();
  proto->set_id(info.id);
  proto->set_vendor_id(info.vendor_id);
  proto->set_device_id(info.device_id);
  proto->set_name(info.name);
  proto->set_backend(info.backend);
  proto->set_submission(info.submission);
  proto->set_timestamp_frequency_hz(info.timestamp_frequency_hz);
  proto->set_interrupt_vectors(info.interrupt_vectors);
  for (const hw::EngineInfo& engine : info.engines) {
    v1::Engine* out = proto->add_engines();
    out->set_engine_class(ToProto(engine.engine_class));
    out->set_instance(engine.instance);
    out->set_name(engine.name);
  }
  for (const hw::MemoryRegion& region : info.regions) {
    v1::MemoryRegion* out = proto->add_memory_regions();
    out->set_id(region.id);
    out->set_kind(region.kind == hw::MemoryKind::kVram ? v1::MEMORY_KIND_VRAM : v1::MEMORY_KIND_SYSTEM);
    out->set_size_bytes(region.size_bytes);
    out->set_used_bytes(device.RegionUsedBytes(region.id));
    out->set_page_bytes(region.page_bytes);
  }
  WriteLimits(info, proto->mutable_limits());
}

void Write(const session::Event& event, uint64_t number, hw::Nanos now, v1::FenceEvent* proto) {
  const bool ok = event.result.outcome == Outcome::kOk;
  proto->set_number(number);
  Write({event.point, ok ? session::FenceState::kSignaled : session::FenceState::kFailed, event.result},
        proto->mutable_status());
  const sched::StageTimes& times = event.times;
  v1::JobTimes* out = proto->mutable_times();
  out->set_dependency_wait_ns(Between(times.armed, times.ready));
  out->set_queue_wait_ns(Between(times.ready, times.dispatched));
  out->set_gpu_start_delay_ns(Between(times.dispatched, times.gpu_start));
  out->set_execution_ns(Between(times.gpu_start, times.gpu_end));
  out->set_signal_ns(Between(times.gpu_end, times.ended));
  out->set_notify_ns(Between(times.ended, now));
}

}  // namespace xeq::service
