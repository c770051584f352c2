// libxeq: a session with xeqd, and what a client makes in it. Calls block until the service has answered or their
// deadline has passed. All types may be used from several threads; a moved-from one may only be destroyed or assigned.
//
//   auto client = xeq::Client::Connect("127.0.0.1:50551");
//   auto session = client->OpenSession();
//   auto vm = session->CreateVm();
//   auto buffer = session->CreateBuffer(8192);
//   auto bound = vm->Bind(*buffer, /*address=*/0x100000);
//   auto queue = session->CreateQueue(*vm, xeq::EngineClass::kCopy);
//   auto fence = queue->Submit(/*batch_address=*/0x100000, {*bound});
//   session->Wait(*fence);
#ifndef XEQ_CLIENT_INCLUDE_XEQ_CLIENT_H_
#define XEQ_CLIENT_INCLUDE_XEQ_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "xeq/syncobj.h"
#include "xeq/types.h"

namespace xeq {

namespace internal {
struct Connection;
struct SessionState;
struct Handle;
class WatchStream;
}  // namespace internal

// How far an upload or download is; called from the thread that called Write or Read.
using Progress = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;

// Memory of the GPU. Its handle is given back when this is destroyed; the memory when it is not mapped any more.
class Buffer {
 public:
  Buffer(Buffer&&) noexcept;
  Buffer& operator=(Buffer&&) noexcept;
  ~Buffer();

  uint64_t handle() const;
  // A multiple of the region's page size.
  uint64_t size_bytes() const { return size_bytes_; }
  // In chunks, whatever the size. Not ordered against jobs: wait for those that use the range. INVALID_ARGUMENT: the
  // range is not in the buffer.
  absl::Status Write(uint64_t offset, absl::Span<const std::byte> data, const Progress& progress = nullptr);
  absl::Status Read(uint64_t offset, absl::Span<std::byte> data, const Progress& progress = nullptr) const;
  // For batches.
  absl::Status Write(uint64_t offset, absl::Span<const uint32_t> dwords);

 private:
  friend class Session;
  Buffer(std::unique_ptr<internal::Handle> handle, uint64_t size_bytes);
  std::unique_ptr<internal::Handle> handle_;
  uint64_t size_bytes_;
};

// An address space of 48 bits.
class Vm {
 public:
  Vm(Vm&&) noexcept;
  Vm& operator=(Vm&&) noexcept;
  ~Vm();

  uint64_t handle() const;
  // Maps [offset, offset + size) of the buffer (size 0: to its end) at `address` when all of `waits` have ended; the
  // fence ends when it is mapped. Multiples of 4096.
  absl::StatusOr<Fence> Bind(const Buffer& buffer, uint64_t address, uint64_t offset = 0, uint64_t size_bytes = 0,
                             absl::Span<const Fence> waits = {});
  absl::StatusOr<Fence> Unbind(uint64_t address, uint64_t size_bytes, absl::Span<const Fence> waits = {});

 private:
  friend class Session;
  explicit Vm(std::unique_ptr<internal::Handle> handle);
  std::unique_ptr<internal::Handle> handle_;
};

struct QueueOptions {
  // Empty: the first engine of the class.
  std::optional<uint32_t> engine_instance;
  QueuePriority priority = QueuePriority::kNormal;
  // How long a job may be on the engine; 0: the service's default.
  uint32_t job_timeout_ms = 0;
  // Engines that each job runs on at the same time, with a batch for each.
  uint32_t width = 1;
  // Submits may hand their jobs to the device by themselves. Off: for queues that are fed by large batches.
  bool bypass = true;
  // The memory of ended jobs goes back later, on a thread of its own. For queues whose jobs free much.
  bool deferred_put = false;
  // Engine instances that the jobs may run on: entry p * width + l is where lane l runs in placement p.
  std::vector<uint32_t> placements = {};
  // How long a job may keep others of its priority waiting; how long the queue may take to leave its engine. 0: the
  // service's defaults.
  uint32_t timeslice_us = 0;
  uint32_t preempt_timeout_us = 0;
  bool low_latency = false;
  // For people, at most 16 bytes. Empty: the engine class and the handle.
  std::string name = {};
  uint32_t msix_vector = 0;
};

// What may change of a queue; what is empty stays as it is.
struct QueueProperties {
  std::optional<QueuePriority> priority;
  std::optional<uint32_t> timeslice_us;
  std::optional<uint32_t> preempt_timeout_us;
};

// An execution queue. Destroying it cancels what has not ended.
class Queue {
 public:
  Queue(Queue&&) noexcept;
  Queue& operator=(Queue&&) noexcept;
  ~Queue();

