// The device thread: carries jobs from the threads of clients to the scheduler, the scheduler's decisions to the
// device, and the device's completions back.
//
//   auto ticket = loop.Reserve(jobs.size());          // may fail: nothing has been consumed
//   { MutexLock lock(&mutex_); job->Arm(...); loop.Post(*ticket, std::move(job)); }
//   loop.Wake();                                      // one for the whole call, with no lock held
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
#include "server/sched/inbox.h"
#include "server/sched/job.h"
#include "server/sched/observer.h"
#include "server/sched/scheduler.h"

namespace xeq::sched {

// Hears of every job that ends, whoever owns it, before its owner does. Device thread.
class StageRecorder {
 public:
  virtual ~StageRecorder() = default;
  virtual void Record(const Job& job, const QueueSpec& queue) = 0;
};

struct DeviceLoopOptions {
  // Jobs that may be on their way to the device thread at one time.
  size_t inbox_capacity = 65'536;
  // How often the watchdog looks at running jobs.
  hw::Nanos watchdog_period_ns = 20 * hw::kNanosPerMilli;
  // How long Stop waits for the device to let go of its jobs, which end with kDeviceLost after that.
  hw::Nanos stop_timeout_ns = 5 * hw::kNanosPerSecond;
};

class DeviceLoop;

// Room in the inbox that was granted and is not used yet. Gives back what is left when destroyed.
class Ticket {
 public:
  Ticket(Ticket&& other) noexcept;
  Ticket& operator=(Ticket&&) = delete;
  ~Ticket();

 private:
  friend class DeviceLoop;
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

  // RESOURCE_EXHAUSTED: the inbox is full. UNAVAILABLE: Stop was called, or the device is lost.
  absl::StatusOr<Ticket> Reserve(size_t jobs);
  // An armed job. The caller holds the lock that orders the context's points, so that arm order is post order. Does
  // not wake, takes no memory.
  void Post(Ticket& ticket, std::unique_ptr<Job> job);
  // Makes the queue known; jobs for it may be posted right after. UNAVAILABLE as Reserve.
  absl::Status PostQueue(QueueSpec queue);
  // Usable -> Destroyed: queued jobs are cancelled, those on the device are stopped. The observer hears OnInactive.
  void PostClose(ContextId context);
  // After OnInactive: frees the timeline. No job that waits on it may be posted afterwards.
  void PostForget(ContextId context);
  // Call after Post, with no lock held. Costs a system call only when the device thread sleeps.
  void Wake();

 private:
  friend class Ticket;

  void OnCompletions(absl::Span<const hw::Completion> completions) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDeviceLost(absl::Status cause) override;

  void Run();
  // One turn: everything that has come in, then everything that follows from it.
  void Turn(hw::Nanos now);
  void DrainInbox(hw::Nanos now);
  void DrainCompletions(hw::Nanos now) ABSL_LOCKS_EXCLUDED(mutex_);
  void FeedDevice(hw::Nanos now);
  void CheckTimeouts(hw::Nanos now);
  void TellOwners();
  void FlushTold();
  bool HasInput() ABSL_LOCKS_EXCLUDED(mutex_);
  void Sleep();

  hw::Device& device_;
  StageRecorder* const recorder_;
  const DeviceLoopOptions options_;
  const int wake_fd_;

  std::atomic<ContextId> next_context_{1};
  // Granted and not taken out by the device thread yet.
  std::atomic<size_t> inbox_used_{0};
  Inbox inbox_;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> device_lost_{false};

  hw::Mutex mutex_;
  // From the completion source, which waits while they are at the bound.
  std::vector<hw::Completion> completions_ ABSL_GUARDED_BY(mutex_);
  hw::CondVar has_room_;
  bool accepts_completions_ ABSL_GUARDED_BY(mutex_) = true;

  // Device thread only.
  Scheduler scheduler_;
  bool told_device_lost_ = false;
  hw::Nanos next_check_ = 0;
  std::vector<hw::Completion> draining_;
  // Ended jobs of one observer that it has not heard of.
  std::vector<std::unique_ptr<Job>> told_;
  std::vector<Job*> told_view_;

  std::thread thread_;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_DEVICE_LOOP_H_
