// One engine as the driver runs it: its two execlist ports, the contexts that want them, and its resets.
//
// The engine is given a list of two contexts at a time. It answers by entries in its context status buffer: a new list
// was taken (the one before it is no more), or the first context of the list ran out of commands. Until a list is
// taken, no other is handed over. Source: Linux drivers/gpu/drm/i915/gt/intel_execlists_submission.c.
#ifndef XEQ_HW_XE_HW_ENGINE_H_
#define XEQ_HW_XE_HW_ENGINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "hw/mutex.h"
#include "hw/pci/pci_function.h"
#include "hw/regs/engines.h"
#include "hw/types.h"
#include "hw/xe/context.h"
#include "hw/xe/gang.h"
#include "hw/xe/ggtt.h"
#include "hw/xe/siblings.h"
#include "hw/xe/ticks.h"

namespace xeq::hw::xe {

// Thread-safe: the device thread submits and cancels, the interrupt thread serves the engine.
class HwEngine {
 public:
  // `function` and `siblings`, which it joins, outlive it. `idle` is a context of the driver's own, for the engine to
  // run while nobody else's may.
  HwEngine(pci::PciFunction& function, const regs::EnginePlace& place, std::unique_ptr<pci::DmaMemory> status_page,
           GgttMapping status_mapping, std::unique_ptr<Lrc> idle, Siblings& siblings);
  HwEngine(const HwEngine&) = delete;
  HwEngine& operator=(const HwEngine&) = delete;
  // Resets the engine.
  ~HwEngine();

  const regs::EnginePlace& place() const { return place_; }
  // Brings the engine up; it runs nothing before.
  void Start() ABSL_LOCKS_EXCLUDED(siblings_.mutex);

  // ---- Contexts are found wherever they are: any engine of the class may be asked.
  // ---- Any thread.
  // One that may run on the engines of `mask`, by logical instance; this is one of them.
  Context* AddContext(uint64_t id, const SchedProps& props, std::unique_ptr<Lrc> lrc, uint32_t mask)
      ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // None of its jobs is on the engine. Freed here, or when the engine has left it.
  void RemoveContext(Context* context) ABSL_LOCKS_EXCLUDED(siblings_.mutex);

  // What it knows of the context as the first lane of `width`.
  QueueSnapshot Look(Context& context, uint32_t width) ABSL_LOCKS_EXCLUDED(siblings_.mutex);

  // ---- Device thread. See Device. True: the interrupt thread should have a look (NextLook, TakeDone, TakeAnswers).
  bool Submit(Context& context, void* owner, uint64_t seqno, uint64_t batch, const UserFence& user_fence)
      ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  bool Cancel(Context& context, JobStatus head_status) ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  bool SetProps(Context& context, const SchedProps& props) ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // FAILED_PRECONDITION: the context is dead. Otherwise an answer follows in TakeAnswers, unless one is due already.
  absl::StatusOr<bool> Suspend(Context& context) ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  bool Resume(Context& context) ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // `*jobs_ended` counts the context's jobs that have.
  Progress CheckProgress(Context& context, uint32_t* jobs_ended) ABSL_LOCKS_EXCLUDED(siblings_.mutex);

  // ---- Interrupt thread.
  // Deals with what the engine has told: `vector_bits` of its interrupt, or 0 for a look at the time.
  void Serve(uint32_t vector_bits, Nanos now) ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // When Serve is to look at the time: a time slice or a preemption ends. kNever: nothing is under way.
  Nanos NextLook() ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // Exchanges the ended jobs for an empty vector.
  void TakeDone(std::vector<LaneCompletion>& done) ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // How contexts left after Suspend; exchanged for an empty vector.
  void TakeAnswers(std::vector<SuspendAnswer>& answers) ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // A reset did not work. Everything has ended with kDeviceLost.
  bool lost() ABSL_LOCKS_EXCLUDED(siblings_.mutex);
  // Another engine is lost, and with it the device.
  void GiveUp() ABSL_LOCKS_EXCLUDED(siblings_.mutex);

 private:
  static constexpr size_t kPorts = 2;
  using Ports = std::array<Context*, kPorts>;
  static constexpr size_t kPriorities = 4;

  // Contexts in the order in which they came.
  class WaitingList {
   public:
    void PushBack(Context* context);
    void PushFront(Context* context);
    void Remove(Context* context);
    Context* first() const { return head_; }

   private:
    Context* head_ = nullptr;
    Context* tail_ = nullptr;
  };

  pci::RegOffset Reg(uint32_t offset) const { return {place_.base + offset}; }
  uint32_t Read(uint32_t offset) const { return function_.Read32(Reg(offset)); }
  void Write(uint32_t offset, uint32_t value) const { function_.Write32(Reg(offset), value); }

