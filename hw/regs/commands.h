// Encodings of the command streamer's and the blitter's commands, Gen12. Facts only: what a dword holds, not who writes
// or reads it. Sources: Intel PRM IHD-OS-TGL vol 2a (command reference: instructions); Linux
// drivers/gpu/drm/xe/instructions/xe_mi_commands.h and xe_gpu_commands.h; i915/gt/intel_gpu_commands.h.
#ifndef XEQ_HW_REGS_COMMANDS_H_
#define XEQ_HW_REGS_COMMANDS_H_

#include <cstdint>

namespace xeq::hw::regs {

// Bits 31:29 of a header: who decodes it.
enum class CommandType : uint32_t { kMi = 0, kBlitter = 2, kRender = 3 };
constexpr CommandType TypeOf(uint32_t header) { return static_cast<CommandType>(header >> 29); }

// ---- MI: bits 28:23 opcode; where the command has more than one dword, 7:0 (or 5:0, 9:0) is the length in dwords
// less 2.
enum class MiOpcode : uint32_t {
  kNoop = 0x00,
  kSetPredicate = 0x01,
  kUserInterrupt = 0x02,
  kArbCheck = 0x05,
  kArbOnOff = 0x08,
  kBatchBufferEnd = 0x0a,
  kMath = 0x1a,
  kSemaphoreSignal = 0x1b,
  kSemaphoreWait = 0x1c,
  kStoreDataImm = 0x20,
  kLoadRegisterImm = 0x22,
  kStoreRegisterMem = 0x24,
  kFlushDw = 0x26,
  kLoadRegisterMem = 0x29,
  kLoadRegisterReg = 0x2a,
  kCopyMemMem = 0x2e,
  kAtomic = 0x2f,
  kBatchBufferStart = 0x31,
  kConditionalBatchBufferEnd = 0x36,
};
constexpr uint32_t Mi(MiOpcode opcode, uint32_t dwords = 1) {
  return static_cast<uint32_t>(opcode) << 23 | (dwords > 1 ? dwords - 2 : 0);
}
constexpr MiOpcode MiOpcodeOf(uint32_t header) { return static_cast<MiOpcode>(header >> 23 & 0x3f); }

// Bit 22 of MI commands with an address: the address is in the GGTT, else in the context's PPGTT.
inline constexpr uint32_t kMiGgtt = 1u << 22;
// Bit 19 of register commands: add the engine's base to the register's offset.
inline constexpr uint32_t kMiAddCsBase = 1u << 19;

inline constexpr uint32_t kNoop = 0;
inline constexpr uint32_t kUserInterrupt = Mi(MiOpcode::kUserInterrupt);    // 0x01000000
inline constexpr uint32_t kArbCheck = Mi(MiOpcode::kArbCheck);              // 0x02800000
inline constexpr uint32_t kArbCheckPreparserOff = kArbCheck | 1u << 8 | 1;  // bit 8 is the mask of bit 0
inline constexpr uint32_t kArbCheckPreparserOn = kArbCheck | 1u << 8;
inline constexpr uint32_t kArbOn = Mi(MiOpcode::kArbOnOff) | 1;  // 0x04000001
inline constexpr uint32_t kArbOff = Mi(MiOpcode::kArbOnOff);
inline constexpr uint32_t kBatchBufferEnd = Mi(MiOpcode::kBatchBufferEnd);  // 0x05000000
// "End context": closes the register lists of a context image.
inline constexpr uint32_t kBatchBufferEndContext = kBatchBufferEnd | 1;

inline constexpr uint32_t kBatchBufferStartDwords = 3;
inline constexpr uint32_t kBatchBufferStartSecondLevel = 1u << 22;
inline constexpr uint32_t kBatchBufferStartPpgtt = 1u << 8;
// i915's and xe's form: 0x18800101.
inline constexpr uint32_t kBatchBufferStart =
    Mi(MiOpcode::kBatchBufferStart, kBatchBufferStartDwords) | kBatchBufferStartPpgtt;

inline constexpr uint32_t kStoreDataImmDwordDwords = 4;
inline constexpr uint32_t kStoreDataImmQwordDwords = 5;
inline constexpr uint32_t kStoreDataImmQword = 1u << 21;
inline constexpr uint32_t kStoreDataImmLengthMask = 0x3ff;

// MI_LOAD_REGISTER_IMM with n pairs has 1 + 2n dwords; 126 pairs at most.
constexpr uint32_t LoadRegisterImm(uint32_t pairs) { return Mi(MiOpcode::kLoadRegisterImm, 1 + 2 * pairs); }
inline constexpr uint32_t kLoadRegisterImmPosted = 1u << 12;
inline constexpr uint32_t kLoadRegisterImmMmioRemap = 1u << 17;
inline constexpr uint32_t kLoadRegisterImmLengthMask = 0xff;

inline constexpr uint32_t kStoreRegisterMemDwords = 4;
inline constexpr uint32_t kLoadRegisterMemDwords = 4;
inline constexpr uint32_t kLoadRegisterRegDwords = 3;
inline constexpr uint32_t kLoadRegisterRegSourceAddCsBase = 1u << 18;
inline constexpr uint32_t kCopyMemMemDwords = 5;
inline constexpr uint32_t kCopyMemMemSourceGgtt = 1u << 22;
inline constexpr uint32_t kCopyMemMemDestinationGgtt = 1u << 21;

// MI_FLUSH_DW, 4 dwords with a dword post-sync write, 5 with a qword.
inline constexpr uint32_t kFlushDwDwords = 4;
inline constexpr uint32_t kFlushDwQwordDwords = 5;
inline constexpr uint32_t kFlushDwLengthMask = 0x3f;
inline constexpr uint32_t kFlushDwStoreIndex = 1u << 21;  // address is an offset into the status page
inline constexpr uint32_t kFlushDwTlbInvalidate = 1u << 18;
inline constexpr uint32_t kFlushDwPostSyncMask = 3u << 14;
inline constexpr uint32_t kFlushDwPostSyncWrite = 1u << 14;
inline constexpr uint32_t kFlushDwPostSyncTimestamp = 3u << 14;
inline constexpr uint32_t kFlushDwNotify = 1u << 8;
inline constexpr uint32_t kFlushDwAddressGgtt = 1u << 2;  // in dword 1

// Comparisons of MI_SEMAPHORE_WAIT and MI_CONDITIONAL_BATCH_BUFFER_END (bits 14:12): memory OP immediate.
enum class Compare : uint32_t { kGreater = 0, kGreaterEqual = 1, kLess = 2, kLessEqual = 3, kEqual = 4, kNotEqual = 5 };
inline constexpr uint32_t kCompareShift = 12;
inline constexpr uint32_t kCompareMask = 7;
// Gen12 knows the wait with 4 dwords, and with 5 (a token in the last).
inline constexpr uint32_t kSemaphoreWaitDwords = 4;
inline constexpr uint32_t kSemaphoreWaitTokenDwords = 5;
inline constexpr uint32_t kSemaphoreWaitRegisterPoll = 1u << 16;
inline constexpr uint32_t kSemaphoreWaitPoll = 1u << 15;
inline constexpr uint32_t kConditionalBatchBufferEndDwords = 4;
inline constexpr uint32_t kConditionalCompareSemaphore = 1u << 21;
inline constexpr uint32_t kConditionalMaskMode = 1u << 19;
// Ends the batch of this level only, not all of them.
inline constexpr uint32_t kConditionalEndLevel = 1u << 18;

// MI_ATOMIC: 3 dwords (operands in GPR0 and GPR1) or 11 (inline).
inline constexpr uint32_t kAtomicDwords = 3;
inline constexpr uint32_t kAtomicInlineDwords = 11;
inline constexpr uint32_t kAtomicQword = 1u << 19;
inline constexpr uint32_t kAtomicSizeMask = 3u << 19;
inline constexpr uint32_t kAtomicInline = 1u << 18;
inline constexpr uint32_t kAtomicCsStall = 1u << 17;
inline constexpr uint32_t kAtomicReturnData = 1u << 16;
inline constexpr uint32_t kAtomicOperationShift = 8;
// Bits 15:8. The 8-byte operations are the 4-byte ones plus 0x20.
enum class AtomicOperation : uint32_t {
  kMove = 0x04,
  kIncrement = 0x05,
  kDecrement = 0x06,
  kAdd = 0x07,
  kCompareWrite = 0x0e
};
inline constexpr uint32_t kAtomicOperationQword = 0x20;

// MI_MATH: 1 + n dwords, length field n - 1 (that is, dwords - 2). ALU dword: 31:20 operation, 19:10 and 9:0 operands.
enum class AluOperation : uint32_t {
  kNoop = 0x000,
  kLoad = 0x080,
  kLoadInverted = 0x480,
  kLoad0 = 0x081,
  kLoad1 = 0x481,
  kAdd = 0x100,
  kSubtract = 0x101,
  kAnd = 0x102,
  kOr = 0x103,
  kXor = 0x104,
  kStore = 0x180,
  kStoreInverted = 0x580,
};
// 0..15 are the general-purpose registers.
enum class AluOperand : uint32_t {
  kGpr0 = 0,
  kSourceA = 0x20,
  kSourceB = 0x21,
  kAccumulator = 0x31,
  kZeroFlag = 0x32,
  kCarryFlag = 0x33
};
constexpr uint32_t Alu(AluOperation operation, AluOperand first = AluOperand::kGpr0,
                       AluOperand second = AluOperand::kGpr0) {
  return static_cast<uint32_t>(operation) << 20 | static_cast<uint32_t>(first) << 10 | static_cast<uint32_t>(second);
}
constexpr AluOperand Gpr(uint32_t n) { return static_cast<AluOperand>(n); }
inline constexpr uint32_t kGprCount = 16;

// ---- PIPE_CONTROL, render and compute engines: 6 dwords.
inline constexpr uint32_t kPipeControl = 0x7a000004;
inline constexpr uint32_t kPipeControlDwords = 6;
inline constexpr uint32_t kPipeControlHdcFlush = 1u << 9;  // in the header
// Dword 1.
inline constexpr uint32_t kPipeControlDepthFlush = 1u << 0;
inline constexpr uint32_t kPipeControlStateInvalidate = 1u << 2;
inline constexpr uint32_t kPipeControlConstantInvalidate = 1u << 3;
inline constexpr uint32_t kPipeControlVfInvalidate = 1u << 4;
inline constexpr uint32_t kPipeControlDcFlush = 1u << 5;
inline constexpr uint32_t kPipeControlFlushEnable = 1u << 7;
inline constexpr uint32_t kPipeControlNotify = 1u << 8;
inline constexpr uint32_t kPipeControlTextureInvalidate = 1u << 10;
inline constexpr uint32_t kPipeControlInstructionInvalidate = 1u << 11;
inline constexpr uint32_t kPipeControlRtFlush = 1u << 12;
inline constexpr uint32_t kPipeControlDepthStall = 1u << 13;
inline constexpr uint32_t kPipeControlPostSyncMask = 3u << 14;
inline constexpr uint32_t kPipeControlPostSyncQword = 1u << 14;
inline constexpr uint32_t kPipeControlPostSyncTimestamp = 3u << 14;
inline constexpr uint32_t kPipeControlTlbInvalidate = 1u << 18;
inline constexpr uint32_t kPipeControlCsStall = 1u << 20;
inline constexpr uint32_t kPipeControlStoreIndex = 1u << 21;
inline constexpr uint32_t kPipeControlGgtt = 1u << 24;
inline constexpr uint32_t kPipeControlTileFlush = 1u << 28;
inline constexpr uint32_t kPipeControlCommandInvalidate = 1u << 29;

// ---- Blitter: bits 28:22 opcode, 7:0 length in dwords less 2. Copy engines only.
enum class BlitOpcode : uint32_t { kFastCopy = 0x42, kFastColor = 0x44, kMemCopy = 0x5a, kMemSet = 0x5b };
constexpr uint32_t Blit(BlitOpcode opcode, uint32_t dwords) {
  return 2u << 29 | static_cast<uint32_t>(opcode) << 22 | (dwords - 2);
}
constexpr BlitOpcode BlitOpcodeOf(uint32_t header) { return static_cast<BlitOpcode>(header >> 22 & 0x7f); }

// XY_FAST_COPY_BLT, 10 dwords: dw1 15:0 destination pitch (bytes when linear), 26:24 depth; dw2 y1:x1; dw3 y2:x2
// (exclusive); dw4-5 destination; dw6 source y1:x1; dw7 15:0 source pitch; dw8-9 source. Rows up to 32767.
inline constexpr uint32_t kFastCopyDwords = 10;
inline constexpr uint32_t kFastCopySourceTilingMask = 3u << 20;
inline constexpr uint32_t kFastCopyDestinationTilingMask = 3u << 13;
inline constexpr uint32_t kFastCopyDepthShift = 24;
inline constexpr uint32_t kFastCopyDepth8 = 0u << kFastCopyDepthShift;
inline constexpr uint32_t kFastCopyDepth16 = 1u << kFastCopyDepthShift;
inline constexpr uint32_t kFastCopyDepth32 = 3u << kFastCopyDepthShift;
inline constexpr uint32_t kFastCopyDepth64 = 4u << kFastCopyDepthShift;
inline constexpr uint32_t kFastCopyDepth128 = 5u << kFastCopyDepthShift;
inline constexpr uint32_t kBlitPitchMask = 0xffff;
inline constexpr uint32_t kBlitRowsMax = 32767;

// XY_FAST_COLOR_BLT, 11 dwords on Gen12.0: dw0 21:19 depth; dw1 17:0 pitch - 1, 27:21 MOCS, 31:30 tiling; dw2 y1:x1;
// dw3 y2:x2; dw4-5 destination; dw6 reserved; dw7-10 colour.
inline constexpr uint32_t kFastColorDwords = 11;
inline constexpr uint32_t kFastColorDepthShift = 19;
inline constexpr uint32_t kFastColorDepth8 = 0u << kFastColorDepthShift;
inline constexpr uint32_t kFastColorDepth16 = 1u << kFastColorDepthShift;
inline constexpr uint32_t kFastColorDepth32 = 2u << kFastColorDepthShift;
inline constexpr uint32_t kFastColorDepth64 = 3u << kFastColorDepthShift;
inline constexpr uint32_t kFastColorDepth128 = 5u << kFastColorDepthShift;
inline constexpr uint32_t kFastColorPitchMask = 0x3ffff;

// MEM_COPY (10 dwords) and MEM_SET (7), engines of 12.55 and later: see the PRM for the matrix form.
inline constexpr uint32_t kMemCopyDwords = 10;
inline constexpr uint32_t kMemSetDwords = 7;

}  // namespace xeq::hw::regs

#endif  // XEQ_HW_REGS_COMMANDS_H_
