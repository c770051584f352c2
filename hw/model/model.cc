#include "hw/model/model.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "hw/model/address_space.h"
#include "hw/model/dma_arena.h"
#include "hw/model/engine.h"
#include "hw/model/faults.h"
#include "hw/model/interrupts.h"
#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

// BAR0: registers to 8 MiB, then the GGTT.
constexpr uint32_t kRegisterBytes = regs::kGsmOffset;
constexpr size_t kGgttEntries = regs::kGsmBytes / 8;
// RPM_CONFIG0: crystal of 19.2 MHz, undivided.
constexpr uint32_t kClock19Mhz2 = 0x0e;
// Memory size of GGC: 8 MiB of page table.
constexpr uint32_t kGgcGsm8Mib = 3u << 6;
constexpr uint32_t kVideoEngines = 8;
constexpr uint32_t kEnhanceEngines = 4;

class EventFd {
 public:
  explicit EventFd(int fd) : fd_(fd) {}
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;
  ~EventFd() { close(fd_); }
  int get() const { return fd_; }

 private:
  const int fd_;
};

class Model : public pci::PciFunction {
 public:
  Model(const Profile& profile, std::unique_ptr<DmaArena> memory, int interrupt_fd);

  std::string address() const override { return profile_.address; }
  std::string description() const override { return profile_.name; }
  std::string backend() const override { return "model"; }
  uint32_t ReadConfig(uint32_t offset) override;
  uint32_t Read32(pci::RegOffset offset) override;
  void Write32(pci::RegOffset offset, uint32_t value) override;
  void Write64(pci::RegOffset offset, uint64_t value) override;
  uint64_t Read64(pci::RegOffset offset) override;
  absl::StatusOr<std::unique_ptr<pci::DmaMemory>> AllocateDma(uint64_t size_bytes) override {
    return memory_->Allocate(size_bytes);
  }
  uint64_t dma_bytes_max() const override { return memory_->bytes_max(); }
  int interrupt_fd() const override { return interrupt_fd_.get(); }

 private:
  // The engine whose window holds the offset, null when there is none.
  Engine* EngineAt(uint32_t offset) const;
  std::atomic<uint32_t>& Storage(uint32_t offset) { return registers_[offset / 4]; }
  void SetFuses();
  void ResetEngines(uint32_t domains);
  // A write of a TLB invalidation register: nothing is cached, but accesses under way are waited for.
  void InvalidateTlb(uint32_t offset, uint32_t instances);
  static bool IsTlbInvalidate(uint32_t offset);
  // Where a forcewake request is acknowledged, 0 when the offset is none.
  static uint32_t ForcewakeAck(uint32_t offset);

  const Profile profile_;
  const std::unique_ptr<DmaArena> memory_;
  const EventFd interrupt_fd_;
  std::vector<std::atomic<uint32_t>> registers_;
  std::vector<uint64_t> ggtt_entries_;
  Ggtt ggtt_;
  Interrupts interrupts_;
  Faults faults_;
  // Last, so that their threads end first.
  std::vector<std::unique_ptr<Engine>> engines_;
};

Model::Model(const Profile& profile, std::unique_ptr<DmaArena> memory, int interrupt_fd)
    : profile_(profile),
      memory_(std::move(memory)),
      interrupt_fd_(interrupt_fd),
      registers_(kRegisterBytes / 4),
      ggtt_entries_(kGgttEntries),
      ggtt_(ggtt_entries_, *memory_),
      interrupts_(interrupt_fd),
      faults_(interrupts_) {
  SetFuses();
  for (const ProfileEngine& engine : profile_.engines) {
    engines_.push_back(std::make_unique<Engine>(*regs::FindEngine(engine.engine_class, engine.instance), ggtt_,
                                                *memory_, interrupts_, faults_));
  }
}

void Model::SetFuses() {
  uint32_t absent = ((1u << kVideoEngines) - 1) | ((1u << kEnhanceEngines) - 1) << 16;
  for (const ProfileEngine& engine : profile_.engines) {
    if (engine.engine_class == regs::HwClass::kVideoDecode) absent &= ~(1u << engine.instance);
    if (engine.engine_class == regs::HwClass::kVideoEnhance) absent &= ~(1u << (16 + engine.instance));
  }
  Storage(regs::kGtVeboxVdboxDisable) = absent;
  Storage(regs::kRpmConfig0) = kClock19Mhz2;
}

uint32_t Model::ReadConfig(uint32_t offset) {
  constexpr uint32_t kClassDisplay = 0x03000000;
  switch (offset) {
    case 0:
      return static_cast<uint32_t>(profile_.device_id) << 16 | regs::kVendorIntel;
    case 8:
      return kClassDisplay;
    case regs::kConfigGgc:
      return kGgcGsm8Mib;
    default:
      return 0;
  }
}

Engine* Model::EngineAt(uint32_t offset) const {
  for (const std::unique_ptr<Engine>& engine : engines_) {
    const uint32_t base = engine->place().base;
    if (offset >= base && offset - base < regs::kEngineWindowBytes) return engine.get();
  }
  return nullptr;
}

