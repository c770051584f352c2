// What the server may ask of a GPU, and the Listener through which it hears back.
#ifndef XEQ_HW_DEVICE_H_
#define XEQ_HW_DEVICE_H_

#include <cstdint>
#include <memory>
#include <vector>

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
  // The region in which its bytes lie now.
  virtual uint16_t region() const = 0;
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

struct VmSpec {
  // Jobs have no time limit, and end no fence that others may wait for; they are taken off the engine when memory is
  // to be moved.
  bool long_running = false;
};

struct QueueSpec {
  // Comes back in Completion::context.
  uint64_t context = 0;
  EngineClass engine_class = EngineClass::kRender;
  // On which engines the jobs may run: bit i is the i-th engine of the class in DeviceInfo::engines (the logical
  // instance). With several bits, each job of a queue of width 1 runs on whichever is free. Lane k of a parallel queue
  // runs on an engine of `logical_mask` << k, always the same.
  uint32_t logical_mask = 1;
  // Each job has so many batches, which run at the same time, each on an engine of its own. 1 to kBatchesPerJobMax.
  uint32_t width = 1;
  SchedProps props = {};
  // Of queue_flag.
  uint32_t flags = 0;
  // Interrupt vector that tells of its jobs. Below DeviceInfo::interrupt_vectors.
  uint16_t msix_vector = 0;
};

// A value that the ring stores behind a job's batches, into the job's address space. Address 0: none; else a multiple
// of 8 (struct drm_xe_sync, DRM_XE_SYNC_TYPE_USER_FENCE).
struct UserFence {
  uint64_t address = 0;
  uint64_t value = 0;
};

// A job for a queue's ring.
struct Submission {
  // Comes back in the Completion.
  uint64_t seqno = 0;
  // One virtual address for each lane of the queue. Only read in the call.
  absl::Span<const uint64_t> batches = {};
  UserFence user_fence = {};
};

// How a buffer gets into another region: the copy is a job of a queue with queue_flag::kMigrate, and when that has
// ended the bind makes every mapping lead to the new place. Until then all is as it was; when it goes unused, too.
struct MoveOp {
  // Batches in the driver's own address space, to be run one after another. Valid until `finish` is destroyed.
  std::vector<uint64_t> batches;
  std::unique_ptr<BindOp> finish;
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

// One GPU. Create*, Prepare* and Look may be called from any thread, and all but Look may block for an allocation. The
// others are called by one thread at a time, also by the completion source from within a call to the listener; they do
// not block on the GPU, and do not allocate.
class Device {
 public:
  // Implemented by whoever runs the device thread. Called from the device's completion source, never from within a
  // call into the device; must not block on anything that waits for the device.
  class Listener {
   public:
    virtual ~Listener() = default;
    // Jobs and binds that have ended; those of one queue in the order of their submission.
    virtual void OnCompletions(absl::Span<const Completion> completions) = 0;
    // Answers Suspend. OK: the queue's contexts have left their engines. DEADLINE_EXCEEDED: they would not, and the
    // queue is banned. ABORTED: the queue was cancelled, or resumed, before it came to that.
    virtual void OnSuspended(uint64_t context, void* owner, absl::Status status) = 0;
    // The device answers no more. Every job on it has been reported with kDeviceLost before.
    virtual void OnDeviceLost(absl::Status cause) = 0;
  };

  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // Begins delivery to `listener`, which must outlive Stop. Call once, before the first Submit.
  virtual absl::Status Start(Listener& listener) = 0;
  // Ends delivery; no call into the listener is running or will be made when it returns. Idempotent.
  virtual void Stop() = 0;

  // ---- Memory.
  // RESOURCE_EXHAUSTED: the region is full. INVALID_ARGUMENT: size 0, unknown region.
  virtual absl::StatusOr<std::shared_ptr<Buffer>> CreateBuffer(const BufferSpec& spec) = 0;
  // Bytes of a region that buffers occupy.
  virtual uint64_t RegionUsedBytes(uint16_t region) const = 0;
  // RESOURCE_EXHAUSTED: no memory for the root page table.
  virtual absl::StatusOr<std::shared_ptr<Vm>> CreateVm(const VmSpec& spec) = 0;
  // Takes the memory that the change may need at worst. INVALID_ARGUMENT: alignment, range, or offset outside the
  // buffer. RESOURCE_EXHAUSTED: no memory for page tables.
  virtual absl::StatusOr<std::unique_ptr<BindOp>> PrepareBind(std::shared_ptr<Vm> vm, const BindSpec& spec) = 0;
  // Takes the memory of the new place and of the copy. The caller sees to it that no job that uses the buffer runs
  // between the copy and the end of `finish`. RESOURCE_EXHAUSTED: the region is full. INVALID_ARGUMENT: unknown region,
  // or the buffer is there. UNIMPLEMENTED: the device has only one region.
  virtual absl::StatusOr<MoveOp> PrepareMove(std::shared_ptr<Buffer> buffer, uint16_t region) = 0;
  // Carries out a prepared change. True: it is done; no engine reaches what was unmapped. False: engines still hold
  // translations that they are asked to drop; when they have, `end` comes through the listener, its times filled in.
  // The op must live until then, and the memory it displaced is freed with it.
  virtual bool Bind(BindOp& op, const Completion& end) = 0;

  // ---- Queues.
  // NOT_FOUND: the device has not the engines. INVALID_ARGUMENT: placements that the class does not allow.
  // RESOURCE_EXHAUSTED: no memory or no GGTT space for the rings and the context images. `vm` is null with
  // queue_flag::kMigrate.
  virtual absl::StatusOr<std::unique_ptr<Queue>> CreateQueue(const QueueSpec& spec, std::shared_ptr<Vm> vm) = 0;
  // Hands a job to the queue's ring. At most DeviceInfo::jobs_per_queue_max of one queue may be on the device.
  virtual void Submit(Queue& queue, const Submission& job) = 0;
  virtual Progress CheckProgress(Queue& queue) = 0;
  // Count from the next scheduling decision on. Of a queue that is dead: without effect.
  virtual void SetProps(Queue& queue, const SchedProps& props) = 0;
  // Takes the queue's contexts off their engines until Resume. Listener::OnSuspended answers, once for all calls
  // that came before the answer. FAILED_PRECONDITION: the queue is dead; nothing changes and no answer follows.
  virtual absl::Status Suspend(Queue& queue) = 0;
  // Lets them run again. Without effect on a queue that is not suspended, and on one that is dead.
  virtual void Resume(Queue& queue) = 0;
  // Takes the queue's context off the hardware for good, by an engine reset if it is running; jobs of other queues are
  // not harmed. Completions follow through the listener: the oldest job on the device with `head_status` (unless it
  // had ended or failed by itself), the others with kCancelled. Nothing may be submitted to the queue afterwards.
  virtual void Cancel(Queue& queue, JobStatus head_status) = 0;
  virtual QueueSnapshot Look(Queue& queue) = 0;
};

}  // namespace xeq::hw

#endif  // XEQ_HW_DEVICE_H_
