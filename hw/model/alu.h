// The arithmetic unit behind MI_MATH: two sources, an accumulator and two flags, all of 64 bits.
#ifndef XEQ_HW_MODEL_ALU_H_
#define XEQ_HW_MODEL_ALU_H_

#include <array>
#include <cstdint>

#include "hw/regs/commands.h"

namespace xeq::hw::model {

using GeneralPurposeRegisters = std::array<uint64_t, regs::kGprCount>;

// One MI_MATH: its state begins at zero with the command. Source: Intel PRM IHD-OS-TGL vol 2a, MI_MATH.
class Alu {
 public:
  explicit Alu(GeneralPurposeRegisters& registers) : registers_(registers) {}
  // False: the unit does not know the operation, or the operand does not fit it.
  bool Execute(uint32_t dword);

 private:
  bool Load(uint32_t destination, uint64_t value);
  bool Store(uint32_t destination, uint32_t source, bool invert);
  void Compute(uint64_t value, bool carry);

  GeneralPurposeRegisters& registers_;
  uint64_t source_a_ = 0;
  uint64_t source_b_ = 0;
  uint64_t accumulator_ = 0;
  // As stored to a register: all ones or zero.
  uint64_t zero_ = 0;
  uint64_t carry_ = 0;
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_ALU_H_
