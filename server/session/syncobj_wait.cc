#include "server/session/syncobj_wait.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/common/errors.h"

namespace xeq::session {

SyncobjWait::SyncobjWait(std::vector<SyncobjPoint> points, const SyncobjWaitOptions& options)
    : FenceWait(points.size(), options.mode),
      syncobjs_(std::move(points)),
      options_(options),
      slots_(syncobjs_.size()) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].wait = this;
    slots_[i].index = i;
    entries_[i].wait = this;
  }
}

SyncobjWait::~SyncobjWait() = default;

bool SyncobjWait::Continue(FenceTable& fences, WaitEntry& entry) {
  const size_t index = static_cast<size_t>(&entry - entries_.data());
  if (Attach(fences, index)) return true;
  Came(index);
  return false;
}

bool SyncobjWait::Attach(FenceTable& fences, size_t index) {
  sched::Ref<Payload>& payload = slots_[index].payload;
  sched::Point point;
  Payload* pending = payload->FirstPending(fences, point);
  if (pending == nullptr) {
    payload.reset();
    return false;
  }
  // What is newer has ended: it need not be looked at again.
  payload = sched::Ref<Payload>::Share(pending);
  fences.Await(entries_[index], point);
  return true;
}

void SyncobjWait::Came(size_t index) {
  if (mode() == Mode::kAny && !first_signaled_) first_signaled_ = static_cast<uint32_t>(index);
}

void SyncobjWait::OnUnregistered() {
  for (Slot& slot : slots_) {
    slot.Unlink();
    slot.payload.reset();
  }
}

SyncobjTable::~SyncobjTable() {
  MetWaits met;
  Close(met);
}

absl::Status SyncobjTable::Create(uint64_t handle, sched::Ref<Payload> payload) {
  if (absl::Status status = syncobjs_.Reserve(); !status.ok()) return status;
  syncobjs_.Insert(handle, std::make_unique<Syncobj>())->Replace(std::move(payload));
  return absl::OkStatus();
}

bool SyncobjTable::Destroy(uint64_t handle) {
  std::optional<std::unique_ptr<Syncobj>> syncobj = syncobjs_.Remove(handle);
  if (!syncobj) return false;
  orphans_.TakeAll((*syncobj)->blocked());
  return true;
}

Syncobj* SyncobjTable::Find(uint64_t handle) {
  std::unique_ptr<Syncobj>* syncobj = syncobjs_.Find(handle);
  return syncobj == nullptr ? nullptr : syncobj->get();
}

void SyncobjTable::Submitted(Syncobj& syncobj, MetWaits& met) {
  // Each is taken off and looked at once. One that is met takes the others of its wait with it.
  BlockedLink unseen;
  unseen.TakeAll(syncobj.blocked());
  while (!unseen.empty()) {
    auto& slot = static_cast<SyncobjWait::Slot&>(*unseen.next);
    slot.Unlink();
    SyncobjWait& wait = *slot.wait;
    const Syncobj::Found found = syncobj.Find(wait.syncobjs_[slot.index].point);
    if (found.kind == Syncobj::Found::Kind::kNone) {
      slot.LinkBefore(syncobj.blocked());
      continue;
    }
    if (!wait.options_.available && found.payload != nullptr) {
      slot.payload = sched::Ref<Payload>::Share(found.payload);
      if (wait.Attach(fences_, slot.index)) continue;
    }
    wait.Came(slot.index);
    fences_.CountDown(wait, met);
  }
}

absl::StatusOr<bool> SyncobjTable::StartWait(SyncobjWait& wait, bool keep) {
  if (wait.state_ == FenceWait::State::kCancelled) return true;
  const size_t count = wait.syncobjs_.size();
  const auto field = [](size_t i, absl::string_view name) { return absl::StrCat("syncobjs[", i, "].", name); };
  for (size_t i = 0; i < count; ++i) {
    const uint64_t handle = wait.syncobjs_[i].syncobj;
    if (syncobjs_.Find(handle) == nullptr) return SyncobjNotFound(field(i, "syncobj"), handle);
  }
  const auto find = [&](size_t i) { return Find(wait.syncobjs_[i].syncobj)->Find(wait.syncobjs_[i].point); };
  const bool may_block = wait.options_.for_submit || wait.options_.available;
  std::optional<uint32_t> first;
  size_t came = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto& [handle, point] = wait.syncobjs_[i];
    const Syncobj::Found found = find(i);
    if (found.kind == Syncobj::Found::Kind::kNone) {
      if (!may_block) return SyncobjNotSubmitted(field(i, "point"), handle, point, Find(handle)->newest_point());
      continue;
    }
    if (!wait.options_.available && found.payload != nullptr && !found.payload->IsSignaled(fences_)) continue;
    if (!first) first = static_cast<uint32_t>(i);
    ++came;
  }
  const bool met = wait.mode() == FenceWait::Mode::kAll ? came == count : came > 0 || count == 0;
  wait.first_signaled_ = first;
  if (met) wait.state_ = FenceWait::State::kMet;
  if (met || !keep) return met;
  absl::Status kept = fences_.Keep(wait, wait.mode() == FenceWait::Mode::kAll ? count - came : 1);
  if (!kept.ok()) return kept;
  for (size_t i = 0; i < count; ++i) {
    const Syncobj::Found found = find(i);
    if (found.kind == Syncobj::Found::Kind::kNone) {
      wait.slots_[i].LinkBefore(Find(wait.syncobjs_[i].syncobj)->blocked());
    } else if (!wait.options_.available && found.payload != nullptr) {
      wait.slots_[i].payload = sched::Ref<Payload>::Share(found.payload);
      wait.Attach(fences_, i);
    }
  }
  return false;
}

SyncobjWaitResult SyncobjTable::ResultOf(const SyncobjWait& wait) {
  return {wait.state_ == FenceWait::State::kMet && !wait.given_up_, wait.given_up_, wait.first_signaled_};
}

void SyncobjTable::Close(MetWaits& met) {
  for (const auto& [handle, syncobj] : syncobjs_) orphans_.TakeAll(syncobj->blocked());
  syncobjs_.RemoveAll();
  while (!orphans_.empty()) {
    SyncobjWait& wait = *static_cast<SyncobjWait::Slot&>(*orphans_.next).wait;
    wait.given_up_ = true;
    fences_.Give(wait, met);
  }
}

}  // namespace xeq::session
