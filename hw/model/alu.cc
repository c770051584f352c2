#include "hw/model/alu.h"

namespace xeq::hw::model {

using regs::AluOperand;
using regs::AluOperation;

bool Alu::Execute(uint32_t dword) {
  const uint32_t first = dword >> 10 & 0x3ff;
  const uint32_t second = dword & 0x3ff;
  switch (static_cast<AluOperation>(dword >> 20)) {
    case AluOperation::kNoop:
      return true;
    case AluOperation::kLoad:
      return second < regs::kGprCount && Load(first, registers_[second]);
    case AluOperation::kLoadInverted:
      return second < regs::kGprCount && Load(first, ~registers_[second]);
    case AluOperation::kLoad0:
      return Load(first, 0);
    case AluOperation::kLoad1:
      return Load(first, ~0ull);
    case AluOperation::kAdd:
      Compute(source_a_ + source_b_, source_a_ + source_b_ < source_a_);
      return true;
    case AluOperation::kSubtract:
      Compute(source_a_ - source_b_, source_a_ < source_b_);
      return true;
    case AluOperation::kAnd:
      Compute(source_a_ & source_b_, false);
      return true;
    case AluOperation::kOr:
      Compute(source_a_ | source_b_, false);
      return true;
    case AluOperation::kXor:
      Compute(source_a_ ^ source_b_, false);
      return true;
    case AluOperation::kStore:
      return Store(first, second, false);
    case AluOperation::kStoreInverted:
      return Store(first, second, true);
  }
  return false;
}

bool Alu::Load(uint32_t destination, uint64_t value) {
  switch (static_cast<AluOperand>(destination)) {
    case AluOperand::kSourceA:
      source_a_ = value;
      return true;
    case AluOperand::kSourceB:
      source_b_ = value;
      return true;
    default:
      return false;
  }
}

bool Alu::Store(uint32_t destination, uint32_t source, bool invert) {
  if (destination >= regs::kGprCount) return false;
  uint64_t value = 0;
  switch (static_cast<AluOperand>(source)) {
    case AluOperand::kAccumulator:
      value = accumulator_;
      break;
    case AluOperand::kZeroFlag:
      value = zero_;
      break;
    case AluOperand::kCarryFlag:
      value = carry_;
      break;
    default:
      return false;
  }
  registers_[destination] = invert ? ~value : value;
  return true;
}

void Alu::Compute(uint64_t value, bool carry) {
  accumulator_ = value;
  zero_ = value == 0 ? ~0ull : 0;
  carry_ = carry ? ~0ull : 0;
}

}  // namespace xeq::hw::model
