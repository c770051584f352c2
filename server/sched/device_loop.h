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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/device.h"
#include "server/sched/job.h"
#include "server/sched/observer.h"

namespace xeq::sched {

// What a queue is made of. A VM's bind timeline is a queue without `hw`.
struct QueueSpec {
  ContextId context = 0;
  // Null for a VM's bind timeline.
  std::unique_ptr<hw::Queue> hw;
  hw::EngineClass engine_class = hw::EngineClass::kRender;
  hw::Priority priority = hw::Priority::kNormal;
  // How long a job may be on the engine before it counts as hung. kNever: no limit.
  hw::Nanos job_timeout_ns = hw::kNever;
  // Jobs on the device at one time.
  uint32_t credits = 1;
  // Hears of the queue's jobs. Shared, because jobs and the closing queue outlive the session that owned them.
  std::shared_ptr<Observer> observer;
};

// Hears of every job that ends, whoever owns it. Device thread.
class StageRecorder {
 public:
  virtual ~StageRecorder() = default;
  virtual void Record(const Job& job, const QueueSpec& queue) = 0;
};

struct DeviceLoopOptions {
  // Jobs and control messages that may be on their way to the device thread at one time.
  size_t inbox_capacity = 65'536;
  // How often the watchdog looks at running jobs.
  hw::Nanos watchdog_period_ns = 20 * hw::kNanosPerMilli;
};

// Room in the inbox that was granted and is not used yet. Move-only; gives back what is left when destroyed.
class Ticket;

// Every public function but Start and Stop may be called from any thread; none blocks on the device.
class DeviceLoop : private hw::Device::Listener {
 public:
  // `device` and `recorder` outlive the loop. `recorder` may be null.
  DeviceLoop(hw::Device& device, StageRecorder* recorder, const DeviceLoopOptions& options);
  ~DeviceLoop() override;

  absl::Status Start();
  // Cancels what is queued, waits until nothing is on the device, and ends the thread. Idempotent.
  void Stop();

  hw::Device& device() { return device_; }
  // A fresh id.
  ContextId NewContext();

  // RESOURCE_EXHAUSTED: the inbox is full. UNAVAILABLE: Stop was called, or the device is lost.
  absl::StatusOr<Ticket> Reserve(size_t jobs);
  // The caller holds the lock that orders the context's points, so that arm order is post order. Does not wake.
  void Post(Ticket& ticket, std::unique_ptr<Job> job);
  // Makes the queue known; jobs for it may be posted right after. Wakes.
  absl::Status PostQueue(QueueSpec queue);
  // Usable -> Destroyed: queued jobs are cancelled, those on the device are stopped. The observer hears OnInactive.
  void PostClose(ContextId context);
  // After OnInactive: frees the timeline. No job that waits on it may be posted afterwards.
  void PostForget(ContextId context);
  // Call after Post, with no lock held.
  void Wake();

  // Owned by device_loop.cc.
  struct Impl;

 private:
  void OnCompletions(absl::Span<const hw::Completion> completions) override;
  void OnDeviceLost(absl::Status cause) override;

  hw::Device& device_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_DEVICE_LOOP_H_
