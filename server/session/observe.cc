// What a session hears of its jobs, and how it tells those who wait and watch.
#include <algorithm>
#include <utility>

#include "server/common/errors.h"
#include "server/session/session.h"

namespace xeq::session {

void Session::OnFinished(absl::Span<sched::Job* const> jobs) {
  MetWaits met;
  Watches watches;
  {
    hw::MutexLock lock(mutex_);
    for (sched::Job* job : jobs) {
      events_.Append({job->point(), job->result, job->times});
      fences_.End(job->point(), job->result, met);
    }
    jobs_in_flight_ -= jobs.size();
    TakeIdleWatches(watches);
  }
  Tell(met);
  Tell(watches);
}

void Session::Tell(MetWaits& met) {
  int told = 0;
  for (; const std::shared_ptr<FenceWait> wait = met.TakeFirst(); ++told) wait->OnMet();
  if (told > 0) recorder_.OnWaiters(-told);
}

void Session::OnBanned(sched::ContextId context, const sched::Result& cause) {
  hw::EngineClass engine_class;
  {
    hw::MutexLock lock(mutex_);
    Queue* queue = queues_.Find(context);
    if (queue == nullptr) return;
    queue->ban = cause;
    engine_class = queue->spec.engine_class;
  }
  recorder_.OnQueueBanned(engine_class);
}

void Session::OnInactive(sched::ContextId context) {
  hw::MutexLock lock(mutex_);
  fences_.OnInactive(context);
}

absl::Status Session::FenceStatuses(const FenceWait& wait, std::vector<FenceStatus>& statuses, bool& met) {
  hw::MutexLock lock(mutex_);
  return fences_.Statuses(wait, statuses, met);
}

absl::StatusOr<bool> Session::StartWait(FenceWait& wait) {
  absl::StatusOr<bool> met = false;
  {
    hw::MutexLock lock(mutex_);
    met = fences_.StartWait(wait);
    if (!met.ok() || *met) return met;
    // Under the lock, so that it is counted before the end that takes it off the count.
    recorder_.OnWaiters(1);
  }
  return met;
}

void Session::CancelWait(FenceWait& wait) {
  bool was_waiting = false;
  {
    hw::MutexLock lock(mutex_);
    was_waiting = fences_.CancelWait(wait);
  }
  if (was_waiting) recorder_.OnWaiters(-1);
}

absl::Status Session::StartWatch(std::shared_ptr<Watch> watch, uint64_t after_event) {
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    if (!events_.CanReadAfter(after_event)) return EventNotKept(after_event, events_.oldest(), events_.last());
    const uint32_t max = options_.limits.watches_max;
    if (watches_.size() >= max) return LimitReached("watches_max", max, watches_.size());
    watch->read_ = after_event;
    watches_.push_back(std::move(watch));
  }
  recorder_.OnWatches(1);
  return absl::OkStatus();
}

absl::StatusOr<WatchedEvents> Session::ReadEvents(Watch& watch, absl::Span<Event> events) {
  hw::MutexLock lock(mutex_);
  if (!events_.CanReadAfter(watch.read_)) return EventNotKept(watch.read_, events_.oldest(), events_.last());
  WatchedEvents read;
  read.first_number = watch.read_ + 1;
  read.count = events_.ReadAfter(watch.read_, events);
  watch.read_ += read.count;
  read.last_event = events_.last();
  read.finished = closed_ && jobs_in_flight_ == 0 && watch.read_ == events_.last();
  watch.idle_ = read.count == 0;
  return read;
}

void Session::StopWatch(Watch& watch) {
  // Let go of after the lock is.
  std::shared_ptr<Watch> owned;
  {
    hw::MutexLock lock(mutex_);
    auto found =
        std::find_if(watches_.begin(), watches_.end(), [&](const auto& other) { return other.get() == &watch; });
    if (found == watches_.end()) return;
    owned = std::move(*found);
    watches_.erase(found);
  }
  recorder_.OnWatches(-1);
}

void Session::TakeIdleWatches(Watches& idle) {
  for (const std::shared_ptr<Watch>& watch : watches_) {
    if (!watch->idle_) continue;
    watch->idle_ = false;
    idle.push_back(watch);
  }
}

void Session::Tell(const Watches& watches) {
  for (const std::shared_ptr<Watch>& watch : watches) watch->OnEvents();
}

}  // namespace xeq::session
