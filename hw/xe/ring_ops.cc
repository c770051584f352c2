#include "hw/xe/ring_ops.h"

#include "hw/regs/commands.h"

namespace xeq::hw::xe {
namespace {

using regs::HwClass;

constexpr uint32_t kStoreRegisterGgtt =
    regs::Mi(regs::MiOpcode::kStoreRegisterMem, regs::kStoreRegisterMemDwords) | regs::kMiGgtt | regs::kMiAddCsBase;
constexpr uint32_t kStoreDwordGgtt =
    regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmDwordDwords) | regs::kMiGgtt;
constexpr uint32_t kFlush = regs::Mi(regs::MiOpcode::kFlushDw, regs::kFlushDwDwords);
// Byte 0xd0 of the context's status page: where a post-sync write may go that nobody reads.
constexpr uint32_t kScratchOffset = 0xd0;

constexpr uint32_t kRenderInvalidate =
    regs::kPipeControlCommandInvalidate | regs::kPipeControlStoreIndex | regs::kPipeControlCsStall |
    regs::kPipeControlPostSyncQword | regs::kPipeControlInstructionInvalidate | regs::kPipeControlTextureInvalidate |
    regs::kPipeControlVfInvalidate | regs::kPipeControlConstantInvalidate | regs::kPipeControlStateInvalidate;
// Work-around 1409600907 of Gen12.0 adds the depth stall.
constexpr uint32_t kRenderFlush =
    regs::kPipeControlTileFlush | regs::kPipeControlCsStall | regs::kPipeControlDepthStall | regs::kPipeControlRtFlush |
    regs::kPipeControlFlushEnable | regs::kPipeControlDcFlush | regs::kPipeControlDepthFlush;
constexpr uint32_t kRenderSeqno = regs::kPipeControlGgtt | regs::kPipeControlCsStall | regs::kPipeControlPostSyncQword |
                                  regs::kPipeControlFlushEnable;

}  // namespace

JobCommands::JobCommands(HwClass engine_class, uint64_t batch, uint32_t seqno, const JobAddresses& addresses,
                         const JobExtras& extras)
    : extras_(extras) {
  switch (engine_class) {
    case HwClass::kRender:
    case HwClass::kCompute:
      EmitRender(batch, seqno, addresses);
      break;
    case HwClass::kVideoDecode:
    case HwClass::kVideoEnhance:
      EmitVideo(engine_class, batch, seqno, addresses);
      break;
    case HwClass::kCopy:
    case HwClass::kOther:
      EmitCopy(batch, seqno, addresses);
      break;
  }
  if (count_ % 2 != 0) Emit(regs::kNoop);
  Emit(regs::kArbCheck, regs::kNoop);
}

void JobCommands::StoreRegister(uint32_t offset, uint32_t address) { Emit(kStoreRegisterGgtt, offset, address, 0u); }

void JobCommands::StartTimestamps(const JobAddresses& addresses) {
  StoreRegister(regs::kRingTimestamp, addresses.start_timestamp);
  StoreRegister(regs::kCtxTimestamp, addresses.start_context_timestamp);
}

void JobCommands::EndTimestamps(const JobAddresses& addresses) {
  StoreRegister(regs::kRingTimestamp, addresses.end_timestamp);
  StoreRegister(regs::kCtxTimestamp, addresses.end_context_timestamp);
}

void JobCommands::InvalidateAux(uint32_t offset) {
  Emit(regs::LoadRegisterImm(1) | regs::kLoadRegisterImmMmioRemap, offset, 1u, regs::kNoop);
}

void JobCommands::StoreSeqno(uint32_t address, uint32_t seqno) { Emit(kStoreDwordGgtt, address, 0u, seqno); }

void JobCommands::FlushAndStoreSeqno(uint32_t address, uint32_t seqno) {
  Emit(kFlush | regs::kFlushDwTlbInvalidate | regs::kFlushDwPostSyncWrite, address | regs::kFlushDwAddressGgtt, 0u,
       seqno);
}

void JobCommands::StoreUserFence() {
  const UserFence& fence = extras_.user_fence;
  if (fence.address == 0) return;
  Emit(regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmQwordDwords) | regs::kStoreDataImmQword,
       static_cast<uint32_t>(fence.address), static_cast<uint32_t>(fence.address >> 32),
       static_cast<uint32_t>(fence.value), static_cast<uint32_t>(fence.value >> 32));
}

void JobCommands::StartBatch(uint64_t batch) {
  Emit(regs::kBatchBufferStart, static_cast<uint32_t>(batch), static_cast<uint32_t>(batch >> 32));
  // From here on the job is not preempted: what it has done is about to be told.
  Emit(regs::kArbOff);
}

void JobCommands::Interrupt() { Emit(regs::kUserInterrupt, regs::kArbOn, regs::kArbCheck); }

void JobCommands::EmitCopy(uint64_t batch, uint32_t seqno, const JobAddresses& addresses) {
  StartTimestamps(addresses);
  if (extras_.flush_tlb) {
    Emit(regs::kArbCheckPreparserOff);
    FlushAndStoreSeqno(addresses.start_seqno, seqno);
    Emit(regs::kArbCheckPreparserOn);
  } else {
    StoreSeqno(addresses.start_seqno, seqno);
  }
  StartBatch(batch);
  Emit(kFlush, 0u, 0u, 0u);
  StoreUserFence();
  EndTimestamps(addresses);
  Emit(kFlush | regs::kFlushDwPostSyncWrite, addresses.seqno | regs::kFlushDwAddressGgtt, 0u, seqno);
  Interrupt();
}

void JobCommands::EmitVideo(HwClass engine_class, uint64_t batch, uint32_t seqno, const JobAddresses& addresses) {
  StartTimestamps(addresses);
  Emit(regs::kArbCheckPreparserOff);
  InvalidateAux(engine_class == HwClass::kVideoDecode ? regs::kVd0AuxInvalidate : regs::kVe0AuxInvalidate);
  if (extras_.flush_tlb) FlushAndStoreSeqno(addresses.start_seqno, seqno);
  Emit(regs::kArbCheckPreparserOn);
  if (!extras_.flush_tlb) StoreSeqno(addresses.start_seqno, seqno);
  StartBatch(batch);
  Emit(kFlush, 0u, 0u, 0u);
  StoreUserFence();
  EndTimestamps(addresses);
  Emit(kFlush | regs::kFlushDwPostSyncWrite, addresses.seqno | regs::kFlushDwAddressGgtt, 0u, seqno);
  Interrupt();
}

void JobCommands::EmitRender(uint64_t batch, uint32_t seqno, const JobAddresses& addresses) {
  StartTimestamps(addresses);
  Emit(regs::kArbCheckPreparserOff);
  Emit(regs::kPipeControl, kRenderInvalidate | (extras_.flush_tlb ? regs::kPipeControlTlbInvalidate : 0),
       kScratchOffset, 0u, 0u, 0u);
  InvalidateAux(regs::kGfxAuxInvalidate);
  Emit(regs::kArbCheckPreparserOn);
  StoreSeqno(addresses.start_seqno, seqno);
  StartBatch(batch);
  Emit(regs::kPipeControl | regs::kPipeControlHdcFlush, kRenderFlush, 0u, 0u, 0u, 0u);
  StoreUserFence();
  EndTimestamps(addresses);
  Emit(regs::kPipeControl, kRenderSeqno, addresses.seqno, 0u, seqno, 0u);
  Interrupt();
}

}  // namespace xeq::hw::xe
