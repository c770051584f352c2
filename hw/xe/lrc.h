// A logical ring context: the ring, the per-process status page and the image from which an engine loads the context.
#ifndef XEQ_HW_XE_LRC_H_
#define XEQ_HW_XE_LRC_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hw/pci/pci_function.h"
#include "hw/regs/engines.h"
#include "hw/xe/ggtt.h"
#include "hw/xe/ring_ops.h"
#include "hw/xe/vm.h"

namespace xeq::hw::xe {

// Jobs of one context that its ring and its slots of timestamps have room for.
inline constexpr uint32_t kJobsPerContextMax = 32;
// What the seqno in memory is before the first job: near the wrap, so that wrapping is not a rarity.
inline constexpr uint32_t kSeqnoBeforeFirst = 0xffffff80;

// What an engine wrote of one job: low dwords of its clocks.
struct JobTimestamps {
  uint32_t start = 0;
  uint32_t start_context = 0;
  uint32_t end = 0;
  uint32_t end_context = 0;
};

// Not thread-safe; the engine may read and write the memory meanwhile. Must outlive the engine's use of it.
class Lrc {
 public:
  // RESOURCE_EXHAUSTED: no memory, or no GGTT space. `function` and `ggtt` outlive it.
  static absl::StatusOr<std::unique_ptr<Lrc>> Create(pci::PciFunction& function, Ggtt& ggtt,
                                                     const regs::EnginePlace& place, std::shared_ptr<XeVm> vm);

  // The context descriptor for an engine of the class, without an id.
  uint64_t descriptor(uint32_t instance) const;

  // Puts a job with the next seqno behind the ring's tail. At most kJobsPerContextMax may be in the ring. Returns the
  // seqno. The first job after translations of the VM have changed drops what the engine has cached of them.
  uint32_t Emit(uint64_t batch, const UserFence& user_fence = {});
  // Commands that do nothing, so that there is something to run.
  void EmitNothing();
  uint32_t next_seqno() const { return next_seqno_; }
  // Byte offset of the next job.
  uint32_t write_offset() const { return write_; }
  static constexpr uint32_t ring_bytes() { return kRingBytes; }
  // Byte offset behind the last job, without its spare commands.
  uint32_t tail() const { return tail_; }
  // Hands `tail` to the engine: it takes it when it next loads the context, or by a lite restore.
  void StoreTail(uint32_t tail);
  // Of a tail: the one behind the spare commands.
  uint32_t WithSpare(uint32_t tail) const;

  // The seqno of the last job that has ended, and of the last that has begun.
  uint32_t seqno() const { return ReadPage(kSeqnoOffset); }
  uint32_t start_seqno() const { return ReadPage(kStartSeqnoOffset); }
  JobTimestamps Timestamps(uint32_t seqno) const;
  // CTX_TIMESTAMP as it was when the engine left the context.
  uint32_t stored_context_timestamp() const;

  // The whole of it, for tests and error captures.
  absl::Span<const uint32_t> image() const;
  absl::Span<const uint32_t> ring() const;

 private:
  static constexpr uint32_t kRingBytes = 16 << 10;
  static constexpr uint32_t kPage = 4096;
  // In the status page; the kernel's xe driver has them at the same places.
  static constexpr uint32_t kSeqnoOffset = 512;
  static constexpr uint32_t kStartSeqnoOffset = 520;
  static constexpr uint32_t kTimestampsOffset = 2048;

  Lrc(const regs::EnginePlace& place, std::shared_ptr<XeVm> vm, std::unique_ptr<pci::DmaMemory> memory,
      GgttMapping mapping);
  void WriteImage();
  uint32_t* Dword(uint32_t byte_offset) const;
  uint32_t ReadPage(uint32_t offset) const;
  uint32_t page_address() const { return mapping_.address() + kRingBytes; }
  static uint32_t SlotOffset(uint32_t seqno);

  const regs::EnginePlace place_;
  const std::shared_ptr<XeVm> vm_;
  const std::unique_ptr<pci::DmaMemory> memory_;
  // Before the memory goes.
  const GgttMapping mapping_;
  uint32_t next_seqno_ = kSeqnoBeforeFirst + 1;
  // XeVm::rebind_seqno as of the last flush in the ring.
  uint64_t tlb_flush_seqno_;
  // Where the next command goes, and where the last job ends.
  uint32_t write_ = 0;
  uint32_t tail_ = 0;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_LRC_H_
