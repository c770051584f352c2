#include "hw/model/engine.h"

#include <algorithm>
#include <utility>

#include "hw/regs/registers.h"
#include "hw/yielding_thread.h"

namespace xeq::hw::model {
namespace {

// Bytes of work (see CommandStreamer::RunSlice) between two looks at what others want: some 10 us of copying.
constexpr uint64_t kSliceBytes = 128 << 10;
// A semaphore is looked at after the first time, then after twice as long each time, up to the second.
constexpr Nanos kLookPeriodMin = 5 * kNanosPerMicro;
constexpr Nanos kLookPeriodMax = 200 * kNanosPerMicro;

bool IsMasked(uint32_t offset) {
  return offset == regs::kMiMode || offset == regs::kRingMode || offset == regs::kContextControl ||
         offset == regs::kResetCtl || offset == regs::kCmdCctl || offset == regs::kContextStatusPtr;
}

}  // namespace

uint64_t TimestampTicks(Nanos now) {
  // 19.2 MHz: 12 ticks in 625 ns.
  return static_cast<uint64_t>(now) * 12 / 625;
}

class ABSL_SCOPED_LOCKABLE Engine::Knock {
 public:
  explicit Knock(Engine& engine) ABSL_EXCLUSIVE_LOCK_FUNCTION(engine.mutex_) : engine_(engine) {
    engine.knocking_.fetch_add(1);
    engine.mutex_.Lock();
    last_ = engine.knocking_.fetch_sub(1) == 1;
  }
  ~Knock() ABSL_UNLOCK_FUNCTION() {
    engine_.mutex_.Unlock();
    if (last_) engine_.quiet_.NotifyAll();
  }

