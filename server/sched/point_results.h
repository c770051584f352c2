// How the points of one context ended, in little memory: a counter, and the failures as ranges.
#ifndef XEQ_SERVER_SCHED_POINT_RESULTS_H_
#define XEQ_SERVER_SCHED_POINT_RESULTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/sched/fence.h"

namespace xeq::sched {

// Nothing is stored for a point that succeeded. Neighbouring failures of one cause share a range, and so do those that
// each are a cause of their own in the same way, such as the cancelled jobs of a closed queue. At most `ranges_max`
// ranges are kept; beyond that the oldest is forgotten, and with it whether the points up to its end succeeded.
// Not thread-safe: the scheduler has its own, a session has another behind its lock.
class PointResults {
 public:
  enum class State { kPending, kOk, kFailed, kForgotten };

  // All memory is taken here.
  explicit PointResults(size_t ranges_max = kRangesMax);

  // The last point that has ended, 0 at first.
  uint64_t ended() const { return ended_; }
  // Ends the point ended() + 1 of the context.
  void End(ContextId context, const Result& result);
  // With kFailed, `result` (which may be null) tells why.
  State Find(uint64_t seqno, Result* result) const;

  static constexpr size_t kRangesMax = 64;

 private:
  struct Range {
    uint64_t first;
    uint64_t last;
    // The root's seqno is 0 where each point is its own.
    Result result;
  };

  const size_t ranges_max_;
  uint64_t ended_ = 0;
  // Points up to here are forgotten unless a kept range holds them.
  uint64_t forgotten_ = 0;
  // A ring: the oldest at `oldest_` once it is full. Ordered by seqno.
  std::vector<Range> ranges_;
  size_t oldest_ = 0;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_POINT_RESULTS_H_
