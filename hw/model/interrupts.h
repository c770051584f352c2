// The interrupt tree of Gen11 and later: vectors of the engines, their identities, the master, one MSI.
#ifndef XEQ_HW_MODEL_INTERRUPTS_H_
#define XEQ_HW_MODEL_INTERRUPTS_H_

#include <array>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "hw/mutex.h"
#include "hw/regs/engines.h"

namespace xeq::hw::model {

// Thread-safe. Takes no other lock, so that an engine may raise an interrupt under its own. Source of what the
// registers do: IHD-OS-TGL vol 2c, "Interrupts"; Linux drivers/gpu/drm/xe/xe_irq.c.
class Interrupts {
 public:
  // `msi_fd` is an eventfd that outlives it.
  explicit Interrupts(int msi_fd);

  // Vector bits of one engine. Dropped where they are not enabled, or masked.
  void Raise(const regs::EnginePlace& engine, uint32_t vector_bits) ABSL_LOCKS_EXCLUDED(mutex_);

  static constexpr uint32_t kFirstRegister = 0x190000;
  static constexpr uint32_t kRegistersEnd = 0x190200;
  uint32_t Read(uint32_t offset) ABSL_LOCKS_EXCLUDED(mutex_);
  void Write(uint32_t offset, uint32_t value) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr size_t kBanks = 2;

  uint32_t EnabledBits(const regs::EnginePlace& engine) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t& Register(uint32_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t Register(uint32_t offset) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends the MSI when the master is on, something is pending, and none is under way.
  void Signal() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Select(size_t bank, uint32_t selected) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  struct Source {
    uint32_t vector = 0;
    uint32_t engine_class = 0;
    uint32_t instance = 0;
  };

  const int msi_fd_;
  Mutex mutex_;
  std::array<std::array<Source, 32>, kBanks> sources_ ABSL_GUARDED_BY(mutex_){};
  // GT_INTR_DW: the sources of a bank that have a vector.
  std::array<uint32_t, kBanks> pending_ ABSL_GUARDED_BY(mutex_){};
  bool master_ ABSL_GUARDED_BY(mutex_) = false;
  // Since the master was last switched on.
  bool msi_sent_ ABSL_GUARDED_BY(mutex_) = false;
  // Enables, masks, selectors, identities: plain storage.
  std::array<uint32_t, (kRegistersEnd - kFirstRegister) / 4> registers_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_INTERRUPTS_H_
