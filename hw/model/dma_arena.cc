#include "hw/model/dma_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xeq::hw::model {

class DmaArena::Allocation : public pci::DmaMemory {
 public:
  Allocation(DmaArena& arena, uint64_t first_page, uint64_t pages)
      : arena_(arena), first_page_(first_page), pages_(pages) {}
  ~Allocation() override { arena_.Free(first_page_, pages_); }
  std::byte* cpu() const override { return arena_.base_ + first_page_ * kPage; }
  uint64_t dma_address() const override { return kFirstAddress + first_page_ * kPage; }
  uint64_t size_bytes() const override { return pages_ * kPage; }

 private:
  DmaArena& arena_;
  const uint64_t first_page_;
  const uint64_t pages_;
};

absl::StatusOr<std::unique_ptr<DmaArena>> DmaArena::Create(uint64_t bytes_max) {
  const uint64_t pages = (bytes_max + kPage - 1) / kPage;
  if (pages == 0) return absl::InvalidArgumentError("the model's memory must not be 0 bytes");
  void* base = mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("no address space for ", bytes_max, " bytes of model memory"));
  }
  // The first touch of a page costs more than copying it; by 2 MiB at a time it costs half. Without it all goes on.
  madvise(base, pages * kPage, MADV_HUGEPAGE);
  return std::unique_ptr<DmaArena>(new DmaArena(static_cast<std::byte*>(base), pages));
}

DmaArena::DmaArena(std::byte* base, uint64_t pages) : base_(base), pages_(pages), allocated_((pages + 63) / 64) {
  free_.emplace(0, pages);
}

DmaArena::~DmaArena() { munmap(base_, pages_ * kPage); }

absl::StatusOr<std::unique_ptr<pci::DmaMemory>> DmaArena::Allocate(uint64_t size_bytes) {
  if (size_bytes == 0) return absl::InvalidArgumentError("an allocation must not be 0 bytes");
  const uint64_t pages = size_bytes / kPage + (size_bytes % kPage != 0 ? 1 : 0);
  MutexLock lock(mutex_);
  for (auto range = free_.begin(); range != free_.end(); ++range) {
    const auto [first, length] = *range;
    if (length < pages) continue;
    free_.erase(range);
    if (length > pages) free_.emplace(first + pages, length - pages);
    pages_used_ += pages;
    Mark(first, pages, true);
    return std::make_unique<Allocation>(*this, first, pages);
  }
  return absl::ResourceExhaustedError(absl::StrCat("no ", size_bytes, " bytes of device memory in one piece: ",
                                                   pages_used_ * kPage, " of ", pages_ * kPage, " are in use"));
}

void DmaArena::Free(uint64_t first_page, uint64_t pages) {
  MutexLock lock(mutex_);
  Mark(first_page, pages, false);
  // The next owner finds zeroes, and the host gets its memory back.
  madvise(base_ + first_page * kPage, pages * kPage, MADV_DONTNEED);
  pages_used_ -= pages;
  auto after = free_.lower_bound(first_page);
  if (after != free_.end() && after->first == first_page + pages) {
    pages += after->second;
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    auto before = std::prev(after);
    if (before->first + before->second == first_page) {
      before->second += pages;
      return;
    }
  }
  free_.emplace(first_page, pages);
}

void DmaArena::Mark(uint64_t first_page, uint64_t pages, bool allocated) {
  for (uint64_t page = first_page; page < first_page + pages;) {
    // A whole word of the bitmap at a time.
    const uint64_t bits = std::min<uint64_t>(64 - page % 64, first_page + pages - page);
    const uint64_t mask = (bits == 64 ? ~0ull : (1ull << bits) - 1) << page % 64;
    if (allocated) {
      allocated_[page / 64].fetch_or(mask, std::memory_order_release);
    } else {
      allocated_[page / 64].fetch_and(~mask, std::memory_order_release);
    }
    page += bits;
  }
}

std::byte* DmaArena::Translate(uint64_t address, uint64_t size) const {
  if (address < kFirstAddress) return nullptr;
  const uint64_t offset = address - kFirstAddress;
  const uint64_t page = offset / kPage;
  if (page >= pages_ || offset % kPage + size > kPage) return nullptr;
  if ((allocated_[page / 64].load(std::memory_order_acquire) >> page % 64 & 1) == 0) return nullptr;
  return base_ + offset;
}

uint64_t DmaArena::bytes_used() const {
  MutexLock lock(mutex_);
  return pages_used_ * kPage;
}

}  // namespace xeq::hw::model
