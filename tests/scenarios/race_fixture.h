// Two threads that do something to the same object at the same moment, again and again, in each combination of bypass
// and put mode.
#ifndef XEQ_TESTS_SCENARIOS_RACE_FIXTURE_H_
#define XEQ_TESTS_SCENARIOS_RACE_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <tuple>

#include "hw/clock.h"
#include "server/sched/timeline.h"

namespace xeq {

// Whether submissions bypass the device thread, and who lets go of jobs.
using RaceMode = std::tuple<bool, sched::PutMode>;

inline auto AllRaceModes() {
  return ::testing::Combine(::testing::Bool(), ::testing::Values(sched::PutMode::kInline, sched::PutMode::kDeferred));
}
inline std::string RaceModeName(const ::testing::TestParamInfo<RaceMode>& mode) {
  return std::string(std::get<0>(mode.param) ? "Bypass" : "NoBypass") +
         (std::get<1>(mode.param) == sched::PutMode::kInline ? "Inline" : "Deferred");
}

// By default 10,000 rounds, or as many as half a second gives; with XEQ_RACE_SECONDS as many as fit in that time, and
// at least 10,000.
class Rounds {
 public:
  bool More() {
    ++begun_;
    if (seconds_ == 0) return begun_ <= kRounds && hw::MonotonicNow() < begin_ + hw::kNanosPerSecond / 2;
    return begun_ <= kRounds || hw::MonotonicNow() < begin_ + seconds_ * hw::kNanosPerSecond;
  }
  uint64_t done() const { return begun_ - 1; }

 private:
  static constexpr uint64_t kRounds = 10'000;
  static int64_t FromEnvironment() {
    const char* text = std::getenv("XEQ_RACE_SECONDS");
    return text == nullptr ? 0 : std::atoll(text);
  }
  const int64_t seconds_ = FromEnvironment();
  const hw::Nanos begin_ = hw::MonotonicNow();
  uint64_t begun_ = 0;
};

// In each round `prepare`, then `one` on this thread and `other` on a second at the same moment, then `check`.
template <typename Prepare, typename One, typename Other, typename Check>
void Race(Prepare prepare, One one, Other other, Check check) {
  std::atomic<uint64_t> round{0};
  std::atomic<uint64_t> done{0};
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    for (uint64_t next = 1;; ++next) {
      while (round.load() < next) {
        if (stop.load()) return;
        std::this_thread::yield();
      }
      other();
      done.store(next);
    }
  });
  Rounds rounds;
  while (rounds.More() && !::testing::Test::HasFailure()) {
    prepare();
    round.fetch_add(1);
    one();
    while (done.load() < round.load()) std::this_thread::yield();
    check();
  }
  stop.store(true);
  thread.join();
  ::testing::Test::RecordProperty("rounds", std::to_string(rounds.done()));
  EXPECT_GE(rounds.done(), 20u);
}

}  // namespace xeq

#endif  // XEQ_TESTS_SCENARIOS_RACE_FIXTURE_H_
