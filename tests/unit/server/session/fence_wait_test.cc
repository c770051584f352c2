// Goal: a wait is told once, as soon as its mode is met and not before, and never after it was cancelled. Method: all
// and any over points of several contexts, ended in every order; waits that are dropped as soon as they may be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/server/session/fence_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;
using Mode = FenceWait::Mode;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FenceWaitTest : public FenceTableTest {
 protected:
  FenceWaitTest() {
    for (const sched::ContextId id : {1, 2, 3}) AddContext(id, /*armed=*/5);
  }
};

TEST_F(FenceWaitTest, AllIsMetByTheLastOfItsContextsInEveryOrder) {
  std::vector<sched::ContextId> order = {1, 2, 3};
  for (uint64_t seqno = 1; seqno <= 5; ++seqno) {
    const auto wait = Start({{1, seqno}, {2, seqno}, {3, seqno}}, Mode::kAll);
    for (const sched::ContextId id : order) {
      EXPECT_FALSE(IsMet(wait));
      End(id);
    }
    EXPECT_TRUE(IsMet(wait));
    std::next_permutation(order.begin(), order.end());
  }
  EXPECT_EQ(table_.waiters(), 0u);
}

TEST_F(FenceWaitTest, AnyIsMetByTheFirst) {
  for (const sched::ContextId first : {1, 2, 3}) {
    const uint64_t seqno = first;
    const auto wait = Start({{1, seqno}, {2, seqno}, {3, seqno}}, Mode::kAny);
    End(first);
    EXPECT_TRUE(IsMet(wait));
    EXPECT_EQ(table_.waiters(), 0u);
    for (const sched::ContextId other : {1, 2, 3}) {
      if (other != first) End(other);
    }
    EXPECT_THAT(met_, SizeIs(first)) << "told once";
  }
}

TEST_F(FenceWaitTest, OfSeveralPointsOfOneContextTheLatestDecidesForAll) {
  const auto wait = Start({{1, 2}, {1, 4}, {1, 4}, {1, 3}}, Mode::kAll);
  for (int i = 0; i < 3; ++i) End(1);
  EXPECT_FALSE(IsMet(wait));
  End(1);
  EXPECT_TRUE(IsMet(wait));
}

TEST_F(FenceWaitTest, OfSeveralPointsOfOneContextTheEarliestDecidesForAny) {
  const auto wait = Start({{1, 4}, {1, 3}, {1, 3}, {1, 5}}, Mode::kAny);
  for (int i = 0; i < 2; ++i) End(1);
  EXPECT_FALSE(IsMet(wait));
  End(1);
  EXPECT_TRUE(IsMet(wait));
}

TEST_F(FenceWaitTest, AFailedPointHasEndedToo) {
  const auto all = Start({{1, 1}, {2, 1}}, Mode::kAll);
  const auto any = Start({{1, 1}, {2, 1}}, Mode::kAny);
  Fail(1, Outcome::kPageFault);
  EXPECT_TRUE(IsMet(any));
  Fail(2, Outcome::kHang);
  EXPECT_TRUE(IsMet(all));
}

TEST_F(FenceWaitTest, WhatHasEndedIsMetAtOnceAndNeverTold) {
  End(1);
  for (const auto& [points, mode] : std::vector<std::pair<std::vector<Point>, Mode>>{
           {{{1, 1}}, Mode::kAll}, {{{1, 1}, {2, 1}}, Mode::kAny}, {{}, Mode::kAll}}) {
    const auto wait = std::make_shared<CountingWait>(points, mode);
    const absl::StatusOr<bool> met = table_.StartWait(*wait);
    ASSERT_TRUE(met.ok()) << met.status();
    EXPECT_TRUE(*met);
    EXPECT_FALSE(table_.CancelWait(*wait)) << "there is nothing to cancel";
  }
  EXPECT_EQ(table_.waiters(), 0u);
  for (int i = 0; i < 4; ++i) End(2);
  EXPECT_THAT(met_, IsEmpty());
}

TEST_F(FenceWaitTest, ManyWaitsOfOnePointAreMetTogetherAndOthersAreLeft) {
  const auto first = Start({{1, 1}}, Mode::kAll);
  const auto second = Start({{1, 1}}, Mode::kAny);
  const auto later = Start({{1, 2}}, Mode::kAll);
  End(1);
  EXPECT_TRUE(IsMet(first));
  EXPECT_TRUE(IsMet(second));
  EXPECT_FALSE(IsMet(later));
  EXPECT_EQ(table_.waiters(), 1u);
}

