#include "server/session/fence_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/common/errors.h"

namespace xeq::session {
namespace {

using PointState = sched::PointResults::State;

}  // namespace

std::shared_ptr<FenceWait> MetWaits::TakeFirst() {
  if (first_ == nullptr) return nullptr;
  FenceWait* wait = first_;
  first_ = wait->next_met_;
  return std::move(wait->self_);
}

void MetWaits::Add(FenceWait& wait) {
  wait.next_met_ = nullptr;
  (first_ == nullptr ? first_ : last_->next_met_) = &wait;
  last_ = &wait;
}

FenceTable::~FenceTable() {
  for (auto& [id, context] : contexts_) {
    while (context->waits_head != nullptr) CancelWait(*context->waits_head->wait);
  }
}

Context& FenceTable::Add(sched::Ref<sched::Timeline> timeline) {
  const sched::ContextId id = timeline->id();
  return *contexts_.emplace(id, std::make_unique<Context>(std::move(timeline))).first->second;
}

Context* FenceTable::Find(sched::ContextId id) {
  auto found = contexts_.find(id);
  return found == contexts_.end() ? nullptr : found->second.get();
}

void FenceTable::MarkClosed(Context& context) {
  context.closed = true;
  ++closing_;
}

void FenceTable::Close(Context& context) {
  MarkClosed(context);
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
  // Points of one context end in order, so one of them decides: the latest, or for kAny the earliest.
  size_t pending = 0;
  for (size_t i = 0; i < wait.points().size(); ++i) {
    const sched::Point& point = wait.points()[i];
    const absl::StatusOr<FenceStatus> status = Status(point, [&] { return absl::StrCat("fences[", i, "]."); });
    if (!status.ok()) {
      wait.entries_.clear();
      return status.status();
    }
    if (status->state != FenceState::kPending) continue;
    ++pending;
    Context* context = Find(point.context);
    auto same = std::find_if(wait.entries_.begin(), wait.entries_.end(),
                             [&](const WaitEntry& entry) { return entry.context == context; });
    if (same == wait.entries_.end()) {
      wait.entries_.push_back({context, point.seqno, &wait});
    } else if ((same->seqno < point.seqno) == (wait.mode() == FenceWait::Mode::kAll)) {
      same->seqno = point.seqno;
    }
  }
  const bool met = wait.mode() == FenceWait::Mode::kAll ? pending == 0 : pending < wait.points().size();
  if (met || waiters_ >= waiters_max_) wait.entries_.clear();
  if (met) {
    wait.state_ = FenceWait::State::kMet;
    return true;
  }
  if (waiters_ >= waiters_max_) return LimitReachedForNow("waiters_max", waiters_max_, waiters_);
  for (WaitEntry& entry : wait.entries_) Link(entry);
  wait.remaining_ = wait.mode() == FenceWait::Mode::kAll ? wait.entries_.size() : 1;
  wait.state_ = FenceWait::State::kWaiting;
  wait.self_ = wait.shared_from_this();
  ++waiters_;
  return false;
}

bool FenceTable::CancelWait(FenceWait& wait) {
  // Let go of at the end: it may be the last.
  std::shared_ptr<FenceWait> last;
  const bool was_waiting = wait.state_ == FenceWait::State::kWaiting;
  if (was_waiting) {
    Unregister(wait);
    last = std::move(wait.self_);
    --waiters_;
  }
  if (wait.state_ != FenceWait::State::kMet) wait.state_ = FenceWait::State::kCancelled;
  return was_waiting;
}

void FenceTable::Link(WaitEntry& entry) {
  // From the back: later calls mostly wait for later points.
  Context& context = *entry.context;
  WaitEntry* after = context.waits_tail;
  while (after != nullptr && after->seqno > entry.seqno) after = after->previous;
  entry.previous = after;
  entry.next = after == nullptr ? context.waits_head : after->next;
  (after == nullptr ? context.waits_head : after->next) = &entry;
  (entry.next == nullptr ? context.waits_tail : entry.next->previous) = &entry;
}

void FenceTable::Unlink(WaitEntry& entry) {
  Context& context = *entry.context;
  (entry.previous == nullptr ? context.waits_head : entry.previous->next) = entry.next;
  (entry.next == nullptr ? context.waits_tail : entry.next->previous) = entry.previous;
  entry.context = nullptr;
}

void FenceTable::Unregister(FenceWait& wait) {
  for (WaitEntry& entry : wait.entries_) {
    if (entry.context != nullptr) Unlink(entry);
  }
}

void FenceTable::End(const sched::Point& point, const sched::Result& result, MetWaits& met) {
  Context& context = *Find(point.context);
  context.results.End(context.id, result);
  while (context.waits_head != nullptr && context.waits_head->seqno <= point.seqno) {
    FenceWait& wait = *context.waits_head->wait;
    Unlink(*context.waits_head);
    if (--wait.remaining_ > 0) continue;
    Unregister(wait);
    wait.state_ = FenceWait::State::kMet;
    --waiters_;
    met.Add(wait);
  }
  // The scheduler closes it too.
  if (!context.closed && context.timeline->spec.one_job) MarkClosed(context);
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
  Tombstones& tombstones = context.timeline->spec.one_job ? one_job_tombstones_ : tombstones_;
  context.timeline.reset();
  contexts_.erase(std::exchange(tombstones.ids[tombstones.oldest], context.id));
  tombstones.oldest = (tombstones.oldest + 1) % tombstones.ids.size();
}

}  // namespace xeq::session
