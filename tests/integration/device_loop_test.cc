// Goal: the device thread carries jobs, ends and control messages between many threads without losing, doubling or
// reordering any. Method: a hand-cranked device, an observer that can be waited for, and threads that submit at once.
#include "server/sched/device_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "tests/integration/device_loop_fixture.h"

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;

INSTANTIATE_TEST_SUITE_P(BypassAndPutModes, DeviceLoopTest, ::testing::Range(0, 4), ModeName);

TEST_P(DeviceLoopTest, JobsGoOutAndTheirEndsComeBackInOrder) {
  StartLoop();
  const ContextId a = Queue();
  const ContextId b = Queue();
  Submit({a, 1});
  Submit({b, 1}, {{a, 1}});
  Submit({a, 2});
  ASSERT_TRUE(device_.WaitForSubmitted(a, 2));
  EXPECT_EQ(device_.Advance(a, 1), 1);
  ASSERT_TRUE(device_.WaitForSubmitted(b, 1));
  device_.Advance(b, 1);
  ASSERT_TRUE(observer_->WaitForEnded(2));
  device_.Advance(a, 1);
  ASSERT_TRUE(observer_->WaitForEnded(3));
  EXPECT_THAT(observer_->ended(), ElementsAre(Point{a, 1}, Point{b, 1}, Point{a, 2}));
}

TEST_P(DeviceLoopTest, BindsAreCarriedOut) {
  StartLoop();
  QueueSpec spec;
  spec.context = loop_->NewContext();
  const auto vm = MakeRef<Timeline>(spec, nullptr);
  ASSERT_TRUE(loop_->PostQueue(vm, observer_).ok());
  auto ticket = loop_->Reserve(1);
  ASSERT_TRUE(ticket.ok());
  auto job = MakeRef<Job>(vm, device_.PrepareBind(nullptr, {}).value(), std::vector<Wait>());
  job->Arm(1, hw::MonotonicNow());
  loop_->Post(*ticket, std::move(job));
  loop_->Run(bypass_);
  ASSERT_TRUE(observer_->WaitForEnded(1));
  EXPECT_EQ(device_.binds(), 1u);
}

TEST_P(DeviceLoopTest, FullInboxRefusesBeforeAnythingIsConsumed) {
  StartLoop({.inbox_capacity = 4});
  {
    auto granted = loop_->Reserve(4);
    ASSERT_TRUE(granted.ok());
    EXPECT_EQ(loop_->Reserve(1).status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_TRUE(loop_->Reserve(4).ok()) << "an unused ticket gives its room back";
  EXPECT_EQ(loop_->Reserve(5).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_P(DeviceLoopTest, HungJobIsCancelledByTheWatchdogAndItsQueueBanned) {
  StartLoop({.watchdog_period_ns = hw::kNanosPerMilli});
  const ContextId spinner = Queue(64, /*job_timeout_ns=*/5 * hw::kNanosPerMilli);
  device_.SetProgress(spinner, {.started = true, .gpu_time_ns = hw::kNanosPerSecond});
  Submit({spinner, 1});
  Submit({spinner, 2});
  ASSERT_TRUE(observer_->WaitForEnded(2));
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kHang, Outcome::kCancelled));
  EXPECT_THAT(observer_->banned(), ElementsAre(spinner));
}

TEST_P(DeviceLoopTest, CloseReturnsTheHardwareQueue) {
  StartLoop();
  const ContextId queue = Queue();
  Submit({queue, 1});
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 1));
  loop_->PostClose(timelines_[queue]);
  ASSERT_TRUE(observer_->WaitForInactive(1));
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kCancelled));
  EXPECT_EQ(device_.live_queues(), 0u);
}

TEST_P(DeviceLoopTest, JobBehindAnExpiredHostFenceRunsAtOnce) {
  StartLoop({.watchdog_period_ns = hw::kNanosPerMilli});
  QueueSpec spec;
  spec.context = loop_->NewContext();
  spec.is_host = true;
  timelines_[spec.context] = MakeRef<Timeline>(spec, nullptr);
  ASSERT_TRUE(loop_->PostQueue(timelines_[spec.context], observer_).ok());
  auto ticket = loop_->Reserve(1);
  auto point = MakeRef<Job>(timelines_[spec.context], hw::MonotonicNow() + 2 * hw::kNanosPerMilli);
  point->Arm(1, hw::MonotonicNow());
  loop_->Post(*ticket, std::move(point));
  const ContextId queue = Queue();
  const uint64_t batch = 0x1000;
  std::vector<Wait> waits;
  waits.emplace_back(timelines_[spec.context], 1, WaitErrorPolicy::kRun);
  auto job = MakeRef<Job>(timelines_[queue], absl::MakeConstSpan(&batch, 1), std::move(waits));
  job->Arm(1, hw::MonotonicNow());
  auto second = loop_->Reserve(1);
  loop_->Post(*second, std::move(job));
  loop_->Run(bypass_);
  // Nothing else happens: the expiry alone has to set it going.
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 1));
  device_.Advance(queue, 1);
  ASSERT_TRUE(observer_->WaitForEnded(2));
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kExpired, Outcome::kOk));
}

