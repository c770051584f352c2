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

bool FenceTable::HasEnded(const sched::Point& point) {
  const Context* context = Find(point.context);
  return context == nullptr || point.seqno <= context->results.ended();
}

sched::MemberState FenceTable::StateOf(const sched::Point& point) {
  if (!HasEnded(point)) return sched::MemberState::kPending;
  const Context* context = Find(point.context);
  sched::Result result;
  if (context == nullptr) return sched::MemberState::kFailed;
  const PointState state = context->results.Find(point.seqno, &result);
  if (state == PointState::kForgotten) return sched::MemberState::kFailed;
  // What was skipped passes no failure on.
  return sched::IsFailure(result.outcome) ? sched::MemberState::kFailed : sched::MemberState::kOk;
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
  const absl::Status kept = Keep(wait, wait.mode() == FenceWait::Mode::kAll ? wait.entries_.size() : 1);
  if (!kept.ok()) return kept;
  for (WaitEntry& entry : wait.entries_) Link(entry);
  return false;
}

absl::Status FenceTable::Keep(FenceWait& wait, size_t remaining) {
  if (waiters_ >= waiters_max_) return LimitReachedForNow("waiters_max", waiters_max_, waiters_);
  wait.remaining_ = remaining;
  wait.state_ = FenceWait::State::kWaiting;
  wait.self_ = wait.shared_from_this();
  ++waiters_;
  return absl::OkStatus();
}

void FenceTable::Await(WaitEntry& entry, const sched::Point& point) {
  entry.context = Find(point.context);
  entry.seqno = point.seqno;
  Link(entry);
}

void FenceTable::CountDown(FenceWait& wait, MetWaits& met) {
  if (--wait.remaining_ == 0) Give(wait, met);
}

void FenceTable::Give(FenceWait& wait, MetWaits& met) {
  Unregister(wait);
  wait.state_ = FenceWait::State::kMet;
  --waiters_;
  met.Add(wait);
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
  wait.OnUnregistered();
}

void FenceTable::End(const sched::Point& point, const sched::Result& result, MetWaits& met) {
  Context& context = *Find(point.context);
  context.results.End(context.id, result);
  while (context.waits_head != nullptr && context.waits_head->seqno <= point.seqno) {
    WaitEntry& entry = *context.waits_head;
    Unlink(entry);
    if (!entry.wait->Continue(*this, entry)) CountDown(*entry.wait, met);
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
