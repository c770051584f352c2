// Goal: the scenarios of dependencies, credits and teardown, by their numbers. Method: the scheduler alone, a device
// that is cranked by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/server/sched/scheduler_fixture.h"

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RuleScenario : public ::testing::Test, public SchedulerHarness {};

TEST_F(RuleScenario, T03_QueuesClosedHalfWay) {
  for (ContextId context = 1; context <= 4; ++context) Queue(context);
  std::vector<Point> points;
  for (uint64_t i = 0; i < 100; ++i) {
    points.push_back(Submit(1 + i % 4, points.empty() ? std::vector<Point>{} : std::vector<Point>{points.back()}));
  }
  for (int i = 0; i <= 50; ++i) Complete(points[static_cast<size_t>(i)].context);
  // Number 51 has started.
  for (ContextId context = 1; context <= 4; ++context) Close(context);
  Complete(points[51].context);
  CarryOutCancels();
  ASSERT_EQ(ended.size(), 100u);
  for (size_t i = 0; i < 100; ++i) {
    const Outcome outcome = ResultOf(points[i]).outcome;
    EXPECT_EQ(outcome == Outcome::kOk, i <= 51) << i;
    if (i <= 51) continue;
    EXPECT_TRUE(outcome == Outcome::kCancelled || outcome == Outcome::kDependencyFailed) << i;
  }
  EXPECT_EQ(inactive.size(), 4u);
  EXPECT_EQ(scheduler.jobs(), 0u);
}

TEST_F(RuleScenario, T06_TeardownDoesNotWaitForTheJob) {
  Queue(1);
  const Point job = Submit(1);
  Close(1);
  EXPECT_THAT(inactive, IsEmpty());
  CarryOutCancels();
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kCancelled);
  EXPECT_THAT(inactive, ElementsAre(1));
}

TEST_F(RuleScenario, T12_CreditsHoldJobsBackAndReturn) {
  Queue(1, /*credits=*/1);
  const Point first = Submit(1);
  const Point second = Submit(1);
  EXPECT_THAT(started, ElementsAre(first));
  EXPECT_EQ(Of(1).live()->credits_used(), 1u);
  Complete(1);
  EXPECT_THAT(started, ElementsAre(first, second));
  SubmitSync(1);
  EXPECT_EQ(Of(1).live()->credits_used(), 1u) << "a pure synchronisation costs none";
  Complete(1);
  EXPECT_EQ(Of(1).live()->credits_used(), 0u);
}

TEST_F(RuleScenario, T19_HundredFencesOfOneContextFoldIntoTheLatest) {
  Queue(1);
  Queue(2);
  Queue(3);
  std::vector<Point> points;
  for (int i = 0; i < 100; ++i) points.push_back(Submit(1));
  const Point last = points.back();
  const Point signalled = Submit(3);
  Complete(3);
  std::shuffle(points.begin(), points.end(), std::mt19937(7));
  // In the kernel errors do not travel along dependencies, so that the latest fence covers the others.
  std::vector<Wait> waits;
  for (const Point& point : points) waits.push_back(On(point, WaitErrorPolicy::kRun));
  waits.push_back(On({2, 1}));
  auto job = MakeRef<Job>(timelines.at(2), absl::Span<const uint64_t>(), std::move(waits));
  ASSERT_EQ(job->waits().size(), 1u);
  EXPECT_EQ(job->waits()[0].point(), last);
  job.reset();
  const Point free = Submit(2, {signalled});
  EXPECT_EQ(started.back(), free) << "nothing but met waits: it starts on push";
}

