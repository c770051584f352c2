#include "server/sched/job.h"

#include <algorithm>
#include <cassert>
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

// Keeps the later point of each context: points of one context end in order, so the later one covers the earlier. Where
// both ask for the same point's sake, the stricter policy wins. Alternatives (any_of) stay as they are.
std::vector<Wait> Fold(std::vector<Wait> waits, const Timeline* own) {
  std::vector<Wait> folded;
  folded.reserve(waits.size());
  for (Wait& wait : waits) {
    if (wait.any_of == 0 && wait.timeline.get() == own) continue;
    auto same = std::find_if(folded.begin(), folded.end(), [&](const Wait& other) {
      return wait.any_of == 0 && other.any_of == 0 && other.timeline.get() == wait.timeline.get();
    });
    if (same == folded.end()) {
      folded.push_back(std::move(wait));
    } else if (same->seqno < wait.seqno) {
      same->seqno = wait.seqno;
      same->on_error = wait.on_error;
    } else if (same->seqno == wait.seqno && Strictness(same->on_error) < Strictness(wait.on_error)) {
      same->on_error = wait.on_error;
    }
  }
  return folded;
}

}  // namespace

Wait::Wait(Ref<Timeline> timeline, uint64_t seqno, WaitErrorPolicy on_error, uint16_t any_of)
    : timeline(std::move(timeline)), seqno(seqno), on_error(on_error), any_of(any_of) {}
Wait::Wait(Wait&&) noexcept = default;
Wait& Wait::operator=(Wait&&) noexcept = default;
Wait::~Wait() = default;

Point Wait::point() const { return {timeline->id(), seqno}; }

Job::Job(Ref<Timeline> queue, absl::Span<const uint64_t> batches, std::vector<Wait> waits)
    : Message(Kind::kJob),
      queue_(std::move(queue)),
      batches_(batches.begin(), batches.end()),
      waits_(Fold(std::move(waits), queue_.get())) {
  assert(batches.empty() || batches.size() == queue_->spec.width);
}

Job::Job(Ref<Timeline> queue, std::unique_ptr<hw::BindOp> bind) : Job(std::move(queue), std::move(bind), {}) {}

Job::Job(Ref<Timeline> queue, std::unique_ptr<hw::BindOp> bind, std::vector<Wait> waits)
    : Message(Kind::kJob),
      queue_(std::move(queue)),
      bind_(std::move(bind)),
      waits_(Fold(std::move(waits), queue_.get())) {
  assert(bind_ != nullptr);
}

Job::Job(Ref<Timeline> queue, hw::Nanos expiry) : Message(Kind::kJob), queue_(std::move(queue)), expiry_(expiry) {
  assert(queue_->spec.is_host);
}

Job::~Job() = default;

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
