// Goal: clients see and change their queues, and suspend, resume and kill them, as the API says. Method: a session over
// a hand-cranked device for the moments, and a real server over the software GPU for the rest.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "tests/unit/server/session/loop_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;

class TestSuspend : public SuspendWait {
 public:
  void OnAnswered(const absl::Status& status) override {
    hw::MutexLock lock(mutex_);
    status_ = status;
    ++answers_;
  }
  // How it was answered; once.
  absl::Status Answer() {
    EXPECT_TRUE(Eventually([this] {
      hw::MutexLock lock(mutex_);
      return answers_ > 0;
    }));
    hw::MutexLock lock(mutex_);
    EXPECT_EQ(answers_, 1);
    return status_;
  }
  bool answered() {
    hw::MutexLock lock(mutex_);
    return answers_ > 0;
  }

 private:
  hw::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  int answers_ ABSL_GUARDED_BY(mutex_) = 0;
};

class QueueTest : public SessionLoopTest {
 protected:
  void SetUp() override {
    Open();
    queue_ = Queue();
  }
  void TearDown() override {
    session_->Close(CloseReason::kClient);
    ExpectNothingIsLeft();
  }
  std::shared_ptr<TestSuspend> Suspend() {
    auto wait = std::make_shared<TestSuspend>();
    EXPECT_TRUE(session_->SuspendQueue(queue_, wait).ok());
    return wait;
  }
  QueueStanding Standing() { return session_->GetQueue(queue_)->standing; }

  uint64_t queue_ = 0;
};

TEST_F(QueueTest, T33_SuspendAnswersWhenTheQueueIsOffTheEngine) {
  device_.HoldSuspends();
  const auto first = Suspend();
  const auto second = Suspend();
  EXPECT_TRUE(Eventually([this] { return Standing() == QueueStanding::kSuspendPending; }));
  EXPECT_FALSE(first->answered());
  device_.AnswerSuspends(absl::OkStatus());
  EXPECT_TRUE(first->Answer().ok());
  EXPECT_TRUE(second->Answer().ok());
  EXPECT_EQ(Standing(), QueueStanding::kSuspended);
  EXPECT_TRUE(session_->ResumeQueue(queue_).ok());
  EXPECT_TRUE(Eventually([this] { return Standing() == QueueStanding::kUsable; }));
}

TEST_F(QueueTest, T33_JobOfASuspendedQueueRunsAfterTheResume) {
  device_.RunFreely();
  EXPECT_TRUE(Suspend()->Answer().ok());
  const Point point = SubmitOne(queue_);
  ASSERT_TRUE(device_.WaitForSubmitted(queue_, 1));
  EXPECT_EQ(session_->GetQueue(queue_)->last_fence->state, FenceState::kPending);
  EXPECT_TRUE(session_->ResumeQueue(queue_).ok());
  EXPECT_EQ(OutcomeOf(point), Outcome::kOk);
}

TEST_F(QueueTest, T33_EngineThatNeverAnswersBansTheQueue) {
  device_.HoldSuspends();
  const auto wait = Suspend();
  EXPECT_TRUE(Eventually([this] { return Standing() == QueueStanding::kSuspendPending; }));
  device_.AnswerSuspends(absl::DeadlineExceededError("it does not answer"));
  EXPECT_EQ(ReasonOf(wait->Answer()), "SUSPEND_TIMED_OUT");
  EXPECT_EQ(Standing(), QueueStanding::kBanned);
  EXPECT_EQ(ReasonOf(Suspend()->Answer()), "QUEUE_STOPPED");
}

TEST_F(QueueTest, T33_KillAnswersAPendingSuspend) {
  device_.HoldSuspends();
  const auto wait = Suspend();
  EXPECT_TRUE(session_->KillQueue(queue_).ok());
  EXPECT_EQ(ReasonOf(wait->Answer()), "QUEUE_KILLED");
  EXPECT_EQ(ReasonOf(session_->SuspendQueue(queue_, wait)), "QUEUE_KILLED");
}

TEST_F(QueueTest, DestroyAndCloseAnswerAPendingSuspend) {
  device_.HoldSuspends();
  const auto wait = Suspend();
  EXPECT_TRUE(session_->DestroyQueue(queue_).ok());
  EXPECT_EQ(ReasonOf(wait->Answer()), "QUEUE_NOT_FOUND");
  queue_ = Queue();
  const auto second = Suspend();
  session_->Close(CloseReason::kClient);
  EXPECT_EQ(ReasonOf(second->Answer()), "SESSION_NOT_FOUND");
}

