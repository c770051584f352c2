#include "server/common/random_id.h"

#include <sys/random.h>

#include <cerrno>

#include "absl/status/status.h"

namespace xeq {

absl::StatusOr<uint64_t> RandomId() {
  uint64_t id = 0;
  while (id == 0) {
    if (getrandom(&id, sizeof(id), 0) == sizeof(id) || errno == EINTR) continue;
    return absl::ErrnoToStatus(errno, "getrandom");
  }
  return id;
}

}  // namespace xeq
