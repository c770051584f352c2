// A session: what one client made, and the fences of its jobs.
//
// A session hands out handles for VMs, buffers and queues, arms jobs in an order that is the same for the client and
// for the scheduler, keeps the ends of fences for those who ask, and takes everything down when it is closed.
#ifndef XEQ_SERVER_SESSION_SESSION_H_
#define XEQ_SERVER_SESSION_SESSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "hw/mutex.h"
#include "server/sched/device_loop.h"
#include "server/sched/observer.h"
#include "server/session/event_log.h"
#include "server/session/fence_table.h"
#include "server/session/handle_table.h"
#include "server/session/job_spec.h"
#include "server/session/lease.h"
#include "server/session/limits.h"
#include "server/session/queue_properties.h"
#include "server/session/recorder.h"
#include "server/session/submit_log.h"
#include "server/session/syncobj.h"
#include "server/session/syncobj_wait.h"
#include "server/session/watch.h"

namespace xeq::session {

struct BufferInfo {
  uint64_t buffer = 0;
  uint64_t size_bytes = 0;
};

struct SessionOptions {
  std::string client_name;
  SessionLimits limits;
  hw::Nanos lease_ns = kLeaseMsDefault * hw::kNanosPerMilli;
};

// Thread-safe. Shared, because the scheduler tells it of its jobs until the last of them has ended, which may be after
// it was closed. Every function may give NOT_FOUND: the session is closed. `loop` and `recorder` outlive it.
class Session : public sched::Observer, public std::enable_shared_from_this<Session> {
 public:
  Session(sched::DeviceLoop& loop, Recorder& recorder, SessionOptions options, hw::Nanos now);

  Lease& lease() { return lease_; }
  const SessionLimits& limits() const { return options_.limits; }

  // ---- Objects. May block for an allocation of the device. Statuses are those of the API's RPC of the same name.
  absl::StatusOr<uint64_t> CreateVm(bool long_running = false);
  absl::Status DestroyVm(uint64_t vm);
  absl::StatusOr<BufferInfo> CreateBuffer(uint64_t size_bytes, uint32_t region);
  absl::Status DestroyBuffer(uint64_t buffer);
  // Hold it no longer than one access takes.
  absl::StatusOr<std::shared_ptr<hw::Buffer>> FindBuffer(uint64_t buffer);
  absl::StatusOr<QueueInfo> CreateQueue(const QueueSpec& spec);
  absl::StatusOr<QueueInfo> GetQueue(uint64_t queue);
  absl::Status DestroyQueue(uint64_t queue);
  // The properties that are given, when all of them are allowed.
  absl::Status SetQueueProperties(uint64_t queue, const QueueProperties& properties);
  // `wait` is told once the queue is off the engine, or why it will not be, unless ForgetSuspend comes first.
  absl::Status SuspendQueue(uint64_t queue, std::shared_ptr<SuspendWait> wait);
  void ForgetSuspend(uint64_t queue, const SuspendWait& wait);
  absl::Status ResumeQueue(uint64_t queue);
  // Its jobs end with kCancelled, and it takes no more. Idempotent.
  absl::Status KillQueue(uint64_t queue);
  // Those with a handle above `after`, in no order. None of a closed session.
  std::vector<QueueInfo> ListQueues(uint64_t after);

  // ---- Jobs. All of `specs` are armed, with their fences in `points` (of the same size), or none. Does not block.
  // When `combined` is not null, it becomes one more fence, which ends when all of them have. A `number` other than 0
  // that was used before: nothing is armed, and the answer of then is given again.
  absl::Status Submit(absl::Span<const JobSpec> specs, hw::Nanos now, absl::Span<sched::Point> points,
                      sched::Point* combined, uint64_t number = 0);
  // Bind and Unbind. May block for the memory of page tables.
  absl::StatusOr<sched::Point> Map(const MapSpec& spec);

