// The engines' timestamps in nanoseconds.
#ifndef XEQ_HW_XE_TICKS_H_
#define XEQ_HW_XE_TICKS_H_

#include <cstdint>

#include "hw/clock.h"

namespace xeq::hw::xe {

// The clock of a crystal of 19.2 MHz, the only one of Gen12.0 devices.
inline constexpr uint64_t kTimestampHz = 19'200'000;

constexpr Nanos TicksToNanos(uint32_t ticks) { return static_cast<Nanos>(uint64_t{ticks} * 625 / 12); }

// An instant on both clocks: a timestamp's low dword, and hw/clock.h.
struct ClockAnchor {
  uint32_t ticks = 0;
  Nanos time = 0;

  // For timestamps within 111 s of the anchor, before or behind it.
  Nanos ToTime(uint32_t timestamp) const {
    return time + static_cast<int64_t>(static_cast<int32_t>(timestamp - ticks)) * 625 / 12;
  }
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_TICKS_H_
