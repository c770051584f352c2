#include "hw/xe/ggtt.h"

#include <iterator>

#include "absl/status/status.h"
#include "hw/regs/registers.h"

namespace xeq::hw::xe {
namespace {

constexpr uint32_t kPage = 4096;
// The firmware cannot address what is below and above; the kernel's xe driver keeps out of it too.
constexpr uint32_t kFirstPage = (2u << 20) / kPage;
constexpr uint32_t kEndPage = 0xfee00000u / kPage;

}  // namespace

GgttMapping::~GgttMapping() {
  if (ggtt_ != nullptr) ggtt_->Unmap(first_page_, pages_);
}

Ggtt::Ggtt(pci::PciFunction& function) : function_(function) {
  MutexLock lock(mutex_);
  free_.emplace(kFirstPage, kEndPage - kFirstPage);
}

absl::StatusOr<GgttMapping> Ggtt::Map(const pci::DmaMemory& memory) {
  const uint32_t pages = static_cast<uint32_t>(memory.size_bytes() / kPage);
  uint32_t first = 0;
  {
    MutexLock lock(mutex_);
    auto range = free_.begin();
    while (range != free_.end() && range->second < pages) ++range;
    if (range == free_.end()) return absl::ResourceExhaustedError("the GPU's global address space is full");
    first = range->first;
    const uint32_t left = range->second - pages;
    free_.erase(range);
    if (left > 0) free_.emplace(first + pages, left);
  }
  WriteEntries(first, pages, memory.dma_address());
  return GgttMapping(*this, first, pages);
}

void Ggtt::Unmap(uint32_t first_page, uint32_t pages) {
  WriteEntries(first_page, pages, 0);
  MutexLock lock(mutex_);
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

void Ggtt::WriteEntries(uint32_t first_page, uint32_t pages, uint64_t dma_address) {
  for (uint32_t i = 0; i < pages; ++i) {
    const uint64_t entry = dma_address == 0 ? 0 : (dma_address + uint64_t{i} * kPage) | regs::kPtePresent;
    function_.Write64({regs::kGsmOffset + (first_page + i) * 8}, entry);
  }
  // A read behind the writes, so that they have arrived: Linux drivers/gpu/drm/xe/xe_ggtt.c does the same.
  function_.Read32({regs::kVfCap});
}

}  // namespace xeq::hw::xe
