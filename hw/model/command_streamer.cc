#include "hw/model/command_streamer.h"

#include <atomic>

namespace xeq::hw::model {
namespace {

using regs::CommandType;
using regs::MiOpcode;

constexpr uint64_t kPage = 4096;
// What a command costs of a budget, in bytes.
constexpr uint64_t kCommandCost = 32;
constexpr uint32_t kPipeControlMask = 0xffff0000;

// As CommandStreamer::DwordsOf.
size_t MiDwordsOf(uint32_t header) {
  const MiOpcode opcode = regs::MiOpcodeOf(header);
  switch (opcode) {
    case MiOpcode::kNoop:
    case MiOpcode::kUserInterrupt:
    case MiOpcode::kArbCheck:
    case MiOpcode::kArbOnOff:
    case MiOpcode::kBatchBufferEnd:
      return 1;
    case MiOpcode::kStoreDataImm:
      return (header & regs::kStoreDataImmLengthMask) + 2;
    case MiOpcode::kFlushDw:
      return (header & regs::kFlushDwLengthMask) + 2;
    case MiOpcode::kMath:
    case MiOpcode::kSemaphoreWait:
    case MiOpcode::kLoadRegisterImm:
    case MiOpcode::kStoreRegisterMem:
    case MiOpcode::kLoadRegisterMem:
    case MiOpcode::kLoadRegisterReg:
    case MiOpcode::kCopyMemMem:
    case MiOpcode::kAtomic:
    case MiOpcode::kBatchBufferStart:
    case MiOpcode::kConditionalBatchBufferEnd:
      return (header & 0xff) + 2;
    case MiOpcode::kSetPredicate:
    case MiOpcode::kSemaphoreSignal:
      break;
  }
  return 0;
}

// MEM_COPY and MEM_SET belong to engines of 12.55 and later.
bool IsKnown(regs::BlitOpcode opcode) {
  return opcode == regs::BlitOpcode::kFastCopy || opcode == regs::BlitOpcode::kFastColor;
}

}  // namespace

void CommandStreamer::Load(const ContextState& state) {
  state_ = state;
  ppgtt_.emplace(state.page_directory, memory_);
  blit_.reset();
  window_page_ = ~0ull;
  fault_ = {};
}

CommandStreamer::Stop CommandStreamer::RunSlice(uint64_t budget, bool preempt) {
  // Page tables may have changed since the last slice.
  window_page_ = ~0ull;
  for (uint64_t used = 0; used < budget; used += kCommandCost) {
    Next next = Next::kStay;
    if (blit_.has_value()) {
      next = ContinueBlit(budget, &used);
      if (next == Next::kStay) return Stop::kBudget;
    } else {
      if (state_.level == 0 && state_.ring_head == state_.ring_tail) return Stop::kIdle;
      at_arbitration_ = false;
      next = Fetch() ? Execute() : Next::kFault;
    }
    switch (next) {
      case Next::kFault:
        return Stop::kFault;
      case Next::kStay:
        // A blit that has just begun, or a semaphore.
        if (blit_.has_value()) continue;
        return preempt && state_.arbitration ? Stop::kArbitration : Stop::kWaiting;
      case Next::kAdvance:
        Skip(dwords_);
        break;
      case Next::kJumped:
        break;
    }
    if (at_arbitration_ && preempt && state_.arbitration) return Stop::kArbitration;
  }
  return Stop::kBudget;
}

const AddressSpace& CommandStreamer::CodeSpace() const {
  if (privileged()) return ggtt_;
  return *ppgtt_;
}

uint64_t CommandStreamer::CodeAddress(uint64_t dword) const {
  if (state_.level > 0) return state_.batch_address + dword * 4;
  return state_.ring_start + (state_.ring_head + dword * 4) % state_.ring_bytes;
}

bool CommandStreamer::FetchDword(uint64_t address, uint32_t* value) {
  if (address / kPage != window_page_) {
    const std::optional<Run> run = CodeSpace().Translate(address & ~(kPage - 1));
    if (!run.has_value()) {
      window_page_ = ~0ull;
      PageFault(address);
      return false;
    }
    window_page_ = address / kPage;
    window_ = *run;
  }
  *value = window_.host == nullptr
               ? 0
               : std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(window_.host + address % kPage))
                     .load(std::memory_order_relaxed);
  return true;
}

