// A job: what a client submitted, on its way through the scheduler.
#ifndef XEQ_SERVER_SCHED_JOB_H_
#define XEQ_SERVER_SCHED_JOB_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "server/sched/fence.h"
#include "server/sched/inbox.h"
#include "server/sched/ref.h"

namespace xeq::sched {

class Job;
class Timeline;

// An in-fence, with the links that put its job on the awaited timeline's list while the job is the head of its queue.
struct Wait {
  Wait(Ref<Timeline> timeline, uint64_t seqno, WaitErrorPolicy on_error = WaitErrorPolicy::kFail, uint16_t any_of = 0);
  Wait(Wait&&) noexcept;
  Wait& operator=(Wait&&) noexcept;
  ~Wait();
  Point point() const;

  // Keeps the awaited points to be asked for.
  Ref<Timeline> timeline;
  uint64_t seqno;
  WaitErrorPolicy on_error;
  // Waits with the same number other than 0, which stand side by side and which no others have, are met together as
  // soon as one of them ends without a failure. When all have failed, the first one's policy and cause count.
  uint16_t any_of;
  // In the awaited timeline's heap. This and the rest: whoever runs the scheduler.
  bool linked = false;
  Job* job = nullptr;
  uint64_t order = 0;
  Wait* child = nullptr;
  Wait* previous = nullptr;
  Wait* next = nullptr;
};

// When the job passed each stage (hw/clock.h); 0 where it did not.
struct StageTimes {
  hw::Nanos armed = 0;
  // Its last in-fence ended.
  hw::Nanos ready = 0;
  // Handed to the device.
  hw::Nanos dispatched = 0;
  hw::Nanos gpu_start = 0;
  hw::Nanos gpu_end = 0;
  // Its fence was marked as ended.
  hw::Nanos ended = 0;
  // On the engine.
  hw::Nanos gpu_time = 0;
};

// All memory that a job needs on its way is taken when it is made, by the thread that serves the client. Counted: its
// queue holds it from Add until its end was told, and it holds its queue for as long as it lives.
class Job : public Message, public Counted {
 public:
  // Execution: one batch for each lane of the queue. Without batches the job is a pure synchronisation: it costs no
  // credits, and ends when what is in front of it on its queue and its waits have ended.
  Job(Ref<Timeline> queue, absl::Span<const uint64_t> batches, std::vector<Wait> waits);
  // A change of page tables, on a VM's timeline.
  Job(Ref<Timeline> queue, std::unique_ptr<hw::BindOp> bind, std::vector<Wait> waits);
  // A point of a host timeline: ends when its client says so, or at `expiry`, which is never before that of the points
  // in front of it.
  Job(Ref<Timeline> queue, hw::Nanos expiry);
  // The same three, with the memory first, for who finds queue and waits under a lock that no allocation may be made
  // under: at most `waits_max` of AddWait, then PutOn.
  Job(absl::Span<const uint64_t> batches, size_t waits_max);
  Job(std::unique_ptr<hw::BindOp> bind, size_t waits_max);
  explicit Job(hw::Nanos expiry);
  ~Job() override;

  void AddWait(Wait wait) { waits_.push_back(std::move(wait)); }
  // How many more of AddWait take no memory.
  size_t waits_room() const { return waits_.capacity() - waits_.size(); }
  void DropWaitsFrom(size_t first);
  void PutOn(Ref<Timeline> queue);

  // The point of no return: gives the job its place. Called once, under the lock that orders the context's points.
  void Arm(uint64_t seqno, hw::Nanos now);

  Timeline& timeline() const { return *queue_; }
  Point point() const;
  uint64_t seqno() const { return seqno_; }
  absl::Span<const uint64_t> batches() const { return batches_; }
  // Null unless it changes page tables.
  hw::BindOp* bind() const { return bind_.get(); }
  // Neither batches nor bind: never handed to the device.
  bool is_sync() const { return batches_.empty() && bind_ == nullptr; }
  // Of the queue's credits, while it is on the device. 0 for a pure synchronisation.
  uint32_t credits() const { return is_sync() ? 0 : 1; }
  hw::Nanos expiry() const { return expiry_; }
  // Stored by the ring behind the batches. Set before the job is armed.
  hw::UserFence user_fence() const { return user_fence_ == nullptr ? hw::UserFence() : *user_fence_; }
  void SetUserFence(const hw::UserFence& fence) { user_fence_ = std::make_unique<hw::UserFence>(fence); }

  // The in-fences. A later point of a context covers an earlier one, which is dropped, unless the earlier one's failure
  // is to count. Waits for points of the job's own queue are dropped: the order of the queue meets them.
  absl::Span<Wait> waits() { return absl::MakeSpan(waits_); }
  // Where the group of waits that begins at `first` ends.
  size_t WaitGroupEnd(size_t first) const;
  // Lets the awaited timelines go.
  void DropWaits() { waits_.clear(); }

  // ---- Whoever runs the scheduler.
  // Where it is queued counts; may be set before Arm: a job that is known to fail.
  Result result;
  StageTimes times;
  // How many of waits(), from the front, are met.
  uint32_t waits_met = 0;
  // Link of whichever list holds the job: queued, on the device, finished.
  Job* next = nullptr;

  // ---- Message.
  void Drop() override;

 private:
  Ref<Timeline> queue_;
  uint64_t seqno_ = 0;
  absl::InlinedVector<uint64_t, 1> batches_;
  std::unique_ptr<hw::BindOp> bind_;
  std::vector<Wait> waits_;
  hw::Nanos expiry_ = hw::kNever;
  // Null: none.
  std::unique_ptr<hw::UserFence> user_fence_;
};

// What a pending job costs, with what the allocator adds; waits are 64 bytes each on top.
static_assert(sizeof(Job) <= 248);

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_JOB_H_
