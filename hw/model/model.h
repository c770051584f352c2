// A Gen12 GPU in software, behind the seam that a PCI function has.
#ifndef XEQ_HW_MODEL_MODEL_H_
#define XEQ_HW_MODEL_MODEL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "hw/model/profile.h"
#include "hw/pci/pci_function.h"

namespace xeq::hw::model {

// Starts one thread for each engine. RESOURCE_EXHAUSTED: the host has no room for the profile's memory, or no file
// descriptor.
absl::StatusOr<std::unique_ptr<pci::PciFunction>> CreateModel(const Profile& profile);

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_MODEL_H_
