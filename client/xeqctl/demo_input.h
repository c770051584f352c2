// The file that the demo sends, and how it is compared with what comes back.
#ifndef XEQ_CLIENT_XEQCTL_DEMO_INPUT_H_
#define XEQ_CLIENT_XEQCTL_DEMO_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/xeqctl/command.h"

namespace xeq::ctl {

struct DemoInput {
  std::vector<std::byte> data;
  // For people: where it comes from.
  std::string origin;
};

// Reads the file of the options, or strings files of the machine's library folder together.
absl::StatusOr<DemoInput> ReadDemoInput(const DemoOptions& options);
// Lower-case hexadecimal.
std::string Sha256(absl::Span<const std::byte> data);

}  // namespace xeq::ctl

#endif  // XEQ_CLIENT_XEQCTL_DEMO_INPUT_H_
