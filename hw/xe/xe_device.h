// A Device as a user-space Xe driver: owns a PCI function and drives its engines through execlists.
#ifndef XEQ_HW_XE_XE_DEVICE_H_
#define XEQ_HW_XE_XE_DEVICE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "hw/device.h"
#include "hw/pci/pci_function.h"

namespace xeq::hw::xe {

// Wakes the device and looks what it has. NOT_FOUND: not an Intel GPU that this driver knows. UNAVAILABLE: the device
// does not answer. RESOURCE_EXHAUSTED: no memory for its status pages, or no file descriptor.
absl::StatusOr<std::unique_ptr<Device>> CreateXeDevice(std::unique_ptr<pci::PciFunction> function);

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_XE_DEVICE_H_
