// Drives the scheduler: carries jobs from the threads of clients to it, its decisions to the device, and the device's
// completions back.
//
//   auto ticket = loop.Reserve(jobs.size());          // may fail: nothing has been consumed
//   { MutexLock lock(&mutex_); job->Arm(...); loop.Post(*ticket, std::move(job)); }
//   loop.Run();                                       // one for the whole call, with no lock held
//
// The scheduler belongs to one thread at a time: whoever holds the baton does a turn. That is a submitting thread (the
// bypass), the device's completion source, or the device thread, which besides does what comes with time, and takes
// over where a borrowed thread has done enough.
#ifndef XEQ_SERVER_SCHED_DEVICE_LOOP_H_
#define XEQ_SERVER_SCHED_DEVICE_LOOP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/device.h"
#include "hw/mutex.h"
#include "server/sched/baton.h"
#include "server/sched/inbox.h"
#include "server/sched/job.h"
#include "server/sched/observer.h"
#include "server/sched/ref.h"
#include "server/sched/scheduler.h"

namespace xeq::sched {

// Hears of every job that ends, whoever owns it, before its owner does. In turns.
class StageRecorder {
 public:
  virtual ~StageRecorder() = default;
  virtual void Record(const Job& job, const QueueSpec& queue) = 0;
};

struct DeviceLoopOptions {
  // Jobs and signals that may be on their way to the scheduler at one time.
  size_t inbox_capacity = 65'536;
  // How often the watchdog looks at running jobs and host fences.
  hw::Nanos watchdog_period_ns = 20 * hw::kNanosPerMilli;
  // How long Stop waits for the device to let go of its jobs, which end with kDeviceLost after that.
  hw::Nanos stop_timeout_ns = 5 * hw::kNanosPerSecond;
  // Ended jobs whose memory may wait for the device thread (PutMode::kDeferred); beyond that it goes back inline.
  size_t deferred_puts_max = 4096;
};

class DeviceLoop;
struct ControlMessage;

// Room in the inbox that was granted and is not used yet. Gives back what is left when destroyed.
class Ticket {
 public:
  Ticket(Ticket&& other) noexcept;
  Ticket& operator=(Ticket&&) = delete;
  ~Ticket();

 private:
  friend class DeviceLoop;
  struct ControlMessage;
  Ticket(DeviceLoop& loop, size_t jobs) : loop_(&loop), jobs_(jobs) {}

  DeviceLoop* loop_;
  size_t jobs_;
};

// Public functions but Start and Stop may be called from any thread; none blocks on the device.
class DeviceLoop : private hw::Device::Listener {
 public:
  // `device` and `recorder` outlive the loop. `recorder` may be null.
  DeviceLoop(hw::Device& device, StageRecorder* recorder, const DeviceLoopOptions& options);
  DeviceLoop(const DeviceLoop&) = delete;
  DeviceLoop& operator=(const DeviceLoop&) = delete;
  ~DeviceLoop() override;

  // The status of Device::Start. Once.
  absl::Status Start();
  // Cancels what is queued, waits until nothing is on the device, and ends the thread. Idempotent. Blocks up to
  // stop_timeout_ns.
  void Stop();

  hw::Device& device() { return device_; }
  bool device_lost() const { return device_lost_.load(); }
  // A fresh id.
  ContextId NewContext() { return next_context_.fetch_add(1, std::memory_order_relaxed); }

  // Room for so many of Post and PostSignal. RESOURCE_EXHAUSTED: the inbox is full. UNAVAILABLE: Stop was called, or
  // the device is lost.
  absl::StatusOr<Ticket> Reserve(size_t jobs);
  // An armed job. The caller holds the lock that orders the context's points, so that arm order is post order. Takes
  // no memory. Somebody has to Run afterwards.
  void Post(Ticket& ticket, Ref<Job> job);
  // Sees to it that what was posted is dealt with: by the calling thread, when nobody else is at it and `bypass` allows
  // it, which may call observers; else by whoever is, or by the device thread. Call with no lock held.
  void Run(bool bypass);

