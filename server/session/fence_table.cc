#include "server/session/fence_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/common/errors.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using PointState = sched::PointResults::State;

// Ends for which each job of a queue names itself. Kept without the name, so that neighbours share a range.
bool NamesItself(const sched::Point& point, const sched::Result& result) {
  return result.root == point && (result.outcome == Outcome::kCancelled || result.outcome == Outcome::kDeviceLost);
}

}  // namespace

Context& FenceTable::Add(sched::Ref<sched::Timeline> timeline) {
  const sched::ContextId id = timeline->id();
  return *contexts_.emplace(id, std::make_unique<Context>(std::move(timeline))).first->second;
}

Context* FenceTable::Find(sched::ContextId id) {
  auto found = contexts_.find(id);
  return found == contexts_.end() ? nullptr : found->second.get();
}

void FenceTable::Close(Context& context) {
  context.closed = true;
  ++closing_;
  BuryIfUnused(context);
}

absl::StatusOr<FenceStatus> FenceTable::Status(const sched::Point& point, Field field) {
  Context* context = Find(point.context);
  if (context == nullptr) return ContextNotFound(absl::StrCat(field(), "context"), point.context);
  if (point.seqno == 0 || point.seqno > context->armed + context->planned) {
    return FenceNeverArmed(absl::StrCat(field(), "seqno"), point.context, point.seqno, context->armed);
  }
  FenceStatus status{point, FenceState::kPending, {}};
  switch (context->results.Find(point.seqno, &status.result)) {
    case PointState::kPending:
      break;
    case PointState::kOk:
      status.state = FenceState::kSignaled;
      break;
    case PointState::kFailed:
      status.state = FenceState::kFailed;
      if (status.result.root.seqno == 0) status.result.root = point;
      break;
    case PointState::kForgotten:
      return FenceForgotten(absl::StrCat(field(), "seqno"), point.context, point.seqno);
  }
  return status;
}

absl::Status FenceTable::Statuses(const FenceWait& wait, std::vector<FenceStatus>& statuses, bool& met) {
  statuses.clear();
  statuses.reserve(wait.points().size());
  size_t pending = 0;
  for (size_t i = 0; i < wait.points().size(); ++i) {
    absl::StatusOr<FenceStatus> status = Status(wait.points()[i], [&] { return absl::StrCat("fences[", i, "]."); });
    if (!status.ok()) return status.status();
    if (status->state == FenceState::kPending) ++pending;
    statuses.push_back(*status);
  }
  met = wait.mode() == FenceWait::Mode::kAll ? pending == 0 : pending < wait.points().size();
  return absl::OkStatus();
}

absl::StatusOr<bool> FenceTable::StartWait(FenceWait& wait) {
  if (wait.state_ == FenceWait::State::kCancelled) return true;
  std::vector<FenceStatus> statuses;
  bool met = false;
  if (absl::Status status = Statuses(wait, statuses, met); !status.ok()) return status;
  if (met) {
    wait.state_ = FenceWait::State::kMet;
    return true;
  }
  if (waiters_.size() >= waiters_max_) return LimitReachedForNow("waiters_max", waiters_max_, waiters_.size());
  // Points of one context end in order, so one of them decides: the latest, or for kAny the earliest.
  for (const FenceStatus& status : statuses) {
    if (status.state != FenceState::kPending) continue;
    Context* context = Find(status.point.context);
    auto same = std::find_if(wait.entries_.begin(), wait.entries_.end(),
                             [&](const auto& entry) { return entry.first == context; });
    if (same == wait.entries_.end()) {
      wait.entries_.emplace_back(context, context->waits.emplace(status.point.seqno, &wait));
    } else if ((same->second->first < status.point.seqno) == (wait.mode() == FenceWait::Mode::kAll)) {
      context->waits.erase(same->second);
      same->second = context->waits.emplace(status.point.seqno, &wait);
    }
  }
  wait.remaining_ = wait.mode() == FenceWait::Mode::kAll ? wait.entries_.size() : 1;
  wait.state_ = FenceWait::State::kWaiting;
  waiters_.emplace(&wait, wait.shared_from_this());
  return false;
}

bool FenceTable::CancelWait(FenceWait& wait) {
  const bool was_waiting = wait.state_ == FenceWait::State::kWaiting;
  if (was_waiting) {
    Unregister(wait);
    waiters_.erase(&wait);
  }
  if (wait.state_ != FenceWait::State::kMet) wait.state_ = FenceWait::State::kCancelled;
  return was_waiting;
}

void FenceTable::Unregister(FenceWait& wait) {
  for (auto& [context, entry] : wait.entries_) context->waits.erase(entry);
  wait.entries_.clear();
}

void FenceTable::End(const sched::Point& point, const sched::Result& result, MetWaits& met) {
  Context& context = *Find(point.context);
  if (NamesItself(point, result)) {
    sched::Result kept = result;
    kept.root.seqno = 0;
    context.results.End(kept);
  } else {
    context.results.End(result);
  }
  while (!context.waits.empty() && context.waits.begin()->first <= point.seqno) {
    FenceWait& wait = *context.waits.begin()->second;
    std::erase_if(wait.entries_, [&](const auto& entry) { return entry.first == &context; });
    context.waits.erase(context.waits.begin());
    if (--wait.remaining_ > 0) continue;
    Unregister(wait);
    wait.state_ = FenceWait::State::kMet;
    auto waiter = waiters_.find(&wait);
    met.push_back(std::move(waiter->second));
    waiters_.erase(waiter);
  }
  BuryIfUnused(context);
}

void FenceTable::OnInactive(sched::ContextId id) {
  Context& context = *Find(id);
  context.inactive = true;
  BuryIfUnused(context);
}

void FenceTable::BuryIfUnused(Context& context) {
  // DeviceLoop::Stop closes queues whose handles are still there, and tells of jobs that were armed meanwhile.
  if (!context.closed || !context.inactive || context.results.ended() < context.armed) return;
  --closing_;
  context.timeline.reset();
  tombstones_.push_back(context.id);
  if (tombstones_.size() <= tombstones_max_) return;
  contexts_.erase(tombstones_.front());
  tombstones_.pop_front();
}

}  // namespace xeq::session
