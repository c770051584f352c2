// How the model's engines find memory: the global and the per-process page tables, walked in the driver's own memory.
#ifndef XEQ_HW_MODEL_ADDRESS_SPACE_H_
#define XEQ_HW_MODEL_ADDRESS_SPACE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "hw/model/dma_arena.h"

namespace xeq::hw::model {

// Memory from an address to the end of its 4 KiB page.
struct Run {
  // Null for a null page, which reads as zero and drops writes.
  std::byte* host;
  uint64_t bytes;
};

// No state but what it points to: an entry that is changed counts from the next access on.
class AddressSpace {
 public:
  virtual ~AddressSpace() = default;
  // Nothing when the address is not bound: a page fault.
  virtual std::optional<Run> Translate(uint64_t address) const = 0;

  // Dwords and quadwords are naturally aligned and accessed in one piece. False: page fault.
  bool Read32(uint64_t address, uint32_t* value) const;
  bool Read64(uint64_t address, uint64_t* value) const;
  bool Write32(uint64_t address, uint32_t value) const;
  bool Write64(uint64_t address, uint64_t value) const;
};

// The global page table: one 8-byte entry for each page of 4 GiB, in BAR0.
class Ggtt : public AddressSpace {
 public:
  // `entries` and `memory` outlive it.
  Ggtt(absl::Span<const uint64_t> entries, const DmaArena& memory) : entries_(entries), memory_(memory) {}
  std::optional<Run> Translate(uint64_t address) const override;

 private:
  const absl::Span<const uint64_t> entries_;
  const DmaArena& memory_;
};

// A 48-bit, 4-level per-process page table, with leaves of 4 KiB, 2 MiB and 1 GiB.
class Ppgtt : public AddressSpace {
 public:
  // `root` is the value of PDP0: the address of the top table, with flags in the low bits.
  Ppgtt(uint64_t root, const DmaArena& memory) : root_(root), memory_(memory) {}
  std::optional<Run> Translate(uint64_t address) const override;

 private:
  const uint64_t root_;
  const DmaArena& memory_;
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_ADDRESS_SPACE_H_
