// The ports of an engine: which contexts it has, and what its context status buffer says of them.
#include <algorithm>
#include <atomic>

#include "hw/regs/registers.h"
#include "hw/xe/hw_engine.h"

namespace xeq::hw::xe {
namespace {

constexpr uint32_t kPointerReset = (regs::kCsbEntries - 1) << 8 | (regs::kCsbEntries - 1);
constexpr uint64_t kEntryRead = ~0ull;
// For an idle engine to take a list.
constexpr Nanos kAcknowledgeLimit = kNanosPerSecond;

std::atomic_ref<uint32_t> Dword(const pci::DmaMemory& page, uint32_t index) {
  return std::atomic_ref<uint32_t>(reinterpret_cast<uint32_t*>(page.cpu())[index]);
}
std::atomic_ref<uint64_t> Entry(const pci::DmaMemory& page, uint32_t index) {
  return std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t*>(page.cpu() + regs::kHwspCsb * 4)[index]);
}

}  // namespace

void HwEngine::WaitingList::PushBack(Context* context) {
  context->waiting = true;
  context->next_waiting = nullptr;
  (head_ == nullptr ? head_ : tail_->next_waiting) = context;
  tail_ = context;
}

void HwEngine::WaitingList::PushFront(Context* context) {
  context->waiting = true;
  context->next_waiting = head_;
  if (head_ == nullptr) tail_ = context;
  head_ = context;
}

void HwEngine::WaitingList::Remove(Context* context) {
  context->waiting = false;
  Context* previous = nullptr;
  Context** link = &head_;
  while (*link != context) {
    previous = *link;
    link = &previous->next_waiting;
  }
  *link = context->next_waiting;
  if (tail_ == context) tail_ = previous;
}

// Source: Linux drivers/gpu/drm/i915/gt/intel_execlists_submission.c, enable_execlists and reset_csb_pointers.
void HwEngine::Enable() {
  Write(regs::kHwstam, ~0u);
  Write(regs::kHwsPga, status_mapping_.address());
  Write(regs::kRingMode, regs::MaskedSet(regs::kRingModeDisableLegacy));
  Write(regs::kMiMode, regs::MaskedClear(regs::kMiModeStopRing));
  Read(regs::kMiMode);
  status_head_ = regs::kCsbEntries - 1;
  for (uint32_t i = 0; i < regs::kCsbEntries; ++i) Entry(*status_page_, i).store(kEntryRead);
  Dword(*status_page_, regs::kHwspCsbWritePointer).store(status_head_);
  Write(regs::kContextStatusPtr, 0xffff0000 | kPointerReset);
  Write(regs::kEmr, ~regs::kErrorInstruction);
  Write(regs::kEir, ~0u);
}

void HwEngine::ProcessStatusBuffer(Nanos now) {
  const uint32_t write = Dword(*status_page_, regs::kHwspCsbWritePointer).load(std::memory_order_acquire);
  while (status_head_ != write % regs::kCsbEntries) {
    status_head_ = (status_head_ + 1) % regs::kCsbEntries;
    const uint64_t entry = Entry(*status_page_, status_head_).exchange(kEntryRead);
    const uint64_t away = entry >> regs::kCsbAwayIdShift & regs::kContextIdMask;
    if (away == regs::kContextIdIdle || (entry & regs::kCsbNewQueue) != 0) {
      Promote(now);
    } else {
      // The front of the list ran out of commands.
      Context* done = active_[0];
      active_ = {active_[1], nullptr};
      active_since_ = now;
      // With more commands it may be on its way back in the list that was handed over.
      const bool comes_back = done == pending_[0] || done == pending_[1];
      if (done != nullptr && !comes_back) Leave(done, /*at_front=*/false);
    }
  }
}

void HwEngine::Promote(Nanos now) {
  if (!has_pending_) return;
  const Ports before = active_;
  active_ = pending_;
  pending_ = {};
  has_pending_ = false;
  preempt_by_ = kNever;
  if (active_[0] != before[0]) active_since_ = now;
  // Backwards, so that what was in front gets in front again.
  for (size_t port = kPorts; port-- > 0;) {
    Context* context = before[port];
    if (context == nullptr || context == active_[0] || context == active_[1]) continue;
    // What had not begun keeps its place; what had its time goes behind the others.
    Leave(context, /*at_front=*/port > 0);
  }
}

void HwEngine::Leave(Context* context, bool at_front) {
  context->in_ports = false;
  Retire(*context);
  if (context->cancelling) {
    context->cancelling = false;
    EndJobs(*context, context->cancel_status, context->cancel_fault);
  }
  if (context->orphaned) return FreeContext(context);
  AddRunTicks(*context, context->lrc->stored_context_timestamp());
  if (context->machine.state() == QueueState::kSuspendPending) {
    Suspended(*context);
  } else if (context->machine.state() == QueueState::kRunning && context->has_jobs()) {
    Enqueue(context, at_front);
  }
}

void HwEngine::Enqueue(Context* context, bool at_front) {
  if (HwEngine* free = context->is_virtual() ? FreeEngineFor(*context) : nullptr; free != nullptr && free != this) {
    free->siblings_.mutex.AssertHeld();
    context->home = free;
    free->ListOf(context).PushBack(context);
    return free->Dequeue(/*rotate=*/false);
  }
  if (at_front) {
    ListOf(context).PushFront(context);
  } else {
    ListOf(context).PushBack(context);
  }
}

