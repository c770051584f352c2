// Fences: points of timelines, and how they end.
#ifndef XEQ_SERVER_SCHED_FENCE_H_
#define XEQ_SERVER_SCHED_FENCE_H_

#include <cstdint>

#include "hw/types.h"

namespace xeq::sched {

// Names a timeline: a queue, the binds of a VM, the host fences of a session. Unique in the device's life, never 0.
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
  // Not run, because a dependency failed whose failure the client had declared to be no failure of this job.
  kSkipped = 7,
  // A host fence that nobody signalled in time.
  kExpired = 8,
  // A host fence that its client signalled as failed.
  kHostError = 9,
};
inline constexpr uint8_t kOutcomeCount = 10;

// How a point ended, and why. Travels unchanged through any number of failed dependencies, so that the last fence of
// a chain still names the job that failed first.
struct Result {
  Outcome outcome = Outcome::kOk;
  // How the root ended.
  Outcome root_outcome = Outcome::kOk;
  // For every outcome but kOk: the point that failed first. Equal to the point itself and `outcome` when the job failed
  // by itself.
  Point root;
  hw::FaultInfo fault;
};

// Whether a wait for the point takes this end for a failure. A skipped job passes nothing on: see WaitErrorPolicy.
inline bool IsFailure(Outcome outcome) { return outcome != Outcome::kOk && outcome != Outcome::kSkipped; }

// What becomes of a job when an in-fence of its failed.
enum class WaitErrorPolicy : uint8_t {
  // It fails with kDependencyFailed, without running, and so do those that wait for it. The default: who waits for a
  // result mostly reads it, and a result that is not there must not be taken for one.
  kFail,
  // It runs all the same, as in the kernel, where errors do not travel along dependencies.
  kRun,
  // It ends with kSkipped, without running; those that wait for it go on. For work that is only worth doing when its
  // input is there.
  kSkip,
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_FENCE_H_