bool CommandStreamer::Fetch() {
  address_ = CodeAddress(0);
  header_ = 0;
  if (!FetchDword(address_, &header_)) return false;
  dwords_ = DwordsOf(header_);
  if (dwords_ == 0) {
    Fail(StreamerFault::Kind::kInvalidCommand);
    return false;
  }
  command_[0] = header_;
  for (size_t i = 1; i < dwords_; ++i) {
    if (!FetchDword(CodeAddress(i), &command_[i])) return false;
  }
  return true;
}

size_t CommandStreamer::DwordsOf(uint32_t header) const {
  switch (regs::TypeOf(header)) {
    case CommandType::kMi:
      return MiDwordsOf(header);
    case CommandType::kBlitter:
      return place_.engine_class == regs::HwClass::kCopy && IsKnown(regs::BlitOpcodeOf(header)) ? (header & 0xff) + 2
                                                                                                : 0;
    case CommandType::kRender:
      return has_pipe_control() && (header & kPipeControlMask) == (regs::kPipeControl & kPipeControlMask)
                 ? (header & 0xff) + 2
                 : 0;
  }
  return 0;
}

void CommandStreamer::Skip(size_t dwords) {
  if (state_.level > 0) {
    state_.batch_address += dwords * 4;
  } else {
    state_.ring_head = static_cast<uint32_t>((state_.ring_head + dwords * 4) % state_.ring_bytes);
  }
}

CommandStreamer::Next CommandStreamer::Fail(StreamerFault::Kind kind) {
  fault_ = {kind, 0};
  return Next::kFault;
}

CommandStreamer::Next CommandStreamer::PageFault(uint64_t address) {
  fault_ = {StreamerFault::Kind::kPage, address};
  return Next::kFault;
}

CommandStreamer::Next CommandStreamer::Execute() {
  // DwordsOf has let through what the engine knows.
  switch (regs::TypeOf(header_)) {
    case CommandType::kMi:
      return ExecuteMi(regs::MiOpcodeOf(header_));
    case CommandType::kBlitter:
      return StartBlit();
    case CommandType::kRender:
      return PipeControl();
  }
  return Fail(StreamerFault::Kind::kInvalidCommand);
}

CommandStreamer::Next CommandStreamer::ExecuteMi(MiOpcode opcode) {
  switch (opcode) {
    case MiOpcode::kNoop:
      return Next::kAdvance;
    case MiOpcode::kUserInterrupt:
      port_.Interrupt(regs::kIrqUser);
      return Next::kAdvance;
    case MiOpcode::kArbCheck:
      at_arbitration_ = true;
      return Next::kAdvance;
    case MiOpcode::kArbOnOff:
      // Unprivileged batches may not keep others off the engine.
      if (privileged()) state_.arbitration = (header_ & 1) != 0;
      return Next::kAdvance;
    case MiOpcode::kBatchBufferEnd:
      return BatchEnd();
    case MiOpcode::kMath:
      return Math();
    case MiOpcode::kSemaphoreWait:
      return SemaphoreWait();
    case MiOpcode::kStoreDataImm:
      return StoreDataImm();
    case MiOpcode::kLoadRegisterImm:
      return LoadRegisterImm();
    case MiOpcode::kStoreRegisterMem:
      return StoreRegisterMem();
    case MiOpcode::kFlushDw:
      return FlushDw();
    case MiOpcode::kLoadRegisterMem:
      return LoadRegisterMem();
    case MiOpcode::kLoadRegisterReg:
      return LoadRegisterReg();
    case MiOpcode::kCopyMemMem:
      return CopyMemMem();
    case MiOpcode::kAtomic:
      return Atomic();
    case MiOpcode::kBatchBufferStart:
      return BatchStart();
    case MiOpcode::kConditionalBatchBufferEnd:
      return ConditionalEnd();
    case MiOpcode::kSetPredicate:
    case MiOpcode::kSemaphoreSignal:
      break;
  }
  return Fail(StreamerFault::Kind::kInvalidCommand);
}

