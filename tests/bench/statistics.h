// What is told of many samples.
#ifndef XEQ_TESTS_BENCH_STATISTICS_H_
#define XEQ_TESTS_BENCH_STATISTICS_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace xeq::bench {

// The sample below which `part` (0 to 1) of them are; 0 when there are none.
inline double Quantile(std::vector<double> samples, double part) {
  if (samples.empty()) return 0;
  const auto at = std::min(samples.size() - 1, static_cast<size_t>(part * static_cast<double>(samples.size())));
  std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(at), samples.end());
  return samples[at];
}

inline double Median(const std::vector<double>& samples) { return Quantile(samples, 0.5); }

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_STATISTICS_H_
