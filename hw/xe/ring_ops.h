// What a ring holds around a client's batch: the same commands, class by class, as the kernel's xe driver emits (Linux
// drivers/gpu/drm/xe/xe_ring_ops.c), and the timestamps of the job's beginning and end.
#ifndef XEQ_HW_XE_RING_OPS_H_
#define XEQ_HW_XE_RING_OPS_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "hw/device.h"
#include "hw/regs/registers.h"

namespace xeq::hw::xe {

// GGTT addresses at which a job tells how far it is.
struct JobAddresses {
  uint32_t start_seqno;
  uint32_t seqno;
  // Low dwords of RING_TIMESTAMP and CTX_TIMESTAMP, before the batch and behind it.
  uint32_t start_timestamp;
  uint32_t start_context_timestamp;
  uint32_t end_timestamp;
  uint32_t end_context_timestamp;
};

struct JobExtras {
  // Drop cached translations before the batch.
  bool flush_tlb = false;
  UserFence user_fence = {};
};

// Commands of one job, padded to a quadword.
class JobCommands {
 public:
  // The longest job, render's with one batch, and the padding.
  static constexpr uint32_t kDwordsMax = 64;
  // Commands at the end that the tail leaves out at first: they give a resubmission a tail that differs
  // (WaIdleLiteRestore).
  static constexpr uint32_t kSpareDwords = 2;

  JobCommands(regs::HwClass engine_class, uint64_t batch, uint32_t seqno, const JobAddresses& addresses,
              const JobExtras& extras = {});

  // With the spare dwords.
  absl::Span<const uint32_t> dwords() const { return {dwords_.data(), count_}; }

 private:
  template <typename... Dwords>
  void Emit(Dwords... dwords) {
    ((dwords_[count_++] = dwords), ...);
  }
  void StoreRegister(uint32_t offset, uint32_t address);
  void StartTimestamps(const JobAddresses& addresses);
  void InvalidateAux(uint32_t offset);
  void StoreSeqno(uint32_t address, uint32_t seqno);
  // The start seqno, by the flush where there is one.
  void FlushAndStoreSeqno(uint32_t address, uint32_t seqno);
  void StoreUserFence();
  void StartBatch(uint64_t batch);
  void EndTimestamps(const JobAddresses& addresses);
  void Interrupt();

  void EmitCopy(uint64_t batch, uint32_t seqno, const JobAddresses& addresses);
  void EmitVideo(regs::HwClass engine_class, uint64_t batch, uint32_t seqno, const JobAddresses& addresses);
  void EmitRender(uint64_t batch, uint32_t seqno, const JobAddresses& addresses);

  const JobExtras extras_;
  std::array<uint32_t, kDwordsMax> dwords_;
  uint32_t count_ = 0;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_RING_OPS_H_