// ---- Registers.

uint32_t CommandStreamer::RegisterOffset(uint32_t dword, bool add_base) const {
  return (dword & 0x7ffffc) + (add_base ? place_.base : 0);
}

CommandStreamer::HalfRegister* CommandStreamer::GeneralPurpose(uint32_t offset) {
  const uint32_t first = place_.base + regs::kCsGpr;
  if (offset < first || offset >= first + sizeof(state_.registers)) return nullptr;
  return reinterpret_cast<HalfRegister*>(state_.registers.data()) + (offset - first) / 4;
}

bool CommandStreamer::MayTouch(uint32_t offset, bool write) const {
  if (privileged()) return true;
  const uint32_t in_engine = offset - place_.base;
  return !write && (in_engine == regs::kRingTimestamp || in_engine == regs::kRingTimestampUdw ||
                    in_engine == regs::kCtxTimestamp);
}

CommandStreamer::Next CommandStreamer::ReadRegister(uint32_t offset, uint32_t* value) {
  if (const HalfRegister* gpr = GeneralPurpose(offset)) {
    *value = *gpr;
    return Next::kAdvance;
  }
  if (!MayTouch(offset, /*write=*/false)) return Fail(StreamerFault::Kind::kPrivilege);
  *value = port_.ReadRegister(offset);
  return Next::kAdvance;
}

CommandStreamer::Next CommandStreamer::WriteRegister(uint32_t offset, uint32_t value) {
  if (HalfRegister* gpr = GeneralPurpose(offset)) {
    *gpr = value;
    return Next::kAdvance;
  }
  if (!MayTouch(offset, /*write=*/true)) return Fail(StreamerFault::Kind::kPrivilege);
  port_.WriteRegister(offset, value);
  return Next::kAdvance;
}

CommandStreamer::Next CommandStreamer::LoadRegisterImm() {
  if (dwords_ < 3 || dwords_ % 2 == 0) return Fail(StreamerFault::Kind::kInvalidCommand);
  for (size_t i = 1; i < dwords_; i += 2) {
    const uint32_t offset = RegisterOffset(command_[i], (header_ & regs::kMiAddCsBase) != 0);
    if (WriteRegister(offset, command_[i + 1]) == Next::kFault) return Next::kFault;
  }
  return Next::kAdvance;
}

CommandStreamer::Next CommandStreamer::StoreRegisterMem() {
  if (dwords_ != regs::kStoreRegisterMemDwords) return Fail(StreamerFault::Kind::kInvalidCommand);
  const AddressSpace* space = DataSpace((header_ & regs::kMiGgtt) != 0);
  if (space == nullptr) return Fail(StreamerFault::Kind::kPrivilege);
  uint32_t value = 0;
  const uint32_t offset = RegisterOffset(command_[1], (header_ & regs::kMiAddCsBase) != 0);
  if (ReadRegister(offset, &value) == Next::kFault) return Next::kFault;
  return space->Write32(Address48(2), value) ? Next::kAdvance : PageFault(Address48(2));
}

CommandStreamer::Next CommandStreamer::LoadRegisterMem() {
  if (dwords_ != regs::kLoadRegisterMemDwords) return Fail(StreamerFault::Kind::kInvalidCommand);
  const AddressSpace* space = DataSpace((header_ & regs::kMiGgtt) != 0);
  if (space == nullptr) return Fail(StreamerFault::Kind::kPrivilege);
  uint32_t value = 0;
  if (!space->Read32(Address48(2), &value)) return PageFault(Address48(2));
  return WriteRegister(RegisterOffset(command_[1], (header_ & regs::kMiAddCsBase) != 0), value);
}