 private:
  Engine& engine_;
  bool last_;
};

Engine::Engine(const regs::EnginePlace& place, const Ggtt& ggtt, const DmaArena& memory, Interrupts& interrupts,
               Faults& faults)
    : place_(place), ggtt_(ggtt), interrupts_(interrupts), faults_(faults), streamer_(place, ggtt, memory, *this) {
  thread_ = std::thread([this] { RunThread(); });
}

Engine::~Engine() {
  {
    Knock lock(*this);
    stop_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

uint64_t Engine::ContextId(uint64_t descriptor) {
  return Valid(descriptor) ? descriptor >> regs::kDescriptorIdShift & regs::kContextIdMask : regs::kContextIdIdle;
}

// ---- Registers.

uint32_t Engine::Read(uint32_t offset) {
  // The clocks do not wait for the engine.
  if (offset == regs::kRingTimestamp) return static_cast<uint32_t>(Timestamp());
  if (offset == regs::kRingTimestampUdw) return static_cast<uint32_t>(Timestamp() >> 32) & 0xf;
  Knock lock(*this);
  return ReadLocked(offset);
}

uint32_t Engine::ReadLocked(uint32_t offset) {
  switch (offset) {
    case regs::kRingTimestamp:
      return static_cast<uint32_t>(Timestamp());
    case regs::kRingTimestampUdw:
      return static_cast<uint32_t>(Timestamp() >> 32) & 0xf;
    case regs::kCtxTimestamp:
      return ContextTimestamp();
    case regs::kExeclistStatusLo:
      return load_pending_ || Valid(running_[0]) ? regs::kExeclistStatusBusy : 0;
    case regs::kExeclistStatusHi:
      return static_cast<uint32_t>(running_[0] >> 32);
    default:
      return Load(offset);
  }
}

void Engine::Write(uint32_t offset, uint32_t value) {
  Knock lock(*this);
  WriteLocked(offset, value);
}

void Engine::WriteLocked(uint32_t offset, uint32_t value) {
  if (IsMasked(offset)) {
    const uint32_t mask = value >> 16;
    value = (Load(offset) & ~mask & 0xffff) | (value & mask);
  }
  switch (offset) {
    case regs::kEir:
      value = Load(offset) & ~value;
      break;
    case regs::kMiMode:
      // Between two slices the engine is stopped as soon as it is asked to be.
      value = (value & ~regs::kMiModeIdle) | ((value & regs::kMiModeStopRing) != 0 ? regs::kMiModeIdle : 0);
      break;
    case regs::kResetCtl:
      value = (value & ~regs::kResetCtlReady) | ((value & regs::kResetCtlRequest) != 0 ? regs::kResetCtlReady : 0);
      break;
    case regs::kExeclistControl:
      if ((value & regs::kExeclistControlLoad) != 0) {
        for (size_t port = 0; port < kPorts; ++port) {
          const uint32_t contents = regs::kExeclistSqContents + static_cast<uint32_t>(port) * 8;
          submitted_[port] = static_cast<uint64_t>(Load(contents + 4)) << 32 | Load(contents);
          Store(contents, 0);
          Store(contents + 4, 0);
        }
        load_pending_ = true;
        next_look_ = 0;
      }
      value = 0;
      break;
    default:
      break;
  }
  Store(offset, value);
  changed_.NotifyAll();
}

uint32_t Engine::ReadRegister(uint32_t offset) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return IsMine(offset) ? ReadLocked(offset - place_.base) : 0;
}

void Engine::WriteRegister(uint32_t offset, uint32_t value) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  // Registers outside the engine, such as AUX_INV, have no effect here.
  if (IsMine(offset)) WriteLocked(offset - place_.base, value);
}

uint32_t Engine::ContextTimestamp() const {
  if (!Valid(running_[0])) return Load(regs::kCtxTimestamp);
  return static_cast<uint32_t>(TimestampTicks(MonotonicNow()) - timestamp_zero_);
}

// ---- The thread.

bool Engine::CanRun() const {
  const bool stopped =
      (Load(regs::kMiMode) & regs::kMiModeStopRing) != 0 || (Load(regs::kResetCtl) & regs::kResetCtlRequest) != 0;
  return !halted_ && !stopped && (load_pending_ || Valid(running_[0]));
}

void Engine::RunThread() {
  YieldToWakers();
  MutexLock lock(mutex_);
  while (!stop_) {
    if (knocking_.load() > 0) {
      quiet_.Wait(mutex_);
    } else if (!CanRun()) {
      changed_.Wait(mutex_);
    } else if (next_look_ != 0 && MonotonicNow() < next_look_) {
      changed_.WaitUntil(mutex_, next_look_);
    } else {
      RunSlice();
      if (raised_ != 0) interrupts_.Raise(place_, std::exchange(raised_, 0));
    }
  }
}

void Engine::RunSlice() {
  const bool switches = load_pending_ && Valid(running_[0]) && Lrca(submitted_[0]) != Lrca(running_[0]);
  if (load_pending_ && !switches) TakeSubmission();
  if (halted_ || !Valid(running_[0])) return;
  AfterSlice(streamer_.RunSlice(kSliceBytes, switches), switches);
}

void Engine::AfterSlice(CommandStreamer::Stop stop, bool switches) {
  ShowState();
  next_look_ = 0;
  if (stop != CommandStreamer::Stop::kWaiting) look_period_ = kLookPeriodMin;
  switch (stop) {
    case CommandStreamer::Stop::kBudget:
      break;
    case CommandStreamer::Stop::kWaiting:
      next_look_ = MonotonicNow() + look_period_;
      look_period_ = std::min(2 * look_period_, kLookPeriodMax);
      break;
    case CommandStreamer::Stop::kArbitration:
      TakeSubmission();
      break;
    case CommandStreamer::Stop::kIdle:
      if (switches) {
        TakeSubmission();
      } else {
        CompleteContext();
      }
      break;
    case CommandStreamer::Stop::kFault:
      Halt(streamer_.fault());
      break;
  }
}

void Engine::TakeSubmission() {
  load_pending_ = false;
  const uint64_t old = running_[0];
  const bool same = Valid(old) && Valid(submitted_[0]) && Lrca(old) == Lrca(submitted_[0]);
  if (Valid(old) && !same) SaveContext();
  running_ = submitted_;
  if (!same) {
    LoadContext();
  } else if (const std::optional<uint32_t> tail = LoadRingTail(ggtt_, Lrca(old))) {
    // Lite restore.
    streamer_.state().ring_tail = *tail % streamer_.state().ring_bytes;
  }
  WriteStatus(ContextId(old), ContextId(running_[0]), /*new_queue=*/true,
              Valid(old) && !same ? regs::SwitchDetail::kPreempted : regs::SwitchDetail::kComplete);
}

void Engine::CompleteContext() {
  SaveContext();
  const uint64_t done = running_[0];
  running_ = {running_[1], 0};
  LoadContext();
  WriteStatus(ContextId(done), ContextId(running_[0]), /*new_queue=*/false, regs::SwitchDetail::kComplete);
}

void Engine::LoadContext() {
  next_look_ = 0;
  look_period_ = kLookPeriodMin;
  if (!Valid(running_[0])) return;
  const std::optional<ContextImage> image = LoadContextImage(ggtt_, Lrca(running_[0]));
  if (!image.has_value()) {
    Halt({StreamerFault::Kind::kPage, Lrca(running_[0])});
    return;
  }
  streamer_.Load(image->state);
  timestamp_zero_ = TimestampTicks(MonotonicNow()) - image->timestamp;
  ShowState();
}

void Engine::SaveContext() { SaveContextImage(ggtt_, Lrca(running_[0]), {streamer_.state(), ContextTimestamp()}); }

void Engine::Halt(const StreamerFault& fault) {
  halted_ = true;
  if (fault.kind == StreamerFault::Kind::kPage) {
    faults_.Report(place_, fault.address);
    return;
  }
  const bool privilege = fault.kind == StreamerFault::Kind::kPrivilege;
  Store(regs::kEir, Load(regs::kEir) | (privilege ? regs::kErrorPrivilege : regs::kErrorInstruction));
  raised_ |= regs::kIrqCsError;
}

void Engine::ShowState() {
  const ContextState& state = streamer_.state();
  Store(regs::kRingStart, state.ring_start);
  Store(regs::kRingHead, state.ring_head);
  Store(regs::kRingTail, state.ring_tail);
  Store(regs::kIpehr, streamer_.header());
  Store(regs::kActhd, static_cast<uint32_t>(streamer_.address()));
  Store(regs::kActhdUdw, static_cast<uint32_t>(streamer_.address() >> 32));
}

void Engine::WriteStatus(uint64_t away, uint64_t to, bool new_queue, regs::SwitchDetail detail) {
  const uint32_t index = ((Load(regs::kContextStatusPtr) & 0xff) + 1) % regs::kCsbEntries;
  const uint64_t entry = (new_queue ? regs::kCsbNewQueue : 0) | to << regs::kCsbToIdShift |
                         away << regs::kCsbAwayIdShift | static_cast<uint64_t>(detail) << regs::kCsbDetailShift;
  const uint64_t page = StatusPage();
  ggtt_.Write64(page + (regs::kHwspCsb + index * 2) * 4, entry);
  ggtt_.Write32(page + regs::kHwspCsbWritePointer * 4, index);
  Store(regs::kContextStatusPtr, (Load(regs::kContextStatusPtr) & 0xff00) | index);
  raised_ |= regs::kIrqContextSwitch;
}

void Engine::Reset() {
  Knock lock(*this);
  running_ = {};
  submitted_ = {};
  load_pending_ = false;
  halted_ = false;
  next_look_ = 0;
  streamer_.Load({});
  faults_.Drop(place_);
  const uint32_t reset_control = Load(regs::kResetCtl);
  for (std::atomic<uint32_t>& value : registers_) value.store(0, std::memory_order_relaxed);
  Store(regs::kResetCtl, reset_control);
}

void Engine::Quiesce() { Knock lock(*this); }

}  // namespace xeq::hw::model
