#include "server/sched/job.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>

#include "server/sched/timeline.h"

namespace xeq::sched {
namespace {

// Of two policies for one point the one that asks for more counts.
int Strictness(WaitErrorPolicy policy) {
  switch (policy) {
    case WaitErrorPolicy::kFail:
      return 2;
    case WaitErrorPolicy::kSkip:
      return 1;
    case WaitErrorPolicy::kRun:
      break;
  }
  return 0;
}

// Whether a wait for `later` meets `earlier` too. Points of one context end in order, so it does, but for a failure of
// the earlier point that is to count.
bool Covers(const Wait& later, const Wait& earlier) {
  if (later.timeline.get() != earlier.timeline.get()) return false;
  if (later.seqno == earlier.seqno) return Strictness(later.on_error) >= Strictness(earlier.on_error);
  return later.seqno > earlier.seqno && earlier.on_error == WaitErrorPolicy::kRun;
}

// Drops, in place, what another wait covers. Alternatives (any_of) stay as they are.
void Fold(std::vector<Wait>& waits, const Timeline* own) {
  size_t kept = 0;
  for (size_t i = 0; i < waits.size(); ++i) {
    Wait& wait = waits[i];
    if (wait.any_of == 0) {
      if (wait.timeline.get() == own) continue;
      const auto covered_by = [&](const Wait& other) { return other.any_of == 0 && Covers(other, wait); };
      const auto covered = [&](const Wait& other) { return other.any_of == 0 && Covers(wait, other); };
      const auto end = waits.begin() + static_cast<std::ptrdiff_t>(kept);
      if (std::any_of(waits.begin(), end, covered_by)) continue;
      kept = static_cast<size_t>(std::remove_if(waits.begin(), end, covered) - waits.begin());
    }
    if (kept != i) waits[kept] = std::move(wait);
    ++kept;
  }
  waits.erase(waits.begin() + static_cast<std::ptrdiff_t>(kept), waits.end());
}

}  // namespace

Wait::Wait(Ref<Timeline> timeline, uint64_t seqno, WaitErrorPolicy on_error, uint16_t any_of)
    : timeline(std::move(timeline)), seqno(seqno), on_error(on_error), any_of(any_of) {}
Wait::Wait(Wait&&) noexcept = default;
Wait& Wait::operator=(Wait&&) noexcept = default;
Wait::~Wait() = default;

Point Wait::point() const { return {timeline->id(), seqno}; }

Job::Job(absl::Span<const uint64_t> batches, size_t waits_max)
    : Message(Kind::kJob), batches_(batches.begin(), batches.end()) {
  waits_.reserve(waits_max);
}

Job::Job(std::unique_ptr<hw::BindOp> bind, size_t waits_max) : Message(Kind::kJob), bind_(std::move(bind)) {
  assert(bind_ != nullptr);
  waits_.reserve(waits_max);
}

Job::Job(hw::Nanos expiry) : Message(Kind::kJob), expiry_(expiry) {}

Job::Job(Ref<Timeline> queue, absl::Span<const uint64_t> batches, std::vector<Wait> waits) : Job(batches, 0) {
  waits_ = std::move(waits);
  PutOn(std::move(queue));
}

Job::Job(Ref<Timeline> queue, std::unique_ptr<hw::BindOp> bind, std::vector<Wait> waits) : Job(std::move(bind), 0) {
  waits_ = std::move(waits);
  PutOn(std::move(queue));
}

Job::Job(Ref<Timeline> queue, hw::Nanos expiry) : Job(expiry) {
  assert(queue->spec.is_host);
  PutOn(std::move(queue));
}

Job::~Job() = default;

void Job::DropWaitsFrom(size_t first) {
  waits_.erase(waits_.begin() + static_cast<std::ptrdiff_t>(first), waits_.end());
}

void Job::PutOn(Ref<Timeline> queue) {
  queue_ = std::move(queue);
  assert(batches_.empty() || batches_.size() == queue_->spec.width);
  Fold(waits_, queue_.get());
}

void Job::Arm(uint64_t seqno, hw::Nanos now) {
  assert(seqno_ == 0 && "a job is armed once");
  seqno_ = seqno;
  times.armed = now;
  for (Wait& wait : waits_) wait.job = this;
}

Point Job::point() const { return {queue_->id(), seqno_}; }

size_t Job::WaitGroupEnd(size_t first) const {
  size_t end = first + 1;
  if (waits_[first].any_of == 0) return end;
  while (end < waits_.size() && waits_[end].any_of == waits_[first].any_of) ++end;
  return end;
}

void Job::Drop() {
  if (DropReference()) delete this;
}

}  // namespace xeq::sched
