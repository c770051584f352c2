// Goal: the scenarios in which time matters, which drm_sched's own tests and the dependency queue's rules ask for, by
// their numbers. Method: the scheduler alone, engines in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/scenarios/virtual_engine.h"

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr hw::Nanos kMilli = hw::kNanosPerMilli;
constexpr hw::Nanos kSecond = hw::kNanosPerSecond;

// 100 jobs of 10 us on `queues` queues in turn; with `chain`, each waits for the one before.
void RunBasic(uint64_t queues, bool chain) {
  VirtualTime time(4);
  for (ContextId context = 1; context <= queues; ++context) {
    time.Queue(context, 4);
    time.SetDuration(context, 10 * hw::kNanosPerMicro);
  }
  std::vector<Point> points;
  for (uint64_t i = 0; i < 100; ++i) {
    const bool waits = chain && !points.empty();
    points.push_back(time.Submit(1 + i % queues, waits ? std::vector<Point>{points.back()} : std::vector<Point>{}));
  }
  time.RunUntil(kSecond);
  EXPECT_EQ(time.ended.size(), 100u);
  std::map<ContextId, uint64_t> last;
  for (const Point& point : time.started) EXPECT_EQ(point.seqno, ++last[point.context]) << "FIFO of each queue";
  // On one queue its order meets the waits: jobs are handed over ahead, up to the credits.
  for (size_t i = 1; chain && queues > 1 && i < points.size(); ++i) {
    EXPECT_GE((time.started_at[{points[i].context, points[i].seqno}]),
              (time.ended_at[{points[i - 1].context, points[i - 1].seqno}]));
  }
  for (const Point& point : points) EXPECT_EQ(time.ResultOf(point).outcome, Outcome::kOk);
}

TEST(TimedScenario, T02_HundredJobsOnOneQueue) { RunBasic(1, false); }
TEST(TimedScenario, T02_HundredJobsOnOneQueueInAChain) { RunBasic(1, true); }
TEST(TimedScenario, T02_HundredJobsOnFourQueues) { RunBasic(4, false); }
TEST(TimedScenario, T02_HundredJobsOnFourQueuesInAChain) { RunBasic(4, true); }

