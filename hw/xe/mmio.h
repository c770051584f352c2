// Registers of one engine, and waiting for them.
#ifndef XEQ_HW_XE_MMIO_H_
#define XEQ_HW_XE_MMIO_H_

#include <cstdint>

#include "hw/clock.h"
#include "hw/pci/pci_function.h"

namespace xeq::hw::xe {

// Reads until `bits` of the register are all set (or, with `set` false, all clear). False: not within `limit_ns`.
inline bool WaitForBits(pci::PciFunction& function, pci::RegOffset offset, uint32_t bits, bool set, Nanos limit_ns) {
  for (const Nanos end = MonotonicNow() + limit_ns;;) {
    if ((function.Read32(offset) & bits) == (set ? bits : 0)) return true;
    if (MonotonicNow() > end) return false;
  }
}

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_MMIO_H_
