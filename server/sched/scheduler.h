// The dependency scheduler: which job may run, and how each ends. A pure state machine: no thread, lock, clock or
// metric inside, and after a queue was added no allocation. The device loop drives it in production, tests drive it by
// hand.
//
//   scheduler.Add(std::move(job), now);
//   while (Job* job = scheduler.NextToRun(now)) { ...hand it to the device... }
//   scheduler.OnCompletion(completion, now);
//   while (auto job = scheduler.NextFinished()) { ...tell its owner... }
//
// Rules. Jobs of one queue begin and end in the order in which they were added. A job waits only for fences that exist;
// the head of a queue holds back its own queue and no other. A dependency that failed fails its dependants, unless they
// said otherwise, and each names the job that failed first. Every job that was added comes out of NextFinished exactly
// once.
#ifndef XEQ_SERVER_SCHED_SCHEDULER_H_
#define XEQ_SERVER_SCHED_SCHEDULER_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "hw/device.h"
#include "server/sched/job.h"
#include "server/sched/job_list.h"
#include "server/sched/timeline.h"

namespace xeq::sched {

// All functions belong to one thread. Contexts that are named must have been added and not forgotten.
class Scheduler {
 public:
  Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // ---- Inputs.
  void AddQueue(QueueSpec queue);
  // An armed job, whose seqno follows that of the queue's last one. A job for a queue that is banned or closed ends
  // with kCancelled in its turn.
  void Add(std::unique_ptr<Job> job, hw::Nanos now);
  // The end of the oldest job of a context on the device. A fault or a hang bans the queue.
  void OnCompletion(const hw::Completion& completion, hw::Nanos now);
  // Usable -> Destroyed: what is queued is cancelled, what is on the device is to be stopped (NextToCancel).
  // Idempotent.
  void Close(ContextId context, hw::Nanos now);
  // Frees an inactive timeline. Nothing waits for its points any more, since all have ended.
  void Forget(ContextId context);
  void CloseAll(hw::Nanos now);
  // Everything ends with kDeviceLost, and so does whatever is added later. No completion may follow.
  void OnDeviceLost(hw::Nanos now);

  // ---- The watchdog. Calls `check(timeline)`, which returns a hw::Progress, for each queue whose oldest job has been
  // on the device longer than its limit. A job that has not started, or has not used up its limit on the engine, is
  // innocent and gets its time again; a guilty one is to be cancelled as hung (NextToCancel).
  template <typename Check>
  void CheckTimeouts(hw::Nanos now, Check check) {
    for (auto& [context, timeline] : timelines_) {
      if (!IsOverdue(*timeline, now)) continue;
      const hw::Progress progress = check(*timeline);
      OnProgress(*timeline, progress, now);
    }
  }

  // ---- Outputs, each null when there is none.
  // The next job to hand to the device (or, for a bind, to carry out), by priority and then by who was ready first. The
  // scheduler keeps owning it.
  Job* NextToRun(hw::Nanos now);
  // A queue whose context is to be taken off the device, with `cancel_status` for its oldest job.
  Timeline* NextToCancel();
  // Jobs that have ended, in the order in which they did.
  std::unique_ptr<Job> NextFinished();
  // A queue that was banned; the cause is its `doom`.
  Timeline* NextBanned();
  // A queue that is inactive now. Its context may be forgotten.
  Timeline* NextInactive();

  // Jobs that were added and have not come out of NextFinished.
  uint64_t jobs() const { return jobs_; }
  // Jobs handed out by NextToRun whose completion has not come.
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
      if (first != nullptr) head_ = first->*Next;
      return first;
    }

   private:
    Timeline* head_ = nullptr;
    Timeline* tail_ = nullptr;
  };

  static constexpr size_t kPriorities = 4;

  Timeline& Find(ContextId context) { return *timelines_.find(context)->second; }
  static bool IsOverdue(const Timeline& timeline, hw::Nanos now);
  void OnProgress(Timeline& timeline, const hw::Progress& progress, hw::Nanos now);
  void AskToCancel(Timeline& timeline, hw::JobStatus status);
  // Puts the timeline among those that Settle looks at.
  void Touch(Timeline& timeline);
  // Does all that can be done until every queue's head waits for a fence, a credit or the device. A loop over a list,
  // not a recursion, so that a chain of any length costs no stack.
  void Settle(hw::Nanos now);
  void Advance(Timeline& timeline, hw::Nanos now);
  // Goes on with the head's waits. False: it is blocked.
  bool ResolveWaits(Timeline& timeline, Job& job);
  void Doom(Timeline& timeline, const Result& result);
  void Finish(Timeline& timeline, std::unique_ptr<Job> job, hw::Nanos now);

  absl::flat_hash_map<ContextId, std::unique_ptr<Timeline>> timelines_;
  TimelineList<&Timeline::next_work> work_;
  std::array<TimelineList<&Timeline::next_ready>, kPriorities> ready_;
  TimelineList<&Timeline::next_cancel> cancel_;
  TimelineList<&Timeline::next_event> banned_;
  TimelineList<&Timeline::next_work> inactive_;
  JobList finished_;
  uint64_t jobs_ = 0;
  uint64_t jobs_on_device_ = 0;
  bool device_lost_ = false;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_SCHEDULER_H_
