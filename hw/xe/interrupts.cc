#include "hw/xe/interrupts.h"

#include "hw/clock.h"
#include "hw/xe/mmio.h"

namespace xeq::hw::xe {
namespace {

constexpr Nanos kIdentityLimit = 100 * kNanosPerMicro;
constexpr uint32_t kBothHalves = regs::kIrqAll << 16 | regs::kIrqAll;

void TakeBank(pci::PciFunction& function, uint32_t bank, InterruptHandler handle) {
  const pci::RegOffset pending{regs::kGtIntrDw0 + 4 * bank};
  const pci::RegOffset identity_register{regs::kIntrIdentity0 + 4 * bank};
  const uint32_t bits = function.Read32(pending);
  for (uint32_t bit = 0; bit < 32; ++bit) {
    if ((bits >> bit & 1) == 0) continue;
    function.Write32({regs::kIirRegSelector0 + 4 * bank}, 1u << bit);
    if (!WaitForBits(function, identity_register, regs::kIntrIdentityValid, true, kIdentityLimit)) continue;
    const uint32_t identity = function.Read32(identity_register);
    function.Write32(identity_register, identity);
    handle(static_cast<regs::HwClass>(identity >> 16 & 7), identity >> 20 & 0x3f, identity & 0xffff);
  }
  function.Write32(pending, bits);
}

}  // namespace

void EnableInterrupts(pci::PciFunction& function) {
  function.Write32({regs::kRenderCopyIntrEnable}, kBothHalves);
  function.Write32({regs::kVcsVecsIntrEnable}, kBothHalves);
  // RCS and BCS speak through the upper half alone.
  function.Write32({regs::kRcsIntrMask}, ~(regs::kIrqAll << 16));
  function.Write32({regs::kBcsIntrMask}, ~(regs::kIrqAll << 16));
  for (const uint32_t mask : {regs::kVcs01IntrMask, regs::kVcs23IntrMask, regs::kVcs45IntrMask, regs::kVcs67IntrMask,
                              regs::kVecs01IntrMask, regs::kVecs23IntrMask}) {
    function.Write32({mask}, ~kBothHalves);
  }
  function.Write32({regs::kGfxMstrIrq}, regs::kGfxMstrIrqEnable);
}

void DisableInterrupts(pci::PciFunction& function) {
  function.Write32({regs::kGfxMstrIrq}, 0);
  function.Write32({regs::kRenderCopyIntrEnable}, 0);
  function.Write32({regs::kVcsVecsIntrEnable}, 0);
}

void TakeInterrupts(pci::PciFunction& function, InterruptHandler handle) {
  function.Write32({regs::kGfxMstrIrq}, 0);
  const uint32_t master = function.Read32({regs::kGfxMstrIrq});
  for (uint32_t bank = 0; bank < 2; ++bank) {
    if ((master >> bank & 1) != 0) TakeBank(function, bank, handle);
  }
  function.Write32({regs::kGfxMstrIrq}, regs::kGfxMstrIrqEnable);
}

}  // namespace xeq::hw::xe
