#include "tests/sim/script.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xeq::sim {
namespace {

using Kind = Step::Kind;

struct Share {
  Kind kind;
  uint32_t weight;
  const char* name;
};

// How often each kind comes, of the sum of the weights.
constexpr std::array<Share, 17> kShares = {{{Kind::kAddQueue, 30, "add queue"},
                                            {Kind::kAddHost, 6, "add host timeline"},
                                            {Kind::kSubmit, 480, "submit"},
                                            {Kind::kCombine, 12, "combine"},
                                            {Kind::kHostPoint, 40, "arm host point"},
                                            {Kind::kSignal, 40, "signal"},
                                            {Kind::kComplete, 460, "complete"},
                                            {Kind::kLoseInterrupt, 6, "lose interrupt"},
                                            {Kind::kFault, 6, "fault"},
                                            {Kind::kCarryOutCancel, 40, "carry out cancel"},
                                            {Kind::kAdvanceTime, 40, "advance time"},
                                            {Kind::kClose, 16, "close"},
                                            {Kind::kCloseClient, 3, "close client"},
                                            {Kind::kStop, 8, "stop"},
                                            {Kind::kStart, 16, "start"},
                                            {Kind::kTriggerTimeout, 2, "trigger timeout"},
                                            {Kind::kLoseDevice, 0, "lose device"}}};

}  // namespace

Shape ShapeOf(uint64_t seed) { return seed % 256 == 0 ? Shape{3000, 1000} : Shape{}; }

Script MakeScript(uint64_t seed, size_t steps) {
  std::mt19937_64 random(seed);
  const size_t queues_first = seed % 256 == 0 ? 2000 : 6;
  uint32_t sum = 0;
  for (const Share& share : kShares) sum += share.weight;
  Script script;
  script.reserve(queues_first + steps + 1);
  for (size_t i = 0; i < queues_first + steps; ++i) {
    const uint64_t first = random();
    uint32_t left = static_cast<uint32_t>(first % sum);
    size_t chosen = 0;
    while (left >= kShares[chosen].weight) left -= kShares[chosen++].weight;
    Step step{kShares[chosen].kind, static_cast<uint32_t>(first >> 32), 0, random()};
    step.b = static_cast<uint32_t>(step.c >> 32);
    // Queues first, so that there is something to do.
    if (i < queues_first) step.kind = Kind::kAddQueue;
    script.push_back(step);
  }
  if (random() % 4 == 0) script.push_back({Kind::kLoseDevice, 0, 0, 0});
  return script;
}

std::string ToString(const Step& step) {
  for (const Share& share : kShares) {
    if (share.kind == step.kind) return absl::StrCat(share.name, " a=", step.a, " b=", step.b, " c=", step.c);
  }
  return "?";
}

}  // namespace xeq::sim
