// The life of a queue inside the scheduler: Usable -> Destroyed -> Inactive, each a type of its own that can be moved
// and not copied. A step takes the queue in one state and gives it back in the next, with all that it owns. What a
// state does not allow has no function: nothing can be pushed to a destroyed queue or started on it, and only an
// inactive one gives its hardware context back.
#ifndef XEQ_SERVER_SCHED_QUEUE_STATE_H_
#define XEQ_SERVER_SCHED_QUEUE_STATE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "hw/device.h"
#include "server/sched/job_list.h"

namespace xeq::sched {

// What a queue has as long as it may have jobs.
class LiveQueue {
 public:
  LiveQueue(LiveQueue&&) noexcept = default;
  LiveQueue& operator=(LiveQueue&&) = delete;

  // The next job to start, null when there is none.
  Job* head() const { return queued_.front(); }
  // Takes it away, to end it without a run.
  Ref<Job> TakeHead() { return queued_.PopFront(); }
  // The oldest job on the device, or, on a host timeline, the oldest point that is not signalled.
  Job* oldest() const { return on_device_.front(); }
  Ref<Job> TakeOldest() {
    Ref<Job> job = on_device_.PopFront();
    credits_used_ -= job->credits();
    return job;
  }
  // Null for binds and host timelines.
  hw::Queue* hardware() const { return hardware_.get(); }
  uint32_t credits_used() const { return credits_used_; }

 protected:
  explicit LiveQueue(std::unique_ptr<hw::Queue> hardware) : hardware_(std::move(hardware)) {}
  ~LiveQueue() = default;

  std::unique_ptr<hw::Queue> hardware_;
  JobList queued_;
  JobList on_device_;
  uint32_t credits_used_ = 0;
};

// Nothing refers to the hardware any more: its memory and ids go back when this goes.
class InactiveQueue {
 public:
  explicit InactiveQueue(std::unique_ptr<hw::Queue> hardware) : hardware_(std::move(hardware)) {}
  InactiveQueue(InactiveQueue&&) noexcept = default;
  InactiveQueue& operator=(InactiveQueue&&) noexcept = default;

 private:
  std::unique_ptr<hw::Queue> hardware_;
};

// Closed: what is queued will be ended, what is on the device is waited for.
class DestroyedQueue : public LiveQueue {
 public:
  DestroyedQueue(DestroyedQueue&&) noexcept = default;
  bool drained() const { return queued_.empty() && on_device_.empty(); }
  // It is drained.
  InactiveQueue Finish() && { return InactiveQueue(std::move(hardware_)); }

 private:
  friend class UsableQueue;
  explicit DestroyedQueue(LiveQueue&& queue) : LiveQueue(std::move(queue)) {}
};

class UsableQueue : public LiveQueue {
 public:
  explicit UsableQueue(std::unique_ptr<hw::Queue> hardware) : LiveQueue(std::move(hardware)) {}
  UsableQueue(UsableQueue&&) noexcept = default;

  void Push(Ref<Job> job) { queued_.PushBack(std::move(job)); }
  // The head goes on the device; there is one.
  Job* StartHead() {
    Ref<Job> job = queued_.PopFront();
    credits_used_ += job->credits();
    Job* started = job.get();
    on_device_.PushBack(std::move(job));
    return started;
  }
  DestroyedQueue Destroy() && { return DestroyedQueue(std::move(*this)); }
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_QUEUE_STATE_H_
