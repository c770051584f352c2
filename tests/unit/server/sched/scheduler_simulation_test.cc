// Goal: the promises of the scheduler hold for graphs that nobody thought of. Method: seeded random queues, waits,
// faults and closes; checkers look at every job's end. The seed is printed with a failure.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/unit/server/sched/scheduler_fixture.h"

namespace xeq::sched {
namespace {

class Simulation : public SchedulerHarness {
 public:
  explicit Simulation(uint32_t seed) : random_(seed) {
    for (ContextId context = 1; context <= 8; ++context) {
      Queue(context, 1 + Pick(4), static_cast<hw::Priority>(Pick(3)));
      open_.insert(context);
    }
  }

  void Run(int steps) {
    for (int step = 0; step < steps; ++step) {
      now += 1 + Pick(100);
      const uint32_t dice = Pick(1000);
      if (dice < 2) {
        CloseOne();
      } else if (dice < 500) {
        SubmitOne();
      } else {
        CompleteOne();
      }
    }
    // The device runs dry.
    CarryOutCancels();
    while (CompleteOne()) CarryOutCancels();
  }

  void CheckPromises() {
    std::map<ContextId, uint64_t> last;
    for (const Point& point : ended) {
      ASSERT_EQ(point.seqno, last[point.context] + 1) << "points of one context end in order, each once";
      last[point.context] = point.seqno;
      const Result result = ResultOf(point);
      if (result.outcome == Outcome::kOk) continue;
      ASSERT_NE(result.root.context, 0u) << "a failure names its root";
      ASSERT_NE(ResultOf(result.root).outcome, Outcome::kOk) << "and the root failed";
      ASSERT_NE(ResultOf(result.root).outcome, Outcome::kDependencyFailed) << "by itself";
    }
    EXPECT_EQ(ended.size(), submitted_);
    EXPECT_EQ(scheduler.jobs(), 0u);
    std::map<ContextId, uint64_t> last_started;
    for (const Point& point : started) {
      ASSERT_GT(point.seqno, last_started[point.context]);
      last_started[point.context] = point.seqno;
    }
  }

 private:
  uint32_t Pick(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  ContextId PickOpen() { return *std::next(open_.begin(), Pick(static_cast<uint32_t>(open_.size()))); }

  void SubmitOne() {
    if (open_.empty()) return;
    std::vector<Point> waits;
    for (uint32_t i = Pick(4); i > 0 && !points_.empty(); --i) {
      waits.push_back(points_[points_.size() - 1 - Pick(static_cast<uint32_t>(std::min<size_t>(points_.size(), 20)))]);
    }
    const auto policy = Pick(2) == 0 ? WaitErrorPolicy::kFail : WaitErrorPolicy::kRun;
    ++submitted_;
    points_.push_back(Submit(PickOpen(), waits, policy));
  }

  bool CompleteOne() {
    std::vector<ContextId> busy;
    for (const auto& [context, seqnos] : device) {
      if (!seqnos.empty()) busy.push_back(context);
    }
    if (busy.empty()) return false;
    const ContextId context = busy[Pick(static_cast<uint32_t>(busy.size()))];
    const bool guilty = Pick(200) == 0;
    Complete(context, guilty ? hw::JobStatus::kPageFault : hw::JobStatus::kOk);
    // A device drops what is behind a guilty job.
    while (guilty && !device[context].empty()) Complete(context, hw::JobStatus::kCancelled);
    return true;
  }

  void CloseOne() {
    if (open_.size() < 3) return;
    const ContextId context = PickOpen();
    open_.erase(context);
    Close(context);
    if (Pick(2) == 0) CarryOutCancels();
  }

  std::mt19937 random_;
  std::set<ContextId> open_;
  std::vector<Point> points_;
  size_t submitted_ = 0;
};

TEST(SchedulerSimulationTest, PromisesHoldForRandomGraphs) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Simulation simulation(seed);
    simulation.Run(2000);
    simulation.CheckPromises();
    if (testing::Test::HasFailure()) return;
  }
}

TEST(SchedulerSimulationTest, SameSeedSameHistory) {
  Simulation first(42);
  Simulation second(42);
  first.Run(5000);
  second.Run(5000);
  EXPECT_EQ(first.started, second.started);
  EXPECT_EQ(first.ended, second.ended);
}

}  // namespace
}  // namespace xeq::sched
