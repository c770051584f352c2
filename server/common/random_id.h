// Ids that cannot be guessed.
#ifndef XEQ_SERVER_COMMON_RANDOM_ID_H_
#define XEQ_SERVER_COMMON_RANDOM_ID_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace xeq {

// 64 bits from the kernel's random number generator, never 0. INTERNAL: the kernel gives none.
absl::StatusOr<uint64_t> RandomId();

}  // namespace xeq

#endif  // XEQ_SERVER_COMMON_RANDOM_ID_H_
