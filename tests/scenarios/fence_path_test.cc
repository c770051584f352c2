// Goal: T57 for a session: on the way from arm to signal nothing is allocated, nobody sleeps, and no lock is held where
// the device, a waiter or a watch is called. Method: the global allocator and the C library's locks are counted, and
// the fakes look at them when they are called; once with a fault planted for each, to show that it would be seen.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "server/metrics/recorder.h"
#include "server/sched/device_loop.h"
#include "server/session/session.h"
#include "tests/fakes/counting_allocator.h"
#include "tests/fakes/lock_checker.h"
#include "tests/scenarios/quiet_device.h"

namespace xeq::session {
namespace {

// Of calls from the service to the outside.
std::atomic<int> calls{0};
std::atomic<int> calls_with_a_lock{0};

void OnCall() {
  ++calls;
  if (fakes::LocksHeld() > 0) ++calls_with_a_lock;
}

class LookingWait : public FenceWait {
 public:
  using FenceWait::FenceWait;
  std::atomic<bool> met{false};

 private:
  void OnMet() override {
    OnCall();
    met = true;
  }
};

class LookingWatch : public Watch {
 private:
  void OnEvents() override { OnCall(); }
};

using Mode = std::tuple<bool, sched::PutMode>;

class FencePathTest : public ::testing::TestWithParam<Mode> {
 protected:
  FencePathTest() {
    EXPECT_TRUE(loop_.Start().ok());
    session_ = std::make_shared<Session>(loop_, recorder_, SessionOptions{"tester", {}, hw::kNanosPerSecond}, 0);
    QueueSpec spec;
    spec.vm = session_->CreateVm().value();
    spec.engine_class = hw::EngineClass::kCopy;
    spec.bypass = std::get<0>(GetParam());
    spec.put_mode = std::get<1>(GetParam());
    queue_ = session_->CreateQueue(spec)->queue;
    calls = 0;
    calls_with_a_lock = 0;
  }
  ~FencePathTest() override {
    session_->Close(CloseReason::kClient);
    // What was cut off ends like that.
    if (device_.submitted > completed_) Complete();
    loop_.Stop();
  }

  // Returns when the device has the job. `in_lock` are the allocations while a lock was held.
  void Submit(size_t* in_lock) {
    const std::array<uint64_t, 1> batch = {0x1000};
    const std::vector<JobSpec> specs = {{queue_, batch, {}}};
    sched::Point point;
    const size_t before = fakes::AllocationsInLock();
    ASSERT_TRUE(session_->Submit(specs, hw::MonotonicNow(), {&point, 1}, /*combined=*/nullptr).ok());
    while (device_.submitted < point.seqno) std::this_thread::yield();
    *in_lock += fakes::AllocationsInLock() - before;
  }
  void Complete() {
    completed_ = device_.submitted;
    device_.CompleteLast();
  }

  metrics::Recorder recorder_;
  sched::QuietDevice device_{&OnCall};
  sched::DeviceLoop loop_{device_, &recorder_, {}};
  std::shared_ptr<Session> session_;
  uint64_t queue_ = 0;
  uint64_t completed_ = 0;
};

INSTANTIATE_TEST_SUITE_P(T57, FencePathTest,
                         ::testing::Combine(::testing::Bool(),
                                            ::testing::Values(sched::PutMode::kInline, sched::PutMode::kDeferred)),
                         [](const auto& mode) {
                           return std::string(std::get<0>(mode.param) ? "Bypass" : "NoBypass") +
                                  (std::get<1>(mode.param) == sched::PutMode::kInline ? "Inline" : "Deferred");
                         });

TEST_P(FencePathTest, T57_NothingIsAllocatedAndNobodySleepsOrCallsOutWithALock) {
  LookingWatch watch;
  const auto held_watch = std::shared_ptr<Watch>(&watch, [](Watch*) {});
  ASSERT_TRUE(session_->StartWatch(held_watch, 0).ok());
  size_t in_lock = 0;
  size_t allocated = 0;
  size_t slept = 0;
  constexpr uint64_t kJobs = 500;
  for (uint64_t seqno = 1; seqno <= kJobs; ++seqno) {
    Submit(&in_lock);
    const auto wait = std::make_shared<LookingWait>(std::vector<sched::Point>{{queue_, seqno}}, FenceWait::Mode::kAll);
    ASSERT_FALSE(session_->StartWait(*wait).value());
    const size_t before = fakes::Allocations();
    {
      fakes::FencePath path;
      Complete();
      slept += path.sleeps();
    }
    while (!wait->met) std::this_thread::yield();
    allocated += fakes::Allocations() - before;
  }
  EXPECT_EQ(in_lock, 0u);
  EXPECT_EQ(allocated, 0u);
  EXPECT_EQ(slept, 0u);
  EXPECT_EQ(calls_with_a_lock, 0);
  EXPECT_GE(calls, static_cast<int>(2 * kJobs)) << "the device and the waiters were called";
  session_->StopWatch(watch);
}

TEST(LockCheckerTest, SeesLocksSleepsAndAllocations) {
  std::mutex mutex;
  const size_t before = fakes::AllocationsInLock();
  EXPECT_EQ(fakes::LocksHeld(), 0);
  {
    std::lock_guard<std::mutex> lock(mutex);
    EXPECT_EQ(fakes::LocksHeld(), 1);
    calls_with_a_lock = 0;
    OnCall();
    EXPECT_EQ(calls_with_a_lock, 1);
    std::make_unique<std::atomic<int>>(1)->store(2);
  }
  EXPECT_EQ(fakes::LocksHeld(), 0);
  EXPECT_GT(fakes::AllocationsInLock(), before);
  fakes::FencePath path;
  hw::Mutex waited;
  hw::CondVar never;
  hw::MutexLock lock(waited);
  never.WaitUntil(waited, hw::MonotonicNow() + hw::kNanosPerMicro);
  EXPECT_EQ(path.sleeps(), 1u);
}

}  // namespace
}  // namespace xeq::session
