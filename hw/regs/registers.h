// Registers of a Gen12 GPU, by their names in the Intel manuals. Sources: Intel PRM IHD-OS-TGL vol 2c (command
// reference: registers); Linux drivers/gpu/drm/xe/regs/xe_engine_regs.h, xe_gt_regs.h, xe_irq_regs.h;
// i915/gt/intel_gt_regs.h.
#ifndef XEQ_HW_REGS_REGISTERS_H_
#define XEQ_HW_REGS_REGISTERS_H_

#include <cstdint>

namespace xeq::hw::regs {

// ---- Engines: base in BAR0, and offsets from it.
inline constexpr uint32_t kRcs0Base = 0x2000;
inline constexpr uint32_t kBcs0Base = 0x22000;
inline constexpr uint32_t kCcsBases[] = {0x1a000, 0x1c000, 0x1e000, 0x26000};
inline constexpr uint32_t kVcsBases[] = {0x1c0000, 0x1c4000, 0x1d0000, 0x1d4000,
                                         0x1e0000, 0x1e4000, 0x1f0000, 0x1f4000};
inline constexpr uint32_t kVecsBases[] = {0x1c8000, 0x1d8000, 0x1e8000, 0x1f8000};

// Masked registers: bits 31:16 say which of bits 15:0 are written.
constexpr uint32_t MaskedSet(uint32_t bits) { return bits << 16 | bits; }
constexpr uint32_t MaskedClear(uint32_t bits) { return bits << 16; }

inline constexpr uint32_t kRingTail = 0x030;   // 20:3
inline constexpr uint32_t kRingHead = 0x034;   // 20:2, 31:21 wraps
inline constexpr uint32_t kRingStart = 0x038;  // GGTT address
inline constexpr uint32_t kRingCtl = 0x03c;    // 20:12 size - 4096, 0 enable
inline constexpr uint32_t kIpehr = 0x068;      // header of the command being executed
inline constexpr uint32_t kActhd = 0x074;      // address of the command being executed, low
inline constexpr uint32_t kActhdUdw = 0x05c;   // and high
inline constexpr uint32_t kHwsPga = 0x080;     // GGTT address of the engine's status page
inline constexpr uint32_t kHwstam = 0x098;
inline constexpr uint32_t kMiMode = 0x09c;  // masked; 8 STOP_RING, 9 idle
inline constexpr uint32_t kMiModeStopRing = 1u << 8;
inline constexpr uint32_t kMiModeIdle = 1u << 9;
inline constexpr uint32_t kRingImr = 0x0a8;
inline constexpr uint32_t kEir = 0x0b0;
inline constexpr uint32_t kEmr = 0x0b4;
inline constexpr uint32_t kEsr = 0x0b8;
inline constexpr uint32_t kErrorInstruction = 1u << 0;
inline constexpr uint32_t kErrorPrivilege = 1u << 2;
inline constexpr uint32_t kCmdCctl = 0x0c4;
inline constexpr uint32_t kResetCtl = 0x0d0;  // masked; 0 request, 1 ready, 2 catastrophic
inline constexpr uint32_t kResetCtlRequest = 1u << 0;
inline constexpr uint32_t kResetCtlReady = 1u << 1;
inline constexpr uint32_t kBbState = 0x110;
inline constexpr uint32_t kBbAddr = 0x140;
inline constexpr uint32_t kBbAddrUdw = 0x168;
inline constexpr uint32_t kExeclistStatusLo = 0x234;  // bit 7: busy
inline constexpr uint32_t kExeclistStatusBusy = 1u << 7;
inline constexpr uint32_t kExeclistStatusHi = 0x238;
inline constexpr uint32_t kContextControl = 0x244;  // masked
inline constexpr uint32_t kPdp0Udw = 0x274;
inline constexpr uint32_t kPdp0Ldw = 0x270;
inline constexpr uint32_t kRingMode = 0x29c;  // masked; 3 disable legacy mode, 10 prefetch disable
inline constexpr uint32_t kRingModeDisableLegacy = 1u << 3;
inline constexpr uint32_t kRingTimestamp = 0x358;
inline constexpr uint32_t kRingTimestampUdw = 0x35c;
inline constexpr uint32_t kContextStatusPtr = 0x3a0;    // 15:8 read, 7:0 write, upper half is the write mask
inline constexpr uint32_t kCtxTimestamp = 0x3a8;        // counts while a context runs
inline constexpr uint32_t kForceToNonpriv = 0x4d0;      // 12 slots
inline constexpr uint32_t kExeclistSqContents = 0x510;  // 8 descriptors, low then high dword
inline constexpr uint32_t kExeclistControl = 0x550;
inline constexpr uint32_t kExeclistControlLoad = 1u << 0;
inline constexpr uint32_t kCsGpr = 0x600;  // 16 of 8 bytes

// ---- Engine status page (HWSP), dword index.
inline constexpr uint32_t kHwspCsb = 0x10;  // 12 entries of 8 bytes
inline constexpr uint32_t kCsbEntries = 12;
inline constexpr uint32_t kHwspCsbWritePointer = 0x2f;
inline constexpr uint32_t kHwspDriver = 0x30;  // free for software from here on

// ---- Context status buffer entry, Gen12 bits.
inline constexpr uint64_t kCsbNewQueue = 1ull << 0;
inline constexpr uint32_t kCsbToIdShift = 15;
inline constexpr uint32_t kCsbAwayIdShift = 47;
inline constexpr uint32_t kCsbDetailShift = 32;  // 35:32
enum class SwitchDetail : uint32_t { kComplete = 0, kSemaphore = 4, kPreempted = 5 };
inline constexpr uint64_t kContextIdMask = 0x7ff;
inline constexpr uint64_t kContextIdIdle = 0x7ff;

// ---- Context descriptor.
inline constexpr uint64_t kDescriptorValid = 1ull << 0;
inline constexpr uint64_t kDescriptorForcePdRestore = 1ull << 1;
inline constexpr uint64_t kDescriptorForceRestore = 1ull << 2;
inline constexpr uint64_t kDescriptorLegacy64 = 3ull << 3;
inline constexpr uint64_t kDescriptorPpgtt = 1ull << 8;
inline constexpr uint64_t kDescriptorLrcaMask = 0xfffff000;
inline constexpr uint32_t kDescriptorIdShift = 37;
inline constexpr uint32_t kDescriptorInstanceShift = 48;
inline constexpr uint32_t kDescriptorClassShift = 61;  // hardware's classes: HwClass

// Classes as descriptors, the status buffer and interrupt identities number them.
enum class HwClass : uint32_t { kRender = 0, kVideoDecode = 1, kVideoEnhance = 2, kCopy = 3, kOther = 4, kCompute = 5 };

// ---- Context image, dword index from the start of the image page (LRCA + 4 KiB).
inline constexpr uint32_t kImageLri = 0x01;
inline constexpr uint32_t kImageContextControl = 0x03;
inline constexpr uint32_t kImageRingHead = 0x05;
inline constexpr uint32_t kImageRingTail = 0x07;
inline constexpr uint32_t kImageRingStart = 0x09;
inline constexpr uint32_t kImageRingCtl = 0x0b;
inline constexpr uint32_t kImageBbAddrUdw = 0x0d;
inline constexpr uint32_t kImageBbAddr = 0x0f;
inline constexpr uint32_t kImageBbState = 0x11;
inline constexpr uint32_t kImageCtxTimestamp = 0x23;
inline constexpr uint32_t kImagePdp0Udw = 0x31;
inline constexpr uint32_t kImagePdp0Ldw = 0x33;
inline constexpr uint32_t kImageEndOther = 0x34;
inline constexpr uint32_t kImageEndRender = 0xb9;
// During a restore the engine takes base + (address & this), whatever bit 19 of the header says.
inline constexpr uint32_t kImageRegisterMask = 0x1ffc;

// ---- Interrupts, Gen11+.
inline constexpr uint32_t kGfxMstrIrq = 0x190010;
inline constexpr uint32_t kGfxMstrIrqEnable = 1u << 31;
inline constexpr uint32_t kGtIntrDw0 = 0x190018;  // 0 RCS0, 4+ CCS, 15 BCS0
inline constexpr uint32_t kGtIntrDw1 = 0x19001c;  // n VCSn, 31 - n VECSn
// Upper half: render and compute, video decode; lower half: copy, video enhance.
inline constexpr uint32_t kRenderCopyIntrEnable = 0x190030;
inline constexpr uint32_t kVcsVecsIntrEnable = 0x190034;
inline constexpr uint32_t kIntrIdentity0 = 0x190060;  // + 4 * bank: 31 valid, 25:20 instance, 18:16 class, 15:0 vector
inline constexpr uint32_t kIntrIdentityValid = 1u << 31;
inline constexpr uint32_t kIirRegSelector0 = 0x190070;  // + 4 * bank
// A set bit masks. RCS and BCS have the upper half, of the others the even instance the upper, the odd one the lower.
inline constexpr uint32_t kRcsIntrMask = 0x190090;
inline constexpr uint32_t kBcsIntrMask = 0x1900a0;
inline constexpr uint32_t kVcs01IntrMask = 0x1900a8;
inline constexpr uint32_t kVcs23IntrMask = 0x1900ac;
inline constexpr uint32_t kVcs45IntrMask = 0x1900b0;
inline constexpr uint32_t kVcs67IntrMask = 0x1900b4;
inline constexpr uint32_t kVecs01IntrMask = 0x1900d0;
inline constexpr uint32_t kVecs23IntrMask = 0x1900d4;
inline constexpr uint32_t kCcs01IntrMask = 0x190100;
inline constexpr uint32_t kCcs23IntrMask = 0x190104;
// Vector bits.
inline constexpr uint32_t kIrqUser = 1u << 0;
inline constexpr uint32_t kIrqCsError = 1u << 3;
inline constexpr uint32_t kIrqFlushNotify = 1u << 4;
inline constexpr uint32_t kIrqContextSwitch = 1u << 8;
inline constexpr uint32_t kIrqSemaphoreWait = 1u << 11;
inline constexpr uint32_t kIrqAll = kIrqUser | kIrqCsError | kIrqContextSwitch | kIrqSemaphoreWait;  // 0x909

// ---- Reset, forcewake, fuses, clocks, faults.
inline constexpr uint32_t kGdrst = 0x941c;  // 0 full, 1 render, 2 blitter, 5+n VCSn, 13+n VECSn; clears itself
inline constexpr uint32_t kForcewakeRender = 0xa278;
inline constexpr uint32_t kForcewakeAckRender = 0xd84;
inline constexpr uint32_t kForcewakeGt = 0xa188;
inline constexpr uint32_t kForcewakeAckGt = 0x130044;
inline constexpr uint32_t kForcewakeVd = 0xa540;  // + 4 * n
inline constexpr uint32_t kForcewakeAckVd = 0xd50;
inline constexpr uint32_t kForcewakeVe = 0xa560;
inline constexpr uint32_t kForcewakeAckVe = 0xd70;
inline constexpr uint32_t kGtVeboxVdboxDisable = 0x9140;  // 7:0 VCS absent, 19:16 VECS absent
inline constexpr uint32_t kRpmConfig0 = 0xd00;            // 5:3 crystal: 1 is 19.2 MHz; 2:1 shift
inline constexpr uint32_t kCtcMode = 0xa26c;
// Page fault: ring fault register (0 valid, 2:1 type, 16:12 engine id), and address bits 43:12 and 47:44.
inline constexpr uint32_t kRingFault = 0xcec4;
inline constexpr uint32_t kRingFaultValid = 1u << 0;
inline constexpr uint32_t kRingFaultEngineShift = 12;
inline constexpr uint32_t kRingFaultEngineMask = 0x1f;
inline constexpr uint32_t kFaultTlbData0 = 0xceb8;
inline constexpr uint32_t kFaultTlbData1 = 0xcebc;
// TLB invalidation by engine class: bit n is instance n, reads 0 when done (i915/gt/intel_gt_regs.h,
// GEN12_*_TLB_INV_CR).
inline constexpr uint32_t kRenderTlbInvalidate = 0xced8;
inline constexpr uint32_t kVdTlbInvalidate = 0xcedc;
inline constexpr uint32_t kVeTlbInvalidate = 0xcee0;
inline constexpr uint32_t kBltTlbInvalidate = 0xcee4;
inline constexpr uint32_t kComputeTlbInvalidate = 0xcf04;

// Invalidation of the auxiliary (compression) tables; clear themselves.
inline constexpr uint32_t kGfxAuxInvalidate = 0x4208;
inline constexpr uint32_t kVd0AuxInvalidate = 0x4218;
inline constexpr uint32_t kVe0AuxInvalidate = 0x4238;

// ---- Address translation.
// GGTT page table in BAR0: 8 bytes for each page, 63:12 address, 0 present, 1 local memory.
inline constexpr uint32_t kGsmOffset = 8u << 20;
inline constexpr uint32_t kGsmBytes = 8u << 20;
inline constexpr uint64_t kGgttBytes = 4ull << 30;
inline constexpr uint64_t kPtePresent = 1ull << 0;
inline constexpr uint64_t kPteWritable = 1ull << 1;
inline constexpr uint64_t kPteLargePage = 1ull << 7;  // in a PDE or PDPE: a leaf of 2 MiB or 1 GiB
inline constexpr uint64_t kPteNull = 1ull << 9;       // reads zero, drops writes
inline constexpr uint64_t kPteLocalMemory = 1ull << 11;
inline constexpr uint64_t kPteAddressMask = 0x0000fffffffff000ull;

// Bit 0: this is a virtual function (SR-IOV).
inline constexpr uint32_t kVfCap = 0x1901f8;

// PCI configuration.
inline constexpr uint32_t kVendorIntel = 0x8086;
inline constexpr uint32_t kDeviceTigerLakeGt2 = 0x9a49;
inline constexpr uint32_t kConfigGgc = 0x50;  // 7:6: log2 of the GSM size in MiB

}  // namespace xeq::hw::regs

#endif  // XEQ_HW_REGS_REGISTERS_H_
