// Goal: a lease runs out exactly after its length, and never while it is held. Method: time as an argument; threads
// that hold and release while another looks, for the order of the two atomics.
#include "server/session/lease.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace xeq::session {
namespace {

TEST(LeaseTest, RunsOutAtItsLength) {
  const Lease lease(/*length_ns=*/100, /*now=*/1'000);
  EXPECT_EQ(lease.length_ns(), 100);
  EXPECT_FALSE(lease.HasRunOut(1'000));
  EXPECT_FALSE(lease.HasRunOut(1'099));
  EXPECT_TRUE(lease.HasRunOut(1'100));
}

TEST(LeaseTest, RenewalsBeginItAnew) {
  Lease lease(100, 1'000);
  lease.Renew(1'050);
  EXPECT_FALSE(lease.HasRunOut(1'149));
  EXPECT_TRUE(lease.HasRunOut(1'150));
}

TEST(LeaseTest, DoesNotRunOutWhileAnyoneHoldsIt) {
  Lease lease(100, 1'000);
  lease.Hold();
  lease.Hold();
  EXPECT_FALSE(lease.HasRunOut(hw::kNever));
  lease.Release(2'000);
  EXPECT_FALSE(lease.HasRunOut(hw::kNever));
  lease.Release(3'000);
  EXPECT_FALSE(lease.HasRunOut(3'099)) << "the end of a hold renews it";
  EXPECT_TRUE(lease.HasRunOut(3'100));
}

TEST(LeaseTest, NoOneSeesAReleaseWithoutItsRenewal) {
  constexpr int kRounds = 20'000;
  Lease lease(100, 0);
  lease.Hold();
  std::atomic<bool> done{false};
  std::atomic<hw::Nanos> now{0};
  std::thread holder([&] {
    for (int i = 0; i < kRounds; ++i) {
      // A long time passes under each hold.
      const hw::Nanos later = now.fetch_add(1'000) + 1'000;
      lease.Release(later);
      lease.Hold();
    }
    done = true;
  });
  int expired = 0;
  while (!done) {
    const hw::Nanos seen = now;
    if (lease.HasRunOut(seen)) ++expired;
  }
  holder.join();
  EXPECT_EQ(expired, 0);
}

}  // namespace
}  // namespace xeq::session
