// Opens the device that a setting names.
#ifndef XEQ_HW_DEVICE_FACTORY_H_
#define XEQ_HW_DEVICE_FACTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hw/device.h"

namespace xeq::hw {

// `spec` is "model", or "model:FILE" with a profile (hw/model/profile.h). UNIMPLEMENTED: "vfio:..." and "drm:..." are
// not built in yet. INVALID_ARGUMENT: anything else, or a bad profile. Other statuses say why the device cannot be had.
absl::StatusOr<std::unique_ptr<Device>> OpenDevice(const std::string& spec);

}  // namespace xeq::hw

#endif  // XEQ_HW_DEVICE_FACTORY_H_
