// A histogram that any thread may add to without a lock.
#ifndef XEQ_SERVER_METRICS_HISTOGRAM_H_
#define XEQ_SERVER_METRICS_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "server/metrics/metric_table.h"

namespace xeq::metrics {

// Upper bounds of the buckets but the last, which has none. Nanoseconds, or a plain number for kCount.
absl::Span<const int64_t> BoundsOf(Buckets buckets);

// Counts of values by bucket, and their sum. Adding takes two relaxed atomic additions.
class Histogram {
 public:
  explicit Histogram(Buckets buckets) : bounds_(BoundsOf(buckets)) {}
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  // Negative values, from clocks that disagree a little, count as 0.
  void Add(int64_t value);

  absl::Span<const int64_t> bounds() const { return bounds_; }
  // Of the bucket up to bounds()[i]; with i == bounds().size(), of the last.
  uint64_t count(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  int64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kBucketsMax = 26;

  const absl::Span<const int64_t> bounds_;
  std::array<std::atomic<uint64_t>, kBucketsMax> counts_{};
  std::atomic<int64_t> sum_{0};
};

}  // namespace xeq::metrics

#endif  // XEQ_SERVER_METRICS_HISTOGRAM_H_
