// Goal: a queue's state on the device takes the steps that it may and no others, and a suspend of several lanes has one
// answer. Method: the whole table, and the joins by hand.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hw/xe/queue_state_machine.h"
#include "hw/xe/suspend_join.h"

namespace xeq::hw::xe {
namespace {

constexpr QueueState kAll[] = {QueueState::kRunning, QueueState::kSuspendPending, QueueState::kSuspended,
                               QueueState::kKilled,  QueueState::kBanned,         QueueState::kLost};

TEST(QueueStateMachineTest, LegalStepsAreThese) {
  // From each state: to running, suspend pending, suspended, killed, banned, lost.
  const char* const table[] = {
      "-P-KBL",  // running
      "R-SKBL",  // suspend pending
      "R--KBL",  // suspended
      "-----L",  // killed
      "-----L",  // banned
      "------",  // lost
  };
  for (size_t from = 0; from < std::size(kAll); ++from) {
    for (size_t to = 0; to < std::size(kAll); ++to) {
      EXPECT_EQ(MayMove(kAll[from], kAll[to]), table[from][to] != '-')
          << QueueStateName(kAll[from]) << " to " << QueueStateName(kAll[to]);
    }
  }
}

TEST(QueueStateMachineTest, DeadOnesNeverRunAgain) {
  for (const QueueState state : {QueueState::kKilled, QueueState::kBanned, QueueState::kLost}) {
    EXPECT_TRUE(IsDead(state));
    EXPECT_FALSE(MayMove(state, QueueState::kRunning));
  }
  EXPECT_FALSE(IsDead(QueueState::kSuspended));
}

TEST(SuspendJoinTest, OneAnswerWhenAllLanesHaveAnswered) {
  SuspendJoin join;
  std::vector<SuspendJoin::Answered> answered;
  int owner = 0;
  EXPECT_TRUE(join.Begin(7, &owner, 2));
  EXPECT_FALSE(join.Begin(7, &owner, 2)) << "it is under way";
  join.Answer({7, absl::StatusCode::kDeadlineExceeded});
  join.TakeAnswered(answered);
  EXPECT_TRUE(answered.empty());
  join.Answer({7, absl::StatusCode::kOk});
  join.Answer({8, absl::StatusCode::kOk});
  join.TakeAnswered(answered);
  ASSERT_EQ(answered.size(), 1u);
  EXPECT_EQ(answered[0].context, 7u);
  EXPECT_EQ(answered[0].owner, &owner);
  EXPECT_EQ(answered[0].code, absl::StatusCode::kDeadlineExceeded) << "the lane that would not decides";
  EXPECT_TRUE(join.Begin(7, &owner, 1)) << "again";
}

TEST(SuspendJoinTest, AbortAnswersAndDropDoesNot) {
  SuspendJoin join;
  std::vector<SuspendJoin::Answered> answered;
  EXPECT_FALSE(join.Abort(7));
  join.Begin(7, nullptr, 1);
  join.Begin(8, nullptr, 1);
  EXPECT_TRUE(join.Abort(7));
  join.Drop(8);
  join.Answer({7, absl::StatusCode::kOk});
  join.Answer({8, absl::StatusCode::kOk});
  join.TakeAnswered(answered);
  ASSERT_EQ(answered.size(), 1u);
  EXPECT_EQ(answered[0].code, absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace xeq::hw::xe
