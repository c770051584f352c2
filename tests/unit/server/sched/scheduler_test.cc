// Goal: every rule at the top of scheduler.h. Method: graphs of jobs on a device that ends jobs when it is told to;
// what started and what ended is compared as lists, in order.
#include "server/sched/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/sched/scheduler_fixture.h"

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SchedulerTest : public ::testing::Test, public SchedulerHarness {};

TEST_F(SchedulerTest, JobsOfOneQueueRunInOrderWithinItsCredits) {
  Queue(1, /*credits=*/2);
  for (int i = 0; i < 3; ++i) Submit(1);
  EXPECT_THAT(started, ElementsAre(Point{1, 1}, Point{1, 2}));
  Complete(1);
  EXPECT_THAT(started, ElementsAre(Point{1, 1}, Point{1, 2}, Point{1, 3}));
  Complete(1);
  Complete(1);
  EXPECT_THAT(ended, ElementsAre(Point{1, 1}, Point{1, 2}, Point{1, 3}));
  EXPECT_EQ(scheduler.jobs(), 0u);
}

//  1:1 --> 2:1 --> 3:1
TEST_F(SchedulerTest, ChainOverQueuesRunsLinkByLink) {
  for (ContextId context : {1, 2, 3}) Queue(context);
  const Point a = Submit(1);
  const Point b = Submit(2, {a});
  Submit(3, {b});
  EXPECT_THAT(started, ElementsAre(a));
  Complete(1);
  EXPECT_THAT(started, ElementsAre(a, b));
  Complete(2);
  EXPECT_THAT(started, ElementsAre(a, b, Point{3, 1}));
}

//  1:1 --> 2:1 --> 4:1
//      \-> 3:1 -/
TEST_F(SchedulerTest, DiamondEndWaitsForBothSides) {
  for (ContextId context : {1, 2, 3, 4}) Queue(context);
  const Point top = Submit(1);
  const Point left = Submit(2, {top});
  const Point right = Submit(3, {top});
  Submit(4, {left, right});
  Complete(1);
  Complete(3);
  EXPECT_THAT(started, ElementsAre(top, left, right));
  Complete(2);
  EXPECT_THAT(started, ElementsAre(top, left, right, Point{4, 1}));
}

TEST_F(SchedulerTest, BlockedHeadHoldsBackItsQueueOnly) {
  for (ContextId context : {1, 2, 3}) Queue(context);
  const Point gate = Submit(1);
  Submit(2, {gate});
  Submit(2);
  const Point free = Submit(3);
  EXPECT_THAT(started, ElementsAre(gate, free));
}

TEST_F(SchedulerTest, SignalledAndOwnQueueWaitsCostNothing) {
  Queue(1, /*credits=*/2);
  Queue(2);
  const Point done = Submit(2);
  Complete(2);
  const Point first = Submit(1, {done});
  const Point second = Submit(1, {first});
  EXPECT_THAT(started, ElementsAre(done, first, second));
}

TEST_F(SchedulerTest, WaitsOnOneContextFoldIntoTheLatest) {
  Queue(1);
  Queue(9);
  std::vector<Wait> waits;
  for (uint64_t seqno : {3, 100, 7, 42}) waits.push_back(On({9, seqno}, WaitErrorPolicy::kRun));
  waits.push_back(On({1, 5}));
  const auto job = MakeRef<Job>(timelines.at(1), absl::Span<const uint64_t>(), std::move(waits));
  ASSERT_EQ(job->waits().size(), 1u) << "its own queue's order meets the last";
  EXPECT_EQ(job->waits()[0].seqno, 100u);
}

TEST_F(SchedulerTest, AnEarlierPointWhoseFailureCountsIsNotFoldedAway) {
  Queue(1);
  Queue(9, /*credits=*/2);
  const Point earlier = Submit(9);
  const Point later = Submit(9);
  std::vector<Wait> waits;
  waits.push_back(On(earlier));
  waits.push_back(On(later, WaitErrorPolicy::kRun));
  const Point job = Add(MakeRef<Job>(timelines.at(1), absl::Span<const uint64_t>(), std::move(waits)));
  Complete(9, hw::JobStatus::kPageFault);
  Complete(9, hw::JobStatus::kCancelled);
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(ResultOf(job).root, earlier);
}

TEST_F(SchedulerTest, HigherPriorityStartsFirst) {
  Queue(1, 1, hw::Priority::kLow);
  Queue(2, 1, hw::Priority::kHigh);
  Queue(3);
  const Point gate = Submit(3);
  const Point low = Submit(1, {gate});
  const Point high = Submit(2, {gate});
  Complete(3);
  EXPECT_THAT(started, ElementsAre(gate, high, low));
}

