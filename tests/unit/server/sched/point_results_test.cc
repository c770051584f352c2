// Goal: a point's result can be asked for as long as it is kept, in bounded memory. Method: ends points in order and
// asks for each.
#include "server/sched/point_results.h"

#include <gtest/gtest.h>

namespace xeq::sched {
namespace {

using State = PointResults::State;

Result Failed(Point root, Outcome outcome = Outcome::kHang) { return {outcome, Outcome::kHang, root, {}}; }

TEST(PointResultsTest, PointsArePendingUntilTheyEnd) {
  PointResults results;
  EXPECT_EQ(results.Find(1, nullptr), State::kPending);
  results.End({});
  EXPECT_EQ(results.Find(1, nullptr), State::kOk);
  EXPECT_EQ(results.Find(2, nullptr), State::kPending);
  EXPECT_EQ(results.ended(), 1u);
}

TEST(PointResultsTest, FailuresKeepTheirCauseAmongSuccesses) {
  PointResults results;
  results.End({});
  results.End(Failed({7, 2}));
  results.End(Failed({7, 2}));
  results.End({});
  results.End(Failed({8, 9}));
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
    results.End(seqno % 2 == 0 ? Failed({7, seqno}) : Result{});  // 2, 4 and 6 fail
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
  for (int i = 0; i < 100'000; ++i) results.End(Failed({7, 1}));
  EXPECT_EQ(results.Find(1, nullptr), State::kFailed);
  EXPECT_EQ(results.Find(100'000, nullptr), State::kFailed);
}

}  // namespace
}  // namespace xeq::sched
