#include "hw/clock.h"

#include <ctime>

namespace xeq::hw {

Nanos MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

}  // namespace xeq::hw
