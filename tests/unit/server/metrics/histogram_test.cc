// Goal: a value is counted in the first bucket whose bound it does not exceed, and in the sum; adding from many threads
// loses nothing. Method: values at, below and above every bound of each kind of buckets.
#include "server/metrics/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace xeq::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<uint64_t> Counts(const Histogram& histogram) {
  std::vector<uint64_t> counts;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) counts.push_back(histogram.count(i));
  return counts;
}

// The index of the one bucket that `value` is counted in.
size_t BucketOf(Buckets buckets, int64_t value) {
  Histogram histogram(buckets);
  histogram.Add(value);
  const std::vector<uint64_t> counts = Counts(histogram);
  size_t found = counts.size();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    EXPECT_EQ(counts[i], 1u);
    EXPECT_EQ(found, counts.size()) << "counted twice";
    found = i;
  }
  return found;
}

TEST(HistogramTest, BoundsGoInStepsOfOneTwoFive) {
  EXPECT_THAT(BoundsOf(Buckets::kNone), IsEmpty());
  EXPECT_THAT(BoundsOf(Buckets::kCount), ElementsAre(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000));
  const absl::Span<const int64_t> host = BoundsOf(Buckets::kHost);
  EXPECT_EQ(host.front(), 1'000) << "1 us";
  EXPECT_EQ(host.back(), 100'000'000) << "100 ms";
  const absl::Span<const int64_t> gpu = BoundsOf(Buckets::kGpu);
  EXPECT_EQ(gpu.front(), 10'000) << "10 us";
  EXPECT_EQ(gpu.back(), 1'000'000'000'000) << "1000 s";
}

class HistogramBucketsTest : public ::testing::TestWithParam<Buckets> {};

TEST_P(HistogramBucketsTest, ABoundIsTheLastValueOfItsBucket) {
  const absl::Span<const int64_t> bounds = BoundsOf(GetParam());
  for (size_t i = 0; i < bounds.size(); ++i) {
    EXPECT_EQ(BucketOf(GetParam(), bounds[i]), i) << bounds[i];
    EXPECT_EQ(BucketOf(GetParam(), bounds[i] + 1), i + 1) << bounds[i] + 1;
  }
}

TEST_P(HistogramBucketsTest, WhatIsSmallestAndLargestHasABucketToo) {
  const size_t last = BoundsOf(GetParam()).size();
  EXPECT_EQ(BucketOf(GetParam(), 0), 0u);
  EXPECT_EQ(BucketOf(GetParam(), -5), 0u);
  EXPECT_EQ(BucketOf(GetParam(), INT64_MAX), last);
}

INSTANTIATE_TEST_SUITE_P(All, HistogramBucketsTest,
                         ::testing::Values(Buckets::kNone, Buckets::kHost, Buckets::kGpu, Buckets::kCount));

TEST(HistogramTest, SumsWhatItCountsAndNegativeValuesAsZero) {
  Histogram histogram(Buckets::kCount);
  for (const int64_t value : {3, 4, 1000, 2000, -50}) histogram.Add(value);
  EXPECT_EQ(histogram.sum(), 3007);
  EXPECT_THAT(Counts(histogram), ElementsAre(1, 0, 2, 0, 0, 0, 0, 0, 0, 1, 1));
}

TEST(HistogramTest, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kValues = 20'000;
  Histogram histogram(Buckets::kCount);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&histogram, i] {
      for (int value = 0; value < kValues; ++value) histogram.Add(1 + i % 2);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.count(0), uint64_t{kThreads / 2 * kValues});
  EXPECT_EQ(histogram.count(1), uint64_t{kThreads / 2 * kValues});
  EXPECT_EQ(histogram.sum(), kThreads / 2 * kValues * 3);
}

}  // namespace
}  // namespace xeq::metrics
