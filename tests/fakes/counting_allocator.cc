#include "tests/fakes/counting_allocator.h"

#include <atomic>
#include <cstdlib>
#include <new>

// Defined by xeq_lock_checker.
namespace xeq::fakes {
__attribute__((weak)) int LocksHeld();
}

namespace {
std::atomic<size_t> allocations{0};
std::atomic<size_t> allocations_in_lock{0};
}  // namespace

void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (xeq::fakes::LocksHeld != nullptr && xeq::fakes::LocksHeld() > 0) {
    allocations_in_lock.fetch_add(1, std::memory_order_relaxed);
  }
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace xeq::fakes {

size_t Allocations() { return allocations.load(std::memory_order_relaxed); }
size_t AllocationsInLock() { return allocations_in_lock.load(std::memory_order_relaxed); }

}  // namespace xeq::fakes
