// The GT's fault registers: one fault at a time, whichever engine met it first; the others wait their turn.
#ifndef XEQ_HW_MODEL_FAULTS_H_
#define XEQ_HW_MODEL_FAULTS_H_

#include <cstdint>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "hw/model/interrupts.h"
#include "hw/mutex.h"
#include "hw/regs/engines.h"

namespace xeq::hw::model {

// Thread-safe. Takes the lock of Interrupts within its own.
class Faults {
 public:
  explicit Faults(Interrupts& interrupts) : interrupts_(interrupts) {}

  // A page fault at `address`. The engine's error interrupt follows when the registers show it.
  void Report(const regs::EnginePlace& engine, uint64_t address) ABSL_LOCKS_EXCLUDED(mutex_);
  // The engine was reset: forgets what it reported.
  void Drop(const regs::EnginePlace& engine) ABSL_LOCKS_EXCLUDED(mutex_);

  // RING_FAULT, FAULT_TLB_DATA0 and 1.
  uint32_t Read(uint32_t offset) ABSL_LOCKS_EXCLUDED(mutex_);
  // Clearing RING_FAULT's valid bit shows the next fault.
  void Write(uint32_t offset, uint32_t value) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Fault {
    regs::EnginePlace engine;
    uint64_t address;
  };

  Interrupts& interrupts_;
  Mutex mutex_;
  // The front is shown. At most one of each engine.
  std::deque<Fault> faults_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_FAULTS_H_