TEST_F(FenceWaitTest, ACancelledWaitIsNeverToldAndLeavesNothingBehind) {
  auto wait = Start({{1, 1}, {2, 1}}, Mode::kAll);
  End(1);
  EXPECT_TRUE(table_.CancelWait(*wait));
  EXPECT_FALSE(table_.CancelWait(*wait));
  EXPECT_EQ(table_.waiters(), 0u);
  EXPECT_EQ(wait.use_count(), 1);
  // A pointer that was left behind would be followed now.
  wait.reset();
  End(2);
  EXPECT_THAT(met_, IsEmpty());
}

TEST_F(FenceWaitTest, AMetWaitOfAnyLeavesNothingBehindOnOtherContexts) {
  auto wait = Start({{1, 1}, {2, 1}, {3, 2}}, Mode::kAny);
  End(2);
  EXPECT_TRUE(IsMet(wait));
  met_.clear();
  wait.reset();
  End(1);
  End(3);
  End(3);
  EXPECT_THAT(met_, IsEmpty());
}

TEST_F(FenceWaitTest, CancelledBeforeItStartedCountsAsMet) {
  const auto wait = std::make_shared<CountingWait>(std::vector<Point>{{1, 1}}, Mode::kAll);
  EXPECT_FALSE(table_.CancelWait(*wait));
  const absl::StatusOr<bool> met = table_.StartWait(*wait);
  ASSERT_TRUE(met.ok());
  EXPECT_TRUE(*met);
  EXPECT_EQ(table_.waiters(), 0u);
}

TEST_F(FenceWaitTest, CancelAfterItWasMetSaysThatItWasNotWaiting) {
  const auto wait = Start({{1, 1}}, Mode::kAll);
  End(1);
  EXPECT_TRUE(IsMet(wait));
  EXPECT_FALSE(table_.CancelWait(*wait));
}

TEST_F(FenceWaitTest, NoMoreThanTheBoundAndPlacesComeBack) {
  std::vector<std::shared_ptr<CountingWait>> waits;
  for (uint32_t i = 0; i < kWaitersMax; ++i) waits.push_back(Start({{1, 1}}, Mode::kAll));
  const auto refused = std::make_shared<CountingWait>(std::vector<Point>{{1, 1}}, Mode::kAll);
  const absl::Status status = table_.StartWait(*refused).status();
  EXPECT_EQ(ReasonOf(status), "LIMIT_REACHED");
  EXPECT_EQ(MetadataOf(status, "limit"), "waiters_max");
  EXPECT_TRUE(DetailsOf(status)->retry_after_ms.has_value());
  table_.CancelWait(*waits.front());
  EXPECT_TRUE(table_.StartWait(*refused).ok());
  End(1);
  EXPECT_TRUE(IsMet(refused));
  EXPECT_FALSE(IsMet(waits.front()));
  Start({{1, 2}}, Mode::kAll);
}

TEST_F(FenceWaitTest, ABadPointRefusesTheWholeWait) {
  const auto wait = std::make_shared<CountingWait>(std::vector<Point>{{1, 1}, {2, 1}, {3, 9}}, Mode::kAny);
  const absl::Status status = table_.StartWait(*wait).status();
  EXPECT_EQ(ReasonOf(status), "FENCE_NEVER_ARMED");
  EXPECT_EQ(MetadataOf(status, "field"), "fences[2].seqno");
  EXPECT_EQ(table_.waiters(), 0u);
  End(1);
  EXPECT_THAT(met_, IsEmpty());
  EXPECT_FALSE(table_.CancelWait(*wait));
}

TEST_F(FenceWaitTest, StatusesAreInTheOrderOfThePoints) {
  End(1);
  Fail(2, Outcome::kPageFault);
  const CountingWait all({{3, 1}, {2, 1}, {1, 1}, {2, 1}}, Mode::kAll);
  std::vector<FenceStatus> statuses(7);
  bool met = true;
  ASSERT_TRUE(table_.Statuses(all, statuses, met).ok());
  EXPECT_FALSE(met);
  ASSERT_THAT(statuses, SizeIs(4));
  EXPECT_EQ(statuses[0].state, FenceState::kPending);
  EXPECT_EQ(statuses[1].state, FenceState::kFailed);
  EXPECT_EQ(statuses[2].state, FenceState::kSignaled);
  EXPECT_EQ(statuses[3].point, (Point{2, 1}));
  const CountingWait any(all.points(), Mode::kAny);
  ASSERT_TRUE(table_.Statuses(any, statuses, met).ok());
  EXPECT_TRUE(met);
  End(3);
  ASSERT_TRUE(table_.Statuses(all, statuses, met).ok());
  EXPECT_TRUE(met);
}

}  // namespace
}  // namespace xeq::session
