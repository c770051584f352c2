// Goal: a point answers with how it ended for as long as that is kept, and with the right error before and after; a
// context goes when nobody can ask the scheduler for it any more, and no sooner. Method: points ended one by one.
#include "server/session/fence_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/session/fence_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(FenceTableTest, PointsPassFromPendingToSignaled) {
  AddContext(1, /*armed=*/2);
  EXPECT_EQ(StateOf({1, 1}), FenceState::kPending);
  End(1);
  EXPECT_EQ(StateOf({1, 1}), FenceState::kSignaled);
  EXPECT_EQ(StateOf({1, 2}), FenceState::kPending);
}

TEST_F(FenceTableTest, PointsThatWereNeverArmedAreTheCallersMistake) {
  AddContext(1, /*armed=*/2);
  for (const uint64_t seqno : {uint64_t{0}, uint64_t{3}, UINT64_MAX}) {
    const absl::Status status = StatusOf({1, seqno}).status();
    EXPECT_EQ(ReasonOf(status), "FENCE_NEVER_ARMED") << seqno;
    EXPECT_EQ(MetadataOf(status, "field"), "here.seqno");
    EXPECT_EQ(MetadataOf(status, "last_armed_seqno"), "2");
  }
}

TEST_F(FenceTableTest, PlannedPointsCountAsArmed) {
  AddContext(1, /*armed=*/2).planned = 1;
  EXPECT_EQ(StateOf({1, 3}), FenceState::kPending);
  EXPECT_EQ(ReasonOf(StatusOf({1, 4}).status()), "FENCE_NEVER_ARMED");
}

TEST_F(FenceTableTest, UnknownContextsAreNotFound) {
  const absl::Status status = StatusOf({9, 1}).status();
  EXPECT_EQ(ReasonOf(status), "CONTEXT_NOT_FOUND");
  EXPECT_EQ(MetadataOf(status, "field"), "here.context");
  AddContext(9, 1);
  EXPECT_EQ(StateOf({9, 1}), FenceState::kPending);
  table_.Remove(9);
  EXPECT_EQ(ReasonOf(StatusOf({9, 1}).status()), "CONTEXT_NOT_FOUND");
}

TEST_F(FenceTableTest, AFailureKeepsItsRootAndItsFault) {
  AddContext(1, 2);
  End(1, {Outcome::kDependencyFailed, Outcome::kPageFault, {7, 70}, {.fault_address = 0x4000}});
  const absl::StatusOr<FenceStatus> status = StatusOf({1, 1});
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->point, (Point{1, 1}));
  EXPECT_EQ(status->state, FenceState::kFailed);
  EXPECT_EQ(status->result.outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(status->result.root, (Point{7, 70}));
  EXPECT_EQ(status->result.root_outcome, Outcome::kPageFault);
  EXPECT_EQ(status->result.fault.fault_address, 0x4000u);
}

// A queue that is closed with thousands of jobs must not cost thousands of ranges.
TEST_F(FenceTableTest, CancelledNeighboursAreKeptTogetherAndEachNamesItself) {
  constexpr uint64_t kJobs = 1'000;
  AddContext(1, 2 * kJobs);
  for (uint64_t i = 0; i < kJobs; ++i) Fail(1, Outcome::kCancelled);
  for (uint64_t i = 0; i < kJobs; ++i) Fail(1, Outcome::kDeviceLost);
  for (uint64_t seqno = 1; seqno <= 2 * kJobs; ++seqno) {
    const absl::StatusOr<FenceStatus> status = StatusOf({1, seqno});
    ASSERT_TRUE(status.ok()) << status.status();
    ASSERT_EQ(status->state, FenceState::kFailed);
    ASSERT_EQ(status->result.root, (Point{1, seqno}));
    ASSERT_EQ(status->result.outcome, seqno <= kJobs ? Outcome::kCancelled : Outcome::kDeviceLost);
  }
}

