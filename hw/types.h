// The words in which the server and a device talk: engines, memory, jobs and how they ended.
#ifndef XEQ_HW_TYPES_H_
#define XEQ_HW_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xeq::hw {

// Pages of the GPU's address spaces, and the unit of binds.
inline constexpr uint64_t kPageBytes = 4096;
// 4-level PPGTT (reference: Gen8+ legacy 64-bit context).
inline constexpr uint32_t kVaBits = 48;
// MI commands are fetched by quadwords.
inline constexpr uint32_t kBatchAlignmentBytes = 8;
// Batches of one job: XE_HW_ENGINE_MAX_INSTANCE of the kernel's xe driver.
inline constexpr size_t kBatchesPerJobMax = 9;

// Values are the kernel's DRM_XE_ENGINE_CLASS_* (drm/xe_drm.h).
enum class EngineClass : uint8_t { kRender = 0, kCopy = 1, kVideoDecode = 2, kVideoEnhance = 3, kCompute = 4 };
inline constexpr size_t kEngineClassCount = 5;

// The prefix of an engine's name and the metrics' label `engine`: rcs, bcs, vcs, vecs, ccs.
std::string_view EngineClassName(EngineClass engine_class);

// Order as in the kernel; only the service itself may use kKernel.
enum class Priority : uint8_t { kLow = 0, kNormal = 1, kHigh = 2, kKernel = 3 };

// How a queue's contexts share their engines. Limits and defaults are those of Linux
// drivers/gpu/drm/xe/Kconfig.profile.
struct SchedProps {
  Priority priority = Priority::kNormal;
  // How long a context may keep others of its priority waiting. kSchedUsMin to kSchedUsMax.
  uint32_t timeslice_us = 1'000;
  // How long a context may take to leave its engine when it is asked to; after that its job counts as hung and is
  // taken off by a reset. kSchedUsMin to kSchedUsMax.
  uint32_t preempt_timeout_us = 640'000;
  friend bool operator==(const SchedProps&, const SchedProps&) = default;
};
inline constexpr uint32_t kSchedUsMin = 1;
inline constexpr uint32_t kSchedUsMax = 10'000'000;

// Bits of QueueSpec::flags. Values are the kernel's EXEC_QUEUE_FLAG_* (Linux drivers/gpu/drm/xe/xe_exec_queue_types.h).
namespace queue_flag {
// The service's own: may use Priority::kKernel, and a hang of it is the device's fault.
inline constexpr uint32_t kKernel = 1u << 0;
// Lives as long as the device.
inline constexpr uint32_t kPermanent = 1u << 1;
// Carries binds.
inline constexpr uint32_t kVm = 1u << 2;
// Of a bind queue on several GTs: not the first.
inline constexpr uint32_t kBindEngineChild = 1u << 3;
// With kKernel: Priority::kKernel.
inline constexpr uint32_t kHighPriority = 1u << 4;
// Its jobs go to the engine before others of their priority that only just came.
inline constexpr uint32_t kLowLatency = 1u << 5;
// Runs in the driver's own address space, which reaches all memory.
inline constexpr uint32_t kMigrate = 1u << 6;
}  // namespace queue_flag

// Where a queue stands on the device: the state machine of suspend, resume and kill. Legal steps are in
// hw/xe/queue_state_machine.h.
enum class QueueState : uint8_t {
  // Its jobs run.
  kRunning,
  // Asked to leave the engine, and perhaps still on it.
  kSuspendPending,
  // Off the engine; what is submitted waits in the ring.
  kSuspended,
  // Its client or the service stopped it for good.
  kKilled,
  // A job of it faulted or hung: stopped for good.
  kBanned,
  // The device answers no more.
  kLost,
};
// "running", "suspend_pending", ...
std::string_view QueueStateName(QueueState state);

// What the device knows of a queue at one moment. All of it may have changed when the reader looks at it.
struct QueueSnapshot {
  QueueState state = QueueState::kRunning;
  SchedProps props = {};
  uint32_t flags = 0;
  uint16_t msix_vector = 0;
  // Jobs in the ring, and for how many it has room.
  uint32_t jobs = 0;
  uint32_t jobs_max = 0;
  uint32_t ring_bytes_used = 0;
  uint32_t ring_bytes = 0;
  // Of lane 0: the seqno of the next job in the ring, and of the last that has ended.
  uint32_t next_hw_seqno = 0;
  uint32_t hw_seqno = 0;
  // Time on engines so far: CTX_TIMESTAMP of lane 0, times the width. Ticks of DeviceInfo::timestamp_frequency_hz.
  uint64_t run_ticks = 0;
  // No job is in any ring.
  bool is_idle() const { return jobs == 0; }
  bool ring_full() const { return jobs >= jobs_max; }
  // It will never run again: xe_exec_queue_ops.reset_status.
  bool is_dead() const { return state >= QueueState::kKilled; }
};

struct EngineInfo {
  EngineClass engine_class;
  // As the hardware counts: vcs2 is instance 2.
  uint16_t instance;
  // "bcs0".
  std::string name;
};

enum class MemoryKind : uint8_t { kSystem, kVram };

struct MemoryRegion {
  uint16_t id;
  MemoryKind kind;
  uint64_t size_bytes;
  uint64_t page_bytes;
};

struct DeviceInfo {
  // PCI address, "0000:00:02.0".
  std::string id;
  // "Tiger Lake GT2 (model)".
  std::string name;
  // model, vfio or drm.
  std::string backend;
  // execlist, guc or kernel.
  std::string submission;
  uint16_t vendor_id;
  uint16_t device_id;
  std::vector<EngineInfo> engines;
  // Region 0 is system memory.
  std::vector<MemoryRegion> regions;
  uint64_t timestamp_frequency_hz;
  // Jobs of one queue that may be on the device at one time.
  uint32_t jobs_per_queue_max;
  // Interrupt vectors that queues can be put on; 1 where the device has no MSI-X.
  uint16_t interrupt_vectors = 1;
};

// The place of an engine among those of its class in DeviceInfo::engines: bit of QueueSpec::logical_mask. Nothing when
// the device has not such an engine.
std::optional<uint32_t> LogicalInstance(const DeviceInfo& info, EngineClass engine_class, uint16_t instance);

// How a job left the device.
enum class JobStatus : uint8_t {
  kOk,
  // The command streamer met a command that the engine does not know.
  kInvalidCommand,
  // The batch touched an address that is not bound.
  kPageFault,
  // Taken off the engine because it ran too long.
  kHang,
  // Taken off the engine, or never begun, because its queue was cancelled.
  kCancelled,
  kDeviceLost,
};

// What the engine was doing when a job failed. Zero where the device could not tell.
struct FaultInfo {
  // Header dword of the command (IPEHR).
  uint32_t command = 0;
  // Virtual address of the command (ACTHD).
  uint64_t command_address = 0;
  // Virtual address that is not bound, for kPageFault.
  uint64_t fault_address = 0;
};

// The end of one job on the device. Times are of hw/clock.h, 0 where the job did not get that far.
struct Completion {
  // As given to Device::CreateQueue, and to Device::Submit.
  uint64_t context = 0;
  uint64_t seqno = 0;
  // Queue::owner.
  void* owner = nullptr;
  JobStatus status = JobStatus::kOk;
  FaultInfo fault;
  // When the engine passed the job's first and last command, from its timestamp register.
  int64_t gpu_start_ns = 0;
  int64_t gpu_end_ns = 0;
  // How long the job's context was on the engine, from the context timestamp.
  int64_t gpu_time_ns = 0;
};

}  // namespace xeq::hw

#endif  // XEQ_HW_TYPES_H_
