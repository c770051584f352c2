// What the engines of one class share.
#ifndef XEQ_HW_XE_SIBLINGS_H_
#define XEQ_HW_XE_SIBLINGS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "hw/mutex.h"
#include "hw/xe/context.h"
#include "hw/xe/gang.h"

namespace xeq::hw::xe {

// A context has left its engine after Suspend (OK), or would not (DEADLINE_EXCEEDED).
struct SuspendAnswer {
  // As given to HwEngine::AddContext.
  uint64_t context = 0;
  absl::StatusCode code = absl::StatusCode::kOk;
};

// One lock for all of them, so that a context may go from one engine to another, and one list of ends, so that those of
// a context stay in order wherever it ran.
struct Siblings {
  Mutex mutex;
  // By logical instance. Complete before the first context is made.
  std::vector<HwEngine*> engines;
  std::vector<std::unique_ptr<Context>> contexts ABSL_GUARDED_BY(mutex);
  // Ended jobs that TakeDone has not taken. Has room for all that can be in rings.
  std::vector<LaneCompletion> done ABSL_GUARDED_BY(mutex);
  // Has room for one of each context.
  std::vector<SuspendAnswer> answers ABSL_GUARDED_BY(mutex);
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_SIBLINGS_H_
