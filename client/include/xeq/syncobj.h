// Syncobjs: slots that hold a fence, or a timeline of fences with points that the client chooses. Jobs put their fences
// there (Job::signals) and wait for what is there (Job::waits_on_syncobjs).
#ifndef XEQ_CLIENT_INCLUDE_XEQ_SYNCOBJ_H_
#define XEQ_CLIENT_INCLUDE_XEQ_SYNCOBJ_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xeq/types.h"

namespace xeq {

namespace internal {
struct Handle;
}

enum class WaitMode { kAll, kAny };

struct SyncobjWaitOptions {
  WaitMode mode = WaitMode::kAll;
  // Where nothing was submitted yet, waits for that too.
  bool wait_for_submit = false;
  // Being submitted is enough. For points other than 0.
  bool wait_available = false;
  // 0: asks once. At most an hour.
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
};

struct SyncobjWaitResult {
  // Whether the mode was met in time.
  bool satisfied = false;
  // With kAny the first that was signalled; with kAll the first that was when the call came.
  std::optional<uint32_t> first_signaled;
};

// One syncobj. Its handle is given back when this is destroyed; calls that wait for it go on. Calls block until the
// service has answered, and may be made from several threads.
class Syncobj {
 public:
  Syncobj(Syncobj&&) noexcept;
  Syncobj& operator=(Syncobj&&) noexcept;
  ~Syncobj();

  uint64_t handle() const;
  SyncobjPoint At(uint64_t point = 0) const { return {handle(), point}; }

  // From here on it holds nothing.
  absl::Status Reset();
  // What is signalled already: replaces what it holds or, with a point other than 0, is added to it.
  absl::Status Signal(uint64_t point = 0);
  // The highest signalled point, or the newest that was submitted; 0 when it is no timeline.
  absl::StatusOr<uint64_t> Query(bool last_submitted = false);
  // OK: the point is signalled, also by a fence that failed. DEADLINE_EXCEEDED: not within `timeout`, 0: not now.
  // INVALID_ARGUMENT: nothing was submitted for it.
  absl::Status Wait(uint64_t point = 0, std::chrono::milliseconds timeout = std::chrono::seconds(30));

 private:
  friend class Session;
  explicit Syncobj(std::unique_ptr<internal::Handle> handle);
  std::unique_ptr<internal::Handle> handle_;
};

}  // namespace xeq

#endif  // XEQ_CLIENT_INCLUDE_XEQ_SYNCOBJ_H_
