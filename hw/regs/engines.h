// Where each engine of a Gen12 GPU is found: its registers, its interrupt, its reset bit. Sources: Intel PRM IHD-OS-TGL
// vol 2c; Linux drivers/gpu/drm/xe/regs/xe_engine_regs.h, xe_gt_regs.h, xe_irq_regs.h; i915/gt/intel_engine_types.h
// (fault ids).
#ifndef XEQ_HW_REGS_ENGINES_H_
#define XEQ_HW_REGS_ENGINES_H_

#include <cstdint>
#include <optional>

#include "hw/regs/registers.h"

namespace xeq::hw::regs {

struct EnginePlace {
  HwClass engine_class;
  uint32_t instance;
  // Of its registers in BAR0.
  uint32_t base;
  // Its bit in GT_INTR_DW0 (bank 0) or GT_INTR_DW1.
  uint32_t interrupt_bank;
  uint32_t interrupt_bit;
  // Its bit in GDRST.
  uint32_t reset_bit;
  // As RING_FAULT names it, bits 16:12. Tiger Lake's engines have the numbers of i915's *_HW ids; the others, which no
  // Gen12.0 device has together, follow behind.
  uint32_t fault_id;
  // The register that drops its class's cached translations, bit n for instance n.
  uint32_t tlb_invalidate;
};

// Nothing: Gen12 has no such engine.
constexpr std::optional<EnginePlace> FindEngine(HwClass engine_class, uint32_t instance) {
  switch (engine_class) {
    case HwClass::kRender:
      if (instance > 0) return std::nullopt;
      return EnginePlace{engine_class, 0, kRcs0Base, 0, 0, 1, 0, kRenderTlbInvalidate};
    case HwClass::kCopy:
      if (instance > 0) return std::nullopt;
      return EnginePlace{engine_class, 0, kBcs0Base, 0, 15, 2, 2, kBltTlbInvalidate};
    case HwClass::kVideoDecode: {
      constexpr uint32_t kFaultIds[] = {1, 4, 6, 7, 16, 17, 18, 19};
      if (instance >= 8) return std::nullopt;
      return EnginePlace{engine_class, instance,     kVcsBases[instance], 1,
                         instance,     5 + instance, kFaultIds[instance], kVdTlbInvalidate};
    }
    case HwClass::kVideoEnhance: {
      constexpr uint32_t kFaultIds[] = {3, 5, 20, 21};
      if (instance >= 4) return std::nullopt;
      return EnginePlace{engine_class,  instance,      kVecsBases[instance], 1,
                         31 - instance, 13 + instance, kFaultIds[instance],  kVeTlbInvalidate};
    }
    case HwClass::kCompute:
      // Compute engines share the render engine's reset domain.
      if (instance >= 4) return std::nullopt;
      return EnginePlace{engine_class, instance, kCcsBases[instance], 0,
                         4 + instance, 1,        22 + instance,       kComputeTlbInvalidate};
    case HwClass::kOther:
      break;
  }
  return std::nullopt;
}

// The registers of one engine lie in this many bytes from its base.
inline constexpr uint32_t kEngineWindowBytes = 0x1000;

}  // namespace xeq::hw::regs

#endif  // XEQ_HW_REGS_ENGINES_H_