TEST_F(RuleScenario, T20_FailedDependencyWithEachPolicy) {
  for (ContextId context = 1; context <= 4; ++context) Queue(context);
  const Point failing = Submit(1);
  const Point run = Submit(2, {failing}, WaitErrorPolicy::kRun);
  const Point fail = Submit(3, {failing}, WaitErrorPolicy::kFail);
  const Point skip = Submit(4, {failing}, WaitErrorPolicy::kSkip);
  Complete(1, hw::JobStatus::kPageFault);
  EXPECT_THAT(started, ElementsAre(failing, run));
  Complete(2);
  EXPECT_EQ(ResultOf(run).outcome, Outcome::kOk);
  EXPECT_EQ(ResultOf(fail).outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(ResultOf(skip).outcome, Outcome::kSkipped);
}

TEST_F(RuleScenario, T21_JobWithoutBatchesEndsWithWhatIsInFront) {
  Queue(1, /*credits=*/3);
  for (int i = 0; i < 3; ++i) Submit(1);
  const Point sync = SubmitSync(1);
  Complete(1);
  Complete(1);
  EXPECT_EQ(ended.size(), 2u);
  Complete(1);
  EXPECT_THAT(ended, ElementsAre(Point{1, 1}, Point{1, 2}, Point{1, 3}, sync));
  EXPECT_EQ(ResultOf(SubmitSync(1)).outcome, Outcome::kOk) << "at once on an idle queue";
}

// Of another kind of queue: binds.
TEST_F(RuleScenario, T23_BindsKeepTheOrderOfTheirQueueOnly) {
  HostTimeline(9);
  for (ContextId context : {1, 2}) {
    QueueSpec spec;
    spec.context = context;
    AddQueue(spec, nullptr);
  }
  const Point gate = HostPoint(9);
  const auto bind = [this](ContextId context, std::vector<Point> on) {
    std::vector<Wait> waits;
    for (const Point& point : on) waits.push_back(On(point));
    return Add(MakeRef<Job>(timelines.at(context), std::make_unique<FakeBind>(), std::move(waits)));
  };
  const Point a = bind(1, {gate});
  const Point b = bind(1, {});
  const Point c = bind(2, {});
  const Point d = bind(2, {a});
  Complete(2);
  EXPECT_THAT(ended, ElementsAre(c)) << "done while a is blocked";
  Signal(gate);
  Complete(1);
  Complete(1);
  Complete(2);
  EXPECT_THAT(ended, ElementsAre(c, gate, a, b, d));
}

TEST_F(RuleScenario, T24_FenceOutlivesItsQueue) {
  Queue(1);
  Queue(2);
  const Point last = Submit(1);
  Ref<Timeline> held = timelines.at(1);
  timelines.erase(1);
  scheduler.Close(*held, now);
  Pump();
  ASSERT_EQ(cancels.size(), 1u);
  hw::Completion completion;
  completion.owner = held.get();
  completion.seqno = last.seqno;
  completion.status = hw::JobStatus::kCancelled;
  scheduler.OnCompletion(completion, now);
  device.clear();
  Pump();
  EXPECT_EQ(ResultOf(last).outcome, Outcome::kCancelled);
  EXPECT_THAT(inactive, ElementsAre(1));
  // The client's hold on the fence is all that is left of the queue; it can still be waited for.
  std::vector<Wait> waits;
  waits.emplace_back(held, last.seqno);
  const Point dependant = SubmitWith(2, std::move(waits));
  EXPECT_EQ(ResultOf(dependant).root, last);
}

// The seqno of a timeline has 64 bits and starts at 1; the one in memory wraps (the driver's tests). What is asked of
// both: no wait ends early.
TEST_F(RuleScenario, T51_ManyPointsInOrder) {
  Queue(1, /*credits=*/4);
  Queue(2);
  for (uint64_t i = 0; i < 300; ++i) {
    const Point point = Submit(1);
    const Point dependant = Submit(2, {point});
    EXPECT_EQ(results.count({dependant.context, dependant.seqno}), 0u);
    Complete(1);
    Complete(2);
  }
  EXPECT_EQ(ended.size(), 600u);
}

}  // namespace
}  // namespace xeq::sched
