#include "server/sched/timeline.h"

#include <memory_resource>
#include <utility>

namespace xeq::sched {
namespace {

// Lives as long as the process: timelines are let go by whichever thread is the last to hold one.
std::pmr::synchronized_pool_resource& Pool() {
  static auto* const pool = new std::pmr::synchronized_pool_resource();
  return *pool;
}

bool IsBefore(const Wait& a, const Wait& b) { return a.seqno != b.seqno ? a.seqno < b.seqno : a.order < b.order; }

// Makes one heap of two, either of which may be null. In a heap, `child` is the first of those below, which are linked
// by `next`; `previous` leads back, and of a first child to its parent.
Wait* Meld(Wait* a, Wait* b) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  if (IsBefore(*b, *a)) std::swap(a, b);
  b->next = a->child;
  if (b->next != nullptr) b->next->previous = b;
  b->previous = a;
  a->child = b;
  return a;
}

// Makes one heap of siblings: melds them by twos, and the outcomes from the last to the first.
Wait* MeldSiblings(Wait* first) {
  Wait* melded = nullptr;
  while (first != nullptr) {
    Wait* const second = first->next;
    Wait* const rest = second == nullptr ? nullptr : second->next;
    first->next = nullptr;
    if (second != nullptr) second->next = nullptr;
    Wait* const pair = Meld(first, second);
    pair->next = melded;
    melded = pair;
    first = rest;
  }
  Wait* heap = nullptr;
  while (melded != nullptr) {
    Wait* const pair = std::exchange(melded, melded->next);
    pair->next = nullptr;
    heap = Meld(heap, pair);
  }
  return heap;
}

}  // namespace

void* Timeline::operator new(size_t bytes) { return Pool().allocate(bytes, alignof(Timeline)); }
void Timeline::operator delete(void* timeline, size_t bytes) { Pool().deallocate(timeline, bytes, alignof(Timeline)); }

std::optional<hw::QueueSnapshot> Timeline::Look(hw::Device& device) {
  hw::MutexLock lock(look_mutex_);
  if (visible_ == nullptr) return std::nullopt;
  return device.Look(*visible_);
}

void Timeline::HideHardware() {
  hw::MutexLock lock(look_mutex_);
  visible_ = nullptr;
}

void Timeline::AddWaiter(Wait& wait) {
  wait.linked = true;
  wait.order = ++waiters_order_;
  wait.child = wait.previous = wait.next = nullptr;
  waiters_ = Meld(waiters_, &wait);
}

void Timeline::RemoveWaiter(Wait& wait) {
  wait.linked = false;
  Wait* const below = MeldSiblings(std::exchange(wait.child, nullptr));
  if (&wait == waiters_) {
    waiters_ = below;
  } else {
    (wait.previous->child == &wait ? wait.previous->child : wait.previous->next) = wait.next;
    if (wait.next != nullptr) wait.next->previous = wait.previous;
    waiters_ = Meld(waiters_, below);
  }
  if (waiters_ != nullptr) waiters_->previous = waiters_->next = nullptr;
}

Wait* Timeline::TakeMetWaiter() {
  Wait* const first = waiters_;
  if (first == nullptr || first->seqno > results.ended()) return nullptr;
  RemoveWaiter(*first);
  return first;
}

}  // namespace xeq::sched
