// Goal: ids that cannot be guessed. Method: enough of them that a repetition, or a bit that never changes, would be no
// accident.
#include "server/common/random_id.h"

#include <gtest/gtest.h>

#include <set>

namespace xeq {
namespace {

TEST(RandomIdTest, IdsDifferInEveryBitAndAreNeverZero) {
  constexpr int kIds = 256;
  std::set<uint64_t> ids;
  uint64_t ever_set = 0;
  uint64_t always_set = UINT64_MAX;
  for (int i = 0; i < kIds; ++i) {
    const absl::StatusOr<uint64_t> id = RandomId();
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_NE(*id, 0u);
    ids.insert(*id);
    ever_set |= *id;
    always_set &= *id;
  }
  EXPECT_EQ(ids.size(), size_t{kIds});
  EXPECT_EQ(ever_set, UINT64_MAX);
  EXPECT_EQ(always_set, 0u);
}

}  // namespace
}  // namespace xeq
