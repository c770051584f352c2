// What libxeq speaks of. Sizes and addresses are bytes, times nanoseconds unless their name says otherwise.
#ifndef XEQ_CLIENT_INCLUDE_XEQ_TYPES_H_
#define XEQ_CLIENT_INCLUDE_XEQ_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace xeq {

// Values are those of the kernel (drm/xe_drm.h).
enum class EngineClass { kRender = 0, kCopy = 1, kVideoDecode = 2, kVideoEnhance = 3, kCompute = 4 };

enum class QueuePriority { kLow, kNormal, kHigh };

// A point on the timeline of a queue or of a VM's binds. A value: copy it, store it, wait for it as often as you like.
struct Fence {
  uint64_t context = 0;
  // From 1.
  uint64_t seqno = 0;
  friend bool operator==(const Fence&, const Fence&) = default;
};

// A syncobj by its handle, or one point of it; point 0 is what it holds as a whole.
struct SyncobjPoint {
  uint64_t syncobj = 0;
  uint64_t point = 0;
};

enum class FenceState { kPending, kSignaled, kFailed };

struct FenceStatus {
  Fence fence;
  FenceState state = FenceState::kPending;
  // Why, when it failed: see ErrorReason and ErrorMetadata (xeq/error.h).
  absl::Status error;
};

// Of a job whose in-fence failed: not run and failed too; run all the same; or not run, without a failure for those
// that wait for it.
enum class OnError { kFail, kRun, kSkip };

// Where one job's time went; 0 for a stage that it did not reach.
struct JobTimes {
  uint64_t dependency_wait_ns = 0;
  uint64_t queue_wait_ns = 0;
  uint64_t gpu_start_delay_ns = 0;
  uint64_t execution_ns = 0;
  uint64_t signal_ns = 0;
  uint64_t notify_ns = 0;
};

// The end of one fence, as a watch tells it.
struct FenceEvent {
  // From 1, without gaps, per session.
  uint64_t number = 0;
  FenceStatus status;
  JobTimes times;
};

struct EngineInfo {
  EngineClass engine_class = EngineClass::kRender;
  uint32_t instance = 0;
  // As in the kernel: "bcs0".
  std::string name;
};

struct MemoryRegionInfo {
  uint32_t id = 0;
  bool is_vram = false;
  uint64_t size_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t page_bytes = 0;
};

struct DeviceInfo {
  std::string id;
  uint32_t vendor_id = 0;
  uint32_t device_id = 0;
  std::string name;
  std::string backend;
  std::string submission;
  std::vector<EngineInfo> engines;
  std::vector<MemoryRegionInfo> memory_regions;
  uint64_t timestamp_frequency_hz = 0;
  uint32_t jobs_per_submit_max = 0;
  uint32_t waits_per_job_max = 0;
  uint32_t waits_per_call_max = 0;
  uint32_t signals_per_job_max = 0;
  uint32_t syncobjs_per_call_max = 0;
  uint32_t points_per_syncobj_max = 0;
  std::string service_version;
};

enum class QueueState { kUsable, kSuspendPending, kSuspended, kBanned, kKilled, kLost };

// What a queue has on the device.
struct QueueUse {
  // Time on engines so far.
  uint64_t run_ticks = 0;
  uint64_t run_ns = 0;
  // In the ring, and for how many it has room.
  uint32_t jobs = 0;
  uint32_t jobs_max = 0;
  uint32_t ring_bytes_used = 0;
  uint32_t ring_bytes = 0;
  // In the status page: they wrap at 2^32.
  uint32_t next_hw_seqno = 0;
  uint32_t hw_seqno = 0;
  bool is_idle = false;
  bool ring_full = false;
};

struct QueueInfo {
  uint64_t queue = 0;
  uint64_t vm = 0;
  EngineClass engine_class = EngineClass::kRender;
  uint32_t engine_instance = 0;
  QueuePriority priority = QueuePriority::kNormal;
  uint32_t job_timeout_ms = 0;
  // See QueueOptions.
  uint32_t width = 1;
  bool bypass = true;
  bool deferred_put = false;
  std::vector<uint32_t> placements;
  uint32_t timeslice_us = 0;
  uint32_t preempt_timeout_us = 0;
  bool low_latency = false;
  std::string name;
  uint32_t msix_vector = 0;
  QueueState state = QueueState::kUsable;
  // When it is banned: how the job that did it ended.
  absl::Status ban;
  // Empty before the first submit.
  std::optional<FenceStatus> last_fence;
  // Empty when the device has let go of the queue.
  std::optional<QueueUse> use;
  uint64_t last_armed_seqno = 0;
  uint64_t last_ended_seqno = 0;
  std::string client_name;
};

}  // namespace xeq

#endif  // XEQ_CLIENT_INCLUDE_XEQ_TYPES_H_
