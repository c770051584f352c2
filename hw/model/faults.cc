#include "hw/model/faults.h"

#include "hw/regs/registers.h"

namespace xeq::hw::model {

void Faults::Report(const regs::EnginePlace& engine, uint64_t address) {
  MutexLock lock(mutex_);
  faults_.push_back({engine, address});
  if (faults_.size() == 1) interrupts_.Raise(engine, regs::kIrqCsError);
}

void Faults::Drop(const regs::EnginePlace& engine) {
  MutexLock lock(mutex_);
  const bool shown = !faults_.empty() && faults_.front().engine.base == engine.base;
  std::erase_if(faults_, [&](const Fault& fault) { return fault.engine.base == engine.base; });
  // Whose fault is shown now has not raised its interrupt yet.
  if (shown && !faults_.empty()) interrupts_.Raise(faults_.front().engine, regs::kIrqCsError);
}

uint32_t Faults::Read(uint32_t offset) {
  MutexLock lock(mutex_);
  if (faults_.empty()) return 0;
  const Fault& fault = faults_.front();
  switch (offset) {
    case regs::kRingFault:
      return regs::kRingFaultValid | fault.engine.fault_id << regs::kRingFaultEngineShift;
    case regs::kFaultTlbData0:
      return static_cast<uint32_t>(fault.address >> 12);
    default:
      return static_cast<uint32_t>(fault.address >> 44);
  }
}

void Faults::Write(uint32_t offset, uint32_t value) {
  MutexLock lock(mutex_);
  if (offset != regs::kRingFault || (value & regs::kRingFaultValid) != 0 || faults_.empty()) return;
  faults_.pop_front();
  if (!faults_.empty()) interrupts_.Raise(faults_.front().engine, regs::kIrqCsError);
}

}  // namespace xeq::hw::model
