#include "hw/model/address_space.h"

#include <atomic>

#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

constexpr uint64_t kPage = 4096;

// Other engines and the CPU look at the same memory: what one stores before a dword is seen by who loads that dword.
template <typename T>
T Load(std::byte* host) {
  return std::atomic_ref<T>(*reinterpret_cast<T*>(host)).load(std::memory_order_acquire);
}
template <typename T>
void Store(std::byte* host, T value) {
  std::atomic_ref<T>(*reinterpret_cast<T*>(host)).store(value, std::memory_order_release);
}

template <typename T>
bool ReadFrom(const AddressSpace& space, uint64_t address, T* value) {
  const std::optional<Run> run = space.Translate(address);
  if (!run.has_value()) return false;
  *value = run->host == nullptr ? 0 : Load<T>(run->host);
  return true;
}
template <typename T>
bool WriteTo(const AddressSpace& space, uint64_t address, T value) {
  const std::optional<Run> run = space.Translate(address);
  if (!run.has_value()) return false;
  if (run->host != nullptr) Store<T>(run->host, value);
  return true;
}

}  // namespace

bool AddressSpace::Read32(uint64_t address, uint32_t* value) const { return ReadFrom(*this, address & ~3ull, value); }
bool AddressSpace::Read64(uint64_t address, uint64_t* value) const { return ReadFrom(*this, address & ~7ull, value); }
bool AddressSpace::Write32(uint64_t address, uint32_t value) const { return WriteTo(*this, address & ~3ull, value); }
bool AddressSpace::Write64(uint64_t address, uint64_t value) const { return WriteTo(*this, address & ~7ull, value); }

std::optional<Run> Ggtt::Translate(uint64_t address) const {
  const uint64_t page = address / kPage;
  if (page >= entries_.size()) return std::nullopt;
  // The driver writes entries while engines read them.
  const uint64_t entry = __atomic_load_n(&entries_[page], __ATOMIC_ACQUIRE);
  if ((entry & regs::kPtePresent) == 0) return std::nullopt;
  const uint64_t bytes = kPage - address % kPage;
  std::byte* host = memory_.Translate((entry & regs::kPteAddressMask) + address % kPage, bytes);
  if (host == nullptr) return std::nullopt;
  return Run{host, bytes};
}

std::optional<Run> Ppgtt::Translate(uint64_t address) const {
  if (address >> 48 != 0) return std::nullopt;
  const uint64_t bytes = kPage - address % kPage;
  uint64_t table = root_ & regs::kPteAddressMask;
  // Bits 47:39, 38:30, 29:21, 20:12 of the address choose the entries.
  for (uint32_t shift = 39;; shift -= 9) {
    std::byte* slot = memory_.Translate(table + (address >> shift & 511) * sizeof(uint64_t), sizeof(uint64_t));
    if (slot == nullptr) return std::nullopt;
    const uint64_t entry = Load<uint64_t>(slot);
    if ((entry & regs::kPtePresent) == 0) return std::nullopt;
    const bool large = (shift == 21 || shift == 30) && (entry & regs::kPteLargePage) != 0;
    if (shift != 12 && !large) {
      table = entry & regs::kPteAddressMask;
      continue;
    }
    if ((entry & regs::kPteNull) != 0) return Run{nullptr, bytes};
    const uint64_t leaf_mask = (1ull << shift) - 1;
    std::byte* host = memory_.Translate((entry & regs::kPteAddressMask & ~leaf_mask) + (address & leaf_mask), bytes);
    if (host == nullptr) return std::nullopt;
    return Run{host, bytes};
  }
}

}  // namespace xeq::hw::model