bool HwEngine::HasNothingToDo() const { return active_[0] == nullptr && !has_pending_ && !lost_ && !Contended(); }

HwEngine* HwEngine::FreeEngineFor(const Context& context) {
  if (HasNothingToDo()) return this;
  for (HwEngine* engine : siblings_.engines) {
    engine->siblings_.mutex.AssertHeld();
    if ((context.mask >> engine->logical_ & 1) != 0 && engine->HasNothingToDo()) return engine;
  }
  return nullptr;
}

bool HwEngine::TakeFromSibling() {
  for (size_t priority = kPriorities; priority-- > 0;) {
    for (HwEngine* engine : siblings_.engines) {
      engine->siblings_.mutex.AssertHeld();
      if (engine == this) continue;
      for (Context* context = engine->waiting_[priority].first(); context != nullptr; context = context->next_waiting) {
        if ((context->mask >> logical_ & 1) == 0) continue;
        engine->ListOf(context).Remove(context);
        context->home = this;
        ListOf(context).PushBack(context);
        return true;
      }
    }
  }
  return false;
}

bool HwEngine::Contended() const {
  return active_[1] != nullptr || pending_[1] != nullptr ||
         std::any_of(waiting_.begin(), waiting_.end(), [](const WaitingList& list) { return list.first() != nullptr; });
}

bool HwEngine::HasNewTail(const Context& context) {
  return context.lrc->tail() != context.submitted_tail &&
         context.lrc->WithSpare(context.lrc->tail()) != context.submitted_tail;
}

HwEngine::Ports HwEngine::Choose(bool rotate) const {
  Ports chosen{};
  size_t count = 0;
  const auto take = [&](Context* context) {
    if (count < kPorts) chosen[count++] = context;
  };
  for (size_t priority = kPriorities; priority-- > 0 && count < kPorts;) {
    const auto in_port = [&](size_t port) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      Context* context = active_[port];
      const bool fits = context != nullptr && context != &idle_ && context->machine.state() == QueueState::kRunning &&
                        static_cast<size_t>(context->props.priority) == priority;
      if (fits) take(context);
    };
    if (!rotate) in_port(0);
    in_port(1);
    for (Context* context = waiting_[priority].first(); context != nullptr && count < kPorts;
         context = context->next_waiting) {
      // What may run elsewhere does not wait in the second port.
      if (count == 0 || !context->is_virtual()) take(context);
    }
    if (rotate) in_port(0);
  }
  return chosen;
}

void HwEngine::Dequeue(bool rotate) {
  if (has_pending_ || lost_) return;
  Ports ports = Choose(rotate);
  if (ports[0] == nullptr && TakeFromSibling()) ports = Choose(rotate);
  if (ports[0] == nullptr) {
    // Only one who is to leave is on the engine: something else has to take its place.
    if (active_[0] == nullptr || active_[0] == &idle_ || active_[0]->machine.state() == QueueState::kRunning) return;
    idle_.lrc->EmitNothing();
    ports[0] = &idle_;
  }
  const bool same = ports == active_;
  const bool new_tail = std::any_of(ports.begin(), ports.end(),
                                    [](const Context* context) { return context != nullptr && HasNewTail(*context); });
  if (!same || new_tail) HandOver(ports);
}

uint64_t HwEngine::Descriptor(Context& context) {
  uint64_t descriptor = context.lrc->descriptor(place_.instance);
  uint32_t tail = context.lrc->tail();
  if (!context.in_ports) {
    // Ids of contexts in flight differ: at most four are, and they are given in turn.
    last_hw_id_ = last_hw_id_ % (regs::kContextIdIdle - 1) + 1;
    context.hw_id = last_hw_id_;
  }
  if (context.ever_submitted && !HasNewTail(context)) {
    // A tail that does not differ may be overlooked: take the spare commands in. When they are used up, the whole
    // context is to be loaded again.
    if (tail != context.submitted_tail) descriptor |= regs::kDescriptorForceRestore;
    tail = context.lrc->WithSpare(tail);
  }
  context.ever_submitted = true;
  context.submitted_tail = tail;
  context.lrc->StoreTail(tail);
  return descriptor | static_cast<uint64_t>(context.hw_id) << regs::kDescriptorIdShift;
}

void HwEngine::HandOver(const Ports& ports) {
  std::array<uint64_t, kPorts> descriptors{};
  for (size_t port = 0; port < kPorts; ++port) {
    if (ports[port] == nullptr) continue;
    if (ports[port]->waiting) ListOf(ports[port]).Remove(ports[port]);
    descriptors[port] = Descriptor(*ports[port]);
    ports[port]->in_ports = true;
  }
  for (size_t port = kPorts; port-- > 0;) {
    const uint32_t contents = regs::kExeclistSqContents + static_cast<uint32_t>(port) * 8;
    Write(contents, static_cast<uint32_t>(descriptors[port]));
    Write(contents + 4, static_cast<uint32_t>(descriptors[port] >> 32));
  }
  pending_ = ports;
  has_pending_ = true;
  // An engine that runs nothing takes a list at once; one whose front stays may go on with it first.
  const Context* leaving = active_[0];
  preempt_by_ = leaving == ports[0]
                    ? kNever
                    : MonotonicNow() +
                          (leaving == nullptr ? kAcknowledgeLimit : leaving->props.preempt_timeout_us * kNanosPerMicro);
  Write(regs::kExeclistControl, regs::kExeclistControlLoad);
}

}  // namespace xeq::hw::xe
