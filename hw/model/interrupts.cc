#include "hw/model/interrupts.h"

#include <unistd.h>

#include <bit>

#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

struct MaskPlace {
  uint32_t offset;
  bool upper_half;
};

MaskPlace MaskOf(const regs::EnginePlace& engine) {
  const bool even = engine.instance % 2 == 0;
  constexpr uint32_t kVcsMasks[] = {regs::kVcs01IntrMask, regs::kVcs23IntrMask, regs::kVcs45IntrMask,
                                    regs::kVcs67IntrMask};
  switch (engine.engine_class) {
    case regs::HwClass::kRender:
      return {regs::kRcsIntrMask, true};
    case regs::HwClass::kCopy:
      return {regs::kBcsIntrMask, true};
    case regs::HwClass::kVideoDecode:
      return {kVcsMasks[engine.instance / 2], even};
    case regs::HwClass::kVideoEnhance:
      return {engine.instance < 2 ? regs::kVecs01IntrMask : regs::kVecs23IntrMask, even};
    case regs::HwClass::kCompute:
    case regs::HwClass::kOther:
      break;
  }
  return {engine.instance < 2 ? regs::kCcs01IntrMask : regs::kCcs23IntrMask, even};
}

uint32_t Half(uint32_t value, bool upper) { return upper ? value >> 16 : value & 0xffff; }

}  // namespace

Interrupts::Interrupts(int msi_fd) : msi_fd_(msi_fd) {
  MutexLock lock(mutex_);
  for (const uint32_t mask : {regs::kRcsIntrMask, regs::kBcsIntrMask, regs::kVcs01IntrMask, regs::kVcs23IntrMask,
                              regs::kVcs45IntrMask, regs::kVcs67IntrMask, regs::kVecs01IntrMask, regs::kVecs23IntrMask,
                              regs::kCcs01IntrMask, regs::kCcs23IntrMask}) {
    Register(mask) = ~0u;
  }
}

uint32_t& Interrupts::Register(uint32_t offset) { return registers_[(offset - kFirstRegister) / 4]; }
uint32_t Interrupts::Register(uint32_t offset) const { return registers_[(offset - kFirstRegister) / 4]; }

uint32_t Interrupts::EnabledBits(const regs::EnginePlace& engine) const {
  const bool first_bank = engine.interrupt_bank == 0;
  const bool upper = engine.engine_class != regs::HwClass::kCopy && engine.engine_class != regs::HwClass::kVideoEnhance;
  const uint32_t enable = Register(first_bank ? regs::kRenderCopyIntrEnable : regs::kVcsVecsIntrEnable);
  const MaskPlace mask = MaskOf(engine);
  return Half(enable, upper) & ~Half(Register(mask.offset), mask.upper_half);
}

void Interrupts::Raise(const regs::EnginePlace& engine, uint32_t vector_bits) {
  MutexLock lock(mutex_);
  vector_bits &= EnabledBits(engine);
  if (vector_bits == 0) return;
  Source& source = sources_[engine.interrupt_bank][engine.interrupt_bit];
  source.vector |= vector_bits;
  source.engine_class = static_cast<uint32_t>(engine.engine_class);
  source.instance = engine.instance;
  pending_[engine.interrupt_bank] |= 1u << engine.interrupt_bit;
  Signal();
}

void Interrupts::Signal() {
  if (!master_ || msi_sent_ || (pending_[0] | pending_[1]) == 0) return;
  msi_sent_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(msi_fd_, &one, sizeof(one));
}

void Interrupts::Select(size_t bank, uint32_t selected) {
  uint32_t& identity = Register(regs::kIntrIdentity0 + 4 * bank);
  identity = 0;
  const uint32_t found = selected & pending_[bank];
  if (found == 0) return;
  const int bit = std::countr_zero(found);
  Source& source = sources_[bank][static_cast<size_t>(bit)];
  identity = regs::kIntrIdentityValid | source.instance << 20 | source.engine_class << 16 | source.vector;
  source.vector = 0;
  pending_[bank] &= ~(1u << bit);
}

uint32_t Interrupts::Read(uint32_t offset) {
  MutexLock lock(mutex_);
  switch (offset) {
    case regs::kGfxMstrIrq:
      return (master_ ? regs::kGfxMstrIrqEnable : 0) | (pending_[0] != 0 ? 1u : 0u) | (pending_[1] != 0 ? 2u : 0u);
    case regs::kGtIntrDw0:
      return pending_[0];
    case regs::kGtIntrDw1:
      return pending_[1];
    default:
      return Register(offset);
  }
}

void Interrupts::Write(uint32_t offset, uint32_t value) {
  MutexLock lock(mutex_);
  switch (offset) {
    case regs::kGfxMstrIrq:
      master_ = (value & regs::kGfxMstrIrqEnable) != 0;
      msi_sent_ = false;
      Signal();
      break;
    case regs::kGtIntrDw0:
    case regs::kGtIntrDw1:
      // A bit is set as long as its engine has a vector that was not taken by a select.
      break;
    case regs::kIirRegSelector0:
    case regs::kIirRegSelector0 + 4:
      Select((offset - regs::kIirRegSelector0) / 4, value);
      break;
    case regs::kIntrIdentity0:
    case regs::kIntrIdentity0 + 4:
      Register(offset) &= ~value;
      break;
    default:
      Register(offset) = value;
      break;
  }
}

}  // namespace xeq::hw::model
