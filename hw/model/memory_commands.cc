// The commands of the command streamer that read and write memory.
#include <atomic>
#include <optional>

#include "hw/model/command_streamer.h"

namespace xeq::hw::model {
namespace {

using Kind = StreamerFault::Kind;
using regs::AtomicOperation;

// What MI_SEMAPHORE_WAIT and MI_CONDITIONAL_BATCH_BUFFER_END ask of memory.
bool Holds(uint32_t memory, uint32_t operation, uint32_t immediate) {
  switch (static_cast<regs::Compare>(operation)) {
    case regs::Compare::kGreater:
      return memory > immediate;
    case regs::Compare::kGreaterEqual:
      return memory >= immediate;
    case regs::Compare::kLess:
      return memory < immediate;
    case regs::Compare::kLessEqual:
      return memory <= immediate;
    case regs::Compare::kEqual:
      return memory == immediate;
    case regs::Compare::kNotEqual:
      return memory != immediate;
  }
  return false;
}
bool IsCompare(uint32_t operation) { return operation <= static_cast<uint32_t>(regs::Compare::kNotEqual); }
uint32_t CompareOf(uint32_t header) { return header >> regs::kCompareShift & regs::kCompareMask; }

// Nothing: the engine does not know the operation.
template <typename T>
std::optional<T> Apply(AtomicOperation operation, T old, T first, T second) {
  switch (operation) {
    case AtomicOperation::kMove:
      return first;
    case AtomicOperation::kIncrement:
      return old + 1;
    case AtomicOperation::kDecrement:
      return old - 1;
    case AtomicOperation::kAdd:
      return old + first;
    case AtomicOperation::kCompareWrite:
      return old == first ? second : old;
  }
  return std::nullopt;
}

}  // namespace

const AddressSpace* CommandStreamer::DataSpace(bool in_ggtt) {
  if (!in_ggtt) return &*ppgtt_;
  return privileged() ? &ggtt_ : nullptr;
}

uint64_t CommandStreamer::Address48(size_t low_dword) const {
  const uint64_t high = command_[low_dword + 1] & 0xffff;
  return high << 32 | command_[low_dword];
}

CommandStreamer::Next CommandStreamer::StoreDataImm() {
  const bool qwords = (header_ & regs::kStoreDataImmQword) != 0;
  const AddressSpace* space = DataSpace((header_ & regs::kMiGgtt) != 0);
  if (space == nullptr) return Fail(Kind::kPrivilege);
  if (dwords_ < regs::kStoreDataImmDwordDwords || (qwords && dwords_ % 2 == 0)) return Fail(Kind::kInvalidCommand);
  uint64_t address = Address48(1) & (qwords ? ~7ull : ~3ull);
  for (size_t i = 3; i < dwords_; i += qwords ? 2 : 1) {
    const bool stored = qwords ? space->Write64(address, static_cast<uint64_t>(command_[i + 1]) << 32 | command_[i])
                               : space->Write32(address, command_[i]);
    if (!stored) return PageFault(address);
    address += qwords ? 8 : 4;
  }
  return Next::kAdvance;
}

CommandStreamer::Next CommandStreamer::CopyMemMem() {
  if (dwords_ != regs::kCopyMemMemDwords) return Fail(Kind::kInvalidCommand);
  const AddressSpace* to = DataSpace((header_ & regs::kCopyMemMemDestinationGgtt) != 0);
  const AddressSpace* from = DataSpace((header_ & regs::kCopyMemMemSourceGgtt) != 0);
  if (to == nullptr || from == nullptr) return Fail(Kind::kPrivilege);
  uint32_t value = 0;
  if (!from->Read32(Address48(3), &value)) return PageFault(Address48(3));
  return to->Write32(Address48(1), value) ? Next::kAdvance : PageFault(Address48(1));
}

CommandStreamer::Next CommandStreamer::PostSync(uint32_t operation, const AddressSpace& space, uint64_t address,
                                                uint64_t data, bool qword) {
  switch (operation) {
    case 0:
      return Next::kAdvance;
    case 1:
      break;
    case 3:
      data = port_.Timestamp();
      qword = true;
      break;
    default:
      return Fail(Kind::kInvalidCommand);
  }
  const bool stored = qword ? space.Write64(address, data) : space.Write32(address, static_cast<uint32_t>(data));
  return stored ? Next::kAdvance : PageFault(address);
}

CommandStreamer::Next CommandStreamer::FlushDw() {
  const bool qword = dwords_ == regs::kFlushDwQwordDwords;
  if (has_pipe_control() || (!qword && dwords_ != regs::kFlushDwDwords)) return Fail(Kind::kInvalidCommand);
  const bool in_ggtt = (command_[1] & regs::kFlushDwAddressGgtt) != 0;
  const bool indexed = (header_ & regs::kFlushDwStoreIndex) != 0;
  const AddressSpace* space = DataSpace(in_ggtt || indexed);
  const uint32_t operation = (header_ & regs::kFlushDwPostSyncMask) >> 14;
  if (space == nullptr && operation != 0) return Fail(Kind::kPrivilege);
  uint64_t address = Address48(1) & ~7ull;
  // An index is an offset into a status page: the engine's, or without the GGTT bit the context's.
  if (indexed) address = (address & 0xfff) + (in_ggtt ? port_.StatusPage() : port_.ContextStatusPage());
  const uint64_t data = qword ? static_cast<uint64_t>(command_[4]) << 32 | command_[3] : command_[3];
  const Next next = operation == 0 ? Next::kAdvance : PostSync(operation, *space, address, data, qword);
  // Whoever is woken finds what was stored.
  if (next == Next::kAdvance && (header_ & regs::kFlushDwNotify) != 0) port_.Interrupt(regs::kIrqFlushNotify);
  return next;
}

CommandStreamer::Next CommandStreamer::PipeControl() {
  if (dwords_ != regs::kPipeControlDwords) return Fail(Kind::kInvalidCommand);
  const uint32_t flags = command_[1];
  const bool in_ggtt = (flags & regs::kPipeControlGgtt) != 0;
  const bool indexed = (flags & regs::kPipeControlStoreIndex) != 0;
  const uint32_t operation = (flags & regs::kPipeControlPostSyncMask) >> 14;
  const AddressSpace* space = DataSpace(in_ggtt || indexed);
  if (space == nullptr && operation != 0) return Fail(Kind::kPrivilege);
  uint64_t address = Address48(2) & ~7ull;
  if (indexed) address = (address & 0xfff) + (in_ggtt ? port_.StatusPage() : port_.ContextStatusPage());
  const uint64_t data = static_cast<uint64_t>(command_[5]) << 32 | command_[4];
  const Next next = operation == 0 ? Next::kAdvance : PostSync(operation, *space, address, data, true);
  if (next == Next::kAdvance && (flags & regs::kPipeControlNotify) != 0) port_.Interrupt(regs::kIrqFlushNotify);
  return next;
}

CommandStreamer::Next CommandStreamer::SemaphoreWait() {
  if (dwords_ != regs::kSemaphoreWaitDwords && dwords_ != regs::kSemaphoreWaitTokenDwords) {
    return Fail(Kind::kInvalidCommand);
  }
  const uint32_t operation = CompareOf(header_);
  if (!IsCompare(operation)) return Fail(Kind::kInvalidCommand);
  uint32_t memory = 0;
  if ((header_ & regs::kSemaphoreWaitRegisterPoll) != 0) {
    if (ReadRegister(RegisterOffset(command_[2], false), &memory) == Next::kFault) return Next::kFault;
  } else {
    const AddressSpace* space = DataSpace((header_ & regs::kMiGgtt) != 0);
    if (space == nullptr) return Fail(Kind::kPrivilege);
    if (!space->Read32(Address48(2), &memory)) return PageFault(Address48(2));
  }
  return Holds(memory, operation, command_[1]) ? Next::kAdvance : Next::kStay;
}

CommandStreamer::Next CommandStreamer::ConditionalEnd() {
  const bool known = (header_ & regs::kConditionalCompareSemaphore) != 0 && IsCompare(CompareOf(header_));
  if (dwords_ != regs::kConditionalBatchBufferEndDwords || !known || state_.level == 0) {
    return Fail(Kind::kInvalidCommand);
  }
  const AddressSpace* space = DataSpace((header_ & regs::kMiGgtt) != 0);
  if (space == nullptr) return Fail(Kind::kPrivilege);
  uint64_t memory = 0;
  if (!space->Read64(Address48(2), &memory)) return PageFault(Address48(2));
  uint32_t value = static_cast<uint32_t>(memory);
  if ((header_ & regs::kConditionalMaskMode) != 0) value &= static_cast<uint32_t>(memory >> 32);
  // The batch goes on while the comparison holds.
  if (Holds(value, CompareOf(header_), command_[1])) return Next::kAdvance;
  if ((header_ & regs::kConditionalEndLevel) == 0) state_.level = 1;
  return BatchEnd();
}

template <typename T>
CommandStreamer::Next CommandStreamer::AtomicOn(const AddressSpace& space, uint64_t address, uint32_t operation,
                                                uint64_t first, uint64_t second, bool return_data) {
  address &= ~static_cast<uint64_t>(sizeof(T) - 1);
  const std::optional<Run> run = space.Translate(address);
  if (!run.has_value()) return PageFault(address);
  alignas(8) T null_page = 0;
  T& target = run->host == nullptr ? null_page : *reinterpret_cast<T*>(run->host);
  std::atomic_ref<T> memory(target);
  T old = memory.load(std::memory_order_relaxed);
  for (;;) {
    const std::optional<T> value =
        Apply<T>(static_cast<AtomicOperation>(operation), old, static_cast<T>(first), static_cast<T>(second));
    if (!value.has_value()) return Fail(Kind::kInvalidCommand);
    if (memory.compare_exchange_weak(old, *value)) break;
  }
  if (return_data) state_.registers[0] = old;
  return Next::kAdvance;
}

CommandStreamer::Next CommandStreamer::Atomic() {
  const bool is_inline = (header_ & regs::kAtomicInline) != 0;
  if (dwords_ != (is_inline ? regs::kAtomicInlineDwords : regs::kAtomicDwords)) return Fail(Kind::kInvalidCommand);
  const AddressSpace* space = DataSpace((header_ & regs::kMiGgtt) != 0);
  if (space == nullptr) return Fail(Kind::kPrivilege);
  // Inline operands are interleaved by dwords.
  const uint64_t first = is_inline ? static_cast<uint64_t>(command_[5]) << 32 | command_[3] : state_.registers[0];
  const uint64_t second = is_inline ? static_cast<uint64_t>(command_[6]) << 32 | command_[4] : state_.registers[1];
  const uint32_t operation = header_ >> regs::kAtomicOperationShift & 0xff;
  const bool return_data = (header_ & regs::kAtomicReturnData) != 0;
  switch (header_ & regs::kAtomicSizeMask) {
    case 0:
      return AtomicOn<uint32_t>(*space, Address48(1), operation, first, second, return_data);
    case regs::kAtomicQword:
      if (operation < regs::kAtomicOperationQword) return Fail(Kind::kInvalidCommand);
      return AtomicOn<uint64_t>(*space, Address48(1), operation - regs::kAtomicOperationQword, first, second,
                                return_data);
    default:
      return Fail(Kind::kInvalidCommand);
  }
}

}  // namespace xeq::hw::model
