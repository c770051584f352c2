// Goal: the device thread carries jobs, ends and control messages between many threads without losing, doubling or
// reordering any. Method: a hand-cranked device, an observer that can be waited for, and threads that submit at once.
#include "server/sched/device_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "tests/fakes/manual_device.h"

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;

class RecordingObserver : public Observer {
 public:
  void OnFinished(absl::Span<Job* const> jobs) override {
    hw::MutexLock lock(mutex_);
    for (const Job* job : jobs) {
      ended_.push_back(job->point());
      outcomes_.push_back(job->result.outcome);
    }
    changed_.NotifyAll();
  }
  void OnBanned(ContextId context, const Result&) override {
    hw::MutexLock lock(mutex_);
    banned_.push_back(context);
  }
  void OnInactive(ContextId context) override {
    hw::MutexLock lock(mutex_);
    inactive_.push_back(context);
    changed_.NotifyAll();
  }

  bool WaitForEnded(size_t count) {
    hw::MutexLock lock(mutex_);
    const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
    while (ended_.size() < count) {
      if (!changed_.WaitUntil(mutex_, deadline)) return false;
    }
    return true;
  }
  bool WaitForInactive(size_t count) {
    hw::MutexLock lock(mutex_);
    const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
    while (inactive_.size() < count) {
      if (!changed_.WaitUntil(mutex_, deadline)) return false;
    }
    return true;
  }
  std::vector<Point> ended() {
    hw::MutexLock lock(mutex_);
    return ended_;
  }
  std::vector<Outcome> outcomes() {
    hw::MutexLock lock(mutex_);
    return outcomes_;
  }
  std::vector<ContextId> banned() {
    hw::MutexLock lock(mutex_);
    return banned_;
  }

 private:
  hw::Mutex mutex_;
  hw::CondVar changed_;
  std::vector<Point> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<Outcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<ContextId> banned_ ABSL_GUARDED_BY(mutex_);
  std::vector<ContextId> inactive_ ABSL_GUARDED_BY(mutex_);
};

class DeviceLoopTest : public ::testing::TestWithParam<int> {
 protected:
  void StartLoop(const DeviceLoopOptions& options = {}) {
    loop_ = std::make_unique<DeviceLoop>(device_, nullptr, options);
    ASSERT_TRUE(loop_->Start().ok());
  }

  ContextId Queue(uint32_t credits = 64, hw::Nanos job_timeout_ns = hw::kNever) {
    QueueSpec spec;
    spec.context = loop_->NewContext();
    spec.credits = credits;
    spec.job_timeout_ns = job_timeout_ns;
    spec.put_mode = put_mode_;
    spec.observer = observer_;
    timelines_[spec.context] = MakeRef<Timeline>(spec, device_.CreateQueue({.context = spec.context}, nullptr).value());
    EXPECT_TRUE(loop_->PostQueue(timelines_[spec.context]).ok());
    return spec.context;
  }

  void Submit(Point point, std::vector<Point> waits = {}) {
    auto ticket = loop_->Reserve(1);
    ASSERT_TRUE(ticket.ok()) << ticket.status();
    const uint64_t batch = 0x1000;
    std::vector<Wait> list;
    for (const Point& wait : waits) list.emplace_back(timelines_[wait.context], wait.seqno);
    auto job = MakeRef<Job>(timelines_[point.context], absl::MakeConstSpan(&batch, 1), std::move(list));
    job->Arm(point.seqno, hw::MonotonicNow());
    loop_->Post(*ticket, std::move(job));
    loop_->Run(bypass_);
  }

  fakes::ManualDevice device_;
  std::shared_ptr<RecordingObserver> observer_ = std::make_shared<RecordingObserver>();
  std::unique_ptr<DeviceLoop> loop_;
  std::map<ContextId, Ref<Timeline>> timelines_;
  const bool bypass_ = (GetParam() & 1) != 0;
  const PutMode put_mode_ = (GetParam() & 2) != 0 ? PutMode::kDeferred : PutMode::kInline;
};

INSTANTIATE_TEST_SUITE_P(BypassAndPutModes, DeviceLoopTest, ::testing::Range(0, 4), [](const auto& info) {
  return std::string((info.param & 1) != 0 ? "Bypass" : "DeviceThread") +
         ((info.param & 2) != 0 ? "DeferredPut" : "InlinePut");
});

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
  spec.observer = observer_;
  const auto vm = MakeRef<Timeline>(spec, nullptr);
  ASSERT_TRUE(loop_->PostQueue(vm).ok());
  auto ticket = loop_->Reserve(1);
  ASSERT_TRUE(ticket.ok());
  auto job = MakeRef<Job>(vm, device_.PrepareBind(nullptr, {}).value());
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
