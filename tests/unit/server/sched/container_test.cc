// Goal: every pair of container and content is allowed or refused as the table says, and a merge neither waits for too
// little nor loses a failure that counts. Method: one test for each cell; merges against states given by hand.
#include "server/sched/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace xeq::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Cell {
  Place place;
  FenceShape shape;
  bool allowed;
};

class ContainerTableTest : public ::testing::TestWithParam<Cell> {};

TEST_P(ContainerTableTest, HoldsWhatTheTableSays) {
  const auto& [place, shape, allowed] = GetParam();
  const absl::Status status = CheckMayHold(place, shape);
  EXPECT_EQ(status.ok(), allowed);
  if (allowed) return;
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(NameOf(place))));
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(NameOf(shape))));
}

INSTANTIATE_TEST_SUITE_P(
    Cells, ContainerTableTest,
    ::testing::Values(
        Cell{Place::kBinarySyncobj, FenceShape::kFence, true}, Cell{Place::kBinarySyncobj, FenceShape::kArray, true},
        Cell{Place::kBinarySyncobj, FenceShape::kChain, false}, Cell{Place::kTimelinePoint, FenceShape::kFence, true},
        Cell{Place::kTimelinePoint, FenceShape::kArray, true}, Cell{Place::kTimelinePoint, FenceShape::kChain, false},
        Cell{Place::kAnyOf, FenceShape::kFence, true}, Cell{Place::kAnyOf, FenceShape::kArray, false},
        Cell{Place::kAnyOf, FenceShape::kChain, false}, Cell{Place::kArray, FenceShape::kFence, true},
        Cell{Place::kArray, FenceShape::kArray, false}, Cell{Place::kArray, FenceShape::kChain, false},
        Cell{Place::kChainNode, FenceShape::kFence, true}, Cell{Place::kChainNode, FenceShape::kArray, true},
        Cell{Place::kChainNode, FenceShape::kChain, false}),
    [](const auto& info) {
      std::string name = std::string(NameOf(info.param.shape)) + "_in_" + std::string(NameOf(info.param.place));
      for (char& c : name) c = c == ' ' ? '_' : c;
      return name;
    });

class MergeTest : public ::testing::Test {
 protected:
  Members Merged(const std::vector<Member>& members) {
    return Merge(members, [this](const Point& point) {
      const auto found = states_.find({point.context, point.seqno});
      return found == states_.end() ? MemberState::kPending : found->second;
    });
  }
  static Member Counts(uint64_t context, uint64_t seqno) { return {{context, seqno}, true}; }
  static Member Order(uint64_t context, uint64_t seqno) { return {{context, seqno}, false}; }

  std::map<std::pair<uint64_t, uint64_t>, MemberState> states_;
};

TEST_F(MergeTest, NothingLeftIsSignalled) {
  states_ = {{{1, 1}, MemberState::kOk}, {{2, 1}, MemberState::kOk}};
  EXPECT_THAT(Merged({}), IsEmpty());
  EXPECT_THAT(Merged({Counts(1, 1), Order(2, 1)}), IsEmpty());
}

TEST_F(MergeTest, OneLeftIsThatPoint) {
  states_ = {{{1, 1}, MemberState::kOk}};
  EXPECT_THAT(Merged({Counts(1, 1), Counts(2, 7)}), ElementsAre(Counts(2, 7)));
  EXPECT_THAT(Merged({Counts(2, 7), Counts(2, 7)}), ElementsAre(Counts(2, 7)));
}

TEST_F(MergeTest, ContextsAreSortedAndOfEachTheNewestIsKept) {
  EXPECT_THAT(Merged({Order(3, 1), Order(1, 4), Order(1, 9), Order(1, 2), Order(2, 5)}),
              ElementsAre(Order(1, 9), Order(2, 5), Order(3, 1)));
}

TEST_F(MergeTest, AnEarlierPointWhoseFailureCountsIsNotCovered) {
  EXPECT_THAT(Merged({Order(1, 2), Counts(1, 4), Order(1, 5), Order(1, 9)}), ElementsAre(Counts(1, 4), Order(1, 9)));
  EXPECT_THAT(Merged({Counts(1, 4), Counts(1, 9)}), ElementsAre(Counts(1, 4), Counts(1, 9)));
  EXPECT_THAT(Merged({Order(1, 4), Counts(1, 9)}), ElementsAre(Counts(1, 9)));
}

TEST_F(MergeTest, OfEqualPointsTheOneThatCountsIsKept) {
  EXPECT_THAT(Merged({Order(1, 4), Counts(1, 4), Order(1, 4)}), ElementsAre(Counts(1, 4)));
}

TEST_F(MergeTest, AFailureThatCountsStaysAndAnotherIsDropped) {
  states_ = {{{1, 1}, MemberState::kFailed}, {{2, 1}, MemberState::kFailed}};
  EXPECT_THAT(Merged({Counts(1, 1), Order(2, 1)}), ElementsAre(Counts(1, 1)));
  EXPECT_THAT(Merged({Counts(1, 1), Counts(1, 2)}), ElementsAre(Counts(1, 1), Counts(1, 2)));
}

}  // namespace
}  // namespace xeq::sched
