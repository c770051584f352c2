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

// A failure whose root is the job itself: see Finish.
Result Own(Outcome outcome, const hw::FaultInfo& fault = {}) { return {outcome, outcome, {}, fault}; }

}  // namespace

Scheduler::~Scheduler() {
  while (known_ != nullptr) {
    Ref<Timeline> timeline = Ref<Timeline>::Adopt(std::exchange(known_, known_->next_known));
    timeline->observer.reset();
    // Jobs hold their queue.
    if (LiveQueue* queue = timeline->live()) {
      if (timeline->blocked) Unblock(*timeline);
      while (queue->head() != nullptr) queue->TakeHead();
      while (queue->oldest() != nullptr) queue->TakeOldest();
    }
  }
}

// ---- Inputs.

void Scheduler::AddQueue(Ref<Timeline> queue) {
  Timeline* timeline = queue.release();
  timeline->next_known = known_;
  if (known_ != nullptr) known_->previous_known = timeline;
  known_ = timeline;
  if (timeline->spec.long_running) ++GroupFor(*timeline).long_running;
  if (device_lost_) Doom(*timeline, Own(Outcome::kDeviceLost));
}

void Scheduler::Add(Ref<Job> job, hw::Nanos now) {
  Timeline& timeline = job->timeline();
  ++jobs_;
  UsableQueue* queue = timeline.usable();
  assert(queue != nullptr && "its owner closes a queue behind its last job");
  const bool is_head = queue->head() == nullptr;
  queue->Push(std::move(job));
  // Behind another job nothing can happen to it yet.
  if (!is_head) return;
  Touch(timeline);
  Settle(now);
}

void Scheduler::OnCompletion(const hw::Completion& completion, hw::Nanos now) {
  Timeline& timeline = *static_cast<Timeline*>(completion.owner);
  LiveQueue* queue = timeline.live();
  assert(queue != nullptr && queue->oldest() != nullptr && queue->oldest()->seqno() == completion.seqno);
  Job& job = *queue->oldest();
  timeline.running_since = now;
  timeline.timeout_triggered = false;
  job.times.gpu_start = completion.gpu_start_ns;
  job.times.gpu_end = completion.gpu_end_ns;
  job.times.gpu_time = completion.gpu_time_ns;
  const Outcome outcome = OutcomeOf(completion.status);
  Result result;
  if (outcome != Outcome::kOk) {
    // Jobs that the device dropped because of a guilty one in front of them name that one.
    const bool follows = outcome == Outcome::kCancelled && timeline.doomed && timeline.doom.root.context != 0;
    result = follows ? As(outcome, timeline.doom) : Result{outcome, outcome, job.point(), completion.fault};
  }
  if (IsGuilty(outcome) && !timeline.doomed) {
    Doom(timeline, As(Outcome::kCancelled, result));
    banned_.PushBack(&timeline);
  }
  FinishOldest(timeline, *queue, result, now);
  Touch(timeline);
  Settle(now);
}

void Scheduler::Signal(Timeline& timeline, uint64_t seqno, Outcome outcome, hw::Nanos now) {
  LiveQueue* queue = timeline.live();
  while (queue != nullptr && queue->oldest() != nullptr && queue->oldest()->seqno() <= seqno) {
    const bool is_last = queue->oldest()->seqno() == seqno;
    FinishOldest(timeline, *queue, is_last && outcome != Outcome::kOk ? Own(outcome) : Result{}, now);
  }
  Touch(timeline);
  Settle(now);
}

void Scheduler::Close(Timeline& timeline, hw::Nanos now) {
  UsableQueue* usable = timeline.usable();
  if (usable == nullptr) return;
  if (!timeline.doomed) Doom(timeline, Own(Outcome::kCancelled));
  DestroyedQueue closed = std::move(*usable).Destroy();
  DestroyedQueue& queue = timeline.state.emplace<DestroyedQueue>(std::move(closed));
  if (timeline.spec.is_host) {
    while (queue.oldest() != nullptr) FinishOldest(timeline, queue, timeline.doom, now);
  } else if (queue.oldest() != nullptr) {
    AskToCancel(timeline, hw::JobStatus::kCancelled);
  }
  Touch(timeline);
  Settle(now);
}

void Scheduler::Kill(Timeline& timeline, hw::Nanos now) {
  if (timeline.usable() == nullptr || timeline.doomed) return;
  Doom(timeline, Own(Outcome::kCancelled));
  if (timeline.live()->oldest() != nullptr) AskToCancel(timeline, hw::JobStatus::kCancelled);
  Touch(timeline);
  Settle(now);
}

void Scheduler::CloseAll(hw::Nanos now) {
  // Close may take the timeline off the list.
  for (Timeline* timeline = known_; timeline != nullptr;) {
    Timeline* next = timeline->next_known;
    const Ref<Timeline> held = Ref<Timeline>::Share(timeline);
    Close(*timeline, now);
    timeline = next;
  }
}

