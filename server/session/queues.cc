// Execution queues of a session.
#include <algorithm>
#include <utility>

#include "server/common/errors.h"
#include "server/session/session.h"

namespace xeq::session {
namespace {

hw::QueueSpec HardwareSpec(const QueueSpec& spec, uint64_t context, uint32_t logical_mask) {
  hw::QueueSpec hardware;
  hardware.context = context;
  hardware.engine_class = spec.engine_class;
  hardware.logical_mask = logical_mask;
  hardware.width = spec.width;
  hardware.props = spec.props;
  hardware.flags = spec.low_latency ? hw::queue_flag::kLowLatency : 0;
  hardware.msix_vector = static_cast<uint16_t>(spec.msix_vector);
  return hardware;
}

sched::QueueSpec TimelineSpec(const QueueSpec& spec, bool long_running, uint64_t context, uint32_t credits) {
  sched::QueueSpec timeline;
  timeline.context = context;
  timeline.engine_class = spec.engine_class;
  timeline.priority = spec.props.priority;
  timeline.long_running = long_running;
  timeline.job_timeout_ns = long_running ? hw::kNever : spec.job_timeout_ms * hw::kNanosPerMilli;
  timeline.width = spec.width;
  timeline.bypass = spec.bypass;
  timeline.put_mode = spec.put_mode;
  timeline.credits = credits;
  return timeline;
}

QueueStanding StandingOf(hw::QueueState state) {
  switch (state) {
    case hw::QueueState::kRunning:
      return QueueStanding::kUsable;
    case hw::QueueState::kSuspendPending:
      return QueueStanding::kSuspendPending;
    case hw::QueueState::kSuspended:
      return QueueStanding::kSuspended;
    case hw::QueueState::kKilled:
      return QueueStanding::kKilled;
    case hw::QueueState::kBanned:
      return QueueStanding::kBanned;
    case hw::QueueState::kLost:
      return QueueStanding::kLost;
  }
  return QueueStanding::kUsable;
}

}  // namespace

absl::StatusOr<QueueInfo> Session::CreateQueue(const QueueSpec& spec) {
  const hw::DeviceInfo& device = loop_.device().info();
  const absl::StatusOr<uint32_t> mask = LogicalMask(device, spec);
  if (!mask.ok()) return mask.status();
  if (absl::Status status = CheckProps(spec.props, options_.limits.priority_max); !status.ok()) return status;
  if (spec.msix_vector >= device.interrupt_vectors) {
    return FieldOutOfRange("msix_vector", spec.msix_vector, 0, device.interrupt_vectors - 1u);
  }
  std::shared_ptr<hw::Vm> vm;
  bool long_running = false;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const Vm* found = vms_.Find(spec.vm);
    if (found == nullptr) return VmNotFound("vm", spec.vm);
    vm = found->hw;
    long_running = found->long_running;
    if (absl::Status status = CheckClosing("queues_max", options_.limits.queues_max); !status.ok()) return status;
    if (absl::Status status = queues_.Reserve(); !status.ok()) return status;
  }
  const uint64_t handle = loop_.NewContext();
  auto hardware = loop_.device().CreateQueue(HardwareSpec(spec, handle, *mask), std::move(vm));
  QueueInfo info;
  {
    hw::MutexLock lock(mutex_);
    absl::Status status = hardware.ok() ? CheckOpen() : FromDevice(hardware.status());
    if (status.ok() && vms_.Find(spec.vm) == nullptr) status = VmNotFound("vm", spec.vm);
    absl::StatusOr<Context*> context =
        status.ok()
            ? AddContext(TimelineSpec(spec, long_running, handle, device.jobs_per_queue_max), *std::move(hardware))
            : status;
    if (!context.ok()) {
      queues_.GiveBack();
      return context.status();
    }
    Queue queue{spec, *context, {}, false, {}};
    if (queue.spec.name.empty()) queue.spec.name = DefaultName(spec.engine_class, handle);
    if (queue.spec.placements.empty()) queue.spec.placements = DefaultPlacements(device, spec, *mask);
    queue.spec.engine_instance = queue.spec.placements.front();
    info = Describe(handle, queues_.Insert(handle, std::move(queue)));
  }
  recorder_.OnQueueCreated(spec.engine_class);
  return info;
}

QueueInfo Session::Describe(uint64_t handle, const Queue& queue) {
  QueueInfo info;
  info.queue = handle;
  info.spec = queue.spec;
  info.ban = queue.ban;
  info.last_armed_seqno = queue.context->armed;
  info.last_ended_seqno = queue.context->results.ended();
  if (info.last_armed_seqno > 0) {
    absl::StatusOr<FenceStatus> last = fences_.Status({handle, info.last_armed_seqno}, [] { return std::string(); });
    if (last.ok()) info.last_fence = *last;
  }
  info.snapshot = queue.context->timeline->Look(loop_.device());
  info.client_name = options_.client_name;
  if (queue.ban) {
    info.standing = QueueStanding::kBanned;
  } else if (queue.killed) {
    info.standing = QueueStanding::kKilled;
  } else if (info.snapshot) {
    info.standing = StandingOf(info.snapshot->state);
  }
  return info;
}

