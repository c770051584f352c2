#include "hw/device_factory.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "hw/model/model.h"
#include "hw/xe/xe_device.h"

namespace xeq::hw {

absl::StatusOr<std::unique_ptr<Device>> OpenDevice(const std::string& spec) {
  if (absl::StartsWith(spec, "vfio:") || absl::StartsWith(spec, "drm:")) {
    return absl::UnimplementedError(absl::StrCat("device \"", spec, "\": this version drives the model alone"));
  }
  model::Profile profile;
  absl::string_view file = spec;
  if (absl::ConsumePrefix(&file, "model:")) {
    absl::StatusOr<model::Profile> read = model::ReadProfile(std::string(file));
    if (!read.ok()) return read.status();
    profile = *std::move(read);
  } else if (spec != "model") {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", spec, "\" is not one of model, model:FILE, vfio:ADDRESS, drm:PATH"));
  }
  absl::StatusOr<std::unique_ptr<pci::PciFunction>> function = model::CreateModel(profile);
  if (!function.ok()) return function.status();
  return xe::CreateXeDevice(*std::move(function));
}

}  // namespace xeq::hw
