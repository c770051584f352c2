// A timeline: one queue, the binds of a VM, or host fences; its points, and who waits for them.
#ifndef XEQ_SERVER_SCHED_TIMELINE_H_
#define XEQ_SERVER_SCHED_TIMELINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "hw/device.h"
#include "hw/mutex.h"
#include "server/sched/fence.h"
#include "server/sched/job.h"
#include "server/sched/observer.h"
#include "server/sched/point_results.h"
#include "server/sched/queue_state.h"
#include "server/sched/ref.h"

namespace xeq::sched {

// Who gives a job's memory back after its end was told.
enum class PutMode : uint8_t {
  // Whoever told it, in the completion path.
  kInline,
  // The device thread, later.
  kDeferred,
};

struct QueueSpec {
  ContextId context = 0;
  // Points are signalled by a client, not by a device.
  bool is_host = false;
  // Closes by itself when its first job has ended.
  bool one_job = false;
  // Its jobs may run without end: see EngineGroup. No job waits for its points.
  bool long_running = false;
  // Batches of a job, one for each ring of a fixed set: a queue never runs on another set, so that its points end in
  // order. 1 to hw::kBatchesPerJobMax.
  uint32_t width = 1;
  hw::EngineClass engine_class = hw::EngineClass::kRender;
  hw::Priority priority = hw::Priority::kNormal;
  // How long a job may be on the engine before it counts as hung. kNever: no limit.
  hw::Nanos job_timeout_ns = hw::kNever;
  // Of jobs on the device at one time, at least 1.
  uint32_t credits = 1;
  PutMode put_mode = PutMode::kInline;
  // A submission runs the scheduler on its own thread when nobody else does, instead of waking the device thread.
  bool bypass = true;
  // Failures of different causes that are told apart.
  size_t causes_max = PointResults::kRangesMax;
};

// Counted: by the scheduler until it is inactive, by every job on it, by every wait for its points, by its owner. Only
// `id` and `spec` may be read by any thread; the rest belongs to whoever runs the scheduler.
class alignas(64) Timeline : public Counted {
 public:
  // `hardware` is null for a VM's binds and for host fences.
  Timeline(QueueSpec queue_spec, std::unique_ptr<hw::Queue> hardware)
      : spec(std::move(queue_spec)),
        state(UsableQueue(std::move(hardware))),
        results(spec.causes_max),
        priority(spec.priority) {
    visible_ = live()->hardware();
    if (visible_ != nullptr) visible_->owner = this;
  }
  ~Timeline() = default;

  // What is looked at for each job, before it is.
  void Prefetch() const {
    const char* const bytes = reinterpret_cast<const char*>(this);
    for (size_t line = 0; line < 4; ++line) __builtin_prefetch(bytes + 64 * line, 1);
  }

  // What the device knows of the queue; nothing when it has no context, or not any more. Any thread.
  std::optional<hw::QueueSnapshot> Look(hw::Device& device) ABSL_LOCKS_EXCLUDED(look_mutex_);
  // Before the hardware's memory goes: whoever looks sees nothing any more.
  void HideHardware() ABSL_LOCKS_EXCLUDED(look_mutex_);

  ContextId id() const { return spec.context; }

  // Null in the other states.
  UsableQueue* usable() { return std::get_if<UsableQueue>(&state); }
  DestroyedQueue* destroyed() { return std::get_if<DestroyedQueue>(&state); }
  LiveQueue* live() {
    if (UsableQueue* queue = usable()) return queue;
    return destroyed();
  }

  // Puts a wait of another queue's head on the list of those who wait for a point of this one.
  void AddWaiter(Wait& wait);
  void RemoveWaiter(Wait& wait);
  // Takes the first wait whose point has ended off the list. Null when there is none.
  Wait* TakeMetWaiter();

  // Side by side: they are looked at for each job, and with thousands of queues a look is a miss.
  static void* operator new(size_t bytes);
  static void operator delete(void* timeline, size_t bytes);

  const QueueSpec spec;
  std::variant<UsableQueue, DestroyedQueue, InactiveQueue> state;
  PointResults results;
  // Of its jobs among those that are ready; begins as the spec's.
  hw::Priority priority;
  // Waits hold the head of the queue back.
  bool blocked = false;
  // Once set, jobs that have not begun end with `doom`: the queue faulted, hung, was closed, or the device is lost.
  bool doomed = false;
  // By Scheduler::Stop: no job is started.
  bool stopped = false;
  // Its oldest job counts as overdue, whatever the clock says.
  bool timeout_triggered = false;
  // The head was put among those that may run.
  bool in_ready = false;
  // Its group of engines is not in its mode: it waits there.
  bool parked = false;
  bool in_work = false;
  bool in_cancel = false;
  // When the oldest job got there, or was last seen to be innocent.
  hw::Nanos running_since = 0;
  // On the scheduler's lists of the same names.
  Timeline* next_work = nullptr;
  Timeline* next_ready = nullptr;

 private:
  // Those who wait for points: a pairing heap by seqno, and in order of their coming among equals.
  Wait* waiters_ = nullptr;
  uint64_t waiters_order_ = 0;

 public:
  // ---- Seldom looked at.
  // Hears of the queue's jobs, from PostQueue until the queue is inactive. Shared, because jobs and the closing queue
  // outlive the session that owned them; let go then, because the session may hold the timeline.
  std::shared_ptr<Observer> observer;
  // Asked by its group to leave the engine, and not answered; left for its group; left for its client.
  bool group_suspending = false;
  bool group_suspended = false;
  bool client_suspending = false;
  bool client_suspended = false;
  Timeline* next_group = nullptr;
  hw::JobStatus cancel_status = hw::JobStatus::kCancelled;
  Timeline* next_cancel = nullptr;
  Timeline* next_event = nullptr;
  Timeline* next_known = nullptr;
  Timeline* previous_known = nullptr;
  Result doom;

 private:
  hw::Mutex look_mutex_;
  // What the state owns, for those who look.
  hw::Queue* visible_ ABSL_GUARDED_BY(look_mutex_) = nullptr;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_TIMELINE_H_