TEST_P(DeviceLoopTest, LostDeviceEndsEverythingAndRefusesMore) {
  StartLoop();
  const ContextId queue = Queue(/*credits=*/1);
  Submit({queue, 1});
  Submit({queue, 2});
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 1));
  device_.Lose();
  ASSERT_TRUE(observer_->WaitForEnded(2));
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kDeviceLost, Outcome::kDeviceLost));
  EXPECT_EQ(loop_->Reserve(1).status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(DeviceLoopTest, StopEndsWhatRunsAndWhatIsQueued) {
  StartLoop();
  const ContextId queue = Queue(/*credits=*/1);
  Submit({queue, 1});
  Submit({queue, 2});
  loop_->Stop();
  loop_->Stop();
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kCancelled, Outcome::kCancelled));
  EXPECT_EQ(loop_->Reserve(1).status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(DeviceLoopTest, StopDoesNotWaitForeverForADeviceThatHangs) {
  StartLoop({.watchdog_period_ns = hw::kNanosPerMilli, .stop_timeout_ns = 10 * hw::kNanosPerMilli});
  const ContextId queue = Queue();
  Submit({queue, 1});
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 1));
  device_.IgnoreCancels();
  loop_->Stop();
  EXPECT_THAT(observer_->outcomes(), ElementsAre(Outcome::kDeviceLost));
}

TEST_P(DeviceLoopTest, ManyThreadsLoseAndReorderNothing) {
  constexpr int kThreads = 8;
  constexpr uint64_t kJobs = 2000;
  StartLoop();
  device_.RunFreely();
  std::vector<ContextId> queues;
  for (int i = 0; i < kThreads; ++i) queues.push_back(Queue(/*credits=*/4));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, context = queues[i]] {
      for (uint64_t seqno = 1; seqno <= kJobs; ++seqno) Submit({context, seqno});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(observer_->WaitForEnded(kThreads * kJobs));
  std::map<ContextId, uint64_t> last;
  for (const Point& point : observer_->ended()) {
    ASSERT_EQ(point.seqno, last[point.context] + 1);
    last[point.context] = point.seqno;
  }
  EXPECT_EQ(observer_->ended().size(), kThreads * kJobs);
}

TEST_P(DeviceLoopTest, CloseRacesWithSubmitAndEveryJobEnds) {
  constexpr uint64_t kRounds = 200;
  StartLoop();
  device_.RunFreely();
  uint64_t submitted = 0;
  for (uint64_t round = 0; round < kRounds; ++round) {
    const ContextId context = Queue(/*credits=*/2);
    // As a session's lock does, so that the close is behind the last job.
    std::mutex order;
    bool closed = false;
    std::thread closer([&] {
      const std::lock_guard<std::mutex> lock(order);
      closed = true;
      loop_->PostClose(timelines_[context]);
    });
    for (uint64_t seqno = 1; seqno <= 5; ++seqno) {
      const std::lock_guard<std::mutex> lock(order);
      if (closed) break;
      Submit({context, seqno});
      ++submitted;
    }
    closer.join();
  }
  ASSERT_TRUE(observer_->WaitForEnded(submitted));
  ASSERT_TRUE(observer_->WaitForInactive(kRounds));
  EXPECT_EQ(device_.live_queues(), 0u);
}

TEST_P(DeviceLoopTest, DeferredPutsAreBounded) {
  StartLoop({.deferred_puts_max = 1});
  device_.RunFreely();
  const ContextId queue = Queue();
  for (uint64_t seqno = 1; seqno <= 1000; ++seqno) Submit({queue, seqno});
  ASSERT_TRUE(observer_->WaitForEnded(1000));
}

}  // namespace
}  // namespace xeq::sched