void Scheduler::Stop(Timeline& timeline) { timeline.stopped = true; }

void Scheduler::Start(Timeline& timeline, hw::Nanos now) {
  if (!std::exchange(timeline.stopped, false)) return;
  Touch(timeline);
  Settle(now);
}

void Scheduler::TriggerTimeout(Timeline& timeline) {
  timeline.timeout_triggered = timeline.live() != nullptr && timeline.live()->oldest() != nullptr;
}

void Scheduler::OnDeviceLost(hw::Nanos now) {
  device_lost_ = true;
  for (Timeline* timeline = known_; timeline != nullptr; timeline = timeline->next_known) {
    if (!timeline->doomed) Doom(*timeline, Own(Outcome::kDeviceLost));
    LiveQueue& queue = *timeline->live();
    while (queue.oldest() != nullptr) FinishOldest(*timeline, queue, Own(Outcome::kDeviceLost), now);
    Touch(*timeline);
  }
  Settle(now);
}

// ---- Time.

bool Scheduler::IsOverdue(Timeline& timeline, hw::Nanos now) {
  const LiveQueue* queue = timeline.live();
  if (queue == nullptr || queue->oldest() == nullptr || queue->hardware() == nullptr || timeline.in_cancel)
    return false;
  const hw::Nanos limit = timeline.spec.job_timeout_ns;
  return timeline.timeout_triggered || (limit != hw::kNever && now - timeline.running_since >= limit);
}

void Scheduler::OnVerdict(Timeline& timeline, const Verdict& verdict, hw::Nanos now) {
  if (std::exchange(timeline.timeout_triggered, false) || verdict.kind == Verdict::Kind::kReset) {
    // The device takes no more jobs of a queue that was cancelled. The culprit may still end by itself before it is
    // reached, with success even; its queue is banned all the same.
    const bool is_news = !timeline.doomed;
    if (is_news) {
      Doom(timeline, {Outcome::kCancelled, Outcome::kHang, timeline.live()->oldest()->point(), {}});
      banned_.PushBack(&timeline);
      Touch(timeline);
    }
    AskToCancel(timeline, hw::JobStatus::kHang);
  } else if (verdict.kind == Verdict::Kind::kNoHang) {
    timeline.running_since = now - verdict.used_ns;
  }
}

void Scheduler::ExpirePoints(Timeline& timeline, hw::Nanos now) {
  LiveQueue& queue = *timeline.live();
  while (queue.oldest() != nullptr && queue.oldest()->expiry() <= now) {
    FinishOldest(timeline, queue, Own(Outcome::kExpired), now);
  }
}

void Scheduler::AskToCancel(Timeline& timeline, hw::JobStatus status) {
  // Once is enough: the device lets go of the context for good.
  if (timeline.in_cancel || timeline.live()->hardware() == nullptr) return;
  timeline.in_cancel = true;
  timeline.cancel_status = status;
  cancel_.PushBack(&timeline);
}

// ---- Outputs.

Job* Scheduler::NextToRun(hw::Nanos now) {
  // Once more when what was looked at has let others start.
  for (Job* job = StartReady(now);; job = StartReady(now)) {
    if (job != nullptr || !std::exchange(unparked_, false)) return job;
  }
}

Job* Scheduler::StartReady(hw::Nanos now) {
  for (size_t priority = kPriorities; priority-- > 0;) {
    while (Timeline* timeline = ready_[priority].PopFront()) {
      timeline->in_ready = false;
      UsableQueue* queue = timeline->usable();
      // It may have been closed, banned, stopped or lost since it became ready.
      if (queue == nullptr || timeline->doomed || timeline->stopped) continue;
      if (!PassesGroup(*timeline, now)) continue;
      if (queue->oldest() == nullptr) timeline->running_since = now;
      Job* job = queue->StartHead();
      job->times.dispatched = now;
      ++jobs_on_device_;
      if (!job->batches().empty()) GroupFor(*timeline).engines.OnStarted(ModeOf(*timeline));
      Touch(*timeline);
      Settle(now);
      return job;
    }
  }
  return nullptr;
}

Timeline* Scheduler::NextToCancel() {
  while (Timeline* timeline = cancel_.PopFront()) {
    // Its last job may have ended by itself in the meantime.
    if (timeline->live() != nullptr && timeline->live()->oldest() != nullptr) return timeline;
  }
  return nullptr;
}

Ref<Job> Scheduler::NextFinished() {
  if (finished_.empty()) return {};
  --jobs_;
  return finished_.PopFront();
}

Timeline* Scheduler::NextBanned() { return banned_.PopFront(); }

