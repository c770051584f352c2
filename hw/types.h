// The words in which the server and a device talk: engines, memory, jobs and how they ended.
#ifndef XEQ_HW_TYPES_H_
#define XEQ_HW_TYPES_H_

#include <cstddef>
#include <cstdint>
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
};

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
