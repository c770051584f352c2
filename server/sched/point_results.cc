#include "server/sched/point_results.h"

namespace xeq::sched {
namespace {

bool SameCause(const Result& a, const Result& b) {
  return a.outcome == b.outcome && a.root == b.root && a.root_outcome == b.root_outcome;
}

// What happens to many jobs of a queue for one reason that lies in none of them.
bool IsOfTheQueue(const Result& result) {
  return result.outcome == Outcome::kCancelled || result.outcome == Outcome::kDeviceLost ||
         result.outcome == Outcome::kExpired;
}

}  // namespace

PointResults::PointResults(size_t ranges_max) : ranges_max_(ranges_max) { ranges_.reserve(ranges_max); }

void PointResults::End(ContextId context, const Result& ended_with) {
  ++ended_;
  if (ended_with.outcome == Outcome::kOk) return;
  Result result = ended_with;
  if (result.root == Point{context, ended_} && IsOfTheQueue(result)) result.root.seqno = 0;
  if (!ranges_.empty()) {
    Range& newest = ranges_[(oldest_ + ranges_.size() - 1) % ranges_.size()];
    if (newest.last + 1 == ended_ && SameCause(newest.result, result)) {
      newest.last = ended_;
      return;
    }
  }
  const Range range{ended_, ended_, result};
  if (ranges_.size() < ranges_max_) {
    ranges_.push_back(range);
    return;
  }
  forgotten_ = ranges_[oldest_].last;
  ranges_[oldest_] = range;
  oldest_ = (oldest_ + 1) % ranges_max_;
}

PointResults::State PointResults::Find(uint64_t seqno, Result* result) const {
  if (seqno > ended_) return State::kPending;
  if (seqno <= forgotten_) return State::kForgotten;
  // The first range that ends at or after the point, by halving.
  size_t low = 0;
  size_t high = ranges_.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (ranges_[(oldest_ + middle) % ranges_.size()].last < seqno) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == ranges_.size()) return State::kOk;
  const Range& range = ranges_[(oldest_ + low) % ranges_.size()];
  if (range.first > seqno) return State::kOk;
  if (result != nullptr) {
    *result = range.result;
    if (result->root.seqno == 0) result->root.seqno = seqno;
  }
  return State::kFailed;
}

}  // namespace xeq::sched
