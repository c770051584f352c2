// Time as everything below the RPC edge sees it: nanoseconds of CLOCK_MONOTONIC.
#ifndef XEQ_HW_CLOCK_H_
#define XEQ_HW_CLOCK_H_

#include <cstdint>

namespace xeq::hw {

using Nanos = int64_t;

inline constexpr Nanos kNanosPerMicro = 1'000;
inline constexpr Nanos kNanosPerMilli = 1'000'000;
inline constexpr Nanos kNanosPerSecond = 1'000'000'000;
// Later than any other time.
inline constexpr Nanos kNever = INT64_MAX;

// Does not block. Any thread.
Nanos MonotonicNow();

}  // namespace xeq::hw

#endif  // XEQ_HW_CLOCK_H_
