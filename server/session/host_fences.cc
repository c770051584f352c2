// Fences that a client ends itself.
#include <utility>

#include "server/common/errors.h"
#include "server/session/session.h"

namespace xeq::session {

absl::StatusOr<uint64_t> Session::CreateHostTimeline() {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (absl::Status status = CheckClosing("queues_max", options_.limits.queues_max); !status.ok()) return status;
  if (absl::Status status = queues_.Reserve(); !status.ok()) return status;
  sched::QueueSpec spec;
  spec.context = loop_.NewContext();
  spec.is_host = true;
  absl::StatusOr<Context*> context = AddContext(std::move(spec), nullptr);
  if (!context.ok()) {
    queues_.GiveBack();
    return context.status();
  }
  host_timelines_.emplace((*context)->id, *context);
  return (*context)->id;
}

absl::Status Session::DestroyHostTimeline(uint64_t timeline) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  auto found = host_timelines_.find(timeline);
  if (found == host_timelines_.end()) return TimelineNotFound("timeline", timeline);
  CloseContext(*found->second);
  host_timelines_.erase(found);
  queues_.GiveBack();
  return absl::OkStatus();
}

absl::StatusOr<sched::Point> Session::ArmHostFence(uint64_t timeline, uint32_t expires_ms, hw::Nanos now) {
  sched::Point point;
  auto job = sched::MakeRef<sched::Job>(now + expires_ms * hw::kNanosPerMilli);
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    auto found = host_timelines_.find(timeline);
    if (found == host_timelines_.end()) return TimelineNotFound("timeline", timeline);
    if (absl::Status status = CheckQuota(1); !status.ok()) return status;
    Context& context = *found->second;
    job->PutOn(context.timeline);
    absl::StatusOr<sched::Ticket> ticket = loop_.Reserve(1);
    if (!ticket.ok()) return FromReserve(ticket.status());
    point = ArmAndPost(*ticket, std::move(job), context, now);
  }
  loop_.Run(/*bypass=*/true);
  return point;
}

absl::Status Session::SignalHostFence(const sched::Point& point, bool failed) {
  sched::Ref<sched::Timeline> timeline;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    auto found = host_timelines_.find(point.context);
    if (found == host_timelines_.end()) return TimelineNotFound("fence.context", point.context);
    const Context& context = *found->second;
    if (point.seqno == 0 || point.seqno > context.armed) {
      return FenceNeverArmed("fence.seqno", point.context, point.seqno, context.armed);
    }
    timeline = context.timeline;
  }
  absl::StatusOr<sched::Ticket> ticket = loop_.Reserve(1);
  if (!ticket.ok()) return FromReserve(ticket.status());
  loop_.PostSignal(*ticket, std::move(timeline), point.seqno,
                   failed ? sched::Outcome::kHostError : sched::Outcome::kOk);
  return absl::OkStatus();
}

}  // namespace xeq::session
