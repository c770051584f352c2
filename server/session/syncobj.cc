#include "server/session/syncobj.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "server/common/errors.h"

namespace xeq::session {

absl::StatusOr<sched::Ref<Payload>> Payload::Make(std::shared_ptr<PayloadBudget> budget) {
  const uint32_t used = budget->used.fetch_add(1);
  if (used >= budget->max) {
    budget->used.fetch_sub(1);
    return LimitReachedForNow("syncobj_payloads_max", budget->max, used);
  }
  return sched::MakeRef<Payload>(std::move(budget));
}

Payload::~Payload() {
  budget_->used.fetch_sub(1);
  // Not by recursion, which would be as deep as the chain is long.
  Payload* next = previous_.release();
  while (next != nullptr && next->DropReference()) {
    Payload* last = std::exchange(next, next->previous_.release());
    delete last;
  }
}

Payload* Payload::FirstPending(FenceTable& fences, sched::Point& point) {
  for (Payload* payload = this; payload != nullptr && !payload->signaled_; payload = payload->previous_.get()) {
    for (const sched::Member& member : payload->members_) {
      if (fences.HasEnded(member.point)) continue;
      point = member.point;
      return payload;
    }
  }
  signaled_ = true;
  return nullptr;
}

bool Payload::IsSignaled(FenceTable& fences) {
  sched::Point point;
  return FirstPending(fences, point) == nullptr;
}

void BlockedLink::Unlink() {
  previous->next = next;
  next->previous = previous;
  previous = next = this;
}

void BlockedLink::LinkBefore(BlockedLink& other) {
  previous = other.previous;
  next = &other;
  previous->next = this;
  next->previous = this;
}

void BlockedLink::TakeAll(BlockedLink& other) {
  if (other.empty()) return;
  BlockedLink* first = other.next;
  other.Unlink();
  // `first` heads a ring of what was in the other's.
  BlockedLink* last = first->previous;
  first->previous = previous;
  previous->next = first;
  last->next = this;
  previous = last;
}

void Syncobj::Replace(sched::Ref<Payload> payload) {
  const uint32_t payloads = payload ? 1 : 0;
  state_ = {std::move(payload), payloads, 0, 0};
  collect_at_ = 16;
}

bool Syncobj::Add(uint64_t point, sched::Ref<Payload> payload, FenceTable& fences) {
  assert(point != 0);
  assert(sched::CheckMayHold(sched::Place::kTimelinePoint, payload->shape()).ok());
  if (state_.payloads >= collect_at_) {
    Collect(fences);
    collect_at_ = std::clamp<uint32_t>(2 * state_.payloads, 16, kPointsPerSyncobjMax);
  }
  if (state_.payloads >= kPointsPerSyncobjMax) return false;
  const uint64_t newest = newest_point();
  const bool rising = newest != 0 && point > newest;
  if (!rising) ++state_.runs;
  payload->point_ = std::max(point, newest);
  payload->previous_point_ = rising ? newest : 0;
  payload->run_ = state_.runs;
  payload->previous_ = std::move(state_.newest);
  state_.newest = std::move(payload);
  ++state_.payloads;
  return true;
}

void Syncobj::Restore(State state) {
  // What was let go meanwhile was the old state's.
  state.forgotten = std::max(state.forgotten, state_.forgotten);
  state_ = std::move(state);
}

void Syncobj::Collect(FenceTable& fences) {
  if (!state_.newest) return;
  uint32_t kept = 1;
  uint32_t failed = 0;
  for (Payload* newer = state_.newest.get(); Payload* payload = newer->previous_.get();) {
    bool pending = false;
    bool fails = false;
    for (const sched::Member& member : payload->members_) {
      const sched::MemberState now = fences.StateOf(member.point);
      pending = pending || now == sched::MemberState::kPending;
      fails = fails || (now == sched::MemberState::kFailed && member.failure_counts);
    }
    if (pending || (fails && ++failed <= kFailedPointsKeptMax)) {
      ++kept;
      newer = payload;
      continue;
    }
    if (fails) state_.forgotten = std::max(state_.forgotten, payload->point_);
    // Others may hold `payload` still, which keeps its own link then.
    newer->previous_ = sched::Ref<Payload>(payload->previous_);
  }
  state_.payloads = kept;
}

bool Syncobj::Found::Counts(const Payload& other) const { return point == 0 ? &other == payload : other.Covers(point); }

Syncobj::Found Syncobj::Find(uint64_t point) const {
  Payload* newest = state_.newest.get();
  if (newest == nullptr || point > newest->point_) return {};
  if (point == 0) point = newest->point_;
  if (point == 0) return {Found::Kind::kPayload, newest};
  Payload* payload = newest;
  while (payload != nullptr && payload->run_ == newest->run_ && payload->previous_point_ >= point) {
    payload = payload->previous_.get();
  }
  Found found{payload == nullptr ? Found::Kind::kSignaled : Found::Kind::kPayload, payload, point};
  // In a single run the payload that was found tells all.
  const bool known = payload != nullptr && payload->Covers(point) && state_.runs == 1;
  found.forgotten = point <= state_.forgotten && !known;
  return found;
}

uint64_t Syncobj::SignaledPoint(FenceTable& fences) const {
  if (!is_timeline()) return 0;
  Payload* newest = state_.newest.get();
  Payload* oldest = nullptr;
  sched::Point point;
  for (Payload* from = newest; from != nullptr; from = oldest->previous_.get()) {
    Payload* pending = from->FirstPending(fences, point);
    if (pending == nullptr) break;
    oldest = pending;
  }
  if (oldest == nullptr) return newest->point_;
  return oldest->run_ == newest->run_ ? oldest->previous_point_ : 0;
}

sched::Members Unwrap(const Syncobj::Found& found, FenceTable& fences) {
  sched::Members all;
  for (Payload* payload = found.payload; payload != nullptr; payload = payload->previous()) {
    for (sched::Member member : payload->members()) {
      member.failure_counts = member.failure_counts && found.Counts(*payload);
      all.push_back(member);
    }
  }
  return sched::Merge(all, [&](const sched::Point& point) { return fences.StateOf(point); });
}

}  // namespace xeq::session
