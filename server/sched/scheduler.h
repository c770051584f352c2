// The dependency scheduler: which job may run, and how each ends. A pure state machine: no thread, lock, clock or
// metric inside, and no allocation. The device loop drives it in production, the simulator and the tests by hand.
//
//   scheduler.AddQueue(timeline);
//   scheduler.Add(job, now);
//   while (Job* job = scheduler.NextToRun(now)) { ...hand it to the device... }
//   scheduler.OnCompletion(completion, now);
//   while (Ref<Job> job = scheduler.NextFinished()) { ...tell its owner... }
//
// Rules. Jobs of one queue begin and end in the order in which they were added. A job waits only for fences that exist;
// the head of a queue holds back its own queue and no other. A dependency that failed fails its dependants, unless they
// said otherwise, and each names the job that failed first. Every job that was added comes out of NextFinished exactly
// once.
#ifndef XEQ_SERVER_SCHED_SCHEDULER_H_
#define XEQ_SERVER_SCHED_SCHEDULER_H_

#include <array>
#include <cstdint>

#include "hw/device.h"
#include "server/sched/engine_group.h"
#include "server/sched/job.h"
#include "server/sched/job_list.h"
#include "server/sched/ref.h"
#include "server/sched/timeline.h"
#include "server/sched/watchdog.h"

namespace xeq::sched {

// All functions belong to one thread at a time. Timelines that are named must have been added.
class Scheduler {
 public:
  Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  // Whatever is still known is let go of, without an end.
  ~Scheduler();

  // ---- Inputs.
  void AddQueue(Ref<Timeline> queue);
  // An armed job, whose seqno follows that of the queue's last one. A job for a queue that is banned ends with
  // kCancelled in its turn. A closed queue gets no more: its owner closes it behind its last job.
  void Add(Ref<Job> job, hw::Nanos now);
  // The end of the oldest job of a queue on the device. A fault or a hang bans the queue.
  void OnCompletion(const hw::Completion& completion, hw::Nanos now);
  // A client signals the points of a host timeline up to `seqno`, those behind the last one included. `outcome` is kOk
  // or kHostError and counts for the point `seqno`; those in front of it end with kOk. Points that have ended stay as
  // they are.
  void Signal(Timeline& timeline, uint64_t seqno, Outcome outcome, hw::Nanos now);
  // Usable -> Destroyed: what is queued is cancelled, what is on the device is to be stopped (NextToCancel), host
  // points are cancelled. Idempotent.
  void Close(Timeline& timeline, hw::Nanos now);
  void CloseAll(hw::Nanos now);
  // Ends what the queue has, as Close does, and all that is added later with kCancelled; but the queue stays, to be
  // looked at. Idempotent.
  void Kill(Timeline& timeline, hw::Nanos now);
  // No job of the queue is started until Start. What is on the device goes on. Both idempotent.
  void Stop(Timeline& timeline);
  void Start(Timeline& timeline, hw::Nanos now);
  // The queue's oldest job on the device counts as overdue, and as guilty, at the next CheckTimeouts. Without one
  // nothing happens.
  void TriggerTimeout(Timeline& timeline);
  // A queue of NextToSuspend has left the engine, or will not run again.
  void OnSuspended(Timeline& timeline, hw::Nanos now);
  // Everything ends with kDeviceLost, and so does whatever is added later. No completion may follow.
  void OnDeviceLost(hw::Nanos now);

  // ---- Time. Calls `judge(timeline)`, which returns a Verdict (watchdog.h), for each queue whose oldest job has been
  // on the device longer than its limit: an innocent one gets its time again, a guilty one is to be cancelled as hung
  // (NextToCancel), and its queue is banned. Jobs that are queued and not on the device are never asked about. Ends
  // host points that have expired. To be called before NextToRun: what ends here may let others run.
  template <typename Judge>
  void CheckTimeouts(hw::Nanos now, Judge judge) {
    for (Timeline* timeline = known_; timeline != nullptr; timeline = timeline->next_known) {
      if (timeline->spec.is_host) {
        ExpirePoints(*timeline, now);
      } else if (IsOverdue(*timeline, now)) {
        OnVerdict(*timeline, judge(*timeline), now);
      }
    }
    for (Group& group : groups_) PollGroup(group, now);
    Settle(now);
  }
  // Whether CheckTimeouts may have anything to do before another input.
  bool needs_time() const { return jobs_on_device_ > 0; }

  // ---- Outputs, each null when there is none.
  // The next job to hand to the device (or, for a bind, to carry out), by priority and then by who was ready first. The
  // scheduler keeps holding it.
  Job* NextToRun(hw::Nanos now);
  // A queue whose context is to be taken off the device, with `cancel_status` for its oldest job.
  Timeline* NextToCancel();
  // A long-running queue that is to leave its engine, or may come back: see EngineGroup.
  Timeline* NextToSuspend() { return suspend_.PopFront(); }
  Timeline* NextToResume() { return resume_.PopFront(); }
  // Jobs that have ended, in the order in which they did.
  Ref<Job> NextFinished();
  // A queue that was banned; the cause is its `doom`.
  Timeline* NextBanned();
  // A queue that is inactive now, and that the scheduler lets go. Asked last: the other outputs may still name it.
  Ref<Timeline> NextInactive();

