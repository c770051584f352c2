// Goal: long-running jobs and jobs that end fences never have a group's engines at one time, and neither side keeps the
// other out for ever. Method: the scheduler by hand, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/sched/scheduler_fixture.h"

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class GroupScenario : public ::testing::Test, public SchedulerHarness {
 protected:
  void Make(ContextId context, bool long_running, hw::EngineClass engine_class = hw::EngineClass::kCopy) {
    QueueSpec spec;
    spec.context = context;
    spec.credits = 4;
    spec.engine_class = engine_class;
    spec.long_running = long_running;
    AddQueue(spec, std::make_unique<FakeHwQueue>());
  }
  bool IsOnDevice(Point point) { return std::find(started.begin(), started.end(), point) != started.end(); }
  static constexpr hw::Nanos kTurn = EngineGroup::kResidency;
};

TEST_F(GroupScenario, T22_SwitchWaitsForTheLastFence) {
  Make(1, /*long_running=*/false);
  Make(2, /*long_running=*/true);
  std::vector<Point> jobs;
  for (int i = 0; i < 3; ++i) jobs.push_back(Submit(1));
  const Point endless = Submit(2);
  Complete(1);
  Complete(1);
  Pass(10 * kTurn);
  EXPECT_FALSE(IsOnDevice(endless)) << "the third job is held";
  EXPECT_TRUE(suspends.empty());
  Complete(1);
  EXPECT_THAT(ended, ElementsAre(jobs[0], jobs[1], jobs[2]));
  EXPECT_TRUE(IsOnDevice(endless));
}

TEST_F(GroupScenario, T41a_LongRunningJobLeavesForAFenceAndComesBack) {
  Make(1, /*long_running=*/false);
  Make(2, /*long_running=*/true);
  const Point endless = Submit(2);
  EXPECT_TRUE(IsOnDevice(endless)) << "nobody else wants the engines";
  const Point job = Submit(1);
  EXPECT_THAT(suspends, IsEmpty()) << "it has its turn first";
  Pass(kTurn);
  EXPECT_THAT(suspends, ElementsAre(2));
  EXPECT_FALSE(IsOnDevice(job)) << "not before the other is off";
  Suspended(2);
  EXPECT_TRUE(IsOnDevice(job));
  EXPECT_THAT(resumes, IsEmpty());
  Complete(1);
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kOk);
  EXPECT_THAT(resumes, ElementsAre(2));
  EXPECT_THAT(suspends, ElementsAre(2)) << "once";
}

TEST_F(GroupScenario, T41b_LongRunningJobStartsBehindTheFence) {
  Make(1, /*long_running=*/false);
  Make(2, /*long_running=*/true);
  const Point spinner = Submit(1);
  const Point endless = Submit(2);
  Pass(kTurn);
  EXPECT_THAT(started, ElementsAre(spinner));
  Complete(1);
  EXPECT_THAT(started, ElementsAre(spinner, endless));
}

TEST_F(GroupScenario, T42_QueueThatWouldNotLeaveIsBannedAndTheOthersRunAgain) {
  for (ContextId context : {1, 2, 3}) Make(context, /*long_running=*/true);
  Make(4, /*long_running=*/false);
  for (ContextId context : {1, 2, 3}) Submit(context);
  const Point job = Submit(4);
  Pass(kTurn);
  EXPECT_THAT(suspends, UnorderedElementsAre(1, 2, 3));
  Suspended(1);
  Suspended(3);
  EXPECT_FALSE(IsOnDevice(job));
  // The device takes it off by a reset, and says so.
  Complete(2, hw::JobStatus::kHang);
  Suspended(2);
  EXPECT_THAT(banned, ElementsAre(2));
  EXPECT_TRUE(IsOnDevice(job));
  Complete(4);
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kOk);
  EXPECT_THAT(resumes, ::testing::IsSupersetOf({ContextId{1}, ContextId{3}}));
}

TEST_F(GroupScenario, T42_WaitThatNeverEndsHoldsNobodyElseUp) {
  Make(1, /*long_running=*/true);
  Make(2, /*long_running=*/false);
  HostTimeline(9);
  const Point never = HostPoint(9);
  const Point stuck = Submit(1, {never});
  const Point job = Submit(2);
  EXPECT_TRUE(IsOnDevice(job)) << "the group is asked for by heads that could run at once";
  Complete(2);
  EXPECT_FALSE(IsOnDevice(stuck));
}

TEST_F(GroupScenario, NeitherSideStarves) {
  Make(1, /*long_running=*/true);
  Make(2, /*long_running=*/false);
  Submit(1);
  int turns = 0;
  for (int i = 0; i < 200; ++i) {
    // There is always another job that ends a fence.
    while (Of(2).live()->head() == nullptr) Submit(2);
    Pass(kTurn / 2);
    if (!suspends.empty()) {
      suspends.clear();
      Suspended(1);
    }
    if (!device[2].empty()) Complete(2);
    turns += static_cast<int>(resumes.size());
    resumes.clear();
  }
  EXPECT_GE(turns, 10) << "the long-running one comes back";
  EXPECT_GE(ended.size(), 20u) << "and the fences end";
}

TEST_F(GroupScenario, QueueThatIsClosedWhileItLeavesHoldsNobodyUp) {
  Make(1, /*long_running=*/true);
  Make(2, /*long_running=*/false);
  Submit(1);
  const Point job = Submit(2);
  Pass(kTurn);
  ASSERT_THAT(suspends, ElementsAre(1));
  Close(1);
  CarryOutCancels();
  EXPECT_THAT(inactive, ElementsAre(1));
  EXPECT_TRUE(IsOnDevice(job)) << "although no answer came";
  Complete(2);
}

TEST_F(GroupScenario, ParkedQueueMayGo) {
  Make(1, /*long_running=*/true);
  Make(2, /*long_running=*/false);
  Submit(1);
  const Point job = Submit(2);
  Close(2);
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kCancelled);
  EXPECT_THAT(inactive, ElementsAre(2));
  Pass(kTurn);
  Close(1);
  CarryOutCancels();
}

TEST_F(GroupScenario, GroupsAreApart) {
  Make(1, /*long_running=*/true, hw::EngineClass::kCompute);
  Make(2, /*long_running=*/false, hw::EngineClass::kCopy);
  Make(3, /*long_running=*/false, hw::EngineClass::kRender);
  Submit(1);
  EXPECT_TRUE(IsOnDevice(Submit(2)));
  EXPECT_FALSE(IsOnDevice(Submit(3))) << "render shares with compute";
}

}  // namespace
}  // namespace xeq::sched
