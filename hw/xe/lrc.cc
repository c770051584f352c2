#include "hw/xe/lrc.h"

#include <atomic>
#include <utility>

#include "hw/regs/commands.h"
#include "hw/regs/registers.h"

namespace xeq::hw::xe {
namespace {

using regs::HwClass;

// Image with status page: 14 pages for render and compute, 2 for the others. Source: Linux xe_lrc.c,
// xe_gt_lrc_size.
uint32_t ImagePages(HwClass engine_class) {
  return engine_class == HwClass::kRender || engine_class == HwClass::kCompute ? 14 : 2;
}

constexpr uint32_t kListHeaders[] = {0x11081019, 0x11081011};
constexpr uint32_t kFirstListPairs = 13;
constexpr uint32_t kSecondListDword = 0x21;
constexpr uint32_t kSecondListPairs = 9;
// Registers of the two lists that every engine has. Source: Linux xe_lrc.c, gen12_xcs_offsets.
constexpr uint32_t kFirstList[kFirstListPairs] = {regs::kContextControl,
                                                  regs::kRingHead,
                                                  regs::kRingTail,
                                                  regs::kRingStart,
                                                  regs::kRingCtl,
                                                  regs::kBbAddrUdw,
                                                  regs::kBbAddr,
                                                  regs::kBbState,
                                                  0x1c0,
                                                  0x1c4,
                                                  0x1c8,
                                                  0x180,
                                                  0x2b4};
constexpr uint32_t kSecondList[kSecondListPairs] = {
    regs::kCtxTimestamp, 0x28c, 0x288, 0x284, 0x280, 0x27c, 0x278, regs::kPdp0Udw, regs::kPdp0Ldw};
// Inhibit synchronous context switch, and restore inhibit: there is no engine state to load yet.
constexpr uint32_t kContextControlInitial = regs::MaskedSet(1u << 3 | 1u << 0);
// Behind the lists: the slot of MI_MODE, whose STOP_RING a context stored by a stopped ring must not bring back.
constexpr uint32_t kMiModeDword = 0x61;

}  // namespace

absl::StatusOr<std::unique_ptr<Lrc>> Lrc::Create(pci::PciFunction& function, Ggtt& ggtt, const regs::EnginePlace& place,
                                                 std::shared_ptr<XeVm> vm) {
  absl::StatusOr<std::unique_ptr<pci::DmaMemory>> memory =
      function.AllocateDma(kRingBytes + ImagePages(place.engine_class) * kPage);
  if (!memory.ok()) return memory.status();
  absl::StatusOr<GgttMapping> mapping = ggtt.Map(**memory);
  if (!mapping.ok()) return mapping.status();
  auto lrc = std::unique_ptr<Lrc>(new Lrc(place, std::move(vm), *std::move(memory), *std::move(mapping)));
  lrc->WriteImage();
  return lrc;
}

Lrc::Lrc(const regs::EnginePlace& place, std::shared_ptr<XeVm> vm, std::unique_ptr<pci::DmaMemory> memory,
         GgttMapping mapping)
    : place_(place),
      vm_(std::move(vm)),
      memory_(std::move(memory)),
      mapping_(std::move(mapping)),
      tlb_flush_seqno_(vm_->rebind_seqno()) {}

uint32_t* Lrc::Dword(uint32_t byte_offset) const { return reinterpret_cast<uint32_t*>(memory_->cpu() + byte_offset); }

uint32_t Lrc::ReadPage(uint32_t offset) const {
  return std::atomic_ref<uint32_t>(*Dword(kRingBytes + offset)).load(std::memory_order_acquire);
}

void Lrc::WriteImage() {
  uint32_t* const image = Dword(kRingBytes + kPage);
  image[regs::kImageLri] = kListHeaders[0];
  for (uint32_t i = 0; i < kFirstListPairs; ++i) image[regs::kImageLri + 1 + 2 * i] = place_.base + kFirstList[i];
  image[kSecondListDword] = kListHeaders[1];
  for (uint32_t i = 0; i < kSecondListPairs; ++i) image[kSecondListDword + 1 + 2 * i] = place_.base + kSecondList[i];
  image[regs::kImageContextControl] = kContextControlInitial;
  image[regs::kImageRingStart] = mapping_.address();
  image[regs::kImageRingCtl] = (kRingBytes - kPage) | 1;
  image[regs::kImagePdp0Udw] = static_cast<uint32_t>(vm_->root_descriptor() >> 32);
  image[regs::kImagePdp0Ldw] = static_cast<uint32_t>(vm_->root_descriptor());
  // Render's further lists hold state that a context without history takes from the engine's defaults.
  image[regs::kImageEndOther] = regs::kBatchBufferEndContext;
  image[kMiModeDword] = regs::MaskedClear(regs::kMiModeStopRing);

  *Dword(kRingBytes + kSeqnoOffset) = kSeqnoBeforeFirst;
  *Dword(kRingBytes + kStartSeqnoOffset) = kSeqnoBeforeFirst;
  *Dword(0) = regs::kArbOn;
  *Dword(4) = regs::kNoop;
  write_ = tail_ = 8;
}

uint64_t Lrc::descriptor(uint32_t instance) const {
  return page_address() | regs::kDescriptorValid | regs::kDescriptorLegacy64 | regs::kDescriptorPpgtt |
         static_cast<uint64_t>(instance) << regs::kDescriptorInstanceShift |
         static_cast<uint64_t>(place_.engine_class) << regs::kDescriptorClassShift;
}

uint32_t Lrc::SlotOffset(uint32_t seqno) {
  return kTimestampsOffset + seqno % kJobsPerContextMax * static_cast<uint32_t>(sizeof(JobTimestamps));
}

void Lrc::EmitNothing() {
  for (const uint32_t dword : {regs::kArbCheck, regs::kNoop}) {
    *Dword(write_) = dword;
    write_ = (write_ + 4) % kRingBytes;
  }
  tail_ = write_;
}

uint32_t Lrc::Emit(uint64_t batch, const UserFence& user_fence) {
  const uint32_t seqno = next_seqno_++;
  const uint32_t slot = page_address() + SlotOffset(seqno);
  const JobCommands commands(place_.engine_class, batch, seqno,
                             {.start_seqno = page_address() + kStartSeqnoOffset,
                              .seqno = page_address() + kSeqnoOffset,
                              .start_timestamp = slot,
                              .start_context_timestamp = slot + 4,
                              .end_timestamp = slot + 8,
                              .end_context_timestamp = slot + 12},
                             {.flush_tlb = std::exchange(tlb_flush_seqno_, vm_->rebind_seqno()) != vm_->rebind_seqno(),
                              .user_fence = user_fence});
  for (const uint32_t dword : commands.dwords()) {
    *Dword(write_) = dword;
    write_ = (write_ + 4) % kRingBytes;
  }
  tail_ = (write_ + kRingBytes - 4 * JobCommands::kSpareDwords) % kRingBytes;
  return seqno;
}

void Lrc::StoreTail(uint32_t tail) {
  // Behind the commands: who sees the tail sees them.
  std::atomic_ref<uint32_t>(*Dword(kRingBytes + kPage + 4 * regs::kImageRingTail))
      .store(tail, std::memory_order_release);
}

uint32_t Lrc::WithSpare(uint32_t tail) const { return (tail + 4 * JobCommands::kSpareDwords) % kRingBytes; }

JobTimestamps Lrc::Timestamps(uint32_t seqno) const {
  const uint32_t slot = SlotOffset(seqno);
  return {ReadPage(slot), ReadPage(slot + 4), ReadPage(slot + 8), ReadPage(slot + 12)};
}

uint32_t Lrc::stored_context_timestamp() const { return ReadPage(kPage + 4 * regs::kImageCtxTimestamp); }

absl::Span<const uint32_t> Lrc::image() const { return {Dword(kRingBytes + kPage), kPage / 4}; }

absl::Span<const uint32_t> Lrc::ring() const { return {Dword(0), kRingBytes / 4}; }

}  // namespace xeq::hw::xe