Ref<Timeline> Scheduler::NextInactive() {
  Timeline* timeline = inactive_.PopFront();
  return timeline == nullptr ? Ref<Timeline>() : Ref<Timeline>::Adopt(timeline);
}

// ---- What follows from what.

void Scheduler::Touch(Timeline& timeline) {
  if (timeline.in_work || timeline.live() == nullptr) return;
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
  LiveQueue& queue = *timeline.live();
  while (Job* job = queue.head()) {
    if (timeline.doomed) job->result = timeline.doom;
    if (job->result.outcome == Outcome::kOk && !ResolveWaits(timeline, *job)) return;
    if (job->times.ready == 0) job->times.ready = now;
    if (job->result.outcome == Outcome::kOk) {
      if (!Dispatch(timeline, *timeline.usable(), *job, now)) return;
      continue;
    }
    // It will not run, but points end in order: what is on the device comes first.
    if (queue.oldest() != nullptr) return;
    const Result result = job->result;
    Finish(timeline, queue.TakeHead(), result, now);
  }
  if (timeline.spec.one_job && timeline.results.ended() > 0 && timeline.usable() != nullptr) {
    DestroyedQueue closed = std::move(*timeline.usable()).Destroy();
    timeline.state.emplace<DestroyedQueue>(std::move(closed));
  }
  DestroyedQueue* destroyed = timeline.destroyed();
  if (destroyed != nullptr && destroyed->drained()) Deactivate(timeline, *destroyed, now);
}

bool Scheduler::Dispatch(Timeline& timeline, UsableQueue& queue, Job& job, hw::Nanos now) {
  if (timeline.spec.is_host || (job.is_sync() && queue.oldest() != nullptr)) {
    // Goes with those on the device: it ends when it is signalled, or when it is the oldest.
    queue.StartHead();
    ++jobs_on_device_;
    return true;
  }
  if (job.is_sync()) {
    Finish(timeline, queue.TakeHead(), {}, now);
    return true;
  }
  if (timeline.in_ready || timeline.stopped || queue.credits_used() + job.credits() > timeline.spec.credits)
    return false;
  timeline.in_ready = true;
  ready_[static_cast<size_t>(timeline.priority)].PushBack(&timeline);
  return false;
}

Scheduler::WaitState Scheduler::LookAt(absl::Span<Wait> group, Result* cause) {
  bool pending = false;
  bool failed = false;
  for (const Wait& wait : group) {
    Result result;
    switch (wait.timeline->results.Find(wait.seqno, &result)) {
      case PointResults::State::kPending:
        pending = true;
        continue;
      case PointResults::State::kOk:
        return WaitState::kMet;
      case PointResults::State::kForgotten:
        result = {Outcome::kCancelled, Outcome::kCancelled, wait.point(), {}};
        break;
      case PointResults::State::kFailed:
        if (!IsFailure(result.outcome)) return WaitState::kMet;
        break;
    }
    if (!std::exchange(failed, true)) *cause = result;
  }
  return pending ? WaitState::kPending : WaitState::kFailed;
}

bool Scheduler::ResolveWaits(Timeline& timeline, Job& job) {
  if (timeline.blocked) return false;
  while (job.waits_met < job.waits().size()) {
    const size_t end = job.WaitGroupEnd(job.waits_met);
    const absl::Span<Wait> group = job.waits().subspan(job.waits_met, end - job.waits_met);
    Result cause;
    const WaitState state = LookAt(group, &cause);
    if (state == WaitState::kPending) {
      Block(timeline, group);
      return false;
    }
    if (state == WaitState::kFailed && group.front().on_error != WaitErrorPolicy::kRun) {
      const bool skip = group.front().on_error == WaitErrorPolicy::kSkip;
      job.result = As(skip ? Outcome::kSkipped : Outcome::kDependencyFailed, cause);
      return true;
    }
    job.waits_met = static_cast<uint32_t>(end);
  }
  return true;
}

void Scheduler::Block(Timeline& timeline, absl::Span<Wait> group) {
  timeline.blocked = true;
  for (Wait& wait : group) {
    if (wait.seqno > wait.timeline->results.ended()) wait.timeline->AddWaiter(wait);
  }
}

void Scheduler::Unblock(Timeline& timeline) {
  timeline.blocked = false;
  Job& job = *timeline.live()->head();
  const size_t end = job.WaitGroupEnd(job.waits_met);
  for (Wait& wait : job.waits().subspan(job.waits_met, end - job.waits_met)) {
    if (wait.linked) wait.timeline->RemoveWaiter(wait);
  }
}

void Scheduler::Doom(Timeline& timeline, const Result& result) {
  timeline.doomed = true;
  timeline.doom = result;
  if (timeline.blocked) Unblock(timeline);
}

