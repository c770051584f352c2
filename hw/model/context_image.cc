#include "hw/model/context_image.h"

#include <atomic>

#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

constexpr uint32_t kPage = 4096;
constexpr uint32_t kImageDwords = kPage / 4;
// Where the model keeps what the lists do not hold: behind the longest list (render's, to dword 0xb9).
constexpr uint32_t kStateDword = 0x200;
constexpr uint32_t kStateMagic = 0x6d716578;
constexpr uint32_t kStateRegistersDword = kStateDword + 6;
constexpr uint32_t kLevelMask = 3;
constexpr uint32_t kBatchInPpgtt = 1u << 2;
constexpr uint32_t kReturnInPpgtt = 1u << 3;
constexpr uint32_t kArbitration = 1u << 4;
// BB_STATE: the address space is the PPGTT.
constexpr uint32_t kBbStatePpgtt = 1u << 5;
constexpr uint32_t kRestoreInhibit = 1u << 0;

constexpr uint32_t kRingTailMask = 0x1ffff8;
constexpr uint32_t kRingHeadMask = 0x1ffffc;

// The image as dwords: the page behind the status page, looked up once.
class Image {
 public:
  Image(const Ggtt& ggtt, uint32_t lrca) : page_(ggtt.Translate((uint64_t{lrca} & ~uint64_t{kPage - 1}) + kPage)) {}
  // Not bound: nothing may be read or written.
  bool is_bound() const { return page_.has_value(); }
  uint32_t Get(uint32_t dword) const { return Dword(dword).load(std::memory_order_acquire); }
  void Put(uint32_t dword, uint32_t value) const { Dword(dword).store(value, std::memory_order_release); }
  uint64_t Get64(uint32_t dword) const { return static_cast<uint64_t>(Get(dword + 1)) << 32 | Get(dword); }
  void Put64(uint32_t dword, uint64_t value) const {
    Put(dword, static_cast<uint32_t>(value));
    Put(dword + 1, static_cast<uint32_t>(value >> 32));
  }

 private:
  // The driver looks at it meanwhile.
  std::atomic_ref<uint32_t> Dword(uint32_t dword) const {
    return std::atomic_ref<uint32_t>(reinterpret_cast<uint32_t*>(page_->host)[dword]);
  }

  const std::optional<Run> page_;
};

// What one pair of a list means to the model; other registers have no effect here.
struct Registers {
  uint32_t context_control = 0;
  uint32_t ring_ctl = 0;
  ContextImage image;

  void Apply(uint32_t offset, uint32_t value) {
    ContextState& state = image.state;
    switch (offset) {
      case regs::kContextControl:
        context_control = value;
        break;
      case regs::kRingHead:
        state.ring_head = value & kRingHeadMask;
        break;
      case regs::kRingTail:
        state.ring_tail = value & kRingTailMask;
        break;
      case regs::kRingStart:
        state.ring_start = value & ~(kPage - 1);
        break;
      case regs::kRingCtl:
        ring_ctl = value;
        break;
      case regs::kCtxTimestamp:
        image.timestamp = value;
        break;
      case regs::kPdp0Ldw:
        state.page_directory = (state.page_directory & ~0xffffffffull) | value;
        break;
      case regs::kPdp0Udw:
        state.page_directory = (state.page_directory & 0xffffffffull) | static_cast<uint64_t>(value) << 32;
        break;
      default:
        break;
    }
  }
};

// Walks the lists. False: they cannot be read or do not end.
bool ReadLists(const Image& image, Registers& registers) {
  for (uint32_t dword = 0; dword < kImageDwords;) {
    const uint32_t header = image.Get(dword++);
    if (header == regs::kNoop) continue;
    if (header == regs::kBatchBufferEndContext || header == regs::kBatchBufferEnd) return true;
    if (regs::TypeOf(header) != regs::CommandType::kMi ||
        regs::MiOpcodeOf(header) != regs::MiOpcode::kLoadRegisterImm) {
      return false;
    }
    for (uint32_t pairs = ((header & regs::kLoadRegisterImmLengthMask) + 1) / 2; pairs > 0; --pairs, dword += 2) {
      if (dword + 1 >= kImageDwords) return false;
      // The address is the engine's base + offset, whatever bit 19 of the header says: see kImageRegisterMask.
      registers.Apply(image.Get(dword) & regs::kImageRegisterMask, image.Get(dword + 1));
    }
  }
  return false;
}

void ReadState(const Image& image, ContextState& state) {
  if (image.Get(kStateDword) != kStateMagic) return;
  const uint32_t flags = image.Get(kStateDword + 1);
  state.level = flags & kLevelMask;
  state.batch_in_ppgtt = (flags & kBatchInPpgtt) != 0;
  state.return_in_ppgtt = (flags & kReturnInPpgtt) != 0;
  state.arbitration = (flags & kArbitration) != 0;
  state.batch_address = image.Get64(kStateDword + 2);
  state.return_address = image.Get64(kStateDword + 4);
  for (uint32_t i = 0; i < regs::kGprCount; ++i) state.registers[i] = image.Get64(kStateRegistersDword + 2 * i);
}

}  // namespace

std::optional<ContextImage> LoadContextImage(const Ggtt& ggtt, uint32_t lrca) {
  const Image image(ggtt, lrca);
  Registers registers;
  if (!image.is_bound() || !ReadLists(image, registers)) return std::nullopt;
  if ((registers.ring_ctl & 1) == 0) return std::nullopt;
  ContextState& state = registers.image.state;
  state.ring_bytes = (registers.ring_ctl & 0x1ff000) + kPage;
  state.ring_head %= state.ring_bytes;
  state.ring_tail %= state.ring_bytes;
  // A context that was never stored has no engine state; software says so.
  if ((registers.context_control & kRestoreInhibit) == 0) ReadState(image, state);
  return registers.image;
}

std::optional<uint32_t> LoadRingTail(const Ggtt& ggtt, uint32_t lrca) {
  const Image image(ggtt, lrca);
  if (!image.is_bound()) return std::nullopt;
  return image.Get(regs::kImageRingTail) & kRingTailMask;
}

void SaveContextImage(const Ggtt& ggtt, uint32_t lrca, const ContextImage& saved) {
  const Image image(ggtt, lrca);
  // What is lost is lost: the driver took the context's memory away under the engine.
  if (!image.is_bound()) return;
  const ContextState& state = saved.state;
  image.Put(regs::kImageContextControl, kRestoreInhibit << 16 | (image.Get(regs::kImageContextControl) & ~1u));
  image.Put(regs::kImageRingHead, state.ring_head);
  image.Put(regs::kImageBbAddrUdw, static_cast<uint32_t>(state.batch_address >> 32));
  image.Put(regs::kImageBbAddr, static_cast<uint32_t>(state.batch_address));
  image.Put(regs::kImageBbState, state.batch_in_ppgtt ? kBbStatePpgtt : 0);
  image.Put(regs::kImageCtxTimestamp, saved.timestamp);
  image.Put(kStateDword, kStateMagic);
  image.Put(kStateDword + 1, state.level | (state.batch_in_ppgtt ? kBatchInPpgtt : 0) |
                                 (state.return_in_ppgtt ? kReturnInPpgtt : 0) | (state.arbitration ? kArbitration : 0));
  image.Put64(kStateDword + 2, state.batch_address);
  image.Put64(kStateDword + 4, state.return_address);
  for (uint32_t i = 0; i < regs::kGprCount; ++i) image.Put64(kStateRegistersDword + 2 * i, state.registers[i]);
}

}  // namespace xeq::hw::model
