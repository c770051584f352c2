// The global address space of the GPU: rings, context images and status pages live there.
#ifndef XEQ_HW_XE_GGTT_H_
#define XEQ_HW_XE_GGTT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "hw/mutex.h"
#include "hw/pci/pci_function.h"

namespace xeq::hw::xe {

class Ggtt;

// A range of the GGTT that leads to some DMA memory; taken out when destroyed. Outlived by its Ggtt.
class GgttMapping {
 public:
  GgttMapping(GgttMapping&& other) noexcept
      : ggtt_(std::exchange(other.ggtt_, nullptr)), first_page_(other.first_page_), pages_(other.pages_) {}
  GgttMapping& operator=(GgttMapping&&) = delete;
  ~GgttMapping();

  uint32_t address() const { return first_page_ * 4096; }

 private:
  friend class Ggtt;
  GgttMapping(Ggtt& ggtt, uint32_t first_page, uint32_t pages) : ggtt_(&ggtt), first_page_(first_page), pages_(pages) {}

  Ggtt* ggtt_;
  uint32_t first_page_;
  uint32_t pages_;
};

// Thread-safe.
class Ggtt {
 public:
  // `function` outlives it.
  explicit Ggtt(pci::PciFunction& function);
  Ggtt(const Ggtt&) = delete;
  Ggtt& operator=(const Ggtt&) = delete;

  // `memory` must live as long as the mapping. RESOURCE_EXHAUSTED: no free range is long enough.
  absl::StatusOr<GgttMapping> Map(const pci::DmaMemory& memory) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class GgttMapping;
  void Unmap(uint32_t first_page, uint32_t pages) ABSL_LOCKS_EXCLUDED(mutex_);
  // `dma_address` 0: not present.
  void WriteEntries(uint32_t first_page, uint32_t pages, uint64_t dma_address);

  pci::PciFunction& function_;
  Mutex mutex_;
  // First page and length of each free range; neighbours are merged.
  std::map<uint32_t, uint32_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_GGTT_H_
