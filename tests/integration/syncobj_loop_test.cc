// Goal: whoever waits for a point of a syncobj hears of it once it is signalled, whatever other threads do to that
// syncobj meanwhile, and all payloads come back. Method: a device that runs freely under a real device thread; threads
// that submit, wait for points that are not there yet, signal, reset, transfer and poll at once.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/server/session/loop_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;

// Can be waited for.
class BlockingSyncobjWait : public SyncobjWait {
 public:
  using SyncobjWait::SyncobjWait;
  bool WaitUntilMet() {
    return Eventually([this] { return told_ == 1; });
  }

 private:
  void OnMet() override { ++told_; }
  std::atomic<int> told_{0};
};

JobSpec Signals(uint64_t queue, std::vector<SyncobjPoint> points, InFences waits = {}) {
  JobSpec job = JobOf(queue, std::move(waits));
  job.signals.assign(points.begin(), points.end());
  return job;
}

InFence On(uint64_t syncobj, uint64_t point) {
  InFence wait;
  wait.point.seqno = point;
  wait.syncobj = syncobj;
  return wait;
}

TEST_F(SessionLoopTest, T25_AJobWaitsForWhatAnEarlierOneOfTheCallSignals) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const uint64_t slot = session_->CreateSyncobj(false).value();
  const std::vector<Point> points =
      Submit(*session_, {Signals(a, {{slot, 0}}), JobOf(b, {On(slot, 0)}), Signals(a, {{slot, 1}})}).value();
  MapSpec bind;
  bind.vm = vm_;
  bind.size_bytes = hw::kPageBytes;
  bind.waits = {On(slot, 1)};
  const Point unmapped = session_->Map(bind).value();
  ASSERT_TRUE(device_.WaitForSubmitted(a, 2));
  device_.Fail(a, hw::JobStatus::kPageFault);
  EXPECT_EQ(OutcomeOf(points[1]), Outcome::kDependencyFailed);
  EXPECT_EQ(OutcomeOf(unmapped), Outcome::kDependencyFailed) << "a bind waits for a point too";
  bind.waits = {On(slot, 2)};
  EXPECT_EQ(ReasonOf(session_->Map(bind).status()), "SYNCOBJ_NOT_SUBMITTED");
}

TEST_F(SessionLoopTest, SyncobjsUnderManyThreadsLoseNoWait) {
  constexpr uint64_t kRounds = 300;
  Open();
  device_.RunFreely();
  // Points rise on `line` and are never taken away; `slot` is given and taken all the time.
  const uint64_t line = session_->CreateSyncobj(false).value();
  const uint64_t slot = session_->CreateSyncobj(true).value();
  const uint64_t queues[] = {Queue(), Queue()};
  std::atomic<bool> done{false};
  const auto submit = [&] {
    for (uint64_t point = 1; point <= kRounds; ++point) {
      absl::Status status;
      // As many points as there may be have not ended: those who submit are faster than the device.
      do {
        status = Submit(*session_, {Signals(queues[point % 2], {{line, 2 * point - 1}, {slot, 0}}),
                                    Signals(queues[0], {{line, 2 * point}}, {On(line, 2 * point - 1)})})
                     .status();
      } while (ReasonOf(status) == "LIMIT_REACHED");
      ASSERT_TRUE(status.ok()) << status;
    }
  };
  const auto wait = [&](FenceWait::Mode mode) {
    for (uint64_t point = 1; point <= 2 * kRounds; point += 3) {
      const std::vector<SyncobjPoint> points = {{line, point}, {line, point / 2 + 1}};
      const auto waiting = std::make_shared<BlockingSyncobjWait>(points, SyncobjWaitOptions{mode, true, false});
      const absl::StatusOr<bool> met = session_->StartSyncobjWait(*waiting, /*keep=*/true);
      ASSERT_TRUE(met.ok()) << met.status();
      ASSERT_TRUE(*met || waiting->WaitUntilMet()) << point;
      EXPECT_TRUE(session_->ResultOf(*waiting)->met);
    }
  };
  const auto disturb = [&] {
    while (!done) {
      EXPECT_TRUE(session_->ResetSyncobjs({{slot}}).ok());
      const auto cancelled = std::make_shared<BlockingSyncobjWait>(
          std::vector<SyncobjPoint>{{slot, 0}}, SyncobjWaitOptions{FenceWait::Mode::kAll, true, false});
      EXPECT_TRUE(session_->StartSyncobjWait(*cancelled, /*keep=*/true).ok());
      session_->CancelWait(*cancelled);
      EXPECT_TRUE(session_->SignalSyncobjs({{{slot, 0}}}).ok());
      (void)session_->TransferSyncobj({line, 1}, {slot, 0});
      uint64_t point = 0;
      EXPECT_TRUE(session_->QuerySyncobjs({{line}}, false, {&point, 1}).ok());
    }
  };
  std::thread disturber(disturb);
  std::vector<std::thread> threads;
  threads.emplace_back(submit);
  threads.emplace_back(wait, FenceWait::Mode::kAll);
  threads.emplace_back(wait, FenceWait::Mode::kAny);
  for (std::thread& thread : threads) thread.join();
  done = true;
  disturber.join();
  uint64_t point = 0;
  EXPECT_TRUE(session_->QuerySyncobjs({{line}}, false, {&point, 1}).ok());
  EXPECT_EQ(point, 2 * kRounds);
  session_->Close(CloseReason::kClient);
  ExpectNothingIsLeft();
}

}  // namespace
}  // namespace xeq::session
