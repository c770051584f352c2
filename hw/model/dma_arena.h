// The memory that the model's driver allocates and the model's engines reach by DMA address.
#ifndef XEQ_HW_MODEL_DMA_ARENA_H_
#define XEQ_HW_MODEL_DMA_ARENA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "hw/mutex.h"
#include "hw/pci/pci_function.h"

namespace xeq::hw::model {

// One reserved range of virtual memory whose pages cost nothing until they are touched. The whole range stays mapped,
// so that no DMA address, however wrong, makes the process crash; a page bitmap tells what is allocated. Thread-safe.
// Outlives what it allocated.
class DmaArena {
 public:
  // The device's addresses begin here, so that small integers are never valid ones.
  static constexpr uint64_t kFirstAddress = 1ull << 32;

  // `bytes_max` is rounded up to a page. RESOURCE_EXHAUSTED: the address space has no room for it.
  static absl::StatusOr<std::unique_ptr<DmaArena>> Create(uint64_t bytes_max);
  ~DmaArena();
  DmaArena(const DmaArena&) = delete;
  DmaArena& operator=(const DmaArena&) = delete;

  // Zeroed pages in one piece. INVALID_ARGUMENT: size 0. RESOURCE_EXHAUSTED: no free range is long enough.
  absl::StatusOr<std::unique_ptr<pci::DmaMemory>> Allocate(uint64_t size_bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  // Where a device's access lands. Null unless all of [address, address + size) is in one page and allocated. No lock.
  std::byte* Translate(uint64_t address, uint64_t size) const;

  uint64_t bytes_max() const { return pages_ * kPage; }
  uint64_t bytes_used() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Allocation;
  static constexpr uint64_t kPage = 4096;

  DmaArena(std::byte* base, uint64_t pages);
  void Free(uint64_t first_page, uint64_t pages) ABSL_LOCKS_EXCLUDED(mutex_);
  void Mark(uint64_t first_page, uint64_t pages, bool allocated);

  std::byte* const base_;
  const uint64_t pages_;
  // One bit for each page.
  std::vector<std::atomic<uint64_t>> allocated_;
  mutable Mutex mutex_;
  // First page and length of each free range; neighbours are merged.
  std::map<uint64_t, uint64_t> free_ ABSL_GUARDED_BY(mutex_);
  uint64_t pages_used_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_DMA_ARENA_H_
