// Goal: T56, whatever two threads and a device do to one queue at the same moment, every armed fence ends exactly once
// and nothing is left. Method: pairs of calls into the device loop, raced; meant for ThreadSanitizer too.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/sched/device_loop.h"
#include "tests/fakes/manual_device.h"
#include "tests/scenarios/race_fixture.h"

namespace xeq::sched {
namespace {

class CountingObserver : public Observer {
 public:
  void OnFinished(absl::Span<Job* const> jobs) override {
    for (const Job* job : jobs) failed += job->result.outcome != Outcome::kOk;
    ended += jobs.size();
  }
  void OnBanned(ContextId, const Result&) override { ++banned; }
  void OnSuspended(ContextId, absl::Status) override { ++suspended; }
  void OnInactive(ContextId) override { ++inactive; }
  std::atomic<uint64_t> ended{0};
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> banned{0};
  std::atomic<uint64_t> suspended{0};
  std::atomic<uint64_t> inactive{0};
};

class LoopRaceTest : public ::testing::TestWithParam<RaceMode> {
 protected:
  LoopRaceTest() { EXPECT_TRUE(loop_.Start().ok()); }

  Ref<Timeline> Queue(bool is_host = false) {
    QueueSpec spec;
    spec.context = loop_.NewContext();
    spec.is_host = is_host;
    spec.credits = 4;
    spec.job_timeout_ns = hw::kNanosPerSecond;
    spec.bypass = std::get<0>(GetParam());
    spec.put_mode = std::get<1>(GetParam());
    auto hardware = is_host ? nullptr : device_.CreateQueue({.context = spec.context}, nullptr).value();
    auto queue = MakeRef<Timeline>(spec, std::move(hardware));
    EXPECT_TRUE(loop_.PostQueue(queue, observer_).ok());
    ++queues_;
    return queue;
  }
  void Post(Ref<Job> job, uint64_t seqno) {
    auto ticket = loop_.Reserve(1);
    ASSERT_TRUE(ticket.ok()) << ticket.status();
    job->Arm(seqno, hw::MonotonicNow());
    ++armed_;
    loop_.Post(*ticket, std::move(job));
    loop_.Run(std::get<0>(GetParam()));
  }
  void Submit(const Ref<Timeline>& queue, uint64_t seqno, std::vector<Wait> waits = {}) {
    const uint64_t batch = 0x1000;
    Post(MakeRef<Job>(queue, absl::MakeConstSpan(&batch, 1), std::move(waits)), seqno);
  }
  void Signal(const Ref<Timeline>& host, uint64_t seqno) {
    auto ticket = loop_.Reserve(1);
    ASSERT_TRUE(ticket.ok());
    loop_.PostSignal(*ticket, host, seqno, Outcome::kOk);
  }
  // Everything that was armed has ended.
  void WaitForEnds() {
    const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
    while (observer_->ended < armed_ && hw::MonotonicNow() < deadline) std::this_thread::yield();
    ASSERT_EQ(observer_->ended, armed_);
  }
  void WaitForInactive() {
    const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
    while (observer_->inactive < queues_ && hw::MonotonicNow() < deadline) std::this_thread::yield();
    ASSERT_EQ(observer_->inactive, queues_);
  }
  void TearDown() override {
    loop_.Stop();
    EXPECT_EQ(observer_->ended, armed_);
    EXPECT_EQ(observer_->inactive, queues_);
    EXPECT_EQ(device_.live_queues(), 0u);
  }

