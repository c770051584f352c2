#include "xeq/batch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hw/regs/commands.h"
#include "hw/regs/registers.h"

namespace xeq {
namespace {

namespace regs = hw::regs;

uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t High(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

uint32_t CompareBits(Compare compare) {
  regs::Compare bits = regs::Compare::kGreater;
  switch (compare) {
    case Compare::kGreater:
      bits = regs::Compare::kGreater;
      break;
    case Compare::kGreaterEqual:
      bits = regs::Compare::kGreaterEqual;
      break;
    case Compare::kLess:
      bits = regs::Compare::kLess;
      break;
    case Compare::kLessEqual:
      bits = regs::Compare::kLessEqual;
      break;
    case Compare::kEqual:
      bits = regs::Compare::kEqual;
      break;
    case Compare::kNotEqual:
      bits = regs::Compare::kNotEqual;
      break;
  }
  return static_cast<uint32_t>(bits) << regs::kCompareShift;
}

uint32_t GprOffset(Gpr gpr) { return regs::kCsGpr + 8 * gpr.number; }

// Rows of the blitter's rectangles: a pitch that its field holds, so that a long range is one block of rows.
constexpr uint64_t kRowBytes = 32 << 10;
constexpr uint64_t kVaEnd = 1ull << 48;

}  // namespace

enum class BatchBuilder::Math : uint32_t {
  kAdd = static_cast<uint32_t>(regs::AluOperation::kAdd),
  kSubtract = static_cast<uint32_t>(regs::AluOperation::kSubtract),
  kAnd = static_cast<uint32_t>(regs::AluOperation::kAnd),
  kOr = static_cast<uint32_t>(regs::AluOperation::kOr),
  kXor = static_cast<uint32_t>(regs::AluOperation::kXor),
};

void BatchBuilder::Emit(std::initializer_list<uint32_t> dwords) {
  dwords_.insert(dwords_.end(), dwords.begin(), dwords.end());
}

bool BatchBuilder::Check(const char* command, uint64_t address, uint64_t alignment) {
  if (address % alignment == 0 && address < kVaEnd) return true;
  if (error_.ok()) {
    error_ = absl::InvalidArgumentError(
        absl::StrCat(command, ": 0x", absl::Hex(address), " must be a multiple of ", alignment, " below 2^48"));
  }
  return false;
}

bool BatchBuilder::CheckGpr(const char* command, Gpr gpr) {
  if (gpr.number < regs::kGprCount) return true;
  if (error_.ok()) {
    error_ = absl::InvalidArgumentError(
        absl::StrCat(command, ": register ", gpr.number, " must be below ", regs::kGprCount));
  }
  return false;
}

BatchBuilder& BatchBuilder::StoreDword(uint64_t address, uint32_t value) {
  if (!Check("StoreDword", address, 4)) return *this;
  Emit({regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmDwordDwords), Low(address), High(address), value});
  return *this;
}

BatchBuilder& BatchBuilder::StoreQword(uint64_t address, uint64_t value) {
  if (!Check("StoreQword", address, 8)) return *this;
  Emit({regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmQwordDwords) | regs::kStoreDataImmQword,
        Low(address), High(address), Low(value), High(value)});
  return *this;
}

BatchBuilder& BatchBuilder::CopyDword(uint64_t to, uint64_t from) {
  if (!Check("CopyDword", to, 4) || !Check("CopyDword", from, 4)) return *this;
  Emit({regs::Mi(regs::MiOpcode::kCopyMemMem, regs::kCopyMemMemDwords), Low(to), High(to), Low(from), High(from)});
  return *this;
}

BatchBuilder& BatchBuilder::AtomicAdd(uint64_t address, bool qword, uint64_t value) {
  const uint32_t operation =
      static_cast<uint32_t>(regs::AtomicOperation::kAdd) + (qword ? regs::kAtomicOperationQword : 0);
  // The first operand is in every other dword.
  Emit({regs::Mi(regs::MiOpcode::kAtomic, regs::kAtomicInlineDwords) | regs::kAtomicInline |
            (qword ? regs::kAtomicQword : 0) | operation << regs::kAtomicOperationShift,
        Low(address), High(address), Low(value), 0, High(value), 0, 0, 0, 0, 0});
  return *this;
}