bool Model::IsTlbInvalidate(uint32_t offset) {
  return offset == regs::kRenderTlbInvalidate || offset == regs::kVdTlbInvalidate || offset == regs::kVeTlbInvalidate ||
         offset == regs::kBltTlbInvalidate || offset == regs::kComputeTlbInvalidate;
}

uint32_t Model::ForcewakeAck(uint32_t offset) {
  if (offset == regs::kForcewakeRender) return regs::kForcewakeAckRender;
  if (offset == regs::kForcewakeGt) return regs::kForcewakeAckGt;
  for (uint32_t n = 0; n < kVideoEngines; ++n) {
    if (offset == regs::kForcewakeVd + 4 * n) return regs::kForcewakeAckVd + 4 * n;
  }
  for (uint32_t n = 0; n < kEnhanceEngines; ++n) {
    if (offset == regs::kForcewakeVe + 4 * n) return regs::kForcewakeAckVe + 4 * n;
  }
  return 0;
}

uint32_t Model::Read32(pci::RegOffset register_offset) {
  const uint32_t offset = register_offset.value & ~3u;
  if (offset >= kRegisterBytes) {
    const uint64_t entry = Read64({offset & ~7u});
    return static_cast<uint32_t>((offset & 4) != 0 ? entry >> 32 : entry);
  }
  if (offset >= Interrupts::kFirstRegister && offset < Interrupts::kRegistersEnd) return interrupts_.Read(offset);
  if (Engine* engine = EngineAt(offset)) return engine->Read(offset - engine->place().base);
  switch (offset) {
    case regs::kRingFault:
    case regs::kFaultTlbData0:
    case regs::kFaultTlbData1:
      return faults_.Read(offset);
    default:
      return Storage(offset).load();
  }
}

void Model::Write32(pci::RegOffset register_offset, uint32_t value) {
  const uint32_t offset = register_offset.value & ~3u;
  if (offset >= kRegisterBytes) {
    const uint64_t entry = Read64({offset & ~7u});
    const bool high = (offset & 4) != 0;
    const uint64_t kept = high ? entry & 0xffffffff : entry & ~0xffffffffull;
    Write64({offset & ~7u}, kept | static_cast<uint64_t>(value) << (high ? 32 : 0));
    return;
  }
  if (offset >= Interrupts::kFirstRegister && offset < Interrupts::kRegistersEnd) {
    interrupts_.Write(offset, value);
  } else if (Engine* engine = EngineAt(offset)) {
    engine->Write(offset - engine->place().base, value);
  } else if (offset == regs::kRingFault) {
    faults_.Write(offset, value);
  } else if (offset == regs::kGdrst) {
    ResetEngines(value);
  } else if (IsTlbInvalidate(offset)) {
    InvalidateTlb(offset, value);
  } else if (offset == regs::kGfxAuxInvalidate || offset == regs::kVd0AuxInvalidate ||
             offset == regs::kVe0AuxInvalidate) {
    // There is nothing to invalidate: the bit clears itself at once.
    Storage(offset) = value & ~1u;
  } else if (const uint32_t ack = ForcewakeAck(offset)) {
    // Masked: bit n of the upper half says that bit n is meant.
    const uint32_t mask = value >> 16;
    Storage(ack) = (Storage(ack) & ~mask) | (value & mask);
  } else {
    Storage(offset) = value;
  }
}

uint64_t Model::Read64(pci::RegOffset offset) {
  const uint64_t index = (offset.value - uint64_t{regs::kGsmOffset}) / 8;
  if (offset.value < regs::kGsmOffset || index >= kGgttEntries) return 0;
  return __atomic_load_n(&ggtt_entries_[index], __ATOMIC_ACQUIRE);
}

void Model::Write64(pci::RegOffset offset, uint64_t value) {
  const uint64_t index = (offset.value - uint64_t{regs::kGsmOffset}) / 8;
  if (offset.value < regs::kGsmOffset || index >= kGgttEntries) return;
  __atomic_store_n(&ggtt_entries_[index], value, __ATOMIC_RELEASE);
}

void Model::ResetEngines(uint32_t domains) {
  for (const std::unique_ptr<Engine>& engine : engines_) {
    if ((domains & 1) != 0 || (domains >> engine->place().reset_bit & 1) != 0) engine->Reset();
  }
}

void Model::InvalidateTlb(uint32_t offset, uint32_t instances) {
  for (const std::unique_ptr<Engine>& engine : engines_) {
    const regs::EnginePlace& place = engine->place();
    if (place.tlb_invalidate == offset && (instances >> place.instance & 1) != 0) engine->Quiesce();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<pci::PciFunction>> CreateModel(const Profile& profile) {
  absl::StatusOr<std::unique_ptr<DmaArena>> memory = DmaArena::Create(profile.memory_bytes);
  if (!memory.ok()) return memory.status();
  const int interrupt_fd = eventfd(0, EFD_CLOEXEC);
  if (interrupt_fd < 0) return absl::ResourceExhaustedError("no file descriptor left for the model's interrupt");
  return std::make_unique<Model>(profile, *std::move(memory), interrupt_fd);
}

}  // namespace xeq::hw::model
