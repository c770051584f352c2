// Which steps a queue may take on the device: suspend, resume and stop for good. The kernel keeps the same in the state
// word of its GuC back end (Linux drivers/gpu/drm/xe/xe_guc_submit.c).
//
//   running --Suspend--> suspend pending --off the engine--> suspended
//      ^                       |                                 |
//      +------- Resume --------+-------------- Resume -----------+
//   each of them --Cancel--> killed; --fault, hang, would not leave--> banned; --no answer--> lost
#ifndef XEQ_HW_XE_QUEUE_STATE_MACHINE_H_
#define XEQ_HW_XE_QUEUE_STATE_MACHINE_H_

#include <cassert>

#include "hw/types.h"

namespace xeq::hw::xe {

constexpr bool IsDead(QueueState state) { return state >= QueueState::kKilled; }

constexpr bool MayMove(QueueState from, QueueState to) {
  switch (to) {
    case QueueState::kRunning:
      return from == QueueState::kSuspendPending || from == QueueState::kSuspended;
    case QueueState::kSuspendPending:
      return from == QueueState::kRunning;
    case QueueState::kSuspended:
      return from == QueueState::kSuspendPending;
    case QueueState::kKilled:
    case QueueState::kBanned:
      return !IsDead(from);
    case QueueState::kLost:
      return from != QueueState::kLost;
  }
  return false;
}

// The state of one context. Nothing moves without being allowed to.
class QueueStateMachine {
 public:
  QueueState state() const { return state_; }
  bool dead() const { return IsDead(state_); }
  void MoveTo(QueueState to) {
    assert(MayMove(state_, to));
    state_ = to;
  }

 private:
  QueueState state_ = QueueState::kRunning;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_QUEUE_STATE_MACHINE_H_
