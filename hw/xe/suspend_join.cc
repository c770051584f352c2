#include "hw/xe/suspend_join.h"

#include <algorithm>

namespace xeq::hw::xe {

std::vector<SuspendJoin::Pending>::iterator SuspendJoin::Find(uint64_t context) {
  return std::find_if(pending_.begin(), pending_.end(),
                      [context](const Pending& pending) { return pending.context == context; });
}

bool SuspendJoin::Begin(uint64_t context, void* owner, uint32_t lanes) {
  MutexLock lock(mutex_);
  if (Find(context) != pending_.end()) return false;
  Pending pending;
  pending.context = context;
  pending.owner = owner;
  pending.lanes_left = lanes;
  pending_.push_back(pending);
  return true;
}

void SuspendJoin::Answer(const SuspendAnswer& answer) {
  MutexLock lock(mutex_);
  const auto pending = Find(answer.context);
  if (pending == pending_.end()) return;
  if (answer.code != absl::StatusCode::kOk) pending->code = answer.code;
  if (--pending->lanes_left > 0) return;
  answered_.push_back(*pending);
  pending_.erase(pending);
}

bool SuspendJoin::Abort(uint64_t context) {
  MutexLock lock(mutex_);
  const auto pending = Find(context);
  if (pending == pending_.end()) return false;
  pending->code = absl::StatusCode::kAborted;
  answered_.push_back(*pending);
  pending_.erase(pending);
  return true;
}

void SuspendJoin::Drop(uint64_t context) {
  MutexLock lock(mutex_);
  const auto pending = Find(context);
  if (pending != pending_.end()) pending_.erase(pending);
}

void SuspendJoin::TakeAnswered(std::vector<Answered>& answered) {
  MutexLock lock(mutex_);
  answered.swap(answered_);
}

}  // namespace xeq::hw::xe
