// Goal: a session tells those who wait with no lock held, counts them right, and answers for its fences after it was
// closed. Method: waits that call back into the session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/session/session_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;

// Asks the session for its statuses when it is told, as an answer to a client does.
class AskingWait : public FenceWait {
 public:
  AskingWait(Session& session, std::vector<Point> points)
      : FenceWait(std::move(points), Mode::kAll), session_(session) {}
  std::vector<FenceStatus> statuses;
  int told = 0;

 private:
  void OnMet() override {
    ++told;
    session_.CancelWait(*this);
    bool met = false;
    EXPECT_TRUE(session_.FenceStatuses(*this, statuses, met).ok());
    EXPECT_TRUE(met);
  }
  Session& session_;
};

using SessionWaitTest = SessionTest;

TEST_F(SessionWaitTest, AWaitIsToldOnceWithNoLockHeld) {
  const uint64_t queue = Queue();
  const Point point = SubmitOne(queue);
  const auto wait = std::make_shared<AskingWait>(*session_, std::vector<Point>{point});
  EXPECT_FALSE(session_->StartWait(*wait).value());
  EXPECT_EQ(recorder_.waiters, 1);
  End(point, Outcome::kPageFault);
  EXPECT_EQ(wait->told, 1);
  ASSERT_EQ(wait->statuses.size(), 1u);
  EXPECT_EQ(wait->statuses[0].state, FenceState::kFailed);
  EXPECT_EQ(wait->statuses[0].result.root, point);
  EXPECT_EQ(recorder_.waiters, 0);
  SubmitOne(queue);
  End({queue, 2});
  EXPECT_EQ(wait->told, 1);
}

TEST_F(SessionWaitTest, WaitsThatNeverWaitedAreNotCounted) {
  const uint64_t queue = Queue();
  const Point point = SubmitOne(queue);
  End(point);
  const auto ended = std::make_shared<CountingWait>(std::vector<Point>{point}, FenceWait::Mode::kAll);
  EXPECT_TRUE(session_->StartWait(*ended).value());
  const auto bad = std::make_shared<CountingWait>(std::vector<Point>{{queue, 9}}, FenceWait::Mode::kAll);
  EXPECT_FALSE(session_->StartWait(*bad).ok());
  session_->CancelWait(*ended);
  session_->CancelWait(*bad);
  EXPECT_EQ(recorder_.waiters, 0);
}

TEST_F(SessionWaitTest, ACancelledWaitIsTakenOffTheCountOnce) {
  const Point point = SubmitOne(Queue());
  const auto wait = std::make_shared<CountingWait>(std::vector<Point>{point}, FenceWait::Mode::kAll);
  EXPECT_FALSE(session_->StartWait(*wait).value());
  session_->CancelWait(*wait);
  session_->CancelWait(*wait);
  EXPECT_EQ(recorder_.waiters, 0);
  End(point);
  EXPECT_EQ(wait->met, 0);
}

TEST_F(SessionWaitTest, FencesOfAClosedSessionStillEnd) {
  const uint64_t queue = Queue();
  const Point point = SubmitOne(queue);
  const auto wait = std::make_shared<CountingWait>(std::vector<Point>{point}, FenceWait::Mode::kAll);
  EXPECT_FALSE(session_->StartWait(*wait).value());
  session_->Close(CloseReason::kClient);
  EXPECT_EQ(wait->met, 0);
  EXPECT_EQ(StateOf(point).value(), FenceState::kPending);
  End(point, Outcome::kCancelled);
  EXPECT_EQ(wait->met, 1);
  EXPECT_EQ(StateOf(point).value(), FenceState::kFailed);
  session_->OnInactive(queue);
  EXPECT_EQ(StateOf(point).value(), FenceState::kFailed);
}

TEST_F(SessionWaitTest, FencesOfADestroyedQueueCanBeWaitedFor) {
  const uint64_t vm = Vm();
  const uint64_t gone = Queue(vm);
  const uint64_t other = Queue(vm);
  const Point point = SubmitOne(gone);
  EXPECT_TRUE(session_->DestroyQueue(gone).ok());
  const Point dependant = SubmitOne(other, {At(point)});
  End(point, Outcome::kCancelled);
  session_->OnInactive(gone);
  End(dependant, Outcome::kDependencyFailed);
  EXPECT_EQ(StateOf(point).value(), FenceState::kFailed);
  EXPECT_EQ(StateOf(dependant).value(), FenceState::kFailed);
}

TEST_F(SessionWaitTest, QuotaIsGivenBackByEndsAfterTheirQueueWasDestroyed) {
  Open({.jobs_in_flight_max = 1});
  const uint64_t vm = Vm();
  const uint64_t gone = Queue(vm);
  const Point point = SubmitOne(gone);
  EXPECT_TRUE(session_->DestroyQueue(gone).ok());
  const uint64_t queue = Queue(vm);
  EXPECT_EQ(ReasonOf(Submit({JobOf(queue)}).status()), "LIMIT_REACHED");
  End(point, Outcome::kCancelled);
  SubmitOne(queue);
}

}  // namespace
}  // namespace xeq::session
