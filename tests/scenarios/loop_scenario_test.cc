// Goal: the scenarios that are about threads, by their numbers, in all four combinations of bypass and put mode (T55).
// Method: the production loop over a hand-cranked device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/integration/device_loop_fixture.h"

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;

class LoopScenario : public DeviceLoopTest {};
INSTANTIATE_TEST_SUITE_P(T55, LoopScenario, ::testing::Range(0, 4), ModeName);

TEST_P(LoopScenario, T01_OneJobEndsWhenTheEngineSaysSo) {
  StartLoop();
  const ContextId queue = Queue();
  Submit({queue, 1});
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 1));
  EXPECT_TRUE(observer_->ended().empty());
  EXPECT_EQ(device_.Advance(queue, 1), 1);
  ASSERT_TRUE(observer_->WaitForEnded(1));
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kOk));
}

TEST_P(LoopScenario, T02_ChainOverFourQueuesStartsInOrder) {
  StartLoop();
  device_.RunFreely();
  std::vector<ContextId> queues;
  for (int i = 0; i < 4; ++i) queues.push_back(Queue(/*credits=*/4));
  std::vector<Point> points;
  for (uint64_t i = 0; i < 100; ++i) {
    const Point point{queues[i % 4], i / 4 + 1};
    Submit(point, points.empty() ? std::vector<Point>{} : std::vector<Point>{points.back()});
    points.push_back(point);
  }
  ASSERT_TRUE(observer_->WaitForEnded(100));
  EXPECT_EQ(observer_->ended(), points) << "each waits for the one before";
}

TEST_P(LoopScenario, T03_QueuesClosedWhileAChainRuns) {
  StartLoop();
  std::vector<ContextId> queues;
  for (int i = 0; i < 4; ++i) queues.push_back(Queue(/*credits=*/1));
  std::vector<Point> points;
  for (uint64_t i = 0; i < 100; ++i) {
    const Point point{queues[i % 4], i / 4 + 1};
    Submit(point, points.empty() ? std::vector<Point>{} : std::vector<Point>{points.back()});
    points.push_back(point);
  }
  for (size_t i = 0; i <= 50; ++i) {
    ASSERT_TRUE(device_.WaitForSubmitted(points[i].context, points[i].seqno));
    device_.Advance(points[i].context, 1);
  }
  ASSERT_TRUE(observer_->WaitForEnded(51));
  for (const ContextId queue : queues) loop_->PostClose(timelines_[queue]);
  ASSERT_TRUE(observer_->WaitForEnded(100));
  ASSERT_TRUE(observer_->WaitForInactive(4));
  const std::vector<Outcome> outcomes = observer_->outcomes();
  for (size_t i = 0; i <= 50; ++i) EXPECT_EQ(outcomes[i], Outcome::kOk);
  for (size_t i = 52; i < 100; ++i) EXPECT_NE(outcomes[i], Outcome::kOk);
  EXPECT_EQ(device_.live_queues(), 0u);
}

TEST_P(LoopScenario, T04_SixteenThreadsInParallel) {
  constexpr size_t kThreads = 16;
  StartLoop();
  std::vector<ContextId> queues;
  for (size_t i = 0; i < kThreads; ++i) queues.push_back(Queue());
  std::vector<std::thread> threads;
  for (const ContextId queue : queues) {
    threads.emplace_back([this, queue] {
      for (uint64_t seqno = 1; seqno <= 8; ++seqno) Submit({queue, seqno});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const ContextId queue : queues) ASSERT_TRUE(device_.WaitForSubmitted(queue, 8));
  EXPECT_TRUE(observer_->ended().empty());
  int advanced = 0;
  for (const ContextId queue : queues) advanced += device_.Advance(queue, 128);
  EXPECT_EQ(advanced, 128);
  EXPECT_TRUE(observer_->WaitForEnded(128));
}

TEST_P(LoopScenario, T06_TeardownOfAQueueWhoseJobNeverEnds) {
  StartLoop();
  const ContextId queue = Queue();
  Submit({queue, 1});
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 1));
  loop_->PostClose(timelines_[queue]);
  ASSERT_TRUE(observer_->WaitForInactive(1));
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kCancelled));
  EXPECT_EQ(device_.live_queues(), 0u);
}

TEST_P(LoopScenario, T12_OneCreditOneJob) {
  StartLoop();
  const ContextId queue = Queue(/*credits=*/1);
  const ContextId other = Queue();
  Submit({queue, 1});
  Submit({queue, 2});
  Submit({other, 1});
  // What was posted last has been dealt with, so what was posted before has.
  ASSERT_TRUE(device_.WaitForSubmitted(other, 1));
  EXPECT_EQ(device_.Advance(queue, 10), 1);
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 2));
}

TEST_P(LoopScenario, T20_FailureEndsTheDependant) {
  StartLoop();
  const ContextId failing = Queue();
  const ContextId dependant = Queue();
  Submit({failing, 1});
  Submit({dependant, 1}, {{failing, 1}});
  ASSERT_TRUE(device_.WaitForSubmitted(failing, 1));
  device_.Fail(failing, hw::JobStatus::kPageFault);
  ASSERT_TRUE(observer_->WaitForEnded(2));
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kPageFault, Outcome::kDependencyFailed));
}

}  // namespace
}  // namespace xeq::sched
