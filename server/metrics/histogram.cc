#include "server/metrics/histogram.h"

#include <algorithm>

namespace xeq::metrics {
namespace {

// 1, 2, 5, 10, ... times `first`.
template <size_t N>
constexpr std::array<int64_t, N> Steps(int64_t first) {
  std::array<int64_t, N> bounds{};
  for (size_t i = 0; i < N; ++i) {
    constexpr int64_t kSteps[] = {1, 2, 5};
    bounds[i] = first * kSteps[i % 3];
    if (i % 3 == 2) first *= 10;
  }
  return bounds;
}

constexpr auto kHostBounds = Steps<16>(1'000);
constexpr auto kGpuBounds = Steps<25>(10'000);
constexpr auto kCountBounds = Steps<10>(1);
static_assert(kHostBounds.back() == 100'000'000);
static_assert(kGpuBounds.back() == 1'000'000'000'000);
static_assert(kCountBounds.back() == 1'000);

}  // namespace

absl::Span<const int64_t> BoundsOf(Buckets buckets) {
  switch (buckets) {
    case Buckets::kNone:
      break;
    case Buckets::kHost:
      return kHostBounds;
    case Buckets::kGpu:
      return kGpuBounds;
    case Buckets::kCount:
      return kCountBounds;
  }
  return {};
}

void Histogram::Add(int64_t value) {
  value = std::max<int64_t>(value, 0);
  const size_t bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

}  // namespace xeq::metrics
