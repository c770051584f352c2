// The interrupt tree of Gen11 and later, from the driver's side.
#ifndef XEQ_HW_XE_INTERRUPTS_H_
#define XEQ_HW_XE_INTERRUPTS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "hw/pci/pci_function.h"
#include "hw/regs/registers.h"

namespace xeq::hw::xe {

// Unmasks what engines tell, and switches the master on or off.
void EnableInterrupts(pci::PciFunction& function);
void DisableInterrupts(pci::PciFunction& function);

// Takes what is pending and calls `handle(class, instance, vector bits)` for each engine. Then the device may signal
// again.
using InterruptHandler = absl::FunctionRef<void(regs::HwClass, uint32_t, uint32_t)>;
void TakeInterrupts(pci::PciFunction& function, InterruptHandler handle);

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_INTERRUPTS_H_
