#include "hw/xe/buffer.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xeq::hw::xe {

XeBuffer::XeBuffer(std::unique_ptr<pci::DmaMemory> memory, std::shared_ptr<std::atomic<uint64_t>> used_bytes)
    : memory_(std::move(memory)), used_bytes_(std::move(used_bytes)) {
  used_bytes_->fetch_add(memory_->size_bytes(), std::memory_order_relaxed);
}

XeBuffer::~XeBuffer() { used_bytes_->fetch_sub(memory_->size_bytes(), std::memory_order_relaxed); }

absl::Status XeBuffer::CheckRange(uint64_t offset, uint64_t size) const {
  if (offset <= size_bytes() && size <= size_bytes() - offset) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(size, " bytes at offset ", offset, " do not lie in the buffer of ", size_bytes(), " bytes"));
}

absl::Status XeBuffer::Write(uint64_t offset, absl::Span<const std::byte> data) {
  if (absl::Status status = CheckRange(offset, data.size()); !status.ok()) return status;
  if (!data.empty()) std::memcpy(memory_->cpu() + offset, data.data(), data.size());
  return absl::OkStatus();
}

absl::Status XeBuffer::Read(uint64_t offset, absl::Span<std::byte> data) const {
  if (absl::Status status = CheckRange(offset, data.size()); !status.ok()) return status;
  if (!data.empty()) std::memcpy(data.data(), memory_->cpu() + offset, data.size());
  return absl::OkStatus();
}

}  // namespace xeq::hw::xe