BatchBuilder& BatchBuilder::AtomicAddDword(uint64_t address, uint32_t value) {
  return Check("AtomicAddDword", address, 4) ? AtomicAdd(address, false, value) : *this;
}

BatchBuilder& BatchBuilder::AtomicAddQword(uint64_t address, uint64_t value) {
  return Check("AtomicAddQword", address, 8) ? AtomicAdd(address, true, value) : *this;
}

BatchBuilder& BatchBuilder::AtomicIncrementDword(uint64_t address) {
  if (!Check("AtomicIncrementDword", address, 4)) return *this;
  Emit({regs::Mi(regs::MiOpcode::kAtomic, regs::kAtomicDwords) |
            static_cast<uint32_t>(regs::AtomicOperation::kIncrement) << regs::kAtomicOperationShift,
        Low(address), High(address)});
  return *this;
}

BatchBuilder& BatchBuilder::LoadImmediate(Gpr to, uint64_t value) {
  if (!CheckGpr("LoadImmediate", to)) return *this;
  Emit({regs::LoadRegisterImm(2) | regs::kMiAddCsBase, GprOffset(to), Low(value), GprOffset(to) + 4, High(value)});
  return *this;
}

BatchBuilder& BatchBuilder::LoadQword(Gpr to, uint64_t address) {
  if (!CheckGpr("LoadQword", to) || !Check("LoadQword", address, 4)) return *this;
  for (const uint32_t half : {0u, 4u}) {
    Emit({regs::Mi(regs::MiOpcode::kLoadRegisterMem, regs::kLoadRegisterMemDwords) | regs::kMiAddCsBase,
          GprOffset(to) + half, Low(address + half), High(address + half)});
  }
  return *this;
}

BatchBuilder& BatchBuilder::StoreQword(uint64_t address, Gpr from) {
  if (!CheckGpr("StoreQword", from) || !Check("StoreQword", address, 4)) return *this;
  for (const uint32_t half : {0u, 4u}) {
    Emit({regs::Mi(regs::MiOpcode::kStoreRegisterMem, regs::kStoreRegisterMemDwords) | regs::kMiAddCsBase,
          GprOffset(from) + half, Low(address + half), High(address + half)});
  }
  return *this;
}

BatchBuilder& BatchBuilder::StoreTimestamp(uint64_t address) {
  if (!Check("StoreTimestamp", address, 4)) return *this;
  Emit({regs::Mi(regs::MiOpcode::kStoreRegisterMem, regs::kStoreRegisterMemDwords) | regs::kMiAddCsBase,
        regs::kRingTimestamp, Low(address), High(address)});
  return *this;
}

BatchBuilder& BatchBuilder::Arithmetic(Math operation, Gpr to, Gpr first, Gpr second) {
  for (const Gpr gpr : {to, first, second}) {
    if (!CheckGpr("arithmetic", gpr)) return *this;
  }
  using regs::AluOperand;
  using regs::AluOperation;
  Emit({regs::Mi(regs::MiOpcode::kMath, 5),
        regs::Alu(AluOperation::kLoad, AluOperand::kSourceA, regs::Gpr(first.number)),
        regs::Alu(AluOperation::kLoad, AluOperand::kSourceB, regs::Gpr(second.number)),
        regs::Alu(static_cast<AluOperation>(operation)),
        regs::Alu(AluOperation::kStore, regs::Gpr(to.number), AluOperand::kAccumulator)});
  return *this;
}

BatchBuilder& BatchBuilder::Add(Gpr to, Gpr first, Gpr second) { return Arithmetic(Math::kAdd, to, first, second); }
BatchBuilder& BatchBuilder::Subtract(Gpr to, Gpr first, Gpr second) {
  return Arithmetic(Math::kSubtract, to, first, second);
}
BatchBuilder& BatchBuilder::And(Gpr to, Gpr first, Gpr second) { return Arithmetic(Math::kAnd, to, first, second); }
BatchBuilder& BatchBuilder::Or(Gpr to, Gpr first, Gpr second) { return Arithmetic(Math::kOr, to, first, second); }
BatchBuilder& BatchBuilder::Xor(Gpr to, Gpr first, Gpr second) { return Arithmetic(Math::kXor, to, first, second); }

