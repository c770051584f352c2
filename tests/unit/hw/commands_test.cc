// Goal: headers that are put together from names equal the dwords that the kernel's xe driver emits on Tiger Lake.
// Method: golden values of xe_ring_ops.c and the migration code, dword by dword.
#include "hw/regs/commands.h"

#include <gtest/gtest.h>

namespace xeq::hw::regs {
namespace {

TEST(CommandsTest, RingWrapperHeadersEqualTheKernels) {
  EXPECT_EQ(kUserInterrupt, 0x01000000u);
  EXPECT_EQ(kArbCheck, 0x02800000u);
  EXPECT_EQ(kArbCheckPreparserOff, 0x02800101u);
  EXPECT_EQ(kArbCheckPreparserOn, 0x02800100u);
  EXPECT_EQ(kArbOn, 0x04000001u);
  EXPECT_EQ(kArbOff, 0x04000000u);
  EXPECT_EQ(kBatchBufferEnd, 0x05000000u);
  EXPECT_EQ(kBatchBufferStart, 0x18800101u);
  EXPECT_EQ(Mi(MiOpcode::kStoreDataImm, kStoreDataImmDwordDwords) | kMiGgtt, 0x10400002u);
  EXPECT_EQ(Mi(MiOpcode::kStoreDataImm, kStoreDataImmQwordDwords) | kStoreDataImmQword, 0x10200003u);
  EXPECT_EQ(Mi(MiOpcode::kStoreRegisterMem, kStoreRegisterMemDwords) | kMiGgtt | kMiAddCsBase, 0x12480002u);
  EXPECT_EQ(Mi(MiOpcode::kFlushDw, kFlushDwDwords), 0x13000002u);
  EXPECT_EQ(Mi(MiOpcode::kFlushDw, kFlushDwDwords) | kFlushDwPostSyncWrite, 0x13004002u);
  EXPECT_EQ(Mi(MiOpcode::kFlushDw, kFlushDwDwords) | kFlushDwPostSyncWrite | kFlushDwTlbInvalidate, 0x13044002u);
  EXPECT_EQ(LoadRegisterImm(1) | kLoadRegisterImmMmioRemap, 0x11020001u);
}

TEST(CommandsTest, ContextImageHeadersEqualTheHardwares) {
  EXPECT_EQ(LoadRegisterImm(13) | kLoadRegisterImmPosted | kMiAddCsBase, 0x11081019u);
  EXPECT_EQ(LoadRegisterImm(9) | kLoadRegisterImmPosted | kMiAddCsBase, 0x11081011u);
  EXPECT_EQ(LoadRegisterImm(51) | kLoadRegisterImmPosted | kMiAddCsBase, 0x11081065u);
}

TEST(CommandsTest, PipeControlBitsEqualTheKernels) {
  EXPECT_EQ(kPipeControl | kPipeControlHdcFlush, 0x7a000204u);
  const uint32_t seqno = kPipeControlCsStall | kPipeControlPostSyncQword | kPipeControlGgtt | kPipeControlFlushEnable;
  EXPECT_EQ(seqno, 0x01104080u);
  const uint32_t flush = kPipeControlCsStall | kPipeControlTileFlush | kPipeControlRtFlush | kPipeControlDepthFlush |
                         kPipeControlDcFlush | kPipeControlFlushEnable | kPipeControlDepthStall;
  EXPECT_EQ(flush, 0x101030a1u);
}

TEST(CommandsTest, BlitHeadersEqualTheKernels) {
  EXPECT_EQ(Blit(BlitOpcode::kFastCopy, kFastCopyDwords), 0x50800008u);
  EXPECT_EQ(Blit(BlitOpcode::kFastColor, kFastColorDwords) | kFastColorDepth32, 0x51100009u);
}

TEST(CommandsTest, OpcodesAreReadBackFromHeaders) {
  EXPECT_EQ(TypeOf(kArbOn), CommandType::kMi);
  EXPECT_EQ(MiOpcodeOf(kBatchBufferStart), MiOpcode::kBatchBufferStart);
  const uint32_t copy = Blit(BlitOpcode::kFastCopy, kFastCopyDwords) | kFastCopySourceTilingMask;
  EXPECT_EQ(TypeOf(copy), CommandType::kBlitter);
  EXPECT_EQ(BlitOpcodeOf(copy), BlitOpcode::kFastCopy);
  EXPECT_EQ(TypeOf(kPipeControl), CommandType::kRender);
}

}  // namespace
}  // namespace xeq::hw::regs