TEST_F(QueueTest, SuspendsOfOneQueueAreBounded) {
  device_.HoldSuspends();
  std::vector<std::shared_ptr<TestSuspend>> waits;
  for (size_t i = 0; i < kSuspendWaitsMax; ++i) waits.push_back(Suspend());
  EXPECT_EQ(ReasonOf(session_->SuspendQueue(queue_, std::make_shared<TestSuspend>())), "LIMIT_REACHED");
  session_->ForgetSuspend(queue_, *waits[3]);
  waits[3] = Suspend();
}

TEST_F(QueueTest, T31_KillEndsWhatRunsWhatIsQueuedAndWhatWaits) {
  const uint64_t other = Queue();
  const Point gate = SubmitOne(other);
  const Point running = SubmitOne(queue_);
  const Point queued = SubmitOne(queue_, {At(gate)});
  const Point behind = SubmitOne(queue_);
  ASSERT_TRUE(device_.WaitForSubmitted(queue_, 1));
  EXPECT_TRUE(session_->KillQueue(queue_).ok());
  for (const Point& point : {running, queued, behind}) EXPECT_EQ(OutcomeOf(point), Outcome::kCancelled);
  EXPECT_EQ(Standing(), QueueStanding::kKilled);
  EXPECT_EQ(ReasonOf(Submit(*session_, {JobOf(queue_)}).status()), "QUEUE_KILLED");
  EXPECT_TRUE(session_->KillQueue(queue_).ok()) << "a second time";
  EXPECT_EQ(session_->GetQueue(queue_)->last_ended_seqno, 3u);
  ASSERT_TRUE(device_.WaitForSubmitted(other, 1));
  device_.Advance(other, 1);
  EXPECT_EQ(OutcomeOf(gate), Outcome::kOk) << "the other queue is not touched";
}

TEST_F(QueueTest, T31_KillOfAnIdleQueue) {
  EXPECT_TRUE(session_->KillQueue(queue_).ok());
  EXPECT_EQ(Standing(), QueueStanding::kKilled);
  EXPECT_EQ(ReasonOf(session_->ResumeQueue(queue_)), "QUEUE_KILLED");
  EXPECT_EQ(ReasonOf(session_->SetQueueProperties(queue_, {})), "QUEUE_KILLED");
}

TEST_F(QueueTest, PropertiesReachTheDevice) {
  QueueProperties properties;
  properties.priority = hw::Priority::kLow;
  properties.timeslice_us = 77;
  EXPECT_TRUE(session_->SetQueueProperties(queue_, properties).ok());
  EXPECT_TRUE(Eventually([this] {
    const absl::StatusOr<QueueInfo> info = session_->GetQueue(queue_);
    return info->snapshot && info->snapshot->props == hw::SchedProps{hw::Priority::kLow, 77, 640'000};
  }));
  properties.timeslice_us = 0;
  EXPECT_EQ(ReasonOf(session_->SetQueueProperties(queue_, properties)), "FIELD_OUT_OF_RANGE");
  EXPECT_EQ(session_->GetQueue(queue_)->spec.props.timeslice_us, 77u) << "nothing is changed by what is refused";
}

TEST_F(QueueTest, T09_SessionsWithACeilingMayNotRaise) {
  session_->Close(CloseReason::kClient);
  Open({.priority_max = hw::Priority::kNormal});
  queue_ = Queue();
  QueueProperties properties;
  properties.priority = hw::Priority::kHigh;
  EXPECT_EQ(session_->SetQueueProperties(queue_, properties).code(), absl::StatusCode::kPermissionDenied);
  QueueSpec spec;
  spec.vm = vm_;
  spec.engine_class = hw::EngineClass::kCopy;
  spec.props.priority = hw::Priority::kHigh;
  EXPECT_EQ(ReasonOf(session_->CreateQueue(spec).status()), "PRIORITY_NOT_ALLOWED");
  EXPECT_EQ(session_->ListQueues(0).size(), 1u) << "a refused create leaves nothing";
}

TEST_F(QueueTest, LookingAtAQueueThatGoesAwaySeesItOrNothing) {
  std::atomic<bool> stop{false};
  std::thread looker([&] {
    while (!stop.load()) session_->ListQueues(0);
  });
  for (int i = 0; i < 200; ++i) {
    const uint64_t queue = Queue();
    SubmitOne(queue);
    EXPECT_TRUE(session_->DestroyQueue(queue).ok());
    // As many may be closing as may be open.
    ASSERT_TRUE(Eventually([this] { return device_.live_queues() < 8; }));
  }
  stop.store(true);
  looker.join();
}

}  // namespace
}  // namespace xeq::session
