// What a queue can be asked to be, what it is, and which of it is allowed.
#ifndef XEQ_SERVER_SESSION_QUEUE_PROPERTIES_H_
#define XEQ_SERVER_SESSION_QUEUE_PROPERTIES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/types.h"
#include "server/sched/fence.h"
#include "server/sched/timeline.h"
#include "server/session/fence_table.h"
#include "server/session/limits.h"

namespace xeq::session {

struct QueueSpec {
  uint64_t vm = 0;
  hw::EngineClass engine_class = hw::EngineClass::kRender;
  // Empty: the first engine of the class. Does not count beside `placements`.
  std::optional<uint32_t> engine_instance;
  // Engine instances: entry `placement * width + lane` is where that lane may run in that placement.
  absl::InlinedVector<uint32_t, 4> placements;
  hw::SchedProps props;
  uint32_t job_timeout_ms = kJobTimeoutMsDefault;
  // Engines that a job runs on at the same time.
  uint32_t width = 1;
  bool low_latency = false;
  uint32_t msix_vector = 0;
  // Empty: the engine class and the handle.
  std::string name;
  bool bypass = true;
  sched::PutMode put_mode = sched::PutMode::kInline;
};

// Of a queue that is there; what is empty stays as it is.
struct QueueProperties {
  std::optional<hw::Priority> priority;
  std::optional<uint32_t> timeslice_us;
  std::optional<uint32_t> preempt_timeout_us;
};

enum class QueueStanding : uint8_t { kUsable, kSuspendPending, kSuspended, kBanned, kKilled, kLost };

struct QueueInfo {
  uint64_t queue = 0;
  QueueSpec spec;
  QueueStanding standing = QueueStanding::kUsable;
  // When it is banned: how the job that did it ended.
  std::optional<sched::Result> ban;
  // The last that was armed; empty before the first, and when how it ended is forgotten.
  std::optional<FenceStatus> last_fence;
  uint64_t last_armed_seqno = 0;
  uint64_t last_ended_seqno = 0;
  // Of the device, when it still has the queue's context.
  std::optional<hw::QueueSnapshot> snapshot;
  std::string client_name;
};

// A call that waits for a queue to be suspended.
class SuspendWait {
 public:
  virtual ~SuspendWait() = default;
  // Once, with no lock held. The statuses of the RPC SuspendQueue.
  virtual void OnAnswered(const absl::Status& status) = 0;
};
using SuspendWaits = absl::InlinedVector<std::shared_ptr<SuspendWait>, 1>;

// Calls that wait for one queue to be suspended.
inline constexpr size_t kSuspendWaitsMax = 16;
// Bytes of a name: MAX_FENCE_NAME_LEN of the kernel's xe driver.
inline constexpr size_t kQueueNameBytesMax = 16;

// The engines that lane 0 may run on, as hw::QueueSpec::logical_mask. INVALID_ARGUMENT: `width` or the number of
// `placements` out of range, or lanes that do not stand side by side. NOT_FOUND: no such engine. Source of the rules:
// Linux drivers/gpu/drm/xe/xe_exec_queue.c, calc_validate_logical_mask.
absl::StatusOr<uint32_t> LogicalMask(const hw::DeviceInfo& device, const QueueSpec& spec);
// The placements that a queue without any is given: the instances of the engines from the mask's on.
absl::InlinedVector<uint32_t, 4> DefaultPlacements(const hw::DeviceInfo& device, const QueueSpec& spec, uint32_t mask);

// INVALID_ARGUMENT: a time out of range. PERMISSION_DENIED: a priority above the session's.
absl::Status CheckProps(const hw::SchedProps& props, hw::Priority priority_max);

// "bcs7": the class and the handle.
std::string DefaultName(hw::EngineClass engine_class, uint64_t handle);

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_QUEUE_PROPERTIES_H_