  // Jobs that were added and have not come out of NextFinished.
  uint64_t jobs() const { return jobs_; }
  // Those of them that are on the device, are host points, or wait behind such.
  uint64_t jobs_on_device() const { return jobs_on_device_; }

 private:
  // A first-in-first-out list of timelines, linked through one of their members.
  template <Timeline* Timeline::*Next>
  class TimelineList {
   public:
    void PushBack(Timeline* timeline) {
      timeline->*Next = nullptr;
      (head_ == nullptr ? head_ : tail_->*Next) = timeline;
      tail_ = timeline;
    }
    Timeline* PopFront() {
      Timeline* first = head_;
      if (first == nullptr) return nullptr;
      head_ = first->*Next;
      if (head_ != nullptr) head_->Prefetch();
      return first;
    }
    // It is on the list. Walks it.
    void Remove(Timeline* timeline) {
      Timeline* previous = nullptr;
      Timeline** link = &head_;
      while (*link != timeline) {
        previous = *link;
        link = &(previous->*Next);
      }
      *link = timeline->*Next;
      if (tail_ == timeline) tail_ = previous;
    }

   private:
    Timeline* head_ = nullptr;
    Timeline* tail_ = nullptr;
  };

  static constexpr size_t kPriorities = 4;

  // Engines that have one mode at a time, and the queues whose heads wait for the other.
  struct Group {
    EngineGroup engines;
    // Long-running queues that are not inactive: without any, nothing is looked at.
    uint32_t long_running = 0;
    uint32_t suspending = 0;
    TimelineList<&Timeline::next_ready> parked;
  };
  Group& GroupFor(const Timeline& timeline) { return groups_[GroupOf(timeline.spec.engine_class)]; }
  static GroupMode ModeOf(const Timeline& timeline) {
    return timeline.spec.long_running ? GroupMode::kLongRunning : GroupMode::kFence;
  }
  // Whether its head may be started now; else it is parked.
  bool PassesGroup(Timeline& timeline, hw::Nanos now);
  void PollGroup(Group& group, hw::Nanos now);
  void SuspendGroup(Group& group, hw::Nanos now);
  void EnterFence(Group& group, hw::Nanos now);
  void StartParked(Group& group);
  // An inactive queue is nobody's peer any more.
  void LeaveGroup(Timeline& timeline, hw::Nanos now);
  // NextToRun, without what lets others start meanwhile.
  Job* StartReady(hw::Nanos now);

  static bool IsOverdue(Timeline& timeline, hw::Nanos now);
  void OnVerdict(Timeline& timeline, const Verdict& verdict, hw::Nanos now);
  void ExpirePoints(Timeline& timeline, hw::Nanos now);
  void AskToCancel(Timeline& timeline, hw::JobStatus status);
  // Puts the timeline among those that Settle looks at.
  void Touch(Timeline& timeline);
  // Does all that can be done until every queue's head waits for a fence, a credit or the device. A loop over a list,
  // not a recursion, so that a chain of any length costs no stack.
  void Settle(hw::Nanos now);
  void Advance(Timeline& timeline, hw::Nanos now);
  // The job may run: makes the queue ready, or, when it never goes to the device, ends it as soon as it is the oldest.
  // False: it has to wait.
  bool Dispatch(Timeline& timeline, UsableQueue& queue, Job& job, hw::Nanos now);
  // Goes on with the head's waits. False: it is blocked.
  bool ResolveWaits(Timeline& timeline, Job& job);
  // What the awaited points of one group of waits say.
  enum class WaitState : uint8_t { kMet, kPending, kFailed };
  static WaitState LookAt(absl::Span<Wait> group, Result* cause);
  static void Block(Timeline& timeline, absl::Span<Wait> group);
  static void Unblock(Timeline& timeline);
  static void Doom(Timeline& timeline, const Result& result);
  // Ends the oldest job on the device, and the pure synchronisations right behind it.
  void FinishOldest(Timeline& timeline, LiveQueue& queue, const Result& result, hw::Nanos now);
  void Finish(Timeline& timeline, Ref<Job> job, const Result& result, hw::Nanos now);
  void Deactivate(Timeline& timeline, DestroyedQueue& queue, hw::Nanos now);

  // Those that are not inactive.
  Timeline* known_ = nullptr;
  TimelineList<&Timeline::next_work> work_;
  std::array<TimelineList<&Timeline::next_ready>, kPriorities> ready_;
  std::array<Group, kEngineGroups> groups_;
  TimelineList<&Timeline::next_group> suspend_;
  TimelineList<&Timeline::next_group> resume_;
  TimelineList<&Timeline::next_cancel> cancel_;
  TimelineList<&Timeline::next_event> banned_;
  TimelineList<&Timeline::next_work> inactive_;
  JobList finished_;
  uint64_t jobs_ = 0;
  uint64_t jobs_on_device_ = 0;
  bool device_lost_ = false;
  // Parked queues were put among the ready ones.
  bool unparked_ = false;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_SCHEDULER_H_
