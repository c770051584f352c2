// What the server may ask of a GPU, and the Listener through which it hears back.
#ifndef XEQ_HW_DEVICE_H_
#define XEQ_HW_DEVICE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hw/clock.h"
#include "hw/types.h"

namespace xeq::hw {

// Memory that the GPU can reach. Zeroed when made; freed when the last owner (a handle of a session, a mapping of a
// VM) lets go. Thread-safe; overlapping accesses from several threads, or from the GPU, are the client's affair.
class Buffer {
 public:
  virtual ~Buffer() = default;
  // A multiple of the region's page size.
  virtual uint64_t size_bytes() const = 0;
  // INVALID_ARGUMENT when the range is not in the buffer. May block for the time of the copy. An aligned dword or
  // quadword is copied in one piece.
  virtual absl::Status Write(uint64_t offset, absl::Span<const std::byte> data) = 0;
  virtual absl::Status Read(uint64_t offset, absl::Span<std::byte> data) const = 0;
};

// An address space. Freed when the last owner (a session's handle, a queue, a bind that has not run) lets go.
class Vm {
 public:
  virtual ~Vm() = default;
};

// A hardware context with its ring. Owned by the scheduler. It may be destroyed only when none of its jobs is on the
// device; the device itself keeps the context's memory until the engine has left it.
class Queue {
 public:
  virtual ~Queue() = default;
  // Of whoever submits; set before the first Submit, and given back in Completion::owner.
  void* owner = nullptr;
};

// A change of page tables that can no longer fail: all memory it may need was taken when it was prepared.
class BindOp {
 public:
  virtual ~BindOp() = default;
};

struct BufferSpec {
  uint64_t size_bytes = 0;
  uint16_t region = 0;
};

struct QueueSpec {
  // Comes back in Completion::context.
  uint64_t context = 0;
  EngineClass engine_class = EngineClass::kRender;
  uint16_t engine_instance = 0;
  Priority priority = Priority::kNormal;
  // Each job runs on so many engines of the class at once, from `engine_instance` on in the order of
  // DeviceInfo::engines. 1 to kBatchesPerJobMax.
  uint32_t width = 1;
};

// Maps `buffer` (or, when it is null, unmaps) at [address, address + size_bytes). All multiples of kPageBytes.
struct BindSpec {
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  std::shared_ptr<Buffer> buffer;
  uint64_t offset = 0;
};

// What a queue's oldest job on the device is doing.
struct Progress {
  // The engine has passed the job's first command.
  bool started = false;
  // How long its context has been on the engine since then.
  Nanos gpu_time_ns = 0;
};

// One GPU. Create* and PrepareBind may be called from any thread and may block for an allocation; Submit, Bind,
// CheckProgress and Cancel are called by one thread at a time, also by the completion source from within a call to the
// listener; they do not block on the GPU, and do not allocate.
class Device {
 public:
  // Implemented by whoever runs the device thread. Called from the device's completion source, never from within a
  // call into the device; must not block on anything that waits for the device.
  class Listener {
   public:
    virtual ~Listener() = default;
    // Jobs that have ended; those of one queue in the order of their submission.
    virtual void OnCompletions(absl::Span<const Completion> completions) = 0;
    // The device answers no more. Every job on it has been reported with kDeviceLost before.
    virtual void OnDeviceLost(absl::Status cause) = 0;
  };

  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // Begins delivery to `listener`, which must outlive Stop. Call once, before the first Submit.
  virtual absl::Status Start(Listener& listener) = 0;
  // Ends delivery; no call into the listener is running or will be made when it returns. Idempotent.
  virtual void Stop() = 0;

  // RESOURCE_EXHAUSTED: the region is full. INVALID_ARGUMENT: size 0, unknown region.
  virtual absl::StatusOr<std::shared_ptr<Buffer>> CreateBuffer(const BufferSpec& spec) = 0;
  // Bytes of a region that buffers occupy.
  virtual uint64_t RegionUsedBytes(uint16_t region) const = 0;
  // RESOURCE_EXHAUSTED: no memory for the root page table.
  virtual absl::StatusOr<std::shared_ptr<Vm>> CreateVm() = 0;
  // NOT_FOUND: no such engine. RESOURCE_EXHAUSTED: no memory or no GGTT space for the ring and the context image.
  virtual absl::StatusOr<std::unique_ptr<Queue>> CreateQueue(const QueueSpec& spec, std::shared_ptr<Vm> vm) = 0;
  // Takes the memory that the change may need at worst. INVALID_ARGUMENT: alignment, range, or offset outside the
  // buffer. RESOURCE_EXHAUSTED: no memory for page tables.
  virtual absl::StatusOr<std::unique_ptr<BindOp>> PrepareBind(std::shared_ptr<Vm> vm, const BindSpec& spec) = 0;

  // Hands a job to the queue's ring. At most DeviceInfo::jobs_per_queue_max of one queue may be on the device.
  // `batches` holds one virtual address for each lane of the queue. `seqno` comes back in the Completion.
  virtual void Submit(Queue& queue, uint64_t seqno, absl::Span<const uint64_t> batches) = 0;
  // Carries out a prepared change. When it returns, engines see the new page tables, and nothing reaches pages that
  // were unmapped; the memory they held may be freed in the call.
  virtual void Bind(BindOp& op) = 0;
  virtual Progress CheckProgress(Queue& queue) = 0;
  // Takes the queue's context off the hardware for good, by an engine reset if it is running; jobs of other queues are
  // not harmed. Completions follow through the listener: the oldest job on the device with `head_status` (unless it
  // had ended or failed by itself), the others with kCancelled. Nothing may be submitted to the queue afterwards.
  virtual void Cancel(Queue& queue, JobStatus head_status) = 0;
};

}  // namespace xeq::hw

#endif  // XEQ_HW_DEVICE_H_