void Scheduler::FinishOldest(Timeline& timeline, LiveQueue& queue, const Result& result, hw::Nanos now) {
  --jobs_on_device_;
  const bool on_engine = !queue.oldest()->batches().empty();
  Finish(timeline, queue.TakeOldest(), result, now);
  if (on_engine) {
    Group& group = GroupFor(timeline);
    group.engines.OnEnded(ModeOf(timeline));
    if (group.long_running > 0) PollGroup(group, now);
  }
  // On a host timeline every point waits for its own signal.
  while (!timeline.spec.is_host && queue.oldest() != nullptr && queue.oldest()->is_sync()) {
    --jobs_on_device_;
    Finish(timeline, queue.TakeOldest(), timeline.doomed ? timeline.doom : Result{}, now);
  }
}

void Scheduler::Finish(Timeline& timeline, Ref<Job> job, const Result& result, hw::Nanos now) {
  assert(job->seqno() == timeline.results.ended() + 1);
  job->times.ended = now;
  job->result = result;
  if (result.outcome != Outcome::kOk && result.root.context == 0) job->result.root = job->point();
  timeline.results.End(timeline.id(), job->result);
  finished_.PushBack(std::move(job));
  while (Wait* wait = timeline.TakeMetWaiter()) {
    Timeline& dependant = wait->job->timeline();
    Unblock(dependant);
    Touch(dependant);
  }
}

// ---- Engines that have one mode at a time.

bool Scheduler::PassesGroup(Timeline& timeline, hw::Nanos now) {
  Group& group = GroupFor(timeline);
  if (group.long_running == 0 || timeline.live()->hardware() == nullptr) return true;
  if (group.engines.MayStart(ModeOf(timeline), now)) return true;
  timeline.in_ready = true;
  timeline.parked = true;
  group.parked.PushBack(&timeline);
  PollGroup(group, now);
  return false;
}

void Scheduler::PollGroup(Group& group, hw::Nanos now) {
  switch (group.engines.Poll(now)) {
    case EngineGroup::Action::kNothing:
      return;
    case EngineGroup::Action::kSuspend:
      return SuspendGroup(group, now);
    case EngineGroup::Action::kResume:
      for (Timeline* timeline = known_; timeline != nullptr; timeline = timeline->next_known) {
        if (&GroupFor(*timeline) == &group && std::exchange(timeline->group_suspended, false)) {
          resume_.PushBack(timeline);
        }
      }
      return StartParked(group);
  }
}

void Scheduler::SuspendGroup(Group& group, hw::Nanos now) {
  for (Timeline* timeline = known_; timeline != nullptr; timeline = timeline->next_known) {
    if (&GroupFor(*timeline) != &group || !timeline->spec.long_running || timeline->group_suspended) continue;
    // An idle one has nothing on an engine, and starts nothing while the mode is another.
    if (timeline->live()->oldest() == nullptr) continue;
    timeline->group_suspending = true;
    ++group.suspending;
    suspend_.PushBack(timeline);
  }
  if (group.suspending == 0) EnterFence(group, now);
}

void Scheduler::OnSuspended(Timeline& timeline, hw::Nanos now) {
  if (!std::exchange(timeline.group_suspending, false)) return;
  timeline.group_suspended = true;
  Group& group = GroupFor(timeline);
  if (--group.suspending == 0) EnterFence(group, now);
}

void Scheduler::EnterFence(Group& group, hw::Nanos now) {
  group.engines.EnterFence(now);
  StartParked(group);
  for (Timeline* timeline = known_; timeline != nullptr; timeline = timeline->next_known) {
    if (&GroupFor(*timeline) == &group && timeline->group_suspended) group.engines.Want();
  }
}

void Scheduler::StartParked(Group& group) {
  while (Timeline* timeline = group.parked.PopFront()) {
    timeline->parked = false;
    ready_[static_cast<size_t>(timeline->priority)].PushBack(timeline);
    unparked_ = true;
  }
}

void Scheduler::LeaveGroup(Timeline& timeline, hw::Nanos now) {
  Group& group = GroupFor(timeline);
  if (std::exchange(timeline.parked, false)) group.parked.Remove(&timeline);
  if (!timeline.spec.long_running) return;
  OnSuspended(timeline, now);
  timeline.group_suspended = false;
  if (--group.long_running == 0) EnterFence(group, now);
}

void Scheduler::Deactivate(Timeline& timeline, DestroyedQueue& queue, hw::Nanos now) {
  LeaveGroup(timeline, now);
  InactiveQueue inactive = std::move(queue).Finish();
  timeline.state.emplace<InactiveQueue>(std::move(inactive));
  (timeline.previous_known == nullptr ? known_ : timeline.previous_known->next_known) = timeline.next_known;
  if (timeline.next_known != nullptr) timeline.next_known->previous_known = timeline.previous_known;
  inactive_.PushBack(&timeline);
}

}  // namespace xeq::sched
