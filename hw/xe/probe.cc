#include "hw/xe/probe.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "hw/clock.h"
#include "hw/regs/registers.h"
#include "hw/xe/lrc.h"
#include "hw/xe/mmio.h"
#include "hw/xe/ticks.h"

namespace xeq::hw::xe {
namespace {

using regs::HwClass;

constexpr Nanos kForcewakeLimit = 50 * kNanosPerMilli;
// Bit 0 of a forcewake register is the kernel's; a register that is not there reads all ones.
constexpr uint32_t kForcewakeBit = 1;
constexpr uint32_t kCrystalShift = 3;
constexpr uint32_t kCrystalMask = 7;
constexpr uint32_t kCrystal19Mhz2 = 1;
constexpr uint32_t kGgcGsmShift = 6;
constexpr uint32_t kGgcGsm8Mib = 3;

absl::Status WakeDomain(pci::PciFunction& function, uint32_t request, uint32_t ack) {
  function.Write32({request}, regs::MaskedSet(kForcewakeBit));
  if (WaitForBits(function, {ack}, kForcewakeBit, true, kForcewakeLimit) && function.Read32({ack}) != ~0u) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat(function.address(), ": forcewake register 0x", absl::Hex(request), " is not acknowledged"));
}

}  // namespace

absl::Status CheckDevice(pci::PciFunction& function) {
  const uint32_t id = function.ReadConfig(0);
  if ((id & 0xffff) != regs::kVendorIntel || function.ReadConfig(8) >> 24 != 3) {
    return absl::NotFoundError(absl::StrCat(function.address(), ": not a display controller of Intel"));
  }
  if ((function.ReadConfig(regs::kConfigGgc) >> kGgcGsmShift & 3) != kGgcGsm8Mib) {
    return absl::UnavailableError(absl::StrCat(function.address(), ": the global page table is not of 8 MiB"));
  }
  return absl::OkStatus();
}

absl::Status Wake(pci::PciFunction& function, const std::vector<regs::EnginePlace>& engines) {
  absl::Status status = WakeDomain(function, regs::kForcewakeGt, regs::kForcewakeAckGt);
  if (status.ok()) status = WakeDomain(function, regs::kForcewakeRender, regs::kForcewakeAckRender);
  for (const regs::EnginePlace& engine : engines) {
    if (!status.ok()) return status;
    const uint32_t n = 4 * engine.instance;
    if (engine.engine_class == HwClass::kVideoDecode) {
      status = WakeDomain(function, regs::kForcewakeVd + n, regs::kForcewakeAckVd + n);
    } else if (engine.engine_class == HwClass::kVideoEnhance) {
      status = WakeDomain(function, regs::kForcewakeVe + n, regs::kForcewakeAckVe + n);
    }
  }
  if (!status.ok()) return status;
  if ((function.Read32({regs::kRpmConfig0}) >> kCrystalShift & kCrystalMask) != kCrystal19Mhz2) {
    return absl::UnavailableError(absl::StrCat(function.address(), ": the crystal is not of 19.2 MHz"));
  }
  return absl::OkStatus();
}

std::vector<regs::EnginePlace> FindEngines(pci::PciFunction& function) {
  std::vector<regs::EnginePlace> engines = {*regs::FindEngine(HwClass::kRender, 0),
                                            *regs::FindEngine(HwClass::kCopy, 0)};
  const uint32_t absent = function.Read32({regs::kGtVeboxVdboxDisable});
  for (uint32_t n = 0; n < 8; ++n) {
    if ((absent >> n & 1) == 0) engines.push_back(*regs::FindEngine(HwClass::kVideoDecode, n));
  }
  for (uint32_t n = 0; n < 4; ++n) {
    if ((absent >> (16 + n) & 1) == 0) engines.push_back(*regs::FindEngine(HwClass::kVideoEnhance, n));
  }
  return engines;
}

DeviceInfo DescribeDevice(pci::PciFunction& function, const std::vector<regs::EnginePlace>& engines) {
  DeviceInfo info;
  info.id = function.address();
  info.name = function.description();
  info.backend = function.backend();
  info.submission = "execlist";
  const uint32_t id = function.ReadConfig(0);
  info.vendor_id = static_cast<uint16_t>(id);
  info.device_id = static_cast<uint16_t>(id >> 16);
  for (const regs::EnginePlace& engine : engines) {
    const EngineClass engine_class = ToEngineClass(engine.engine_class);
    info.engines.push_back({engine_class, static_cast<uint16_t>(engine.instance),
                            absl::StrCat(std::string(EngineClassName(engine_class)), engine.instance)});
  }
  info.regions.push_back({0, MemoryKind::kSystem, function.dma_bytes_max(), kPageBytes});
  info.timestamp_frequency_hz = kTimestampHz;
  info.jobs_per_queue_max = kJobsPerContextMax;
  return info;
}

EngineClass ToEngineClass(HwClass engine_class) {
  switch (engine_class) {
    case HwClass::kRender:
    case HwClass::kOther:
      return EngineClass::kRender;
    case HwClass::kVideoDecode:
      return EngineClass::kVideoDecode;
    case HwClass::kVideoEnhance:
      return EngineClass::kVideoEnhance;
    case HwClass::kCopy:
      return EngineClass::kCopy;
    case HwClass::kCompute:
      return EngineClass::kCompute;
  }
  return EngineClass::kRender;
}

HwClass ToHwClass(EngineClass engine_class) {
  switch (engine_class) {
    case EngineClass::kRender:
      return HwClass::kRender;
    case EngineClass::kCopy:
      return HwClass::kCopy;
    case EngineClass::kVideoDecode:
      return HwClass::kVideoDecode;
    case EngineClass::kVideoEnhance:
      return HwClass::kVideoEnhance;
    case EngineClass::kCompute:
      return HwClass::kCompute;
  }
  return HwClass::kOther;
}

}  // namespace xeq::hw::xe