  // ---- Fences that the client ends itself. Their timelines share queues_max with the queues.
  absl::StatusOr<uint64_t> CreateHostTimeline();
  absl::Status DestroyHostTimeline(uint64_t timeline);
  absl::StatusOr<sched::Point> ArmHostFence(uint64_t timeline, uint32_t expires_ms, hw::Nanos now);
  absl::Status SignalHostFence(const sched::Point& point, bool failed);

  // ---- Syncobjs. Lists are carried out wholly or, on an error, not at all.
  absl::StatusOr<uint64_t> CreateSyncobj(bool signaled);
  // INVALID_ARGUMENT: unknown. Waits are not disturbed.
  absl::Status DestroySyncobj(uint64_t syncobj);
  absl::Status ResetSyncobjs(absl::Span<const uint64_t> syncobjs);
  absl::Status SignalSyncobjs(absl::Span<const SyncobjPoint> points);
  // The highest signalled points, or the newest that were submitted.
  absl::Status QuerySyncobjs(absl::Span<const uint64_t> syncobjs, bool last_submitted, absl::Span<uint64_t> points);
  // Gives `to` what `from` stands for.
  absl::Status TransferSyncobj(const SyncobjPoint& from, const SyncobjPoint& to);
  // See SyncobjTable. CancelWait ends it; then the result stands.
  absl::StatusOr<bool> StartSyncobjWait(SyncobjWait& wait, bool keep);
  absl::StatusOr<SyncobjWaitResult> ResultOf(const SyncobjWait& wait);

  // ---- Fences. See FenceTable. They work on a closed session too, whose fences still end.
  absl::Status FenceStatuses(const FenceWait& wait, std::vector<FenceStatus>& statuses, bool& met);
  absl::StatusOr<bool> StartWait(FenceWait& wait);
  void CancelWait(FenceWait& wait);

  // ---- The event log. OUT_OF_RANGE: events after `after_event` are not kept. RESOURCE_EXHAUSTED: watches_max.
  absl::Status StartWatch(std::shared_ptr<Watch> watch, uint64_t after_event);
  // OUT_OF_RANGE: the watch was too slow. A read that gives nothing asks for OnEvents.
  absl::StatusOr<WatchedEvents> ReadEvents(Watch& watch, absl::Span<Event> events);
  void StopWatch(Watch& watch);

  // Takes everything down: jobs are cancelled, memory is given back as soon as the device lets go of it. Idempotent.
  void Close(CloseReason reason);

  // ---- sched::Observer.
  void OnFinished(absl::Span<sched::Job* const> jobs) override;
  void OnBanned(sched::ContextId context, const sched::Result& cause) override;
  void OnSuspended(sched::ContextId context, absl::Status status) override;
  void OnInactive(sched::ContextId context) override;

 private:
  struct Vm {
    std::shared_ptr<hw::Vm> hw;
    Context* context;
    bool long_running = false;
  };
  struct Queue {
    QueueSpec spec;
    Context* context;
    // Set when it was banned: how the job that did it ended.
    std::optional<sched::Result> ban;
    bool killed = false;
    SuspendWaits suspends;
  };
  // A job on its way from a request to the scheduler.
  struct Planned {
    sched::Ref<sched::Job> job;
    Context* context = nullptr;
    hw::EngineClass engine_class = hw::EngineClass::kRender;
  };
  using Plan = absl::InlinedVector<Planned, 4>;
  // A payload on its way into a syncobj. It is put there at once, where the jobs behind it in the call see it, and
  // taken back when the call fails before the lock is let go.
  struct PlannedSignal {
    sched::Ref<Payload> payload;
    // Set when it was put.
    Syncobj* syncobj = nullptr;
    Syncobj::State before;
  };
  using Signals = absl::InlinedVector<PlannedSignal, 4>;
  // RESOURCE_EXHAUSTED: syncobj_payloads_max.
  absl::StatusOr<Signals> MakeSignals(size_t count) const;
  // `field` gives the path of the point in the request, with a dot behind it.
  absl::Status Put(const SyncobjPoint& point, FenceTable::Field field, PlannedSignal& signal)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void TakeBack(Signals& signals);
  // From here on others see them.
  void Publish(const Signals& signals, MetWaits& met) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(MetWaits& met);

