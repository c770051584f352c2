// Goal: MI_MATH computes what the manual says. Method: small programs, as batches hold them.
#include "hw/model/alu.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace xeq::hw::model {
namespace {

using regs::AluOperand;
using regs::AluOperation;
using regs::Gpr;

class AluTest : public ::testing::Test {
 protected:
  bool Run(std::initializer_list<uint32_t> program) {
    model::Alu alu(registers_);
    for (const uint32_t dword : program) {
      if (!alu.Execute(dword)) return false;
    }
    return true;
  }
  // R2 = R0 OPERATION R1, R3 = carry, R4 = zero.
  bool Binary(AluOperation operation, uint64_t a, uint64_t b) {
    registers_[0] = a;
    registers_[1] = b;
    return Run({Alu(AluOperation::kLoad, AluOperand::kSourceA, Gpr(0)),
                Alu(AluOperation::kLoad, AluOperand::kSourceB, Gpr(1)), Alu(operation),
                Alu(AluOperation::kStore, Gpr(2), AluOperand::kAccumulator),
                Alu(AluOperation::kStore, Gpr(3), AluOperand::kCarryFlag),
                Alu(AluOperation::kStore, Gpr(4), AluOperand::kZeroFlag)});
  }
  static uint32_t Alu(AluOperation operation, AluOperand first = AluOperand::kGpr0,
                      AluOperand second = AluOperand::kGpr0) {
    return regs::Alu(operation, first, second);
  }

  GeneralPurposeRegisters registers_{};
};

TEST_F(AluTest, AddAndSubtractSetTheFlags) {
  ASSERT_TRUE(Binary(AluOperation::kAdd, ~0ull, 1));
  EXPECT_EQ(registers_[2], 0u);
  EXPECT_EQ(registers_[3], ~0ull);
  EXPECT_EQ(registers_[4], ~0ull);
  ASSERT_TRUE(Binary(AluOperation::kSubtract, 3, 5));
  EXPECT_EQ(registers_[2], static_cast<uint64_t>(-2));
  EXPECT_EQ(registers_[3], ~0ull);
  EXPECT_EQ(registers_[4], 0u);
}

TEST_F(AluTest, LogicWorksOnAllBits) {
  ASSERT_TRUE(Binary(AluOperation::kAnd, 0xff00ff00ff00ff00, 0x0ff00ff00ff00ff0));
  EXPECT_EQ(registers_[2], 0x0f000f000f000f00u);
  ASSERT_TRUE(Binary(AluOperation::kOr, 0xf0, 0x0f));
  EXPECT_EQ(registers_[2], 0xffu);
  ASSERT_TRUE(Binary(AluOperation::kXor, 0xff, 0x0f));
  EXPECT_EQ(registers_[2], 0xf0u);
}

TEST_F(AluTest, InvertedAndConstantOperands) {
  registers_[0] = 0xff;
  ASSERT_TRUE(Run({Alu(AluOperation::kLoadInverted, AluOperand::kSourceA, Gpr(0)),
                   Alu(AluOperation::kLoad0, AluOperand::kSourceB), Alu(AluOperation::kNoop), Alu(AluOperation::kAdd),
                   Alu(AluOperation::kStoreInverted, Gpr(15), AluOperand::kAccumulator),
                   Alu(AluOperation::kLoad1, AluOperand::kSourceB), Alu(AluOperation::kAnd),
                   Alu(AluOperation::kStore, Gpr(14), AluOperand::kAccumulator)}));
  EXPECT_EQ(registers_[15], 0xffu);
  EXPECT_EQ(registers_[14], ~0xffull);
}

TEST_F(AluTest, WhatTheUnitDoesNotKnowIsRefused) {
  EXPECT_FALSE(Run({0x7ff00000}));
  EXPECT_FALSE(Run({Alu(AluOperation::kLoad, AluOperand::kAccumulator, Gpr(0))}));
  EXPECT_FALSE(Run({Alu(AluOperation::kLoad, AluOperand::kSourceA, Gpr(16))}));
  EXPECT_FALSE(Run({Alu(AluOperation::kStore, Gpr(16), AluOperand::kAccumulator)}));
  EXPECT_FALSE(Run({Alu(AluOperation::kStore, Gpr(0), AluOperand::kSourceA)}));
}

}  // namespace
}  // namespace xeq::hw::model
