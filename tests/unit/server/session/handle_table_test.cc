// Goal: a table never holds more than its bound, places under way included, and gives places back. Method: every way in
// which a place is taken and left.
#include "server/session/handle_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace xeq::session {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Cannot be copied, as most of what sessions hold.
using Thing = std::unique_ptr<int>;

class HandleTableTest : public ::testing::Test {
 protected:
  void Add(uint64_t handle, int value) {
    ASSERT_TRUE(table_.Reserve().ok());
    EXPECT_EQ(*table_.Insert(handle, std::make_unique<int>(value)), value);
  }

  HandleTable<Thing> table_{"things_max", 2};
};

TEST_F(HandleTableTest, FindsWhatWasInsertedAndNothingElse) {
  Add(7, 70);
  ASSERT_NE(table_.Find(7), nullptr);
  EXPECT_EQ(**table_.Find(7), 70);
  EXPECT_EQ(table_.Find(8), nullptr);
  EXPECT_EQ(table_.Find(0), nullptr);
}

TEST_F(HandleTableTest, RefusesMoreThanItsBoundAndNamesIt) {
  Add(1, 10);
  Add(2, 20);
  const absl::Status full = table_.Reserve();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  const std::optional<ErrorDetails> details = DetailsOf(full);
  ASSERT_TRUE(details.has_value());
  EXPECT_THAT(details->metadata,
              UnorderedElementsAre(Pair("limit", "things_max"), Pair("value", "2"), Pair("used", "2")));
  EXPECT_EQ(table_.used(), 2u) << "a refused place is not taken";
}

TEST_F(HandleTableTest, PlacesUnderWayCount) {
  ASSERT_TRUE(table_.Reserve().ok());
  ASSERT_TRUE(table_.Reserve().ok());
  EXPECT_FALSE(table_.Reserve().ok());
  table_.GiveBack();
  EXPECT_EQ(table_.used(), 1u);
  table_.Insert(1, std::make_unique<int>(10));
  EXPECT_EQ(table_.used(), 1u) << "the place that was reserved is the one that is used";
  EXPECT_TRUE(table_.Reserve().ok());
}

TEST_F(HandleTableTest, ARemovedThingLeavesItsPlace) {
  Add(1, 10);
  Add(2, 20);
  std::optional<Thing> removed = table_.Remove(1);
  ASSERT_TRUE(removed.has_value());
  EXPECT_EQ(**removed, 10);
  EXPECT_EQ(table_.Find(1), nullptr);
  EXPECT_FALSE(table_.Remove(1).has_value());
  EXPECT_EQ(table_.used(), 1u);
  Add(3, 30);
  EXPECT_FALSE(table_.Reserve().ok());
}

TEST_F(HandleTableTest, RemoveAllLeavesPlacesUnderWayToThoseWhoTookThem) {
  Add(1, 10);
  ASSERT_TRUE(table_.Reserve().ok());
  auto all = table_.RemoveAll();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(*all.at(1), 10);
  EXPECT_EQ(table_.used(), 1u);
  table_.GiveBack();
  EXPECT_EQ(table_.used(), 0u);
  EXPECT_EQ(table_.begin(), table_.end());
}

}  // namespace
}  // namespace xeq::session