TEST_F(SchedulerTest, FailureTravelsWithItsRootCause) {
  for (ContextId context : {1, 2, 3}) Queue(context);
  const Point culprit = Submit(1);
  const Point second = Submit(2, {culprit});
  const Point third = Submit(3, {second});
  const Point stubborn = Submit(2, {third}, WaitErrorPolicy::kRun);
  Complete(1, hw::JobStatus::kPageFault);
  EXPECT_EQ(ResultOf(culprit).outcome, Outcome::kPageFault);
  EXPECT_EQ(ResultOf(second).outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(ResultOf(third).outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(ResultOf(third).root, culprit);
  EXPECT_EQ(ResultOf(third).root_outcome, Outcome::kPageFault);
  EXPECT_THAT(started, ElementsAre(culprit, stubborn));
}

TEST_F(SchedulerTest, ChainOfAHundredThousandFailuresCostsNoStack) {
  constexpr uint64_t kLength = 100'000;
  constexpr uint64_t kQueues = 100;
  for (ContextId context = 1; context <= kQueues; ++context) Queue(context);
  const Point culprit = Submit(1);
  Point last = culprit;
  // Round robin over the other queues, each job waiting for the one before.
  for (uint64_t i = 0; i < kLength; ++i) last = Submit(2 + i % (kQueues - 1), {last});
  Complete(1, hw::JobStatus::kHang);
  EXPECT_EQ(ended.size(), kLength + 1);
  EXPECT_EQ(ResultOf(last).outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(ResultOf(last).root, culprit);
}

TEST_F(SchedulerTest, FaultBansTheQueueAndNoOther) {
  Queue(1, /*credits=*/2);
  Queue(2);
  for (int i = 0; i < 3; ++i) Submit(1);
  const Point innocent = Submit(2);
  Complete(1, hw::JobStatus::kInvalidCommand);
  EXPECT_THAT(banned, ElementsAre(1));
  EXPECT_THAT(ended, ElementsAre(Point{1, 1})) << "the second is on the device, the third is behind it";
  Complete(1, hw::JobStatus::kCancelled);
  const Point late = Submit(1);
  Complete(2);
  EXPECT_THAT(ended, ElementsAre(Point{1, 1}, Point{1, 2}, Point{1, 3}, late, innocent));
  EXPECT_EQ(ResultOf({1, 2}).root, (Point{1, 1}));
  EXPECT_EQ(ResultOf(late).outcome, Outcome::kCancelled);
  EXPECT_EQ(ResultOf(late).root_outcome, Outcome::kInvalidCommand);
  EXPECT_EQ(ResultOf(innocent).outcome, Outcome::kOk);
}

TEST_F(SchedulerTest, CloseCancelsWhatIsQueuedAndStopsWhatRuns) {
  Queue(1);
  Queue(2);
  Queue(3);
  const Point gate = Submit(3);
  Submit(1);
  Submit(1, {gate});
  const Point dependant = Submit(2, {{1, 2}});
  Close(1);
  Close(1);
  EXPECT_EQ(cancels.size(), 1u);
  EXPECT_THAT(inactive, IsEmpty());
  CarryOutCancels();
  EXPECT_THAT(ended, ElementsAre(Point{1, 1}, Point{1, 2}, dependant));
  EXPECT_THAT(inactive, ElementsAre(1));
  EXPECT_EQ(ResultOf(dependant).root, (Point{1, 2}));
  Complete(3);
  EXPECT_EQ(scheduler.jobs(), 0u);
}

TEST_F(SchedulerTest, CloseOfABlockedHeadLeavesTheAwaitedTimelineClean) {
  Queue(1);
  Queue(2);
  const Point gate = Submit(1);
  Submit(2, {gate});
  Close(2);
  EXPECT_THAT(inactive, ElementsAre(2));
  Complete(1);
  EXPECT_THAT(ended, ElementsAre(Point{2, 1}, gate));
}

TEST_F(SchedulerTest, IdleQueueIsInactiveAtOnceWhenClosed) {
  Queue(1);
  Close(1);
  EXPECT_THAT(inactive, ElementsAre(1));
}

TEST_F(SchedulerTest, WatchdogCancelsOnlyWhoUsedUpTheEngine) {
  Queue(1, 1, hw::Priority::kNormal, /*job_timeout_ns=*/100);
  const Point spinner = Submit(1);
  auto answer = [&](hw::Progress progress) {
    int checks = 0;
    scheduler.CheckTimeouts(now, [&](Timeline& timeline) {
      ++checks;
      return Judge(progress, timeline.spec.job_timeout_ns, /*device_lost=*/false);
    });
    Pump();
    return checks;
  };
  now += 99;
  EXPECT_EQ(answer({true, 99}), 0) << "not overdue yet";
  now += 1;
  EXPECT_EQ(answer({false, 0}), 1) << "waits for its engine: innocent";
  now += 100;
  EXPECT_EQ(answer({true, 60}), 1) << "was off the engine for a while";
  now += 39;
  EXPECT_EQ(answer({true, 99}), 0);
  now += 1;
  EXPECT_EQ(answer({true, 100}), 1);
  ASSERT_EQ(cancels.size(), 1u);
  CarryOutCancels();
  EXPECT_EQ(ResultOf(spinner).outcome, Outcome::kHang);
  EXPECT_THAT(banned, ElementsAre(1));
}

TEST_F(SchedulerTest, DeviceLossEndsEverything) {
  Queue(1);
  Queue(2);
  const Point running = Submit(1);
  const Point queued = Submit(1);
  const Point blocked = Submit(2, {queued});
  scheduler.OnDeviceLost(now);
  Pump();
  Queue(3);
  const Point late = Submit(3);
  for (const Point& point : {running, queued, blocked, late}) {
    EXPECT_EQ(ResultOf(point).root_outcome, Outcome::kDeviceLost);
  }
  EXPECT_EQ(scheduler.jobs(), 0u);
  EXPECT_EQ(scheduler.jobs_on_device(), 0u);
}

TEST_F(SchedulerTest, BindRunsInItsTurnOnATimelineWithoutHardware) {
  QueueSpec spec;
  spec.context = 5;
  AddQueue(spec, nullptr);
  Queue(1);
  const Point gate = Submit(1);
  std::vector<Wait> waits;
  waits.push_back(On(gate));
  Add(MakeRef<Job>(timelines.at(5), std::make_unique<FakeBind>(), std::move(waits)));
  EXPECT_THAT(started, ElementsAre(gate));
  Complete(1);
  EXPECT_THAT(started, ElementsAre(gate, Point{5, 1}));
  Complete(5);
  EXPECT_EQ(ResultOf({5, 1}).outcome, Outcome::kOk);
}

TEST_F(SchedulerTest, SkippedJobDoesNotRunAndPassesNothingOn) {
  for (ContextId context : {1, 2, 3}) Queue(context);
  const Point culprit = Submit(1);
  const Point skipped = Submit(2, {culprit}, WaitErrorPolicy::kSkip);
  const Point after = Submit(3, {skipped}, WaitErrorPolicy::kFail);
  Complete(1, hw::JobStatus::kPageFault);
  EXPECT_EQ(ResultOf(skipped).outcome, Outcome::kSkipped);
  EXPECT_EQ(ResultOf(skipped).root, culprit);
  EXPECT_THAT(started, ElementsAre(culprit, after));
}

TEST_F(SchedulerTest, AnyOfIsMetByTheFirstSuccess) {
  for (ContextId context : {1, 2, 3, 4}) Queue(context);
  const Point a = Submit(1);
  const Point b = Submit(2);
  const Point c = Submit(3);
  std::vector<Wait> waits;
  for (const Point& point : {a, b, c}) waits.push_back(On(point, WaitErrorPolicy::kFail, /*any_of=*/1));
  const Point job = SubmitWith(4, std::move(waits));
  Complete(2, hw::JobStatus::kPageFault);
  EXPECT_THAT(started, ElementsAre(a, b, c)) << "a failure does not meet it while others may";
  Complete(3);
  EXPECT_THAT(started, ElementsAre(a, b, c, job));
  Complete(1);
  Complete(4);
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kOk);
}

TEST_F(SchedulerTest, AnyOfFailsWhenAllHaveFailed) {
  for (ContextId context : {1, 2, 4}) Queue(context);
  const Point a = Submit(1);
  const Point b = Submit(2);
  std::vector<Wait> waits;
  for (const Point& point : {a, b}) waits.push_back(On(point, WaitErrorPolicy::kFail, /*any_of=*/1));
  const Point job = SubmitWith(4, std::move(waits));
  Complete(2, hw::JobStatus::kPageFault);
  Complete(1, hw::JobStatus::kHang);
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(ResultOf(job).root, a) << "the first of the list";
}

TEST_F(SchedulerTest, PureSynchronisationCostsNoCreditAndKeepsItsPlace) {
  Queue(1, /*credits=*/2);
  Queue(2);
  EXPECT_EQ(ResultOf(SubmitSync(1)).outcome, Outcome::kOk) << "at once on an idle queue";
  const Point first = Submit(1);
  const Point sync = SubmitSync(1);
  const Point second = Submit(1);
  EXPECT_THAT(started, ElementsAre(first, second)) << "both credits are there for real jobs";
  EXPECT_EQ(results.count({sync.context, sync.seqno}), 0u);
  Complete(1);
  EXPECT_THAT(ended, ElementsAre(Point{1, 1}, first, sync));
  Complete(1);
  EXPECT_EQ(scheduler.jobs_on_device(), 0u);
}

TEST_F(SchedulerTest, HostPointsEndWhenSignalledOrExpired) {
  HostTimeline(1);
  Queue(2);
  const Point a = HostPoint(1);
  const Point b = HostPoint(1);
  const Point c = HostPoint(1, /*expiry=*/100);
  const Point d = HostPoint(1, /*expiry=*/200);
  const Point job = Submit(2, {b});
  Signal(b, Outcome::kHostError);
  EXPECT_EQ(ResultOf(a).outcome, Outcome::kOk) << "signalled by a later one";
  EXPECT_EQ(ResultOf(b).outcome, Outcome::kHostError);
  EXPECT_EQ(ResultOf(job).outcome, Outcome::kDependencyFailed);
  now = 100;
  scheduler.CheckTimeouts(now, [](Timeline&) { return Verdict{}; });
  Pump();
  EXPECT_EQ(ResultOf(c).outcome, Outcome::kExpired);
  Signal(c);
  EXPECT_EQ(ResultOf(c).outcome, Outcome::kExpired) << "an end is an end";
  Close(1);
  EXPECT_EQ(ResultOf(d).outcome, Outcome::kCancelled);
  EXPECT_THAT(inactive, ElementsAre(1));
}

TEST_F(SchedulerTest, StopHoldsJobsBackUntilStart) {
  Queue(1, /*credits=*/2);
  const Point first = Submit(1);
  scheduler.Stop(Of(1));
  scheduler.Stop(Of(1));
  const Point second = Submit(1);
  EXPECT_THAT(started, ElementsAre(first));
  Complete(1);
  scheduler.Start(Of(1), now);
  scheduler.Start(Of(1), now);
  Pump();
  EXPECT_THAT(started, ElementsAre(first, second));
}

TEST_F(SchedulerTest, TriggeredTimeoutTakesWhoeverRuns) {
  Queue(1);
  const Point victim = Submit(1);
  scheduler.TriggerTimeout(Of(1));
  scheduler.CheckTimeouts(now, [](Timeline&) { return Verdict{}; });
  Pump();
  CarryOutCancels();
  EXPECT_EQ(ResultOf(victim).outcome, Outcome::kHang);
}

TEST_F(SchedulerTest, CondemnedQueueIsBannedEvenIfItsJobEndsByItself) {
  Queue(1, /*credits=*/2, hw::Priority::kNormal, /*job_timeout_ns=*/100);
  const Point culprit = Submit(1);
  now += 100;
  scheduler.CheckTimeouts(now, [](Timeline&) { return Verdict{Verdict::Kind::kReset, 0}; });
  Pump();
  EXPECT_THAT(banned, ElementsAre(1));
  const Point late = Submit(1);
  EXPECT_THAT(started, ElementsAre(culprit)) << "the device takes no more of it";
  Complete(1);
  EXPECT_EQ(ResultOf(culprit).outcome, Outcome::kOk);
  EXPECT_EQ(ResultOf(late).outcome, Outcome::kCancelled);
  EXPECT_EQ(ResultOf(late).root, culprit);
}

TEST_F(SchedulerTest, TriggeredTimeoutOfAnIdleQueueIsForgotten) {
  Queue(1);
  scheduler.TriggerTimeout(Of(1));
  Submit(1);
  scheduler.CheckTimeouts(now, [](Timeline&) { return Verdict{}; });
  Pump();
  EXPECT_THAT(cancels, IsEmpty());
}

TEST_F(SchedulerTest, StricterPolicyOfTwoWaitsForOnePointCounts) {
  Queue(1);
  Queue(2);
  const Point awaited = Submit(1);
  for (const bool run_first : {true, false}) {
    std::vector<Wait> waits;
    waits.push_back(On(awaited, run_first ? WaitErrorPolicy::kRun : WaitErrorPolicy::kSkip));
    waits.push_back(On(awaited, run_first ? WaitErrorPolicy::kSkip : WaitErrorPolicy::kRun));
    const auto job = MakeRef<Job>(timelines.at(2), absl::Span<const uint64_t>(), std::move(waits));
    ASSERT_EQ(job->waits().size(), 1u);
    EXPECT_EQ(job->waits()[0].on_error, WaitErrorPolicy::kSkip);
  }
}

}  // namespace
}  // namespace xeq::sched
