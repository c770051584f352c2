// Goal: T56 for sessions: clients that submit, wait, destroy and close while the device reports see every armed fence
// end exactly once, and leave nothing. Method: pairs of calls into a session, raced; meant for ThreadSanitizer too.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "tests/scenarios/race_fixture.h"
#include "tests/unit/server/session/loop_fixture.h"

namespace xeq::session {
namespace {

using sched::Point;

class CountingWait : public FenceWait {
 public:
  using FenceWait::FenceWait;
  std::atomic<int> told{0};

 private:
  void OnMet() override { ++told; }
};

class SessionRaceTest : public SessionLoopTest, public ::testing::WithParamInterface<RaceMode> {
 protected:
  uint64_t Queue() {
    QueueSpec spec;
    spec.vm = vm_;
    spec.engine_class = hw::EngineClass::kCopy;
    spec.bypass = std::get<0>(GetParam());
    spec.put_mode = std::get<1>(GetParam());
    const absl::StatusOr<QueueInfo> queue = session_->CreateQueue(spec);
    EXPECT_TRUE(queue.ok()) << queue.status();
    return queue.ok() ? queue->queue : 0;
  }
  // The device has let go of every queue.
  void WaitForIdle() {
    ASSERT_TRUE(Eventually([this] { return device_.live_queues() == 0; }));
  }
  void TearDown() override {
    if (session_ != nullptr) session_->Close(CloseReason::kClient);
    ExpectNothingIsLeft();
  }

  uint64_t queue_ = 0;
};

INSTANTIATE_TEST_SUITE_P(T56, SessionRaceTest, AllRaceModes(), RaceModeName);

TEST_P(SessionRaceTest, T56_SubmitAndDestroy) {
  Open();
  std::vector<Point> armed;
  Race(
      [&] {
        queue_ = Queue();
        armed.clear();
      },
      [&] {
        for (int i = 0; i < 4; ++i) {
          const absl::StatusOr<std::vector<Point>> points = Submit(*session_, {JobOf(queue_), JobOf(queue_)});
          if (!points.ok()) break;
          armed.insert(armed.end(), points->begin(), points->end());
        }
      },
      [&] { EXPECT_TRUE(session_->DestroyQueue(queue_).ok()); },
      [&] {
        for (const Point& point : armed) EXPECT_EQ(OutcomeOf(point), sched::Outcome::kCancelled);
        WaitForIdle();
      });
}

TEST_P(SessionRaceTest, T56_WaitAndDestroy) {
  Open();
  std::shared_ptr<CountingWait> wait;
  bool met = false;
  Race(
      [&] {
        queue_ = Queue();
        wait = std::make_shared<CountingWait>(std::vector<Point>{SubmitOne(queue_)}, FenceWait::Mode::kAll);
      },
      [&] { met = session_->StartWait(*wait).value(); }, [&] { EXPECT_TRUE(session_->DestroyQueue(queue_).ok()); },
      [&] {
        EXPECT_TRUE(Eventually([&] { return met || wait->told == 1; }));
        WaitForIdle();
        EXPECT_EQ(wait->told, met ? 0 : 1);
      });
}

TEST_P(SessionRaceTest, T56_SignalAndRemoveWaiter) {
  Open();
  std::shared_ptr<CountingWait> wait;
  Point point;
  Race(
      [&] {
        queue_ = Queue();
        point = SubmitOne(queue_);
        device_.WaitForSubmitted(queue_, 1);
        wait = std::make_shared<CountingWait>(std::vector<Point>{point}, FenceWait::Mode::kAll);
        EXPECT_FALSE(session_->StartWait(*wait).value());
      },
      [&] { session_->CancelWait(*wait); }, [&] { device_.Advance(queue_, 1); },
      [&] {
        EXPECT_EQ(OutcomeOf(point), sched::Outcome::kOk);
        EXPECT_LE(wait->told, 1);
        EXPECT_TRUE(session_->DestroyQueue(queue_).ok());
        WaitForIdle();
      });
}

TEST_P(SessionRaceTest, T56_CloseAndInterrupt) {
  uint64_t queues[2] = {};
  Race(
      [&] {
        Open();
        for (uint64_t& queue : queues) {
          queue = Queue();
          for (int i = 0; i < 3; ++i) SubmitOne(queue);
          device_.WaitForSubmitted(queue, 3);
        }
      },
      [&] { session_->Close(CloseReason::kClient); },
      [&] {
        for (const uint64_t queue : queues) device_.Advance(queue, 3);
      },
      [&] { WaitForIdle(); });
}

}  // namespace
}  // namespace xeq::session