absl::StatusOr<QueueInfo> Session::GetQueue(uint64_t handle) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const Queue* queue = queues_.Find(handle);
  if (queue == nullptr) return QueueNotFound("queue", handle);
  return Describe(handle, *queue);
}

std::vector<QueueInfo> Session::ListQueues(uint64_t after) {
  std::vector<QueueInfo> list;
  hw::MutexLock lock(mutex_);
  for (const auto& [handle, queue] : queues_) {
    if (handle > after) list.push_back(Describe(handle, queue));
  }
  return list;
}

absl::Status Session::DestroyQueue(uint64_t handle) {
  std::optional<Queue> queue;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    queue = queues_.Remove(handle);
    if (!queue) return QueueNotFound("queue", handle);
    CloseContext(*queue->context);
  }
  for (const std::shared_ptr<SuspendWait>& wait : queue->suspends) wait->OnAnswered(QueueNotFound("queue", handle));
  recorder_.OnQueueClosed(queue->spec.engine_class, queue->ban.has_value(), CloseReason::kClient);
  return absl::OkStatus();
}

absl::Status Session::CheckRuns(uint64_t handle, const Queue& queue) {
  if (queue.ban) return QueueBanned(handle, queue.ban->root.context, queue.ban->root.seqno);
  return queue.killed ? QueueKilled(handle) : absl::OkStatus();
}

absl::StatusOr<Session::Queue*> Session::FindRunning(uint64_t handle) {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  Queue* queue = queues_.Find(handle);
  if (queue == nullptr) return QueueNotFound("queue", handle);
  if (absl::Status status = CheckRuns(handle, *queue); !status.ok()) return status;
  return queue;
}

absl::Status Session::SetQueueProperties(uint64_t handle, const QueueProperties& properties) {
  hw::MutexLock lock(mutex_);
  const absl::StatusOr<Queue*> queue = FindRunning(handle);
  if (!queue.ok()) return queue.status();
  hw::SchedProps props = (*queue)->spec.props;
  props.priority = properties.priority.value_or(props.priority);
  props.timeslice_us = properties.timeslice_us.value_or(props.timeslice_us);
  props.preempt_timeout_us = properties.preempt_timeout_us.value_or(props.preempt_timeout_us);
  if (absl::Status status = CheckProps(props, options_.limits.priority_max); !status.ok()) return status;
  (*queue)->spec.props = props;
  loop_.PostProps((*queue)->context->timeline, props);
  return absl::OkStatus();
}

absl::Status Session::SuspendQueue(uint64_t handle, std::shared_ptr<SuspendWait> wait) {
  hw::MutexLock lock(mutex_);
  const absl::StatusOr<Queue*> queue = FindRunning(handle);
  if (!queue.ok()) return queue.status();
  SuspendWaits& suspends = (*queue)->suspends;
  if (suspends.size() == kSuspendWaitsMax) {
    return LimitReachedForNow("suspend_waits_max", kSuspendWaitsMax, suspends.size());
  }
  suspends.push_back(std::move(wait));
  loop_.PostSuspend((*queue)->context->timeline);
  return absl::OkStatus();
}

void Session::ForgetSuspend(uint64_t handle, const SuspendWait& wait) {
  // Let go of after the lock is.
  std::shared_ptr<SuspendWait> forgotten;
  hw::MutexLock lock(mutex_);
  Queue* queue = queues_.Find(handle);
  if (queue == nullptr) return;
  const auto found = std::find_if(queue->suspends.begin(), queue->suspends.end(),
                                  [&](const std::shared_ptr<SuspendWait>& other) { return other.get() == &wait; });
  if (found == queue->suspends.end()) return;
  forgotten = std::move(*found);
  queue->suspends.erase(found);
}

absl::Status Session::ResumeQueue(uint64_t handle) {
  hw::MutexLock lock(mutex_);
  const absl::StatusOr<Queue*> queue = FindRunning(handle);
  if (queue.ok()) loop_.PostResume((*queue)->context->timeline);
  return queue.status();
}

absl::Status Session::KillQueue(uint64_t handle) {
  SuspendWaits suspends;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    Queue* queue = queues_.Find(handle);
    if (queue == nullptr) return QueueNotFound("queue", handle);
    if (std::exchange(queue->killed, true)) return absl::OkStatus();
    suspends.swap(queue->suspends);
    loop_.PostKill(queue->context->timeline);
  }
  for (const std::shared_ptr<SuspendWait>& wait : suspends) wait->OnAnswered(QueueKilled(handle));
  return absl::OkStatus();
}

void Session::OnSuspended(sched::ContextId context, absl::Status status) {
  SuspendWaits suspends;
  {
    hw::MutexLock lock(mutex_);
    if (Queue* queue = queues_.Find(context)) suspends.swap(queue->suspends);
  }
  const absl::Status answer = status.ok() ? status : SuspendRefused(status.code(), context);
  for (const std::shared_ptr<SuspendWait>& wait : suspends) wait->OnAnswered(answer);
}

}  // namespace xeq::session
