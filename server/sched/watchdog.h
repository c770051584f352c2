// What the watchdog decides about a job that has been on the device for long. Pure.
#ifndef XEQ_SERVER_SCHED_WATCHDOG_H_
#define XEQ_SERVER_SCHED_WATCHDOG_H_

#include <cstdint>

#include "hw/clock.h"
#include "hw/device.h"

namespace xeq::sched {

struct Verdict {
  enum class Kind : uint8_t {
    // Innocent: it has not begun, or has not had its time on the engine. Asked again when it may have.
    kNoHang,
    // Guilty: off the engine with it.
    kReset,
    // Nothing can be asked any more; the end comes with OnDeviceLost.
    kDeviceGone,
  };
  Kind kind = Kind::kNoHang;
  // For kNoHang: of its limit, used up on the engine.
  hw::Nanos used_ns = 0;
};

// The engine's own account decides, not the clock on the wall: a job that others keep off the engine is not charged.
inline Verdict Judge(const hw::Progress& progress, hw::Nanos limit, bool device_lost) {
  if (device_lost) return {Verdict::Kind::kDeviceGone, 0};
  if (!progress.started) return {Verdict::Kind::kNoHang, 0};
  if (progress.gpu_time_ns < limit) return {Verdict::Kind::kNoHang, progress.gpu_time_ns};
  return {Verdict::Kind::kReset, 0};
}

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_WATCHDOG_H_