  // Submit; `roomy` jobs have memory for as many waits as there may be. ABORTED: they would have to be.
  // True: a call with the number was answered before, and `points` and `combined` are what it was answered.
  absl::StatusOr<bool> AnswerAgain(uint64_t number, absl::Span<sched::Point> points, sched::Point* combined) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TrySubmit(absl::Span<const JobSpec> specs, hw::Nanos now, bool roomy, absl::Span<sched::Point> points,
                         sched::Point* combined, SubmitAnswer& answer);
  // A timeline for one fence, of which `points` says what it waits for.
  absl::Status PlanCombined(absl::Span<const sched::Point> points, Planned& planned)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Status CheckOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckClosing(absl::string_view limit, uint32_t max) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  QueueInfo Describe(uint64_t handle, const Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes a timeline known here and to the scheduler.
  absl::StatusOr<Context*> AddContext(sched::QueueSpec spec, std::unique_ptr<hw::Queue> hardware)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The other end of it: its handle is gone. May free the context.
  void CloseContext(Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Not OK: the queue is banned or was killed.
  static absl::Status CheckRuns(uint64_t handle, const Queue& queue);
  // Not null.
  absl::StatusOr<Queue*> FindRunning(uint64_t handle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Status CheckQuota(size_t jobs) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Finds the queue and the waits of the job with the index. Changes nothing that clients see.
  absl::Status PlanJob(const JobSpec& spec, size_t index, absl::Span<sched::Point> points, Planned& planned)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives a job of the context `own` the in-fences that have not ended, or the failure of one that has. The points
  // `earlier` are those of the jobs in front of it in Submit, where it has the index `index`.
  absl::Status ResolveWaits(absl::Span<const InFence> waits, const Context& own, absl::Span<const sched::Point> earlier,
                            std::optional<size_t> index, sched::Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The same for the syncobj that `wait` names. Of several failures the first becomes `failure`.
  absl::Status ResolveSyncobj(const InFence& wait, const Context& own, FenceTable::Field prefix, size_t number,
                              sched::Job& job, sched::Result& failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AwaitMember(const sched::Point& point, sched::WaitErrorPolicy policy, FenceTable::Field prefix,
                           sched::Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // INVALID_ARGUMENT: more than kWaitsPerJobMax. ABORTED: memory for fewer was taken.
  static absl::Status AddWait(sched::Job& job, sched::Wait wait, FenceTable::Field prefix);
  // The point of no return.
  sched::Point ArmAndPost(sched::Ticket& ticket, sched::Ref<sched::Job> job, Context& context, hw::Nanos now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  using Watches = absl::InlinedVector<std::shared_ptr<Watch>, 16>;
  // The watches that have asked to hear of events.
  void TakeIdleWatches(Watches& idle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(const Watches& watches);

  sched::DeviceLoop& loop_;
  Recorder& recorder_;
  const SessionOptions options_;
  Lease lease_;
  // Bytes of the session's buffers that have not been freed. Shared, because mappings may outlive the session.
  const std::shared_ptr<std::atomic<uint64_t>> buffer_bytes_;
  // Of the session's syncobjs, and of waits that hold them.
  const std::shared_ptr<PayloadBudget> payloads_;

  hw::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  HandleTable<Vm> vms_ ABSL_GUARDED_BY(mutex_);
  HandleTable<std::shared_ptr<hw::Buffer>> buffers_ ABSL_GUARDED_BY(mutex_);
  HandleTable<Queue> queues_ ABSL_GUARDED_BY(mutex_);
  // Counted among the queues.
  absl::flat_hash_map<uint64_t, Context*> host_timelines_ ABSL_GUARDED_BY(mutex_);
  FenceTable fences_ ABSL_GUARDED_BY(mutex_);
  SyncobjTable syncobjs_ ABSL_GUARDED_BY(mutex_);
  EventLog events_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mutex_);
  SubmitLog submits_ ABSL_GUARDED_BY(mutex_);
  uint64_t jobs_in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_SESSION_H_
