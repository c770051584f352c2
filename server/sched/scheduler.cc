#include "server/sched/scheduler.h"

#include <cassert>
#include <utility>

namespace xeq::sched {
namespace {

Outcome OutcomeOf(hw::JobStatus status) {
  switch (status) {
    case hw::JobStatus::kOk:
      return Outcome::kOk;
    case hw::JobStatus::kInvalidCommand:
      return Outcome::kInvalidCommand;
    case hw::JobStatus::kPageFault:
      return Outcome::kPageFault;
    case hw::JobStatus::kHang:
      return Outcome::kHang;
    case hw::JobStatus::kCancelled:
      return Outcome::kCancelled;
    case hw::JobStatus::kDeviceLost:
      return Outcome::kDeviceLost;
  }
  return Outcome::kDeviceLost;
}

// The job's own doing, for which its queue is banned.
bool IsGuilty(Outcome outcome) {
  return outcome == Outcome::kInvalidCommand || outcome == Outcome::kPageFault || outcome == Outcome::kHang;
}

// The same failure, seen by a job that had no part in it.
Result As(Outcome outcome, const Result& cause) {
  Result result = cause;
  result.outcome = outcome;
  return result;
}

}  // namespace

void Scheduler::AddQueue(QueueSpec queue) {
  assert(queue.credits > 0);
  const ContextId context = queue.context;
  auto timeline = std::make_unique<Timeline>(std::move(queue));
  if (device_lost_) Doom(*timeline, {Outcome::kDeviceLost, {}, Outcome::kDeviceLost, {}});
  timelines_.emplace(context, std::move(timeline));
}

void Scheduler::Add(std::unique_ptr<Job> job, hw::Nanos now) {
  Timeline& timeline = Find(job->point().context);
  job->timeline = &timeline;
  ++jobs_;
  if (timeline.state == Timeline::State::kInactive) {
    // Armed by a thread that did not know yet.
    job->result = timeline.doom;
    if (job->result.root.context == 0) job->result.root = job->point();
    Finish(timeline, std::move(job), now);
    Settle(now);
    return;
  }
  const bool is_head = timeline.queued.empty();
  timeline.queued.PushBack(std::move(job));
  // Behind another job nothing can happen to it yet.
  if (!is_head) return;
  Touch(timeline);
  Settle(now);
}

void Scheduler::OnCompletion(const hw::Completion& completion, hw::Nanos now) {
  Timeline& timeline = Find(completion.context);
  assert(!timeline.on_device.empty() && timeline.on_device.front()->point().seqno == completion.seqno);
  std::unique_ptr<Job> job = timeline.on_device.PopFront();
  --jobs_on_device_;
  timeline.running_since = now;
  job->times.gpu_start = completion.gpu_start_ns;
  job->times.gpu_end = completion.gpu_end_ns;
  job->times.gpu_time = completion.gpu_time_ns;
  const Outcome outcome = OutcomeOf(completion.status);
  if (outcome != Outcome::kOk) {
    // Jobs that the device dropped because of a guilty one in front of them name that one.
    const bool follows = outcome == Outcome::kCancelled && timeline.doomed && timeline.doom.root.context != 0;
    job->result = follows ? As(outcome, timeline.doom) : Result{outcome, job->point(), outcome, completion.fault};
  }
  if (IsGuilty(outcome) && !timeline.doomed) {
    Doom(timeline, As(Outcome::kCancelled, job->result));
    banned_.PushBack(&timeline);
  }
  Finish(timeline, std::move(job), now);
  Touch(timeline);
  Settle(now);
}

void Scheduler::Close(ContextId context, hw::Nanos now) {
  Timeline& timeline = Find(context);
  if (timeline.state != Timeline::State::kUsable) return;
  timeline.state = Timeline::State::kDestroyed;
  if (!timeline.doomed) Doom(timeline, {Outcome::kCancelled, {}, Outcome::kCancelled, {}});
  if (!timeline.on_device.empty()) AskToCancel(timeline, hw::JobStatus::kCancelled);
  Touch(timeline);
  Settle(now);
}

void Scheduler::Forget(ContextId context) {
  auto found = timelines_.find(context);
  assert(found->second->state == Timeline::State::kInactive && !found->second->has_waiters());
  timelines_.erase(found);
}

void Scheduler::CloseAll(hw::Nanos now) {
  for (auto& [context, timeline] : timelines_) Close(context, now);
}

void Scheduler::OnDeviceLost(hw::Nanos now) {
  device_lost_ = true;
  for (auto& [context, timeline] : timelines_) {
    if (!timeline->doomed) Doom(*timeline, {Outcome::kDeviceLost, {}, Outcome::kDeviceLost, {}});
    while (!timeline->on_device.empty()) {
      std::unique_ptr<Job> job = timeline->on_device.PopFront();
      --jobs_on_device_;
      job->result = {Outcome::kDeviceLost, job->point(), Outcome::kDeviceLost, {}};
      Finish(*timeline, std::move(job), now);
    }
    Touch(*timeline);
  }
  Settle(now);
}

bool Scheduler::IsOverdue(const Timeline& timeline, hw::Nanos now) {
  return !timeline.on_device.empty() && timeline.spec.hw != nullptr && !timeline.in_cancel &&
         timeline.spec.job_timeout_ns != hw::kNever && now - timeline.running_since >= timeline.spec.job_timeout_ns;
}

void Scheduler::OnProgress(Timeline& timeline, const hw::Progress& progress, hw::Nanos now) {
  if (!progress.started) {
    timeline.running_since = now;
  } else if (progress.gpu_time_ns < timeline.spec.job_timeout_ns) {
    timeline.running_since = now - progress.gpu_time_ns;
  } else {
    AskToCancel(timeline, hw::JobStatus::kHang);
  }
}

void Scheduler::AskToCancel(Timeline& timeline, hw::JobStatus status) {
  // Once is enough: the device lets go of the context for good.
  if (timeline.in_cancel || timeline.spec.hw == nullptr) return;
  timeline.in_cancel = true;
  timeline.cancel_status = status;
  cancel_.PushBack(&timeline);
}

Job* Scheduler::NextToRun(hw::Nanos now) {
  for (size_t priority = kPriorities; priority-- > 0;) {
    while (Timeline* timeline = ready_[priority].PopFront()) {
      timeline->in_ready = false;
      // It may have been closed, banned or lost since it became ready.
      if (timeline->doomed) continue;
      std::unique_ptr<Job> job = timeline->queued.PopFront();
      Job* running = job.get();
      running->times.dispatched = now;
      if (timeline->on_device.empty()) timeline->running_since = now;
      timeline->on_device.PushBack(std::move(job));
      ++jobs_on_device_;
      Touch(*timeline);
      Settle(now);
      return running;
    }
  }
  return nullptr;
}

Timeline* Scheduler::NextToCancel() {
  while (Timeline* timeline = cancel_.PopFront()) {
    // Its last job may have ended by itself in the meantime.
    if (!timeline->on_device.empty()) return timeline;
  }
  return nullptr;
}

std::unique_ptr<Job> Scheduler::NextFinished() {
  if (finished_.empty()) return nullptr;
  --jobs_;
  return finished_.PopFront();
}

Timeline* Scheduler::NextBanned() { return banned_.PopFront(); }

Timeline* Scheduler::NextInactive() { return inactive_.PopFront(); }

void Scheduler::Touch(Timeline& timeline) {
  if (timeline.in_work || timeline.state == Timeline::State::kInactive) return;
  timeline.in_work = true;
  work_.PushBack(&timeline);
}

void Scheduler::Settle(hw::Nanos now) {
  while (Timeline* timeline = work_.PopFront()) {
    timeline->in_work = false;
    Advance(*timeline, now);
  }
}

void Scheduler::Advance(Timeline& timeline, hw::Nanos now) {
  while (Job* job = timeline.queued.front()) {
    if (timeline.doomed) job->result = timeline.doom;
    if (job->result.outcome == Outcome::kOk && !ResolveWaits(timeline, *job)) return;
    if (job->times.ready == 0) job->times.ready = now;
    if (job->result.outcome == Outcome::kOk) {
      if (timeline.in_ready || timeline.on_device.size() >= timeline.spec.credits) return;
      timeline.in_ready = true;
      ready_[static_cast<size_t>(timeline.spec.priority)].PushBack(&timeline);
      return;
    }
    // It will not run, but points end in order: what is on the device comes first.
    if (!timeline.on_device.empty()) return;
    if (job->result.root.context == 0) job->result.root = job->point();
    Finish(timeline, timeline.queued.PopFront(), now);
  }
  if (timeline.state == Timeline::State::kDestroyed && timeline.on_device.empty()) {
    timeline.state = Timeline::State::kInactive;
    inactive_.PushBack(&timeline);
  }
}

bool Scheduler::ResolveWaits(Timeline& timeline, Job& job) {
  if (timeline.blocked_on != nullptr) return false;
  const absl::Span<Wait> waits = job.waits();
  for (; job.waits_met < waits.size(); ++job.waits_met) {
    Wait& wait = waits[job.waits_met];
    // The order of the queue meets it.
    if (wait.point.context == timeline.spec.context) continue;
    Timeline& awaited = Find(wait.point.context);
    Result cause;
    switch (awaited.results.Find(wait.point.seqno, &cause)) {
      case PointResults::State::kPending:
        timeline.blocked_on = &wait;
        awaited.AddWaiter(wait);
        return false;
      case PointResults::State::kOk:
        break;
      case PointResults::State::kForgotten:
        cause = {Outcome::kCancelled, wait.point, Outcome::kCancelled, {}};
        [[fallthrough]];
      case PointResults::State::kFailed:
        if (wait.on_error == WaitErrorPolicy::kRun) break;
        job.result = As(Outcome::kDependencyFailed, cause);
        return true;
    }
  }
  return true;
}

void Scheduler::Doom(Timeline& timeline, const Result& result) {
  timeline.doomed = true;
  timeline.doom = result;
  if (timeline.blocked_on == nullptr) return;
  Find(timeline.blocked_on->point.context).RemoveWaiter(*timeline.blocked_on);
  timeline.blocked_on = nullptr;
}

void Scheduler::Finish(Timeline& timeline, std::unique_ptr<Job> job, hw::Nanos now) {
  job->times.ended = now;
  assert(job->point().seqno == timeline.results.ended() + 1);
  timeline.results.End(job->result);
  finished_.PushBack(std::move(job));
  while (Wait* wait = timeline.TakeMetWaiter()) {
    Timeline& dependant = *wait->job->timeline;
    dependant.blocked_on = nullptr;
    Touch(dependant);
  }
}

}  // namespace xeq::sched