  fakes::ManualDevice device_;
  const std::shared_ptr<CountingObserver> observer_ = std::make_shared<CountingObserver>();
  DeviceLoop loop_{device_, nullptr, {}};
  std::atomic<uint64_t> armed_{0};
  uint64_t queues_ = 0;
  Ref<Timeline> queue_;
  Ref<Timeline> second_;
};

INSTANTIATE_TEST_SUITE_P(T56, LoopRaceTest, AllRaceModes(), RaceModeName);

TEST_P(LoopRaceTest, T56_PushAndComplete) {
  Race(
      [&] {
        queue_ = Queue();
        Submit(queue_, 1);
        device_.WaitForSubmitted(queue_->id(), 1);
      },
      [&] { Submit(queue_, 2); }, [&] { device_.Advance(queue_->id(), 1); },
      [&] {
        device_.WaitForSubmitted(queue_->id(), 2);
        device_.Advance(queue_->id(), 1);
        WaitForEnds();
        loop_.PostClose(queue_);
        WaitForInactive();
      });
  EXPECT_EQ(observer_->failed, 0u);
}

TEST_P(LoopRaceTest, T56_TimeoutAndComplete) {
  Race(
      [&] {
        queue_ = Queue();
        Submit(queue_, 1);
        device_.WaitForSubmitted(queue_->id(), 1);
      },
      [&] { loop_.PostTriggerTimeout(queue_); }, [&] { device_.Advance(queue_->id(), 1); },
      [&] {
        WaitForEnds();
        loop_.PostClose(queue_);
        WaitForInactive();
      });
}

TEST_P(LoopRaceTest, T56_TriggeredTimeoutAndClose) {
  Race(
      [&] {
        queue_ = Queue();
        Submit(queue_, 1);
        Submit(queue_, 2);
      },
      [&] { loop_.PostTriggerTimeout(queue_); }, [&] { loop_.PostClose(queue_); },
      [&] {
        WaitForEnds();
        WaitForInactive();
      });
  EXPECT_EQ(observer_->failed, armed_);
}

TEST_P(LoopRaceTest, T56_KillAndSuspend) {
  Race(
      [&] {
        queue_ = Queue();
        Submit(queue_, 1);
      },
      [&] { loop_.PostSuspend(queue_); }, [&] { loop_.PostClose(queue_); },
      [&] {
        WaitForEnds();
        WaitForInactive();
      });
  EXPECT_LE(observer_->suspended, queues_);
}

TEST_P(LoopRaceTest, T56_StopAndStartAndComplete) {
  Race(
      [&] {
        queue_ = Queue();
        for (uint64_t seqno = 1; seqno <= 3; ++seqno) Submit(queue_, seqno);
        device_.WaitForSubmitted(queue_->id(), 3);
      },
      [&] {
        loop_.PostStop(queue_);
        Submit(queue_, 4);
        loop_.PostStart(queue_);
      },
      [&] { device_.Advance(queue_->id(), 3); },
      [&] {
        device_.WaitForSubmitted(queue_->id(), 4);
        device_.Advance(queue_->id(), 4);
        WaitForEnds();
        loop_.PostClose(queue_);
        WaitForInactive();
      });
  EXPECT_EQ(observer_->failed, 0u);
}

// The fence is signalled while the queue whose head waits for it goes away.
TEST_P(LoopRaceTest, T56_SignalAndRemoveWaiter) {
  Race(
      [&] {
        queue_ = Queue(/*is_host=*/true);
        second_ = Queue();
        Post(MakeRef<Job>(queue_, hw::kNever), 1);
        std::vector<Wait> waits;
        waits.emplace_back(queue_, 1);
        Submit(second_, 1, std::move(waits));
      },
      [&] { Signal(queue_, 1); }, [&] { loop_.PostClose(second_); },
      [&] {
        WaitForEnds();
        loop_.PostClose(queue_);
        WaitForInactive();
      });
}

// The device goes while jobs come.
TEST_P(LoopRaceTest, T56_DeviceLossAndSubmit) {
  std::unique_ptr<fakes::ManualDevice> device;
  std::unique_ptr<DeviceLoop> loop;
  uint64_t armed = 0;
  const auto observer = std::make_shared<CountingObserver>();
  Race(
      [&] {
        device = std::make_unique<fakes::ManualDevice>();
        loop = std::make_unique<DeviceLoop>(*device, nullptr, DeviceLoopOptions{});
        ASSERT_TRUE(loop->Start().ok());
        QueueSpec spec;
        spec.context = loop->NewContext();
        spec.credits = 4;
        spec.bypass = std::get<0>(GetParam());
        spec.put_mode = std::get<1>(GetParam());
        queue_ = MakeRef<Timeline>(spec, device->CreateQueue({.context = spec.context}, nullptr).value());
        ASSERT_TRUE(loop->PostQueue(queue_, observer).ok());
      },
      [&] {
        const uint64_t batch = 0x1000;
        for (uint64_t seqno = 1; seqno <= 4; ++seqno) {
          auto job = MakeRef<Job>(queue_, absl::MakeConstSpan(&batch, 1), std::vector<Wait>());
          auto ticket = loop->Reserve(1);
          if (!ticket.ok()) break;
          job->Arm(seqno, hw::MonotonicNow());
          ++armed;
          loop->Post(*ticket, std::move(job));
          loop->Run(std::get<0>(GetParam()));
        }
      },
      [&] { device->Lose(); },
      [&] {
        const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
        while (observer->ended < armed && hw::MonotonicNow() < deadline) std::this_thread::yield();
        ASSERT_EQ(observer->ended, armed);
        loop->PostClose(queue_);
        loop->Stop();
        queue_.reset();
        loop.reset();
        EXPECT_EQ(device->live_queues(), 0u);
      });
  EXPECT_EQ(observer->failed, armed);
}

}  // namespace
}  // namespace xeq::sched
