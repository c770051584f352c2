#include "client/convert.h"

namespace xeq::internal {
namespace {

EngineClass ToEngineClass(v1::EngineClass engine_class) {
  // The API's values are the kernel's, raised by one.
  return static_cast<EngineClass>(engine_class - 1);
}

QueuePriority ToPriority(v1::QueuePriority priority) {
  if (priority == v1::QUEUE_PRIORITY_LOW) return QueuePriority::kLow;
  return priority == v1::QUEUE_PRIORITY_HIGH ? QueuePriority::kHigh : QueuePriority::kNormal;
}

FenceState ToState(v1::FenceState state) {
  if (state == v1::FENCE_STATE_SIGNALED) return FenceState::kSignaled;
  return state == v1::FENCE_STATE_FAILED ? FenceState::kFailed : FenceState::kPending;
}

QueueState ToState(v1::QueueState state) {
  switch (state) {
    case v1::QUEUE_STATE_SUSPEND_PENDING:
      return QueueState::kSuspendPending;
    case v1::QUEUE_STATE_SUSPENDED:
      return QueueState::kSuspended;
    case v1::QUEUE_STATE_BANNED:
      return QueueState::kBanned;
    case v1::QUEUE_STATE_KILLED:
      return QueueState::kKilled;
    case v1::QUEUE_STATE_LOST:
      return QueueState::kLost;
    default:
      return QueueState::kUsable;
  }
}

}  // namespace

Fence FromProto(const v1::Fence& fence) { return {fence.context(), fence.seqno()}; }

FenceStatus FromProto(const v1::FenceStatus& status) {
  FenceStatus out{FromProto(status.fence()), ToState(status.state()), absl::OkStatus()};
  if (out.state == FenceState::kFailed) out.error = FromProto(status.error());
  return out;
}

FenceEvent FromProto(const v1::FenceEvent& event) {
  const v1::JobTimes& times = event.times();
  return {event.number(), FromProto(event.status()),
          JobTimes{times.dependency_wait_ns(), times.queue_wait_ns(), times.gpu_start_delay_ns(), times.execution_ns(),
                   times.signal_ns(), times.notify_ns()}};
}

DeviceInfo FromProto(const v1::Device& device) {
  DeviceInfo out;
  out.id = device.id();
  out.vendor_id = device.vendor_id();
  out.device_id = device.device_id();
  out.name = device.name();
  out.backend = device.backend();
  out.submission = device.submission();
  for (const v1::Engine& engine : device.engines()) {
    out.engines.push_back({ToEngineClass(engine.engine_class()), engine.instance(), engine.name()});
  }
  for (const v1::MemoryRegion& region : device.memory_regions()) {
    out.memory_regions.push_back({region.id(), region.kind() == v1::MEMORY_KIND_VRAM, region.size_bytes(),
                                  region.used_bytes(), region.page_bytes()});
  }
  out.timestamp_frequency_hz = device.timestamp_frequency_hz();
  out.jobs_per_submit_max = device.limits().jobs_per_submit_max();
  out.waits_per_job_max = device.limits().waits_per_job_max();
  out.waits_per_call_max = device.limits().waits_per_call_max();
  out.signals_per_job_max = device.limits().signals_per_job_max();
  out.syncobjs_per_call_max = device.limits().syncobjs_per_call_max();
  out.points_per_syncobj_max = device.limits().points_per_syncobj_max();
  return out;
}

QueueInfo FromProto(const v1::Queue& queue) {
  QueueInfo out;
  out.queue = queue.queue();
  out.vm = queue.vm();
  out.engine_class = ToEngineClass(queue.engine_class());
  out.engine_instance = queue.engine_instance();
  out.priority = ToPriority(queue.priority());
  out.job_timeout_ms = queue.job_timeout_ms();
  out.width = queue.width();
  out.bypass = queue.bypass();
  out.deferred_put = queue.put_mode() == v1::PUT_MODE_DEFERRED;
  out.placements.assign(queue.placements().begin(), queue.placements().end());
  out.timeslice_us = queue.timeslice_us();
  out.preempt_timeout_us = queue.preempt_timeout_us();
  out.low_latency = queue.low_latency();
  out.name = queue.name();
  out.msix_vector = queue.msix_vector();
  out.state = ToState(queue.state());
  if (queue.has_ban()) out.ban = FromProto(queue.ban());
  if (queue.has_last_fence()) out.last_fence = FromProto(queue.last_fence());
  if (queue.has_use()) {
    const v1::QueueUse& use = queue.use();
    out.use = QueueUse{use.run_ticks(),  use.run_ns(),        use.jobs(),     use.jobs_max(), use.ring_bytes_used(),
                       use.ring_bytes(), use.next_hw_seqno(), use.hw_seqno(), use.is_idle(),  use.ring_full()};
  }
  out.last_armed_seqno = queue.last_armed_seqno();
  out.last_ended_seqno = queue.last_ended_seqno();
  out.client_name = queue.client_name();
  return out;
}

v1::EngineClass ToProto(EngineClass engine_class) {
  return static_cast<v1::EngineClass>(static_cast<int>(engine_class) + 1);
}

v1::WaitErrorPolicy ToProto(OnError on_error) {
  switch (on_error) {
    case OnError::kFail:
      return v1::WAIT_ERROR_POLICY_FAIL;
    case OnError::kRun:
      return v1::WAIT_ERROR_POLICY_RUN;
    case OnError::kSkip:
      return v1::WAIT_ERROR_POLICY_SKIP;
  }
  return v1::WAIT_ERROR_POLICY_UNSPECIFIED;
}

v1::QueuePriority ToProto(QueuePriority priority) {
  switch (priority) {
    case QueuePriority::kLow:
      return v1::QUEUE_PRIORITY_LOW;
    case QueuePriority::kNormal:
      return v1::QUEUE_PRIORITY_NORMAL;
    case QueuePriority::kHigh:
      return v1::QUEUE_PRIORITY_HIGH;
  }
  return v1::QUEUE_PRIORITY_UNSPECIFIED;
}

void Write(const SyncobjPoint& point, v1::SyncobjPoint* proto) {
  proto->set_syncobj(point.syncobj);
  proto->set_point(point.point);
}

void Write(const Fence& fence, v1::Fence* proto) {
  proto->set_context(fence.context);
  proto->set_seqno(fence.seqno);
}

}  // namespace xeq::internal
