// A PCI function of an Intel GPU as the user-space driver sees it: registers, DMA memory, interrupts. The driver above
// (hw/xe) knows what the registers mean; an implementation (hw/model in software, hw/vfio on a card) knows where they
// live.
#ifndef XEQ_HW_PCI_PCI_FUNCTION_H_
#define XEQ_HW_PCI_PCI_FUNCTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace xeq::hw::pci {

// Byte offset into BAR0. A type of its own, so that offset and value cannot be swapped.
struct RegOffset {
  uint32_t value;
  friend constexpr RegOffset operator+(RegOffset base, uint32_t delta) { return {base.value + delta}; }
  friend constexpr bool operator==(RegOffset, RegOffset) = default;
};

// Memory that both sides reach: the CPU at `cpu()`, the device at `dma_address()`. Zeroed when made, page-aligned,
// freed when destroyed: afterwards an access of the device is a fault, not a read. Any thread may destroy it.
class DmaMemory {
 public:
  virtual ~DmaMemory() = default;
  virtual std::byte* cpu() const = 0;
  virtual uint64_t dma_address() const = 0;
  // A multiple of 4096.
  virtual uint64_t size_bytes() const = 0;
};

// All functions may be called from any thread.
class PciFunction {
 public:
  virtual ~PciFunction() = default;

  // "0000:00:02.0".
  virtual std::string address() const = 0;
  // For people: "Tiger Lake GT2 (model)".
  virtual std::string description() const = 0;
  // model or vfio.
  virtual std::string backend() const = 0;

  // Little-endian configuration space, `offset` a multiple of 4, below 4096.
  virtual uint32_t ReadConfig(uint32_t offset) = 0;

  // Registers in BAR0. A read of a register that does not exist gives what the bus would: zero or stored bits.
  virtual uint32_t Read32(RegOffset offset) = 0;
  virtual void Write32(RegOffset offset, uint32_t value) = 0;
  // GGTT entries (BAR0 from 8 MiB on), `offset` a multiple of 8.
  virtual void Write64(RegOffset offset, uint64_t value) = 0;
  virtual uint64_t Read64(RegOffset offset) = 0;

  // `size_bytes` is rounded up to a page. RESOURCE_EXHAUSTED: the memory given to this function is used up.
  virtual absl::StatusOr<std::unique_ptr<DmaMemory>> AllocateDma(uint64_t size_bytes) = 0;
  // Bound of the sum of all AllocateDma.
  virtual uint64_t dma_bytes_max() const = 0;

  // An eventfd (blocking, counter semantics) that the function's MSI vector 0 writes. Owned by the function.
  virtual int interrupt_fd() const = 0;
};

}  // namespace xeq::hw::pci

#endif  // XEQ_HW_PCI_PCI_FUNCTION_H_
