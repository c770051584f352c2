// The front of an engine: fetches commands from ring and batches, decodes and executes them.
#ifndef XEQ_HW_MODEL_COMMAND_STREAMER_H_
#define XEQ_HW_MODEL_COMMAND_STREAMER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "hw/model/address_space.h"
#include "hw/model/alu.h"
#include "hw/model/blitter.h"
#include "hw/model/dma_arena.h"
#include "hw/regs/commands.h"
#include "hw/regs/engines.h"

namespace xeq::hw::model {

// What an engine knows of the context that it runs.
struct ContextState {
  // GGTT address and length of the ring; offsets into it.
  uint32_t ring_start = 0;
  uint32_t ring_bytes = 0;
  uint32_t ring_head = 0;
  uint32_t ring_tail = 0;
  // PDP0.
  uint64_t page_directory = 0;
  // 0: in the ring; 1, 2: in a batch of the first or second level.
  uint32_t level = 0;
  // Whether the batch is in the PPGTT, which makes it unprivileged.
  bool batch_in_ppgtt = true;
  uint64_t batch_address = 0;
  // Where the first level goes on behind the second.
  uint64_t return_address = 0;
  bool return_in_ppgtt = true;
  // Off: no preemption.
  bool arbitration = true;
  GeneralPurposeRegisters registers{};
};

// The rest of the engine, as its command streamer sees it.
class EnginePort {
 public:
  virtual ~EnginePort() = default;
  // Offsets into BAR0, of registers that are not general-purpose registers of the engine itself.
  virtual uint32_t ReadRegister(uint32_t offset) = 0;
  virtual void WriteRegister(uint32_t offset, uint32_t value) = 0;
  // RING_TIMESTAMP.
  virtual uint64_t Timestamp() = 0;
  virtual void Interrupt(uint32_t vector_bits) = 0;
  // GGTT addresses of the engine's status page and of the context's.
  virtual uint32_t StatusPage() = 0;
  virtual uint32_t ContextStatusPage() = 0;
};

// Why the engine cannot go on with a context.
struct StreamerFault {
  enum class Kind : uint8_t { kInvalidCommand, kPrivilege, kPage };
  Kind kind = Kind::kInvalidCommand;
  // For kPage.
  uint64_t address = 0;
};

// Belongs to one engine, whose lock is held in every call.
class CommandStreamer {
 public:
  enum class Stop : uint8_t {
    // The budget is used up.
    kBudget,
    // Head is at tail.
    kIdle,
    // A semaphore's condition is not met.
    kWaiting,
    // At a command where the context may be switched, and it was asked for.
    kArbitration,
    kFault,
  };

  // `ggtt`, `memory` and `port` outlive it.
  CommandStreamer(const regs::EnginePlace& place, const Ggtt& ggtt, const DmaArena& memory, EnginePort& port)
      : place_(place), ggtt_(ggtt), memory_(memory), port_(port) {
    ppgtt_.emplace(0, memory_);
  }

  // Begins with another context, or with none. Page tables are looked up anew.
  void Load(const ContextState& state);
  ContextState& state() { return state_; }
  // Executes commands worth `budget` bytes. With `preempt`, stops where the context may be switched.
  Stop RunSlice(uint64_t budget, bool preempt);

  // Header and address of the command that was begun last (IPEHR and ACTHD).
  uint32_t header() const { return header_; }
  uint64_t address() const { return address_; }
  // Behind Stop::kFault.
  const StreamerFault& fault() const { return fault_; }

 private:
  // SDI with its longest length field.
  static constexpr size_t kCommandDwordsMax = 0x3ff + 2;

  // One half of a 64-bit register, which the arithmetic unit sees whole.
  using HalfRegister [[gnu::may_alias]] = uint32_t;

  enum class Next : uint8_t { kAdvance, kStay, kJumped, kFault };

  // Of render or compute: the classes that know PIPE_CONTROL instead of MI_FLUSH_DW.
  bool has_pipe_control() const {
    return place_.engine_class == regs::HwClass::kRender || place_.engine_class == regs::HwClass::kCompute;
  }
  bool privileged() const { return state_.level == 0 || !state_.batch_in_ppgtt; }
  // The address space of the command's own dwords.
  const AddressSpace& CodeSpace() const;
  uint64_t CodeAddress(uint64_t dword) const;
  bool FetchDword(uint64_t address, uint32_t* value);
  // Reads the command at the current position into `command_`. False: a fault.
  bool Fetch();
  // How many dwords the header says, 0 when the engine does not know it.
  size_t DwordsOf(uint32_t header) const;
  void Skip(size_t dwords);

  Next Fail(StreamerFault::Kind kind);
  Next PageFault(uint64_t address);
  // Where data goes: the GGTT for privileged commands that ask for it. Null: privilege violation.
  const AddressSpace* DataSpace(bool in_ggtt);
  // The GPR behind a register offset, null when it is none.
  HalfRegister* GeneralPurpose(uint32_t offset);
  bool MayTouch(uint32_t offset, bool write) const;
  uint32_t RegisterOffset(uint32_t dword, bool add_base) const;
  Next ReadRegister(uint32_t offset, uint32_t* value);
  Next WriteRegister(uint32_t offset, uint32_t value);
  uint64_t Address48(size_t low_dword) const;

  Next Execute();
  Next ExecuteMi(regs::MiOpcode opcode);
  Next StoreDataImm();
  Next LoadRegisterImm();
  Next StoreRegisterMem();
  Next LoadRegisterMem();
  Next LoadRegisterReg();
  Next CopyMemMem();
  Next FlushDw();
  Next PipeControl();
  Next PostSync(uint32_t operation, const AddressSpace& space, uint64_t address, uint64_t data, bool qword);
  Next SemaphoreWait();
  Next ConditionalEnd();
  Next Atomic();
  template <typename T>
  Next AtomicOn(const AddressSpace& space, uint64_t address, uint32_t operation, uint64_t first, uint64_t second,
                bool return_data);
  Next Math();
  Next BatchStart();
  Next BatchEnd();
  Next StartBlit();
  // Works until `*used` reaches `budget`.
  Next ContinueBlit(uint64_t budget, uint64_t* used);

  const regs::EnginePlace place_;
  const Ggtt& ggtt_;
  const DmaArena& memory_;
  EnginePort& port_;

  ContextState state_;
  std::optional<Ppgtt> ppgtt_;
  // The page that commands are fetched from; valid within one slice.
  uint64_t window_page_ = ~0ull;
  Run window_{nullptr, 0};

  std::array<uint32_t, kCommandDwordsMax> command_{};
  size_t dwords_ = 0;
  uint32_t header_ = 0;
  uint64_t address_ = 0;
  std::optional<Blit> blit_;
  bool at_arbitration_ = false;
  StreamerFault fault_;
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_COMMAND_STREAMER_H_