  uint64_t handle() const;
  // Gives the handle away: the queue stays until its session is closed, or somebody destroys it.
  uint64_t Release() &&;
  // One job: its batch, and the fences that must have ended before. See Session::Submit.
  absl::StatusOr<Fence> Submit(uint64_t batch_address, absl::Span<const Fence> waits = {});
  absl::StatusOr<Fence> Submit(uint64_t batch_address, std::initializer_list<Fence> waits) {
    return Submit(batch_address, absl::MakeConstSpan(waits.begin(), waits.size()));
  }

 private:
  friend class Session;
  explicit Queue(std::unique_ptr<internal::Handle> handle);
  std::unique_ptr<internal::Handle> handle_;
};

// One job of Session::Submit.
struct Job {
  // Queue::handle.
  uint64_t queue = 0;
  // One virtual address for each engine that the queue is wide, each a multiple of 8. None: the job only waits.
  std::vector<uint64_t> batch_addresses;
  std::vector<Fence> waits;
  // Earlier jobs of the same Submit, by their index.
  std::vector<uint32_t> waits_on_jobs;
  // Of these, one is enough: the first that ends without a failure. Empty, or at least 2.
  std::vector<Fence> waits_on_any_of;
  // What these hold: earlier jobs of the same Submit have put their fences there already. It has to be something.
  std::vector<SyncobjPoint> waits_on_syncobjs;
  // Get the job's fence when all jobs of the call are armed: point 0 replaces what is there, another is added to it.
  std::vector<SyncobjPoint> signals;
  // Stored by the ring behind the batches: an address in the VM, a multiple of 8; 0: none.
  uint64_t user_fence_address = 0;
  uint64_t user_fence_value = 0;
  // What becomes of the job when something that it waits for fails.
  OnError on_error = OnError::kFail;
};

// Fences that the client ends itself. Destroying it cancels those that have not ended.
class HostTimeline {
 public:
  HostTimeline(HostTimeline&&) noexcept;
  HostTimeline& operator=(HostTimeline&&) noexcept;
  ~HostTimeline();

  // The next fence. It fails by itself after `expires`, which is 1 ms to an hour.
  absl::StatusOr<Fence> Arm(std::chrono::milliseconds expires = std::chrono::seconds(10));
  // Ends the fence, and those in front of it.
  absl::Status Signal(const Fence& fence, bool failed = false);

 private:
  friend class Session;
  explicit HostTimeline(std::unique_ptr<internal::Handle> handle);
  std::unique_ptr<internal::Handle> handle_;
};

struct WaitResult {
  // Whether the mode was met in time.
  bool satisfied = false;
  // In the order of the fences.
  std::vector<FenceStatus> statuses;
};

// The ends of a session's fences, in their order. Keeps the session alive while it is open.
class Watch {
 public:
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;
  ~Watch();

  // Blocks. OUT_OF_RANGE: the session is closed and everything was told. Another error: the stream broke; a new watch
  // after the last number goes on where it was.
  absl::StatusOr<FenceEvent> Next();