TEST_F(FenceTableTest, CancelledBehindACulpritNamesTheCulprit) {
  AddContext(1, 2);
  Fail(1, Outcome::kHang);
  End(1, {Outcome::kCancelled, Outcome::kHang, {1, 1}, {}});
  const absl::StatusOr<FenceStatus> status = StatusOf({1, 2});
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->result.root, (Point{1, 1}));
  EXPECT_EQ(status->result.root_outcome, Outcome::kHang);
}

TEST_F(FenceTableTest, TheOldestFailuresAreForgottenAndSayso) {
  // Every other point fails, each for a cause of its own.
  constexpr uint64_t kFailures = Context::kRangesMax + 1;
  AddContext(1, 2 * kFailures);
  for (uint64_t i = 0; i < kFailures; ++i) {
    Fail(1, Outcome::kPageFault);
    End(1);
  }
  const absl::Status forgotten = StatusOf({1, 1}).status();
  EXPECT_EQ(forgotten.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(forgotten), "FENCE_FORGOTTEN");
  EXPECT_EQ(MetadataOf(forgotten, "field"), "here.seqno");
  EXPECT_EQ(StateOf({1, 2}), FenceState::kSignaled);
  EXPECT_EQ(StateOf({1, 3}), FenceState::kFailed);
  EXPECT_EQ(StateOf({1, 2 * kFailures}), FenceState::kSignaled);
}

TEST_F(FenceTableTest, ClosingContextsCountUntilTheSchedulerGivesThemBack) {
  table_.Close(AddContext(1));
  table_.Close(AddContext(2));
  EXPECT_EQ(table_.closing(), 2u);
  MakeInactive(1);
  EXPECT_EQ(table_.closing(), 1u);
}

TEST_F(FenceTableTest, FencesOfAForgottenContextCanStillBeAskedForUntilItIsATombstoneTooMany) {
  for (const sched::ContextId id : {1, 2, 3}) {
    table_.Close(AddContext(id, 1));
    End(id);
    MakeInactive(id);
    EXPECT_EQ(StateOf({id, 1}), FenceState::kSignaled);
  }
  EXPECT_EQ(ReasonOf(StatusOf({1, 1}).status()), "CONTEXT_NOT_FOUND");
  EXPECT_EQ(StateOf({2, 1}), FenceState::kSignaled);
  EXPECT_EQ(StateOf({3, 1}), FenceState::kSignaled);
}

TEST_F(FenceTableTest, AContextStaysWhileJobsThatWereArmedHaveNotEnded) {
  Context& context = AddContext(1, /*armed=*/2);
  table_.Close(context);
  End(1);
  MakeInactive(1);
  EXPECT_TRUE(context.timeline);
  EXPECT_EQ(table_.closing(), 1u);
  Fail(1, Outcome::kCancelled);
  EXPECT_FALSE(context.timeline) << "the scheduler's side of it is let go";
  EXPECT_EQ(table_.closing(), 0u);
}

// Stop closes queues without asking their owners: their handles still lead to the context.
TEST_F(FenceTableTest, AContextWithAHandleIsNeverATombstone) {
  Context& with_handle = AddContext(1, 1);
  End(1);
  MakeInactive(1);
  for (sched::ContextId id = 2; id < 10; ++id) {
    table_.Close(AddContext(id));
    MakeInactive(id);
  }
  ASSERT_EQ(table_.Find(1), &with_handle);
  EXPECT_EQ(StateOf({1, 1}), FenceState::kSignaled);
  table_.Close(with_handle);
  EXPECT_EQ(table_.closing(), 0u) << "the scheduler had given it back before";
  EXPECT_EQ(StateOf({1, 1}), FenceState::kSignaled);
  for (sched::ContextId id = 10; id < 12; ++id) {
    table_.Close(AddContext(id));
    MakeInactive(id);
  }
  EXPECT_EQ(table_.Find(1), nullptr);
}

}  // namespace
}  // namespace xeq::session
