// What the driver does when a context must leave its engine for good.
#include "hw/regs/registers.h"
#include "hw/xe/hw_engine.h"
#include "hw/xe/mmio.h"

namespace xeq::hw::xe {
namespace {

// Limits of Linux drivers/gpu/drm/i915/gt/intel_reset.c.
constexpr Nanos kStopLimit = kNanosPerMilli;
constexpr Nanos kReadyLimit = 700 * kNanosPerMicro;
constexpr Nanos kResetLimit = 2 * kNanosPerMilli;

}  // namespace

void HwEngine::Serve(uint32_t vector_bits, Nanos now) {
  MutexLock lock(siblings_.mutex);
  if (lost_) return;
  ProcessStatusBuffer(now);
  for (Context* context : active_) {
    if (context != nullptr) Retire(*context);
  }
  if ((vector_bits & regs::kIrqCsError) != 0) HandleError(now);
  // A cancelled context that got to run before it could be taken out.
  if (active_[0] != nullptr && active_[0]->cancelling) StopAndReset(*active_[0], now);
  if (has_pending_ && now >= preempt_by_) OnPreemptTimeout(now);
  const bool slice_over =
      active_[0] != nullptr && now - active_since_ >= active_[0]->props.timeslice_us * kNanosPerMicro;
  Dequeue(slice_over && Contended());
}

void HwEngine::OnPreemptTimeout(Nanos now) {
  Context* culprit = active_[0];
  if (culprit != nullptr && culprit != &idle_ && culprit->has_jobs()) {
    Stop(*culprit, QueueState::kBanned);
    culprit->cancelling = true;
    culprit->cancel_status = JobStatus::kHang;
    StopAndReset(*culprit, now);
    return;
  }
  // Nobody's fault: what the engine had to say was lost. Those who were on it go on where they were.
  Reset();
  if (lost_) return;
  LeaveAll();
  Dequeue(/*rotate=*/false);
}

void HwEngine::LeaveAll() {
  const Ports active = active_;
  const Ports pending = pending_;
  active_ = {};
  pending_ = {};
  has_pending_ = false;
  preempt_by_ = kNever;
  for (const Ports& ports : {pending, active}) {
    for (size_t port = kPorts; port-- > 0;) {
      if (ports[port] != nullptr && ports[port]->in_ports) Leave(ports[port], /*at_front=*/true);
    }
  }
}

bool HwEngine::Cancel(Context& context, JobStatus head_status) {
  MutexLock lock(siblings_.mutex);
  HwEngine& home = HomeOf(context);
  home.siblings_.mutex.AssertHeld();
  return home.CancelHere(context, head_status);
}

bool HwEngine::CancelHere(Context& context, JobStatus head_status) {
  if (context.machine.dead()) return false;
  const Nanos now = MonotonicNow();
  ProcessStatusBuffer(now);
  context.machine.MoveTo(head_status == JobStatus::kCancelled ? QueueState::kKilled : QueueState::kBanned);
  context.cancel_status = head_status;
  if (context.waiting) ListOf(&context).Remove(&context);
  if (!context.in_ports) {
    EndJobs(context, head_status, {});
    return true;
  }
  context.cancelling = true;
  if (active_[0] == &context && StopAndReset(context, now)) return true;
  // It sits behind another, or in the list that was handed over: it leaves with the next list.
  Dequeue(/*rotate=*/false);
  return true;
}

FaultInfo HwEngine::ReadFault(JobStatus* status) const {
  FaultInfo fault;
  fault.command = Read(regs::kIpehr);
  fault.command_address = static_cast<uint64_t>(Read(regs::kActhdUdw)) << 32 | Read(regs::kActhd);
  if ((Read(regs::kEir) & (regs::kErrorInstruction | regs::kErrorPrivilege)) != 0) {
    *status = JobStatus::kInvalidCommand;
  }
  const uint32_t ring_fault = function_.Read32({regs::kRingFault});
  const bool own = (ring_fault >> regs::kRingFaultEngineShift & regs::kRingFaultEngineMask) == place_.fault_id;
  if ((ring_fault & regs::kRingFaultValid) != 0 && own) {
    *status = JobStatus::kPageFault;
    fault.fault_address = static_cast<uint64_t>(function_.Read32({regs::kFaultTlbData1}) & 0xf) << 44 |
                          static_cast<uint64_t>(function_.Read32({regs::kFaultTlbData0})) << 12;
    function_.Write32({regs::kRingFault}, 0);
  }
  return fault;
}

void HwEngine::HandleError(Nanos now) {
  JobStatus status = JobStatus::kOk;
  const FaultInfo fault = ReadFault(&status);
  Context* culprit = active_[0];
  if (status == JobStatus::kOk || culprit == nullptr) return;
  Stop(*culprit, QueueState::kBanned);
  if (!culprit->cancelling) {
    culprit->cancelling = true;
    culprit->cancel_status = status;
  }
  culprit->cancel_fault = fault;
  StopAndReset(*culprit, now);
}

bool HwEngine::StopAndReset(Context& culprit, Nanos now) {
  Write(regs::kMiMode, regs::MaskedSet(regs::kMiModeStopRing));
  WaitForBits(function_, Reg(regs::kMiMode), regs::kMiModeIdle, true, kStopLimit);
  // What it told before it stopped.
  ProcessStatusBuffer(now);
  if (active_[0] != &culprit) {
    Write(regs::kMiMode, regs::MaskedClear(regs::kMiModeStopRing));
    return false;
  }
  if (culprit.cancel_fault.command_address == 0) {
    culprit.cancel_fault.command = Read(regs::kIpehr);
    culprit.cancel_fault.command_address = static_cast<uint64_t>(Read(regs::kActhdUdw)) << 32 | Read(regs::kActhd);
  }
  culprit.stopped_timestamp = Read(regs::kCtxTimestamp);
  AddRunTicks(culprit, *culprit.stopped_timestamp);
  Reset();
  if (lost_) return true;
  // Those who had not begun wait for their turn again; what was taken off while it waited is in its image.
  LeaveAll();
  Dequeue(/*rotate=*/false);
  return true;
}

void HwEngine::Reset() {
  Write(regs::kResetCtl, regs::MaskedSet(regs::kResetCtlRequest));
  WaitForBits(function_, Reg(regs::kResetCtl), regs::kResetCtlReady, true, kReadyLimit);
  function_.Write32({regs::kGdrst}, 1u << place_.reset_bit);
  const bool done = WaitForBits(function_, {regs::kGdrst}, 1u << place_.reset_bit, false, kResetLimit);
  Write(regs::kResetCtl, regs::MaskedClear(regs::kResetCtlRequest));
  if (!done) {
    Lose();
  } else if (!lost_) {
    Enable();
  }
}

void HwEngine::Lose() {
  lost_ = true;
  active_ = {};
  pending_ = {};
  has_pending_ = false;
  for (const std::unique_ptr<Context>& context : siblings_.contexts) {
    if (context->home == this) EndJobs(*context, JobStatus::kDeviceLost, {});
  }
}

}  // namespace xeq::hw::xe
