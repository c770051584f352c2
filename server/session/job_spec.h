// What a client asks for in Submit, Bind and Unbind, after protobuf and before the scheduler.
#ifndef XEQ_SERVER_SESSION_JOB_SPEC_H_
#define XEQ_SERVER_SESSION_JOB_SPEC_H_

#include <cstdint>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "server/sched/job.h"
#include "server/session/syncobj.h"

namespace xeq::session {

// An in-fence: a point, the fence of an earlier job of the same call, or what a syncobj holds.
struct InFence {
  sched::Point point;
  // Index among the call's jobs; `point` does not count then.
  std::optional<uint32_t> job;
  sched::WaitErrorPolicy on_error = sched::WaitErrorPolicy::kFail;
  // Neighbours with the same number other than 0 are alternatives: sched::Wait::any_of.
  uint16_t any_of = 0;
  // A syncobj, whose point is `point.seqno`; 0: none.
  uint64_t syncobj = 0;
};

using InFences = absl::InlinedVector<InFence, 2>;

struct JobSpec {
  uint64_t queue = 0;
  // Belongs to the request. Each address was checked. None: a pure synchronisation.
  absl::Span<const uint64_t> batches;
  InFences waits;
  // Where its fence goes, in this order, when all jobs of the call are armed.
  absl::InlinedVector<SyncobjPoint, 1> signals = {};
  // Address 0: none.
  hw::UserFence user_fence = {};
};

struct MapSpec {
  uint64_t vm = 0;
  uint64_t address = 0;
  // Of Bind: 0 is to the end of the buffer.
  uint64_t size_bytes = 0;
  // 0: unmap.
  uint64_t buffer = 0;
  uint64_t offset = 0;
  InFences waits;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_JOB_SPEC_H_
