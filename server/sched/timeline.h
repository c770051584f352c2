// One queue inside the scheduler: its jobs in order, its points, and who waits for them.
#ifndef XEQ_SERVER_SCHED_TIMELINE_H_
#define XEQ_SERVER_SCHED_TIMELINE_H_

#include <cstdint>
#include <memory>

#include "hw/device.h"
#include "server/sched/job.h"
#include "server/sched/job_list.h"
#include "server/sched/observer.h"
#include "server/sched/point_results.h"

namespace xeq::sched {

// What a queue is made of. A VM's bind timeline is a queue without `hw`.
struct QueueSpec {
  ContextId context = 0;
  std::unique_ptr<hw::Queue> hw;
  hw::EngineClass engine_class = hw::EngineClass::kRender;
  hw::Priority priority = hw::Priority::kNormal;
  // How long a job may be on the engine before it counts as hung. kNever: no limit.
  hw::Nanos job_timeout_ns = hw::kNever;
  // Jobs on the device at one time, at least 1.
  uint32_t credits = 1;
  // Hears of the queue's jobs. Shared, because jobs and the closing queue outlive the session that owned them.
  std::shared_ptr<Observer> observer;
};

// Owned by the scheduler, which alone changes it. Device thread only.
class Timeline {
 public:
  // Usable -> Destroyed -> Inactive. A destroyed queue takes no jobs and ends those that it has; an inactive one has
  // none left anywhere, and only its points can still be asked for.
  enum class State : uint8_t { kUsable, kDestroyed, kInactive };

  explicit Timeline(QueueSpec queue) : spec(std::move(queue)) {}
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  // Puts a wait of another queue's head on the list of those who wait for a point of this one.
  void AddWaiter(Wait& wait);
  void RemoveWaiter(Wait& wait);
  // Takes the first wait whose point has ended off the list. Null when there is none.
  Wait* TakeMetWaiter();
  bool has_waiters() const { return waiters_head_ != nullptr; }

  QueueSpec spec;
  PointResults results;
  State state = State::kUsable;
  // Not handed to the device yet, in order.
  JobList queued;
  // On the device, in order.
  JobList on_device;
  // The wait that holds the head of `queued` back. Null when nothing does.
  Wait* blocked_on = nullptr;
  // Once set, jobs that have not begun end with this: the queue faulted, hung, was closed, or the device is lost.
  bool doomed = false;
  Result doom;
  // When the front of `on_device` got there, or was last seen to be innocent.
  hw::Nanos running_since = 0;
  // On the scheduler's lists of the same names.
  bool in_work = false;
  bool in_ready = false;
  bool in_cancel = false;
  hw::JobStatus cancel_status = hw::JobStatus::kCancelled;
  Timeline* next_work = nullptr;
  Timeline* next_ready = nullptr;
  Timeline* next_cancel = nullptr;
  Timeline* next_event = nullptr;

 private:
  // Sorted by seqno, the earliest first.
  Wait* waiters_head_ = nullptr;
  Wait* waiters_tail_ = nullptr;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_TIMELINE_H_