CommandStreamer::Next CommandStreamer::LoadRegisterReg() {
  if (dwords_ != regs::kLoadRegisterRegDwords) return Fail(StreamerFault::Kind::kInvalidCommand);
  uint32_t value = 0;
  const bool source_base = (header_ & regs::kLoadRegisterRegSourceAddCsBase) != 0;
  if (ReadRegister(RegisterOffset(command_[1], source_base), &value) == Next::kFault) return Next::kFault;
  return WriteRegister(RegisterOffset(command_[2], (header_ & regs::kMiAddCsBase) != 0), value);
}

CommandStreamer::Next CommandStreamer::Math() {
  Alu alu(state_.registers);
  for (size_t i = 1; i < dwords_; ++i) {
    if (!alu.Execute(command_[i])) return Fail(StreamerFault::Kind::kInvalidCommand);
  }
  return Next::kAdvance;
}

// ---- Batches.

CommandStreamer::Next CommandStreamer::BatchStart() {
  if (dwords_ != regs::kBatchBufferStartDwords) return Fail(StreamerFault::Kind::kInvalidCommand);
  const bool in_ppgtt = (header_ & regs::kBatchBufferStartPpgtt) != 0;
  if (!in_ppgtt && !privileged()) return Fail(StreamerFault::Kind::kPrivilege);
  const bool second_level = (header_ & regs::kBatchBufferStartSecondLevel) != 0;
  if (second_level && state_.level == 2) return Fail(StreamerFault::Kind::kInvalidCommand);
  const uint64_t target = Address48(1) & ~3ull;
  if (state_.level == 0) {
    Skip(dwords_);
    state_.level = 1;
  } else if (second_level) {
    state_.return_address = state_.batch_address + dwords_ * 4;
    state_.return_in_ppgtt = state_.batch_in_ppgtt;
    state_.level = 2;
  }
  // Without the bit, a batch goes on elsewhere on its own level.
  state_.batch_in_ppgtt = in_ppgtt;
  state_.batch_address = target;
  window_page_ = ~0ull;
  return Next::kJumped;
}

CommandStreamer::Next CommandStreamer::BatchEnd() {
  if (state_.level == 0) return Fail(StreamerFault::Kind::kInvalidCommand);
  state_.batch_address = state_.return_address;
  state_.batch_in_ppgtt = state_.return_in_ppgtt;
  --state_.level;
  window_page_ = ~0ull;
  return Next::kJumped;
}

CommandStreamer::Next CommandStreamer::StartBlit() {
  const absl::Span<const uint32_t> command(command_.data(), dwords_);
  switch (regs::BlitOpcodeOf(header_)) {
    case regs::BlitOpcode::kFastCopy:
      if (dwords_ == regs::kFastCopyDwords) blit_ = Blit::DecodeFastCopy(command);
      break;
    case regs::BlitOpcode::kFastColor:
      if (dwords_ == regs::kFastColorDwords) blit_ = Blit::DecodeFastColor(command);
      break;
    case regs::BlitOpcode::kMemCopy:
    case regs::BlitOpcode::kMemSet:
      // Engines of 12.55 and later.
      break;
  }
  return blit_.has_value() ? Next::kStay : Fail(StreamerFault::Kind::kInvalidCommand);
}

CommandStreamer::Next CommandStreamer::ContinueBlit(uint64_t budget, uint64_t* used) {
  uint64_t fault_address = 0;
  const uint64_t before = blit_->work_bytes();
  const Blit::Progress progress = blit_->Advance(*ppgtt_, budget - *used, &fault_address);
  *used += blit_->work_bytes() - before;
  if (progress == Blit::Progress::kMore) return Next::kStay;
  blit_.reset();
  return progress == Blit::Progress::kDone ? Next::kAdvance : PageFault(fault_address);
}

}  // namespace xeq::hw::model
