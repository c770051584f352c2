#include "hw/xe/buffer.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xeq::hw::xe {
namespace {

// Copies one aligned T in one piece, so that who polls what the GPU writes sees all of it or nothing. False: it is not
// one.
template <typename T>
bool Load(const std::byte* from, absl::Span<std::byte> to) {
  if (to.size() != sizeof(T) || reinterpret_cast<uintptr_t>(from) % sizeof(T) != 0) return false;
  auto* memory = reinterpret_cast<T*>(const_cast<std::byte*>(from));
  const T value = std::atomic_ref<T>(*memory).load(std::memory_order_acquire);
  std::memcpy(to.data(), &value, sizeof(T));
  return true;
}
template <typename T>
bool Store(std::byte* to, absl::Span<const std::byte> from) {
  if (from.size() != sizeof(T) || reinterpret_cast<uintptr_t>(to) % sizeof(T) != 0) return false;
  T value;
  std::memcpy(&value, from.data(), sizeof(T));
  std::atomic_ref<T>(*reinterpret_cast<T*>(to)).store(value, std::memory_order_release);
  return true;
}

}  // namespace

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
  std::byte* const to = memory_->cpu() + offset;
  if (data.empty() || Store<uint32_t>(to, data) || Store<uint64_t>(to, data)) return absl::OkStatus();
  std::memcpy(to, data.data(), data.size());
  return absl::OkStatus();
}

absl::Status XeBuffer::Read(uint64_t offset, absl::Span<std::byte> data) const {
  if (absl::Status status = CheckRange(offset, data.size()); !status.ok()) return status;
  const std::byte* const from = memory_->cpu() + offset;
  if (data.empty() || Load<uint32_t>(from, data) || Load<uint64_t>(from, data)) return absl::OkStatus();
  std::memcpy(data.data(), from, data.size());
  return absl::OkStatus();
}

}  // namespace xeq::hw::xe