  // The following may be called with locks held: they leave the work to the device thread.
  // Makes the queue known; jobs for it may be posted right after. UNAVAILABLE as Reserve.
  // `observer` may be null.
  absl::Status PostQueue(Ref<Timeline> queue, std::shared_ptr<Observer> observer);
  // Usable -> Destroyed: queued jobs are cancelled, those on the device are stopped. The observer hears OnInactive. No
  // job of the queue may be posted afterwards.
  void PostClose(Ref<Timeline> queue);
  // See Scheduler::Kill, Stop, Start and TriggerTimeout.
  void PostKill(Ref<Timeline> queue);
  void PostStop(Ref<Timeline> queue);
  void PostStart(Ref<Timeline> queue);
  void PostTriggerTimeout(Ref<Timeline> queue);
  // See hw::Device: Suspend, Resume and SetProps of the queue's context. The observer hears OnSuspended once the queue
  // is off the engine, or of why it will not be. A queue that is closed by then: without effect, and without answer.
  void PostSuspend(Ref<Timeline> queue);
  void PostResume(Ref<Timeline> queue);
  void PostProps(Ref<Timeline> queue, const hw::SchedProps& props);
  // See Scheduler::Signal. Takes a place in the inbox, as a job does.
  void PostSignal(Ticket& ticket, Ref<Timeline> queue, uint64_t seqno, Outcome outcome);

 private:
  friend class Ticket;

  void OnCompletions(absl::Span<const hw::Completion> completions) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSuspended(uint64_t context, void* owner, absl::Status status) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDeviceLost(absl::Status cause) override;

  absl::Status CheckOpen() const;
  void RunThread();
  void PostControl(Message::Kind kind, Ref<Timeline> queue);
  void Post(std::unique_ptr<ControlMessage> message);
  // Turns until nobody asks for more, by the holder of the baton; after `turns_max` the device thread goes on.
  void DoTurns(int turns_max);
  void WakeThread();

  // ---- The holder of the baton.
  // Everything that has come in, then everything that follows from it.
  void Turn(hw::Nanos now);
  void DrainInbox(hw::Nanos now);
  void Obey(std::unique_ptr<ControlMessage> message, hw::Nanos now);
  void Suspend(std::unique_ptr<ControlMessage> message, hw::Queue* hardware);
  // The device will answer a Suspend of it.
  void Await(Ref<Timeline> queue);
  void SwitchGroups(hw::Nanos now);
  void DrainCompletions(hw::Nanos now) ABSL_LOCKS_EXCLUDED(mutex_);
  // What the device answers to Suspend, to the observers.
  void TellSuspended(hw::Nanos now) ABSL_LOCKS_EXCLUDED(mutex_);
  void FollowStop(hw::Nanos now);
  void FeedDevice(hw::Nanos now);
  void CheckTimeouts(hw::Nanos now);
  void SetTimer(hw::Nanos now);
  void TellOwners();
  void FlushTold();
  void Put(Ref<Job> job);

  // The device's answer to Suspend. The owner may be gone by now: compared, never followed.
  struct Suspended {
    ContextId context;
    void* owner;
    absl::Status status;
  };

  hw::Device& device_;
  StageRecorder* const recorder_;
  const DeviceLoopOptions options_;
  const int wake_fd_;
  const int timer_fd_;

  std::atomic<ContextId> next_context_{1};
  // Granted and not taken out of the inbox yet.
  std::atomic<size_t> inbox_used_{0};
  Inbox inbox_;
  Baton baton_;
  // The baton waits for the device thread.
  std::atomic<bool> handed_over_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> device_lost_{false};
  // Everything has ended after Stop.
  std::atomic<bool> done_{false};
  // Ended jobs on their way to the device thread, which lets them go.
  Inbox puts_;
  std::atomic<size_t> deferred_puts_{0};

  hw::Mutex mutex_;
  // From the completion source, which waits while they are at the bound.
  std::vector<hw::Completion> completions_ ABSL_GUARDED_BY(mutex_);
  hw::CondVar has_room_;
  std::vector<Suspended> suspended_ ABSL_GUARDED_BY(mutex_);
  bool accepts_completions_ ABSL_GUARDED_BY(mutex_) = true;

  // The holder of the baton only.
  Scheduler scheduler_;
  bool told_device_lost_ = false;
  hw::Nanos give_up_ = hw::kNever;
  hw::Nanos next_check_ = 0;
  hw::Nanos timer_at_ = hw::kNever;
  bool has_deferred_ = false;
  std::vector<hw::Completion> draining_;
  // Queues whose Suspend the device has not answered.
  std::vector<Ref<Timeline>> suspending_;
  std::vector<Suspended> telling_suspended_;
  // Ended jobs of one observer that it has not heard of.
  std::vector<Ref<Job>> told_;
  std::vector<Job*> told_view_;

  std::thread thread_;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_DEVICE_LOOP_H_