BatchBuilder& BatchBuilder::WaitUntil(uint64_t address, Compare compare, uint32_t value) {
  if (!Check("WaitUntil", address, 4)) return *this;
  Emit({regs::Mi(regs::MiOpcode::kSemaphoreWait, regs::kSemaphoreWaitTokenDwords) | regs::kSemaphoreWaitPoll |
            CompareBits(compare),
        value, Low(address), High(address), 0});
  return *this;
}

BatchBuilder& BatchBuilder::EndUnless(uint64_t address, Compare compare, uint32_t value) {
  if (!Check("EndUnless", address, 8)) return *this;
  Emit({regs::Mi(regs::MiOpcode::kConditionalBatchBufferEnd, regs::kConditionalBatchBufferEndDwords) |
            regs::kConditionalCompareSemaphore | CompareBits(compare),
        value, Low(address), High(address)});
  return *this;
}

BatchBuilder& BatchBuilder::Jump(uint64_t address) {
  if (!Check("Jump", address, 4)) return *this;
  Emit({regs::kBatchBufferStart, Low(address), High(address)});
  return *this;
}

BatchBuilder& BatchBuilder::PreemptionPoint() {
  Emit({regs::kArbCheck});
  return *this;
}

void BatchBuilder::CopyRows(uint64_t to, uint64_t from, uint64_t row_bytes, uint64_t rows) {
  const bool dwords = (to | from | row_bytes) % 4 == 0;
  const uint32_t depth = dwords ? regs::kFastCopyDepth32 : regs::kFastCopyDepth8;
  const uint32_t width = static_cast<uint32_t>(row_bytes / (dwords ? 4 : 1));
  Emit({regs::Blit(regs::BlitOpcode::kFastCopy, regs::kFastCopyDwords), depth | static_cast<uint32_t>(kRowBytes), 0,
        static_cast<uint32_t>(rows) << 16 | width, Low(to), High(to), 0, static_cast<uint32_t>(kRowBytes), Low(from),
        High(from)});
}

BatchBuilder& BatchBuilder::Copy(uint64_t to, uint64_t from, uint64_t size_bytes) {
  if (!Check("Copy", to, 1) || !Check("Copy", from, 1)) return *this;
  while (size_bytes > 0) {
    const uint64_t rows = std::min<uint64_t>(size_bytes / kRowBytes, regs::kBlitRowsMax);
    const uint64_t bytes = rows > 0 ? rows * kRowBytes : size_bytes;
    CopyRows(to, from, rows > 0 ? kRowBytes : size_bytes, std::max<uint64_t>(rows, 1));
    to += bytes;
    from += bytes;
    size_bytes -= bytes;
  }
  return *this;
}

void BatchBuilder::FillRows(uint64_t address, uint64_t row_bytes, uint64_t rows, uint32_t value) {
  Emit({regs::Blit(regs::BlitOpcode::kFastColor, regs::kFastColorDwords) | regs::kFastColorDepth32,
        static_cast<uint32_t>(kRowBytes) - 1, 0,
        static_cast<uint32_t>(rows) << 16 | static_cast<uint32_t>(row_bytes / 4), Low(address), High(address), 0, value,
        0, 0, 0});
}

BatchBuilder& BatchBuilder::Fill(uint64_t address, uint64_t size_bytes, uint32_t value) {
  if (!Check("Fill", address, 4) || !Check("Fill", size_bytes, 4)) return *this;
  while (size_bytes > 0) {
    const uint64_t rows = std::min<uint64_t>(size_bytes / kRowBytes, regs::kBlitRowsMax);
    const uint64_t bytes = rows > 0 ? rows * kRowBytes : size_bytes;
    FillRows(address, rows > 0 ? kRowBytes : size_bytes, std::max<uint64_t>(rows, 1), value);
    address += bytes;
    size_bytes -= bytes;
  }
  return *this;
}

absl::StatusOr<std::vector<uint32_t>> BatchBuilder::Finish() {
  if (!error_.ok()) return error_;
  Emit({regs::kBatchBufferEnd});
  if (dwords_.size() % 2 != 0) Emit({regs::kNoop});
  return std::move(dwords_);
}

}  // namespace xeq