TEST(TimedScenario, T05_InterleavedQueuesAllFinish) {
  VirtualTime time(16);
  constexpr uint64_t kQueues = 16;
  std::map<ContextId, uint64_t> left;
  for (ContextId context = 1; context <= kQueues; ++context) {
    const auto duration = static_cast<hw::Nanos>(context) * 100 * hw::kNanosPerMicro;
    time.Queue(context, /*credits=*/8);
    time.SetDuration(context, duration);
    left[context] = std::max<uint64_t>(1, 62'500 * hw::kNanosPerMicro / duration);
  }
  uint64_t submitted = 0;
  for (bool more = true; more;) {
    more = false;
    for (auto& [context, count] : left) {
      if (count == 0) continue;
      --count;
      ++submitted;
      time.Submit(context);
      more = true;
    }
  }
  time.RunUntil(2 * kSecond);
  EXPECT_EQ(time.ended.size(), submitted);
}

TEST(TimedScenario, T07_TimeoutTakesTheJobOnce) {
  VirtualTime time;
  time.Queue(1, 1, hw::Priority::kNormal, /*job_timeout_ns=*/200 * kMilli);
  const Point job = time.Submit(1);
  const auto check = [&] {
    int asked = 0;
    time.scheduler.CheckTimeouts(time.now, [&](Timeline&) {
      ++asked;
      return Judge({true, 10 * kSecond}, 200 * kMilli, false);
    });
    time.Pump();
    return asked;
  };
  time.RunUntil(100 * kMilli);
  EXPECT_EQ(check(), 0);
  EXPECT_THAT(time.ended, IsEmpty());
  time.RunUntil(300 * kMilli);
  EXPECT_EQ(check(), 1);
  EXPECT_EQ(check(), 0) << "once is enough";
  time.CarryOutCancels();
  EXPECT_EQ(time.ResultOf(job).outcome, Outcome::kHang);
}

TEST(TimedScenario, T08_FalseTimeoutLeavesTheJobAlone) {
  VirtualTime time;
  time.Queue(1, 1, hw::Priority::kNormal, 200 * kMilli);
  const Point job = time.Submit(1);
  int asked = 0;
  for (hw::Nanos at = 100 * kMilli; at <= 400 * kMilli; at += 100 * kMilli) {
    time.RunUntil(at);
    time.scheduler.CheckTimeouts(time.now, [&](Timeline&) {
      ++asked;
      return Verdict{};
    });
    time.Pump();
  }
  EXPECT_GE(asked, 1);
  EXPECT_THAT(time.ended, IsEmpty());
  EXPECT_THAT(time.cancels, IsEmpty());
  time.Complete(1);
  EXPECT_EQ(time.ResultOf(job).outcome, Outcome::kOk);
}

TEST(TimedScenario, T09_HigherPriorityStartsFirst) {
  VirtualTime time;
  time.Queue(9, /*credits=*/1);
  const Point gate = time.Submit(9);
  for (ContextId context = 1; context <= 4; ++context) {
    time.Queue(context, /*credits=*/1, static_cast<hw::Priority>(context - 1));
    time.SetDuration(context, 10 * hw::kNanosPerMicro);
  }
  for (int i = 0; i < 100; ++i) time.Submit(1 + i % 4, {gate});
  time.Complete(9);
  ASSERT_GE(time.started.size(), 5u);
  // All four were ready at once.
  EXPECT_THAT(std::vector<Point>(time.started.begin() + 1, time.started.begin() + 5),
              ElementsAre(Point{4, 1}, Point{3, 1}, Point{2, 1}, Point{1, 1}));
}

TEST(TimedScenario, T16_ThousandJobsBehindABlocker) {
  VirtualTime time(2);
  time.Queue(1, /*credits=*/1);
  time.Queue(2, /*credits=*/1);
  time.SetDuration(1, kMilli);
  const Point blocker = time.Submit(2);
  for (int i = 0; i < 1000; ++i) time.Submit(1, {blocker});
  const hw::Nanos released = time.now;
  time.Complete(2);
  time.RunUntil(released + 5 * kSecond);
  EXPECT_EQ(time.ended.size(), 1001u);
  const hw::Nanos took = time.ended_at.rbegin()->second - released;
  EXPECT_EQ(took, kSecond) << "no idle time between jobs: the ratio to the ideal is 1";
}

TEST(TimedScenario, T17_PingPongStartsInOrderOfPush) {
  VirtualTime time(3);
  for (ContextId context : {1, 2, 3}) time.Queue(context, /*credits=*/1);
  time.SetDuration(1, kMilli);
  time.SetDuration(2, kMilli);
  std::vector<Point> pushed = {time.Submit(3)};
  for (uint64_t i = 0; i < 1000; ++i) pushed.push_back(time.Submit(1 + i % 2, {pushed.back()}));
  const hw::Nanos released = time.now;
  time.Complete(3);
  time.RunUntil(released + 5 * kSecond);
  EXPECT_EQ(time.started, pushed);
  EXPECT_EQ(time.ended, pushed);
}

// Clients that always have the next job ready, on one engine.
void RunEqualClients(uint64_t clients, uint32_t credits) {
  VirtualTime time;
  for (ContextId context = 1; context <= clients; ++context) {
    time.Queue(context, credits);
    time.SetDuration(context, kMilli);
    for (int i = 0; i < 200; ++i) time.Submit(context);
  }
  // Long before anybody runs out.
  time.RunUntil(static_cast<hw::Nanos>(clients) * 100 * kMilli);
  std::map<ContextId, uint64_t> share;
  for (const auto& [point, at] : time.ended_at) ++share[point.first];
  uint64_t least = ~0ull, most = 0;
  for (ContextId context = 1; context <= clients; ++context) {
    least = std::min(least, share[context]);
    most = std::max(most, share[context]);
  }
  EXPECT_GE(2 * least, most) << clients << " clients, " << credits << " credits";
  time.RunUntil(hw::kNever);
  EXPECT_EQ(time.ended.size(), clients * 200);
}

TEST(TimedScenario, T18_EqualClientsGetEqualShares) {
  for (const uint64_t clients : {2, 3, 7, 13, 31}) {
    for (const uint32_t credits : {1, 2}) RunEqualClients(clients, credits);
  }
}

TEST(TimedScenario, T18_TwoClientsOfAnyMixFinish) {
  for (const uint64_t mix : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
    VirtualTime time;
    time.Queue(1, 1 + mix % 2);
    time.Queue(2, 1 + mix % 2);
    time.SetDuration(1, static_cast<hw::Nanos>(mix) * kMilli);
    time.SetDuration(2, kMilli / static_cast<hw::Nanos>(mix));
    for (int i = 0; i < 50; ++i) {
      time.Submit(1);
      time.Submit(2);
    }
    time.RunUntil(10 * kSecond);
    EXPECT_EQ(time.ended.size(), 100u);
  }
}

TEST(TimedScenario, T09_AllFinishWhilePrioritiesRotate) {
  VirtualTime time(4);
  std::mt19937 random(9);
  std::uniform_int_distribution<hw::Nanos> period(200 * hw::kNanosPerMicro, 500 * hw::kNanosPerMicro);
  for (ContextId context = 1; context <= 4; ++context) {
    time.Queue(context, /*credits=*/2, static_cast<hw::Priority>(context % 4));
    time.SetDuration(context, 1000 * hw::kNanosPerMicro);
  }
  for (uint64_t i = 0; i < 1000; ++i) time.Submit(1 + i % 4);
  for (int turn = 1; time.ended.size() < 1000 && turn < 10'000; ++turn) {
    for (ContextId context = 1; context <= 4; ++context) {
      time.Of(context).priority = static_cast<hw::Priority>((context + static_cast<uint64_t>(turn)) % 4);
    }
    time.RunUntil(time.now + period(random));
  }
  EXPECT_EQ(time.ended.size(), 1000u);
}

TEST(TimedScenario, T11_QueuesMoveBetweenEnginesWhileTheyRun) {
  constexpr uint64_t kQueues = 13;
  constexpr uint64_t kJobs = 1000;
  VirtualTime time(3);
  std::mt19937 random(11);
  std::uniform_int_distribution<hw::Nanos> period(200 * hw::kNanosPerMicro, 500 * hw::kNanosPerMicro);
  for (ContextId context = 1; context <= kQueues; ++context) {
    // One at a time, so that a queue is on one engine at a time.
    time.Queue(context, /*credits=*/1);
    time.SetDuration(context, 10 * hw::kNanosPerMicro);
  }
  for (uint64_t i = 0; i < kJobs; ++i) time.Submit(1 + i % kQueues);
  uint64_t moves = 0;
  for (ContextId next = 1; time.ended.size() < kJobs && moves < 10'000; next = next % kQueues + 1) {
    time.RunUntil(time.now + period(random));
    // Stopped while it moves, as the kernel stops a scheduler's work.
    Timeline& queue = time.Of(next);
    time.scheduler.Stop(queue);
    while (queue.live()->oldest() != nullptr) time.RunUntil(time.now + hw::kNanosPerMicro);
    time.MoveTo(next, (time.EngineOf(next) + 1) % 3);
    time.scheduler.Start(queue, time.now);
    ++moves;
  }
  EXPECT_GE(moves, 5u);
  ASSERT_EQ(time.ended.size(), kJobs) << "none is lost, none runs twice";
  EXPECT_EQ(time.started.size(), kJobs);
  std::map<ContextId, uint64_t> last;
  for (const Point& point : time.started) EXPECT_EQ(point.seqno, ++last[point.context]) << "FIFO of each queue";
  for (const Point& point : time.ended) EXPECT_EQ(time.ResultOf(point).outcome, Outcome::kOk);
}

}  // namespace
}  // namespace xeq::sched
