// Which kind of work a group of engines may have: jobs that end fences, or long-running ones, which are taken off when
// others are to run. Never both at one time: what waits for a fence must not wait behind a job that has no end. Pure.
//
// Groups and the rule are those of Linux drivers/gpu/drm/xe/xe_hw_engine_group.c. Other than there, a switch waits for
// no client: a queue asks for its mode when its head could run at once, and each mode keeps the engines for a while, so
// that neither side starves.
#ifndef XEQ_SERVER_SCHED_ENGINE_GROUP_H_
#define XEQ_SERVER_SCHED_ENGINE_GROUP_H_

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "hw/clock.h"
#include "hw/types.h"

namespace xeq::sched {

enum class GroupMode : uint8_t { kFence, kLongRunning };

// Render and compute share what page faults and resets need; copy, and video decode and enhance, are apart.
inline constexpr size_t kEngineGroups = 3;
constexpr size_t GroupOf(hw::EngineClass engine_class) {
  switch (engine_class) {
    case hw::EngineClass::kRender:
    case hw::EngineClass::kCompute:
      return 0;
    case hw::EngineClass::kCopy:
      return 1;
    case hw::EngineClass::kVideoDecode:
    case hw::EngineClass::kVideoEnhance:
      return 2;
  }
  return 0;
}

class EngineGroup {
 public:
  // How long a mode keeps the engines when the other is wanted. The minimum run period of a long-running VM in the
  // kernel's xe driver.
  static constexpr hw::Nanos kResidency = 5 * hw::kNanosPerMilli;

  enum class Action : uint8_t {
    kNothing,
    // Long-running queues with work are to leave the engines; EnterFence follows.
    kSuspend,
    // They may come back, and what was parked may start.
    kResume,
  };

  GroupMode mode() const { return mode_; }
  bool is_switching() const { return switching_; }

  // A head of a queue of that mode could run. False: it has to be parked, and Poll is to be asked.
  bool MayStart(GroupMode mode, hw::Nanos now) {
    if (mode != mode_) {
      wanted_ = true;
      return false;
    }
    // Else those who are there could keep the others out for ever.
    return !switching_ && !(wanted_ && now - since_ >= kResidency);
  }
  void OnStarted(GroupMode mode) {
    ++running_[Index(mode)];
    has_started_ = true;
  }
  void OnEnded(GroupMode mode) {
    assert(running_[Index(mode)] > 0);
    --running_[Index(mode)];
  }
  // Long-running work is left on suspended queues: its mode is wanted again.
  void Want() { wanted_ = true; }
  // What is to be done now. To be asked when something was parked, has ended, or time has passed.
  Action Poll(hw::Nanos now) {
    if (!wanted_) return Action::kNothing;
    if (mode_ == GroupMode::kFence) {
      // Whoever the switch to this mode was for comes first.
      const bool had_its_turn = has_started_ || now - since_ >= kResidency;
      if (running_[Index(GroupMode::kFence)] > 0 || !had_its_turn) return Action::kNothing;
      Enter(GroupMode::kLongRunning, now);
      return Action::kResume;
    }
    if (switching_ || (running_[Index(GroupMode::kLongRunning)] > 0 && now - since_ < kResidency)) {
      return Action::kNothing;
    }
    switching_ = true;
    return Action::kSuspend;
  }
  // All that kSuspend asked for has left, or was none; or the last long-running queue is gone. What was parked may
  // start.
  void EnterFence(hw::Nanos now) { Enter(GroupMode::kFence, now); }

 private:
  static size_t Index(GroupMode mode) { return static_cast<size_t>(mode); }
  void Enter(GroupMode mode, hw::Nanos now) {
    mode_ = mode;
    switching_ = false;
    wanted_ = false;
    has_started_ = false;
    since_ = now;
  }

  GroupMode mode_ = GroupMode::kFence;
  // From long-running to fences: queues are leaving.
  bool switching_ = false;
  // The other mode has something to run.
  bool wanted_ = false;
  hw::Nanos since_ = 0;
  // Something was started since then.
  bool has_started_ = true;
  // Jobs on the device.
  std::array<uint64_t, 2> running_{};
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_ENGINE_GROUP_H_
