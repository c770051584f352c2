// What a simulation does, as a list of steps that can be replayed and cut shorter.
#ifndef XEQ_TESTS_SIM_SCRIPT_H_
#define XEQ_TESTS_SIM_SCRIPT_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace xeq::sim {

// Each step means something whatever was left out before it: it chooses among what is there by remainder, and does
// nothing where nothing is there.
struct Step {
  enum class Kind : uint8_t {
    kAddQueue,
    kAddHost,
    kSubmit,
    kCombine,
    kHostPoint,
    kSignal,
    kComplete,
    kLoseInterrupt,
    kFault,
    kCarryOutCancel,
    kAdvanceTime,
    kClose,
    kCloseClient,
    kStop,
    kStart,
    kTriggerTimeout,
    kLoseDevice,
  };
  Kind kind = Kind::kSubmit;
  // What is chosen; what it means is up to the kind.
  uint32_t a = 0;
  uint32_t b = 0;
  uint64_t c = 0;
};

using Script = std::vector<Step>;

// How large an episode gets.
struct Shape {
  size_t queues_max = 40;
  // Each has every so many-th queue.
  uint32_t clients = 4;
};
// Every 256th seed is a service with thousands of queues.
Shape ShapeOf(uint64_t seed);

// `steps` steps of an episode, and those that make its queues; the same seed gives the same script.
Script MakeScript(uint64_t seed, size_t steps);
std::string ToString(const Step& step);

}  // namespace xeq::sim

#endif  // XEQ_TESTS_SIM_SCRIPT_H_
