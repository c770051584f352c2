// What a device has, as its fuses say, and waking it.
#ifndef XEQ_HW_XE_PROBE_H_
#define XEQ_HW_XE_PROBE_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/pci/pci_function.h"
#include "hw/regs/engines.h"
#include "hw/types.h"

namespace xeq::hw::xe {

// NOT_FOUND: not a GPU of Intel. UNAVAILABLE: it does not answer, or its clock or page table are not as on Gen12.0.
absl::Status CheckDevice(pci::PciFunction& function);
// Keeps all of the device awake. UNAVAILABLE: it does not wake up.
absl::Status Wake(pci::PciFunction& function, const std::vector<regs::EnginePlace>& engines);
// By class and instance.
std::vector<regs::EnginePlace> FindEngines(pci::PciFunction& function);
DeviceInfo DescribeDevice(pci::PciFunction& function, const std::vector<regs::EnginePlace>& engines);

EngineClass ToEngineClass(regs::HwClass engine_class);
regs::HwClass ToHwClass(EngineClass engine_class);

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_PROBE_H_
