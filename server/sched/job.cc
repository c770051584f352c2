#include "server/sched/job.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace xeq::sched {
namespace {

// Keeps the later point of each context: points of one context end in order, so the later one covers the earlier. Where
// both ask for the same point's sake, the stricter policy wins.
std::vector<Wait> Fold(std::vector<Wait> waits) {
  std::vector<Wait> folded;
  folded.reserve(waits.size());
  for (const Wait& wait : waits) {
    auto same = std::find_if(folded.begin(), folded.end(),
                             [&](const Wait& other) { return other.point.context == wait.point.context; });
    if (same == folded.end()) {
      folded.push_back(wait);
    } else if (same->point.seqno < wait.point.seqno) {
      same->point = wait.point;
      same->on_error = wait.on_error;
    } else if (same->point.seqno == wait.point.seqno && wait.on_error == WaitErrorPolicy::kFail) {
      same->on_error = WaitErrorPolicy::kFail;
    }
  }
  return folded;
}

}  // namespace

Job::Job(absl::Span<const uint64_t> batches, std::vector<Wait> waits)
    : Message(Kind::kJob), batch_count_(static_cast<uint8_t>(batches.size())), waits_(Fold(std::move(waits))) {
  assert(!batches.empty() && batches.size() <= batches_.size());
  std::copy(batches.begin(), batches.end(), batches_.begin());
}

Job::Job(std::unique_ptr<hw::BindOp> bind, std::vector<Wait> waits)
    : Message(Kind::kJob), bind_(std::move(bind)), waits_(Fold(std::move(waits))) {
  assert(bind_ != nullptr);
}

void Job::Arm(Point point, hw::Nanos now) {
  assert(point_.context == 0 && "a job is armed once");
  point_ = point;
  times.armed = now;
  for (Wait& wait : waits_) wait.job = this;
}

}  // namespace xeq::sched
