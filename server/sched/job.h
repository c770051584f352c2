// A job: what a client submitted, on its way through the scheduler.
#ifndef XEQ_SERVER_SCHED_JOB_H_
#define XEQ_SERVER_SCHED_JOB_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "hw/types.h"
#include "server/sched/inbox.h"

namespace xeq::sched {

// Names a timeline: a queue, or the binds of a VM. Unique in the device's life, never 0.
using ContextId = uint64_t;

// A fence: one point of a timeline. Points of one timeline end in order.
struct Point {
  ContextId context = 0;
  uint64_t seqno = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

// How a job ended. Values go to metrics and are never renumbered.
enum class Outcome : uint8_t {
  kOk = 0,
  kInvalidCommand = 1,
  kPageFault = 2,
  kHang = 3,
  kCancelled = 4,
  kDependencyFailed = 5,
  kDeviceLost = 6,
};

// How a point ended, and why. Travels unchanged through any number of failed dependencies, so that the last fence of
// a chain still names the job that failed first.
struct Result {
  Outcome outcome = Outcome::kOk;
  // For every outcome but kOk: the point that failed first, and how. Equal to the point itself and `outcome` when the
  // job failed by itself.
  Point root;
  Outcome root_outcome = Outcome::kOk;
  hw::FaultInfo fault;
};

enum class WaitErrorPolicy : uint8_t {
  // Fail with kDependencyFailed, without running.
  kFail,
  // Run all the same.
  kRun,
};

class Job;
class Timeline;

// An in-fence, with the links that put its job on the awaited timeline's list while the job is the head of its queue.
struct Wait {
  Point point;
  WaitErrorPolicy on_error = WaitErrorPolicy::kFail;
  // Device thread only.
  Job* job = nullptr;
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

// All memory that a job needs on its way is taken when it is made, by the thread that serves the client; from Arm on
// it belongs to the device thread, which frees it after its end was told.
class Job : public Message {
 public:
  // An execution job of `batches.size()` lanes, or, with `bind`, a change of page tables on a VM's timeline.
  Job(absl::Span<const uint64_t> batches, std::vector<Wait> waits);
  Job(std::unique_ptr<hw::BindOp> bind, std::vector<Wait> waits);

  // The point of no return: gives the job its place. Called once, under the lock that orders the context's points.
  void Arm(Point point, hw::Nanos now);

  const Point& point() const { return point_; }
  absl::Span<const uint64_t> batches() const { return {batches_.data(), batch_count_}; }
  // Null for an execution job.
  hw::BindOp* bind() const { return bind_.get(); }

  // The in-fences. Of several on one context the latest is kept: it covers the others.
  absl::Span<Wait> waits() { return absl::MakeSpan(waits_); }

  // Device thread only.
  StageTimes times;
  Result result;
  // Where it is queued; set by the scheduler.
  Timeline* timeline = nullptr;
  // How many of waits(), from the front, are met.
  uint32_t waits_met = 0;
  // Link of whichever list holds the job: queued, on the device, finished.
  Job* next = nullptr;

 private:
  Point point_;
  uint8_t batch_count_ = 0;
  std::array<uint64_t, hw::kBatchesPerJobMax> batches_{};
  std::unique_ptr<hw::BindOp> bind_;
  std::vector<Wait> waits_;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_JOB_H_