  // ---- hw_engine.cc: the public functions on a context whose home this is.
  bool SubmitHere(Context& context, uint64_t batch, const UserFence& user_fence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  bool SetPropsHere(Context& context, const SchedProps& props) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  absl::StatusOr<bool> SuspendHere(Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  bool ResumeHere(Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  bool CancelHere(Context& context, JobStatus head_status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  Progress CheckProgressHere(Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void RemoveHere(Context* context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // The home, locked with this.
  HwEngine& HomeOf(const Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex) { return *context.home; }

  // ---- execlist.cc: virtual queues.
  // An engine that the context may run on and that has nothing to do; null when there is none.
  HwEngine* FreeEngineFor(const Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  bool HasNothingToDo() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Takes over a context that waits for another engine and may run here. False: there is none.
  bool TakeFromSibling() ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);

  // ---- execlist.cc: the ports.
  void Enable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void ProcessStatusBuffer(Nanos now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void Promote(Nanos now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // The engine has left the context: it ends, waits for its turn again, or is freed.
  void Leave(Context* context, bool at_front) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Which contexts the engine should have now. With `rotate`, the running one goes behind its equals.
  Ports Choose(bool rotate) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Hands a list over if that changes anything.
  void Dequeue(bool rotate) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void HandOver(const Ports& ports) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // The descriptor with the tail brought up to date.
  uint64_t Descriptor(Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void Enqueue(Context* context, bool at_front) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  WaitingList& ListOf(const Context* context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex) {
    return waiting_[static_cast<size_t>(context->props.priority)];
  }
  bool Contended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  Nanos ComputeNextLook() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Whether the interrupt thread sleeps too long for what has come up.
  bool NeedsEarlierLook() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex) {
    return ComputeNextLook() < promised_look_;
  }
  // It is off the engine.
  void Suspended(Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Never to run again. Answers a pending suspend when it is banned.
  void Stop(Context& context, QueueState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  static bool HasNewTail(const Context& context);

  // ---- hw_engine.cc: jobs.
  void Retire(Context& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  static LaneCompletion Begin(const Context& context, const RingJob& job);
  // CTX_TIMESTAMP: the register while the context runs, else what its image has.
  uint32_t ContextTicks(const Context& context) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void AddRunTicks(Context& context, uint32_t ticks) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  LaneCompletion Describe(const Context& context, const RingJob& job, JobStatus status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Holds the two clocks against each other, at most once in a while.
  void UpdateAnchor() ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Ends all jobs of the context: those that ran with kOk, the next with `status`, the others with kCancelled.
  void EndJobs(Context& context, JobStatus status, const FaultInfo& fault)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void FreeContext(Context* context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);

  // ---- reset.cc: faults, cancels, resets.
  void HandleError(Nanos now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // The running context was to leave, and has not in its time.
  void OnPreemptTimeout(Nanos now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Everybody has left the engine, which was reset: they wait for their turn again, or end.
  void LeaveAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  // Stops the engine, and resets it if `culprit` is what it runs. False: it is not.
  bool StopAndReset(Context& culprit, Nanos now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void Reset() ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  void Lose() ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);
  FaultInfo ReadFault(JobStatus* status) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(siblings_.mutex);

  pci::PciFunction& function_;
  const regs::EnginePlace place_;
  Siblings& siblings_;
  // Its place among them.
  const uint32_t logical_;
  const std::unique_ptr<pci::DmaMemory> status_page_;
  const GgttMapping status_mapping_;

  Context idle_ ABSL_GUARDED_BY(siblings_.mutex);
  // What the engine runs, as far as it has told; the front runs.
  Ports active_ ABSL_GUARDED_BY(siblings_.mutex){};
  // What was handed over and not taken yet.
  Ports pending_ ABSL_GUARDED_BY(siblings_.mutex){};
  bool has_pending_ ABSL_GUARDED_BY(siblings_.mutex) = false;
  std::array<WaitingList, kPriorities> waiting_ ABSL_GUARDED_BY(siblings_.mutex);
  // Since when the front of active_ runs.
  Nanos active_since_ ABSL_GUARDED_BY(siblings_.mutex) = 0;
  // By when the list that was handed over is to be taken.
  Nanos preempt_by_ ABSL_GUARDED_BY(siblings_.mutex) = kNever;
  // What NextLook said last.
  Nanos promised_look_ ABSL_GUARDED_BY(siblings_.mutex) = kNever;
  // The last entry of the context status buffer that was read.
  uint32_t status_head_ ABSL_GUARDED_BY(siblings_.mutex) = 0;
  ClockAnchor anchor_ ABSL_GUARDED_BY(siblings_.mutex);
  uint32_t last_hw_id_ ABSL_GUARDED_BY(siblings_.mutex) = 0;
  bool lost_ ABSL_GUARDED_BY(siblings_.mutex) = false;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_HW_ENGINE_H_
