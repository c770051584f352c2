// Goal: a point's result can be asked for as long as it is kept, in bounded memory. Method: ends points in order and
// asks for each.
#include "server/sched/point_results.h"

#include <gtest/gtest.h>

namespace xeq::sched {
namespace {

using State = PointResults::State;

constexpr ContextId kContext = 3;

Result Failed(Point root, Outcome outcome = Outcome::kHang) { return {outcome, Outcome::kHang, root, {}}; }

TEST(PointResultsTest, PointsArePendingUntilTheyEnd) {
  PointResults results;
  EXPECT_EQ(results.Find(1, nullptr), State::kPending);
  results.End(kContext, {});
  EXPECT_EQ(results.Find(1, nullptr), State::kOk);
  EXPECT_EQ(results.Find(2, nullptr), State::kPending);
  EXPECT_EQ(results.ended(), 1u);
}

TEST(PointResultsTest, FailuresKeepTheirCauseAmongSuccesses) {
  PointResults results;
  results.End(kContext, {});
  results.End(kContext, Failed({7, 2}));
  results.End(kContext, Failed({7, 2}));
  results.End(kContext, {});
  results.End(kContext, Failed({8, 9}));
  Result result;
  EXPECT_EQ(results.Find(1, &result), State::kOk);
  EXPECT_EQ(results.Find(2, &result), State::kFailed);
  EXPECT_EQ(result.root, (Point{7, 2}));
  EXPECT_EQ(results.Find(3, &result), State::kFailed);
  EXPECT_EQ(results.Find(4, &result), State::kOk);
  EXPECT_EQ(results.Find(5, &result), State::kFailed);
  EXPECT_EQ(result.root, (Point{8, 9}));
}

TEST(PointResultsTest, TheOldestRangeIsForgottenAtTheBound) {
  PointResults results(2);
  for (uint64_t seqno = 1; seqno <= 6; ++seqno) {
    results.End(kContext, seqno % 2 == 0 ? Failed({7, seqno}) : Result{});  // 2, 4 and 6 fail
  }
  EXPECT_EQ(results.Find(1, nullptr), State::kForgotten);
  EXPECT_EQ(results.Find(2, nullptr), State::kForgotten);
  EXPECT_EQ(results.Find(3, nullptr), State::kOk);
  EXPECT_EQ(results.Find(4, nullptr), State::kFailed);
  EXPECT_EQ(results.Find(5, nullptr), State::kOk);
  EXPECT_EQ(results.Find(6, nullptr), State::kFailed);
}

TEST(PointResultsTest, OneCauseTakesOneRange) {
  PointResults results(1);
  for (int i = 0; i < 100'000; ++i) results.End(kContext, Failed({7, 1}));
  EXPECT_EQ(results.Find(1, nullptr), State::kFailed);
  EXPECT_EQ(results.Find(100'000, nullptr), State::kFailed);
}

TEST(PointResultsTest, PointsThatFailForTheQueuesReasonShareARangeAndEachIsItsOwnRoot) {
  PointResults results(1);
  results.End(kContext, {});
  for (uint64_t seqno = 2; seqno <= 1'000; ++seqno) {
    results.End(kContext, {Outcome::kCancelled, Outcome::kCancelled, {kContext, seqno}, {}});
  }
  Result result;
  EXPECT_EQ(results.Find(1, nullptr), State::kOk);
  for (uint64_t seqno : {2u, 500u, 1'000u}) {
    EXPECT_EQ(results.Find(seqno, &result), State::kFailed);
    EXPECT_EQ(result.root, (Point{kContext, seqno}));
  }
}

TEST(PointResultsTest, PointsThatFailByThemselvesDoNotShareARange) {
  PointResults results(2);
  for (uint64_t seqno = 1; seqno <= 3; ++seqno) results.End(kContext, Failed({kContext, seqno}));
  Result result;
  EXPECT_EQ(results.Find(1, nullptr), State::kForgotten);
  EXPECT_EQ(results.Find(3, &result), State::kFailed);
  EXPECT_EQ(result.root, (Point{kContext, 3}));
}

}  // namespace
}  // namespace xeq::sched