 private:
  friend class Session;
  explicit Watch(std::unique_ptr<internal::WatchStream> stream);
  std::unique_ptr<internal::WatchStream> stream_;
};

// What a client owns. Everything in it is torn down when this is destroyed.
class Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Random; whoever knows it can act for the session.
  uint64_t id() const;
  // `long_running`: jobs without a time limit and without fences that other jobs may wait for.
  absl::StatusOr<Vm> CreateVm(bool long_running = false);
  absl::StatusOr<Buffer> CreateBuffer(uint64_t size_bytes, uint32_t region = 0);
  absl::StatusOr<Queue> CreateQueue(const Vm& vm, EngineClass engine_class, const QueueOptions& options = {}) {
    return CreateQueue(vm.handle(), engine_class, options);
  }
  // In a VM by its handle.
  absl::StatusOr<Queue> CreateQueue(uint64_t vm, EngineClass engine_class, const QueueOptions& options = {});
  // All of `jobs` are armed, each with its fence in the answer, or none. While the service says that it is busy and
  // when to come back, this does, until the deadline.
  absl::StatusOr<std::vector<Fence>> Submit(absl::Span<const Job> jobs);
  // The same, with one fence more at the end of the answer, which ends when all jobs have.
  absl::StatusOr<std::vector<Fence>> SubmitCombined(absl::Span<const Job> jobs);
  absl::StatusOr<HostTimeline> CreateHostTimeline();
  // Holds nothing, or what is signalled already.
  absl::StatusOr<Syncobj> CreateSyncobj(bool signaled = false);
  // For several at once: all of them or, on an error, none. At most DeviceInfo::syncobjs_per_call_max, at least 1.
  absl::Status ResetSyncobjs(absl::Span<const uint64_t> syncobjs);
  absl::Status SignalSyncobjs(absl::Span<const SyncobjPoint> points);
  absl::StatusOr<std::vector<uint64_t>> QuerySyncobjs(absl::Span<const uint64_t> syncobjs, bool last_submitted = false);
  // Gives `to` what `from` stands for. Waits at most 5 s for it to be submitted, 0: not at all.
  absl::Status TransferSyncobj(const SyncobjPoint& from, const SyncobjPoint& to,
                               std::chrono::milliseconds wait_for_submit = std::chrono::milliseconds(0));
  // INVALID_ARGUMENT: nothing was submitted for one of them, and `options` do not wait for that.
  absl::StatusOr<SyncobjWaitResult> WaitSyncobjs(absl::Span<const SyncobjPoint> points,
                                                 const SyncobjWaitOptions& options = {});
  // OK: the fence has ended with success. Its error when it failed. DEADLINE_EXCEEDED: not within `timeout`.
  absl::Status Wait(const Fence& fence, std::chrono::milliseconds timeout = std::chrono::seconds(30));
  absl::StatusOr<WaitResult> Wait(absl::Span<const Fence> fences, WaitMode mode, std::chrono::milliseconds timeout);
  // Events after the number; 0: from the first.
  absl::StatusOr<Watch> WatchFences(uint64_t after_event = 0);

  // ---- Queues of this session by their handles.
  absl::StatusOr<QueueInfo> GetQueue(uint64_t queue);
  // Count from the next scheduling decision on.
  absl::Status SetQueueProperties(uint64_t queue, const QueueProperties& properties);
  // Returns when the queue is off its engine. DEADLINE_EXCEEDED: not in time (SUSPEND_PENDING), or it would not and is
  // banned (SUSPEND_TIMED_OUT).
  absl::Status SuspendQueue(uint64_t queue, std::chrono::milliseconds timeout = std::chrono::seconds(10));
  absl::Status ResumeQueue(uint64_t queue);
  // Stops it for good; it can still be looked at.
  absl::Status KillQueue(uint64_t queue);

 private:
  friend class Client;
  friend class Queue;
  friend class Syncobj;
  absl::StatusOr<std::vector<Fence>> SubmitJobs(absl::Span<const Job> jobs, bool combined);
  explicit Session(std::shared_ptr<internal::SessionState> state);
  std::shared_ptr<internal::SessionState> state_;
};

struct ClientOptions {
  // Shown to operators, at most 128 bytes.
  std::string name = "libxeq";
  // Of each call that does not say otherwise, retries included.
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
  // How long a session outlives its last call; 0: the service's default.
  uint32_t lease_ms = 0;
};

class Client {
 public:
  // HOST:PORT or unix:PATH. UNAVAILABLE: nobody answers within the timeout.
  static absl::StatusOr<Client> Connect(const std::string& address, const ClientOptions& options = {});
  // A session that somebody else opened and told the id of: for waiting on its fences. It is not closed here.
  absl::StatusOr<Session> AdoptSession(uint64_t session_id);

  absl::StatusOr<Session> OpenSession();
  absl::StatusOr<DeviceInfo> GetDevice();
  // The queues of all sessions.
  absl::StatusOr<std::vector<QueueInfo>> ListQueues();

 private:
  explicit Client(std::shared_ptr<internal::Connection> connection);
  std::shared_ptr<internal::Connection> connection_;
};

}  // namespace xeq

#endif  // XEQ_CLIENT_INCLUDE_XEQ_CLIENT_H_
