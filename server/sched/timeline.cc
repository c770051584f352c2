#include "server/sched/timeline.h"

namespace xeq::sched {

void Timeline::AddWaiter(Wait& wait) {
  // From the back: later submissions mostly wait for later points.
  Wait* after = waiters_tail_;
  while (after != nullptr && after->seqno > wait.seqno) after = after->previous;
  wait.previous = after;
  wait.next = after == nullptr ? waiters_head_ : after->next;
  (after == nullptr ? waiters_head_ : after->next) = &wait;
  (wait.next == nullptr ? waiters_tail_ : wait.next->previous) = &wait;
  wait.linked = true;
}

void Timeline::RemoveWaiter(Wait& wait) {
  (wait.previous == nullptr ? waiters_head_ : wait.previous->next) = wait.next;
  (wait.next == nullptr ? waiters_tail_ : wait.next->previous) = wait.previous;
  wait.previous = nullptr;
  wait.next = nullptr;
  wait.linked = false;
}

Wait* Timeline::TakeMetWaiter() {
  Wait* first = waiters_head_;
  if (first == nullptr || first->seqno > results.ended()) return nullptr;
  RemoveWaiter(*first);
  return first;
}

}  // namespace xeq::sched
