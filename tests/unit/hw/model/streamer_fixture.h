// A command streamer with memory around it: a ring and pages in the GGTT, batches and data in a PPGTT, and a port that
// records what the streamer asked of its engine.
#ifndef XEQ_TESTS_UNIT_HW_MODEL_STREAMER_FIXTURE_H_
#define XEQ_TESTS_UNIT_HW_MODEL_STREAMER_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <type_traits>
#include <vector>

#include "hw/model/command_streamer.h"
#include "hw/regs/commands.h"
#include "hw/regs/registers.h"
#include "tests/unit/hw/model/command_list.h"

namespace xeq::hw::model {

inline uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }
inline uint32_t High(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

// Remembers.
class FakePort : public EnginePort {
 public:
  uint32_t ReadRegister(uint32_t offset) override { return registers[offset]; }
  void WriteRegister(uint32_t offset, uint32_t value) override { registers[offset] = value; }
  uint64_t Timestamp() override { return timestamp; }
  void Interrupt(uint32_t vector_bits) override {
    interrupts.push_back(vector_bits);
    if (on_interrupt) on_interrupt();
  }
  uint32_t StatusPage() override { return status_page; }
  uint32_t ContextStatusPage() override { return context_status_page; }

  std::map<uint32_t, uint32_t> registers;
  std::vector<uint32_t> interrupts;
  std::function<void()> on_interrupt;
  uint64_t timestamp = 0x123456789a;
  uint32_t status_page = 0;
  uint32_t context_status_page = 0;
};

class StreamerFixture : public ::testing::Test {
 protected:
  static constexpr uint64_t kPage = 4096;
  // In the GGTT. Page 0 and what lies behind kGgttEnd are not bound.
  static constexpr uint32_t kRing = 0x1000;
  static constexpr uint32_t kGgttData = 0x4000;
  static constexpr uint32_t kGgttBatch = 0x5000;
  static constexpr uint32_t kStatusPage = 0x6000;
  static constexpr uint32_t kContextStatusPage = 0x7000;
  static constexpr uint32_t kGgttEnd = 0x8000;
  // In the PPGTT. What is not named is not bound.
  static constexpr uint64_t kData = 0x10000;
  static constexpr uint64_t kBatch = 0x20000;
  static constexpr uint64_t kInnerBatch = 0x30000;
  static constexpr uint64_t kEnd = 0x50000;
  static constexpr uint64_t kNullPage = 0x60000;
  static constexpr uint64_t kUnbound = 0x70000;
  // The same pages once more where bit 47 is set.
  static constexpr uint64_t kUpperHalf = 1ull << 47;
  static constexpr uint64_t kAmple = 1 << 20;

  StreamerFixture() {
    for (uint32_t page = 1; page < kGgttEnd / kPage; ++page) {
      ggtt_entries_[page] = (global_->dma_address() + page * kPage) | regs::kPtePresent;
    }
    constexpr uint64_t kFlags = regs::kPtePresent | regs::kPteWritable;
    const uint64_t base = tables_->dma_address();
    SetEntry(0, 0, (base + kPage) | kFlags);
    SetEntry(0, 256, (base + kPage) | kFlags);
    SetEntry(1, 0, (base + 2 * kPage) | kFlags);
    SetEntry(2, 0, (base + 3 * kPage) | kFlags);
    for (uint64_t address = kData; address < kEnd; address += kPage) {
      SetEntry(3, address / kPage, (local_->dma_address() + address) | kFlags);
    }
    SetEntry(3, kNullPage / kPage, kFlags | regs::kPteNull);
    port_.status_page = kStatusPage;
    port_.context_status_page = kContextStatusPage;
    Use(regs::HwClass::kCopy);
  }

  void SetEntry(uint64_t table, uint64_t index, uint64_t entry) {
    std::memcpy(tables_->cpu() + table * kPage + index * 8, &entry, 8);
  }
  // From now on an engine of this class.
  void Use(regs::HwClass engine_class) {
    streamer_ = std::make_unique<CommandStreamer>(*regs::FindEngine(engine_class, 0), ggtt_, *arena_, port_);
    base_ = regs::FindEngine(engine_class, 0)->base;
  }

  // ---- Memory as the CPU sees it.
  std::byte* Global(uint64_t address) { return global_->cpu() + address; }
  std::byte* Local(uint64_t address) { return local_->cpu() + address; }
  template <typename T = uint32_t>
  T Get(uint64_t address) {
    T value;
    std::memcpy(&value, Local(address), sizeof(T));
    return value;
  }
  template <typename T = uint32_t>
  void Set(uint64_t address, std::type_identity_t<T> value) {
    std::memcpy(Local(address), &value, sizeof(T));
  }
  template <typename T = uint32_t>
  T GetGlobal(uint64_t address) {
    T value;
    std::memcpy(&value, Global(address), sizeof(T));
    return value;
  }
  template <typename T = uint32_t>
  void SetGlobal(uint64_t address, std::type_identity_t<T> value) {
    std::memcpy(Global(address), &value, sizeof(T));
  }
  void Put(uint64_t address, const Commands& commands) {
    std::memcpy(Local(address), commands.data(), commands.size() * 4);
  }
  void PutGlobal(uint64_t address, const Commands& commands) {
    std::memcpy(Global(address), commands.data(), commands.size() * 4);
  }

  // ---- Running. The ring has one page, and ends with an even number of dwords.
  ContextState RingOf(Commands commands) {
    if (commands.size() % 2 != 0) commands.push_back(regs::kNoop);
    PutGlobal(kRing, commands);
    ContextState state;
    state.ring_start = kRing;
    state.ring_bytes = kPage;
    state.ring_tail = static_cast<uint32_t>(commands.size() * 4);
    state.page_directory = tables_->dma_address() | 3;
    state.registers = registers_;
    return state;
  }
  CommandStreamer::Stop Run(uint64_t budget = kAmple, bool preempt = false) {
    return streamer_->RunSlice(budget, preempt);
  }
  // These commands alone, privileged.
  CommandStreamer::Stop RunRing(const Commands& commands) {
    streamer_->Load(RingOf(commands));
    return Run();
  }
  // These commands alone, in a batch of the first level in the PPGTT.
  CommandStreamer::Stop RunBatch(const Commands& commands) {
    Put(kBatch, Join({commands, {regs::kBatchBufferEnd}}));
    return RunRing(Start(kBatch));
  }
  // These commands alone, in a batch of the GGTT.
  CommandStreamer::Stop RunGlobalBatch(const Commands& commands) {
    PutGlobal(kGgttBatch, Join({commands, {regs::kBatchBufferEnd}}));
    return RunRing(StartGlobal(kGgttBatch));
  }
  void ExpectFault(CommandStreamer::Stop stop, StreamerFault::Kind kind, uint64_t address = 0) {
    EXPECT_EQ(stop, CommandStreamer::Stop::kFault);
    EXPECT_EQ(streamer_->fault().kind, kind);
    EXPECT_EQ(streamer_->fault().address, address);
  }
  uint64_t Register(uint32_t index) const { return streamer_->state().registers[index]; }
  uint32_t GprOffset(uint32_t index) const { return base_ + regs::kCsGpr + 8 * index; }

  // ---- Commands.
  static Commands Start(uint64_t address, uint32_t flags = 0) {
    return {regs::kBatchBufferStart | flags, Low(address), High(address)};
  }
  static Commands StartGlobal(uint64_t address, uint32_t flags = 0) {
    return {(regs::kBatchBufferStart & ~regs::kBatchBufferStartPpgtt) | flags, Low(address), High(address)};
  }
  static Commands Store(uint64_t address, uint32_t value, uint32_t flags = 0) {
    return {regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmDwordDwords) | flags, Low(address),
            High(address), value};
  }
  static Commands LoadRegister(uint32_t offset, uint32_t value, uint32_t flags = 0) {
    return {regs::LoadRegisterImm(1) | flags, offset, value};
  }
  static Commands StoreRegister(uint32_t offset, uint64_t address, uint32_t flags = 0) {
    return {regs::Mi(regs::MiOpcode::kStoreRegisterMem, regs::kStoreRegisterMemDwords) | flags, offset, Low(address),
            High(address)};
  }
  static Commands LoadRegisterFrom(uint32_t offset, uint64_t address, uint32_t flags = 0) {
    return {regs::Mi(regs::MiOpcode::kLoadRegisterMem, regs::kLoadRegisterMemDwords) | flags, offset, Low(address),
            High(address)};
  }
  static Commands Copy(uint64_t to, uint64_t from, uint32_t flags = 0) {
    return {regs::Mi(regs::MiOpcode::kCopyMemMem, regs::kCopyMemMemDwords) | flags, Low(to), High(to), Low(from),
            High(from)};
  }
  static Commands Wait(regs::Compare compare, uint32_t value, uint64_t address, uint32_t flags = 0) {
    return {regs::Mi(regs::MiOpcode::kSemaphoreWait, regs::kSemaphoreWaitDwords) | regs::kSemaphoreWaitPoll |
                static_cast<uint32_t>(compare) << regs::kCompareShift | flags,
            value, Low(address), High(address)};
  }
  static Commands EndUnless(regs::Compare compare, uint32_t value, uint64_t address, uint32_t flags = 0) {
    return {regs::Mi(regs::MiOpcode::kConditionalBatchBufferEnd, regs::kConditionalBatchBufferEndDwords) |
                regs::kConditionalCompareSemaphore | static_cast<uint32_t>(compare) << regs::kCompareShift | flags,
            value, Low(address), High(address)};
  }
  static Commands Flush(uint64_t address, uint32_t value, uint32_t flags) {
    return {regs::Mi(regs::MiOpcode::kFlushDw, regs::kFlushDwDwords) | flags, Low(address), High(address), value};
  }
  static Commands PipeControl(uint32_t flags, uint64_t address, uint64_t data) {
    return {regs::kPipeControl, flags, Low(address), High(address), Low(data), High(data)};
  }
  // `operation` is the dword one; a qword one has kAtomicQword among its flags.
  static Commands Atomic(regs::AtomicOperation operation, uint64_t address, uint32_t flags) {
    const bool qword = (flags & regs::kAtomicQword) != 0;
    const uint32_t code = static_cast<uint32_t>(operation) + (qword ? regs::kAtomicOperationQword : 0);
    return {regs::Mi(regs::MiOpcode::kAtomic, regs::kAtomicDwords) | code << regs::kAtomicOperationShift | flags,
            Low(address), High(address)};
  }
  static Commands AtomicInline(regs::AtomicOperation operation, uint64_t address, uint64_t first, uint64_t second,
                               uint32_t flags) {
    Commands command = Atomic(operation, address, flags | regs::kAtomicInline);
    command[0] += regs::kAtomicInlineDwords - regs::kAtomicDwords;
    command.resize(regs::kAtomicInlineDwords);
    command[3] = Low(first);
    command[4] = Low(second);
    command[5] = High(first);
    command[6] = High(second);
    return command;
  }
  // Rows of bytes, each `pitch` behind the one before.
  static Commands FastCopy(uint64_t to, uint64_t from, uint32_t width, uint32_t rows, uint32_t pitch) {
    return {regs::Blit(regs::BlitOpcode::kFastCopy, regs::kFastCopyDwords),
            regs::kFastCopyDepth8 | pitch,
            0,
            rows << 16 | width,
            Low(to),
            High(to),
            0,
            pitch,
            Low(from),
            High(from)};
  }
  static Commands FastColor(uint64_t to, uint32_t width, uint32_t rows, uint32_t pitch, uint32_t color) {
    return {regs::Blit(regs::BlitOpcode::kFastColor, regs::kFastColorDwords) | regs::kFastColorDepth32,
            pitch - 1,
            0,
            rows << 16 | width,
            Low(to),
            High(to),
            0,
            color,
            color,
            color,
            color};
  }

  std::unique_ptr<DmaArena> arena_ = DmaArena::Create(4 << 20).value();
  std::unique_ptr<pci::DmaMemory> global_ = arena_->Allocate(kGgttEnd).value();
  std::unique_ptr<pci::DmaMemory> local_ = arena_->Allocate(kEnd).value();
  std::unique_ptr<pci::DmaMemory> tables_ = arena_->Allocate(4 * kPage).value();
  std::vector<uint64_t> ggtt_entries_ = std::vector<uint64_t>(16);
  Ggtt ggtt_{ggtt_entries_, *arena_};
  FakePort port_;
  std::unique_ptr<CommandStreamer> streamer_;
  uint32_t base_ = 0;
  // What a context begins with.
  GeneralPurposeRegisters registers_{};
};

}  // namespace xeq::hw::model

#endif  // XEQ_TESTS_UNIT_HW_MODEL_STREAMER_FIXTURE_H_
