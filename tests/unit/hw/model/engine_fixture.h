// A model as its driver sees it: registers, memory, the eventfd; contexts whose images are made by hand.
#ifndef XEQ_TESTS_UNIT_HW_MODEL_ENGINE_FIXTURE_H_
#define XEQ_TESTS_UNIT_HW_MODEL_ENGINE_FIXTURE_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <ostream>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "hw/model/model.h"
#include "hw/regs/commands.h"
#include "hw/regs/registers.h"
#include "tests/unit/hw/model/command_list.h"

namespace xeq::hw::model {

class EngineFixture : public ::testing::Test {
 protected:
  static constexpr uint64_t kPage = 4096;
  static constexpr auto kLimit = std::chrono::seconds(30);
  // In the PPGTT that all contexts share: 32 pages of data, then batches of one page each.
  static constexpr uint64_t kData = 0x100000;
  static constexpr uint64_t kBatch = 0x120000;
  static constexpr uint64_t kVaEnd = 0x140000;
  static constexpr uint64_t kUnbound = 0x150000;
  static constexpr uint32_t kIdle = static_cast<uint32_t>(regs::kContextIdIdle);

  // One entry of the status buffer.
  struct Switch {
    bool new_queue;
    uint32_t away;
    uint32_t to;
    regs::SwitchDetail detail;
    friend bool operator==(const Switch&, const Switch&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Switch& s) {
      return out << (s.new_queue ? "new " : "") << s.away << " -> " << s.to << " (" << static_cast<uint32_t>(s.detail)
                 << ")";
    }
  };
  static Switch Begins(uint32_t to, uint32_t away = kIdle) { return {true, away, to, regs::SwitchDetail::kComplete}; }
  static Switch Completes(uint32_t away, uint32_t to = kIdle) {
    return {false, away, to, regs::SwitchDetail::kComplete};
  }
  static Switch Preempts(uint32_t away, uint32_t to) { return {true, away, to, regs::SwitchDetail::kPreempted}; }

  struct Context {
    // Status page, image page, ring page.
    std::unique_ptr<pci::DmaMemory> memory;
    uint32_t lrca = 0;
    uint32_t id = 0;
    uint32_t tail = 0;

    uint32_t* Dword(uint64_t offset) const { return reinterpret_cast<uint32_t*>(memory->cpu() + offset); }
    uint32_t Image(uint32_t dword) const { return std::atomic_ref(*Dword(kPage + 4 * dword)).load(); }
    void SetImage(uint32_t dword, uint32_t value) { std::atomic_ref(*Dword(kPage + 4 * dword)).store(value); }
    uint64_t descriptor() const {
      return regs::kDescriptorValid | regs::kDescriptorLegacy64 | regs::kDescriptorPpgtt | lrca |
             static_cast<uint64_t>(id) << regs::kDescriptorIdShift;
    }
    // Appends, round the ring's end where needed; the engine learns of it by the next LOAD.
    void Append(Commands commands) {
      if (commands.size() % 2 != 0) commands.push_back(regs::kNoop);
      for (const uint32_t dword : commands) {
        *Dword(2 * kPage + tail) = dword;
        tail = static_cast<uint32_t>((tail + 4) % kPage);
      }
      SetImage(regs::kImageRingTail, tail);
    }
  };

  EngineFixture() {
    Profile profile;
    profile.memory_bytes = 64 << 20;
    gpu_ = CreateModel(profile).value();
    data_ = gpu_->AllocateDma(kVaEnd - kData).value();
    tables_ = gpu_->AllocateDma(4 * kPage).value();
    for (uint64_t level = 0; level < 3; ++level) {
      SetEntry(level, 0, (tables_->dma_address() + (level + 1) * kPage) | kFlags);
    }
    for (uint64_t address = kData; address < kVaEnd; address += kPage) {
      SetEntry(3, address / kPage, (data_->dma_address() + address - kData) | kFlags);
    }
    Write(regs::kRenderCopyIntrEnable, 0xffffffff);
    Write(regs::kVcsVecsIntrEnable, 0xffffffff);
    for (const uint32_t mask :
         {regs::kRcsIntrMask, regs::kBcsIntrMask, regs::kVcs01IntrMask, regs::kVcs23IntrMask, regs::kVecs01IntrMask}) {
      Write(mask, 0);
    }
    Write(regs::kGfxMstrIrq, regs::kGfxMstrIrqEnable);
    for (const uint32_t base : {kRcs, kBcs, kVcs}) BringUp(base);
  }
  // Engines stop before their memory goes.
  ~EngineFixture() override {
    if (gpu_ != nullptr) Write(regs::kGdrst, 1);
  }

  static constexpr uint64_t kFlags = regs::kPtePresent | regs::kPteWritable;
  static constexpr uint32_t kRcs = regs::kRcs0Base;
  static constexpr uint32_t kBcs = regs::kBcs0Base;
  static constexpr uint32_t kVcs = regs::kVcsBases[0];

  // ---- Registers and memory.
  uint32_t Read(uint32_t offset) { return gpu_->Read32({offset}); }
  void Write(uint32_t offset, uint32_t value) { gpu_->Write32({offset}, value); }
  void SetEntry(uint64_t table, uint64_t index, uint64_t entry) {
    std::atomic_ref(*reinterpret_cast<uint64_t*>(tables_->cpu() + table * kPage + index * 8)).store(entry);
  }
  void MapGlobal(uint32_t address, const pci::DmaMemory& memory) {
    for (uint64_t offset = 0; offset < memory.size_bytes(); offset += kPage) {
      gpu_->Write64({static_cast<uint32_t>(regs::kGsmOffset + (address + offset) / kPage * 8)},
                    (memory.dma_address() + offset) | regs::kPtePresent);
    }
  }
  std::byte* Host(uint64_t address) { return data_->cpu() + (address - kData); }
  template <typename T = uint32_t>
  T Get(uint64_t address) {
    return std::atomic_ref(*reinterpret_cast<T*>(Host(address))).load();
  }
  template <typename T = uint32_t>
  void Set(uint64_t address, std::type_identity_t<T> value) {
    std::atomic_ref(*reinterpret_cast<T*>(Host(address))).store(value);
  }
  void Put(uint64_t address, const Commands& commands) {
    for (size_t i = 0; i < commands.size(); ++i) Set(address + 4 * i, commands[i]);
  }
  // Polls what no interrupt tells of. False: the limit is over.
  template <typename Condition>
  static bool Eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kLimit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  // Time of the device's clock for an engine to do what it should not.
  void LetTicksPass(uint32_t ticks) {
    const uint32_t begin = Read(kBcs + regs::kRingTimestamp);
    while (Read(kBcs + regs::kRingTimestamp) - begin < ticks) std::this_thread::yield();
  }

  // ---- Engines and contexts.
  void BringUp(uint32_t base) {
    if (status_pages_[base] == nullptr) {
      status_pages_[base] = gpu_->AllocateDma(kPage).value();
      MapGlobal(next_global_, *status_pages_[base]);
      status_addresses_[base] = next_global_;
      next_global_ += kPage;
    }
    Write(base + regs::kHwsPga, status_addresses_[base]);
    Write(base + regs::kRingMode, regs::MaskedSet(regs::kRingModeDisableLegacy));
    Write(base + regs::kMiMode, regs::MaskedClear(regs::kMiModeStopRing));
    constexpr uint32_t kLast = regs::kCsbEntries - 1;
    Write(base + regs::kContextStatusPtr, 0xffffu << 16 | kLast << 8 | kLast);
    std::atomic_ref(*StatusDword(base, regs::kHwspCsbWritePointer)).store(kLast);
    csb_heads_[base] = kLast;
  }
  uint32_t* StatusDword(uint32_t base, uint32_t dword) {
    return reinterpret_cast<uint32_t*>(status_pages_[base]->cpu()) + dword;
  }
  uint32_t CsbWritePointer(uint32_t base) {
    return std::atomic_ref(*StatusDword(base, regs::kHwspCsbWritePointer)).load();
  }
  // Waits for the next entry, and takes it.
  Switch NextSwitch(uint32_t base) {
    uint32_t& head = csb_heads_[base];
    if (!Eventually([&] { return CsbWritePointer(base) != head; })) {
      ADD_FAILURE() << "no switch";
      return {};
    }
    head = (head + 1) % regs::kCsbEntries;
    const uint64_t entry =
        std::atomic_ref(*reinterpret_cast<uint64_t*>(StatusDword(base, regs::kHwspCsb + 2 * head))).load();
    return {(entry & regs::kCsbNewQueue) != 0, static_cast<uint32_t>(entry >> regs::kCsbAwayIdShift & 0x7ff),
            static_cast<uint32_t>(entry >> regs::kCsbToIdShift & 0x7ff),
            static_cast<regs::SwitchDetail>(entry >> regs::kCsbDetailShift & 0xf)};
  }
  bool HasSwitch(uint32_t base) { return CsbWritePointer(base) != csb_heads_[base]; }

  // With the image that software writes: restore inhibit, the register lists of Gen12, nothing behind.
  Context MakeContext(const Commands& commands = {}) {
    Context context;
    context.memory = gpu_->AllocateDma(3 * kPage).value();
    context.lrca = next_global_;
    context.id = ++last_id_;
    MapGlobal(context.lrca, *context.memory);
    next_global_ += 4 * kPage;
    const uint64_t root = tables_->dma_address() | 3;
    constexpr uint32_t kListFlags = regs::kLoadRegisterImmPosted | regs::kMiAddCsBase;
    const Commands image = {regs::kNoop,
                            regs::LoadRegisterImm(13) | kListFlags,
                            kBcs + regs::kContextControl,
                            0x00090009,
                            kBcs + regs::kRingHead,
                            0,
                            kBcs + regs::kRingTail,
                            0,
                            kBcs + regs::kRingStart,
                            static_cast<uint32_t>(context.lrca + 2 * kPage),
                            kBcs + regs::kRingCtl,
                            1,
                            kBcs + regs::kBbAddrUdw,
                            0,
                            kBcs + regs::kBbAddr,
                            0,
                            kBcs + regs::kBbState,
                            0,
                            kBcs + 0x1c0,
                            0,
                            kBcs + 0x1c4,
                            0,
                            kBcs + 0x1c8,
                            0,
                            kBcs + 0x180,
                            0,
                            kBcs + 0x2b4,
                            0,
                            0,
                            0,
                            0,
                            0,
                            regs::kNoop,
                            regs::LoadRegisterImm(9) | kListFlags,
                            kBcs + regs::kCtxTimestamp,
                            0,
                            kBcs + 0x28c,
                            0,
                            kBcs + 0x288,
                            0,
                            kBcs + 0x284,
                            0,
                            kBcs + 0x280,
                            0,
                            kBcs + 0x27c,
                            0,
                            kBcs + 0x278,
                            0,
                            kBcs + regs::kPdp0Udw,
                            static_cast<uint32_t>(root >> 32),
                            kBcs + regs::kPdp0Ldw,
                            static_cast<uint32_t>(root),
                            regs::kBatchBufferEndContext};
    for (uint32_t i = 0; i < image.size(); ++i) context.SetImage(i, image[i]);
    context.Append(commands);
    return context;
  }
  // LOAD of two elements; 0 is none.
  void Load(uint32_t base, uint64_t first, uint64_t second = 0) {
    for (uint32_t port = 0; port < 2; ++port) {
      const uint64_t descriptor = port == 0 ? first : second;
      Write(base + regs::kExeclistSqContents + 8 * port, static_cast<uint32_t>(descriptor));
      Write(base + regs::kExeclistSqContents + 8 * port + 4, static_cast<uint32_t>(descriptor >> 32));
    }
    Write(base + regs::kExeclistControl, regs::kExeclistControlLoad);
  }
  void Submit(uint32_t base, const Context& context) { Load(base, context.descriptor()); }
  void Submit(uint32_t base, const Context& first, const Context& second) {
    Load(base, first.descriptor(), second.descriptor());
  }
  bool Busy(uint32_t base) { return (Read(base + regs::kExeclistStatusLo) & regs::kExeclistStatusBusy) != 0; }
  void RunToEnd(uint32_t base, const Context& context) {
    Submit(base, context);
    EXPECT_EQ(NextSwitch(base), Begins(context.id));
    EXPECT_EQ(NextSwitch(base), Completes(context.id));
  }

  // ---- Interrupts, as a driver's handler takes them: by bank and bit, the vectors.
  using Vectors = std::map<std::pair<uint32_t, uint32_t>, uint32_t>;
  Vectors TakeVectors() {
    Vectors vectors;
    Write(regs::kGfxMstrIrq, 0);
    for (uint32_t bank = 0; bank < 2; ++bank) {
      const uint32_t pending = Read(regs::kGtIntrDw0 + 4 * bank);
      for (uint32_t bit = 0; bit < 32; ++bit) {
        if ((pending >> bit & 1) == 0) continue;
        Write(regs::kIirRegSelector0 + 4 * bank, 1u << bit);
        const uint32_t identity = Read(regs::kIntrIdentity0 + 4 * bank);
        EXPECT_NE(identity & regs::kIntrIdentityValid, 0u);
        vectors[{identity >> 16 & 7, identity >> 20 & 0x3f}] |= identity & 0xffff;
        Write(regs::kIntrIdentity0 + 4 * bank, identity);
      }
      Write(regs::kGtIntrDw0 + 4 * bank, pending);
    }
    Write(regs::kGfxMstrIrq, regs::kGfxMstrIrqEnable);
    return vectors;
  }
  // Waits on the eventfd, and handles interrupts until this engine class has raised these vectors.
  bool WaitForVectors(regs::HwClass engine_class, uint32_t vectors) {
    const std::pair<uint32_t, uint32_t> source = {static_cast<uint32_t>(engine_class), 0};
    while ((taken_[source] & vectors) != vectors) {
      pollfd waiter = {gpu_->interrupt_fd(), POLLIN, 0};
      const int limit_ms = static_cast<int>(std::chrono::milliseconds(kLimit).count());
      uint64_t count = 0;
      if (poll(&waiter, 1, limit_ms) != 1 || read(waiter.fd, &count, sizeof(count)) != sizeof(count)) return false;
      for (const auto& [from, bits] : TakeVectors()) taken_[from] |= bits;
    }
    taken_[source] &= ~vectors;
    return true;
  }
  // Forgets what has come so far.
  void DropInterrupts() {
    TakeVectors();
    pollfd waiter = {gpu_->interrupt_fd(), POLLIN, 0};
    uint64_t count = 0;
    while (poll(&waiter, 1, 0) == 1 && read(waiter.fd, &count, sizeof(count)) == sizeof(count)) TakeVectors();
    taken_.clear();
  }

  // ---- Commands.
  static Commands Start(uint64_t address, uint32_t flags = 0) {
    return {regs::kBatchBufferStart | flags, static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32)};
  }
  static Commands Store(uint64_t address, uint32_t value) {
    return {regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmDwordDwords), static_cast<uint32_t>(address),
            static_cast<uint32_t>(address >> 32), value};
  }
  static Commands StoreRegister(uint32_t offset, uint64_t address) {
    return {regs::Mi(regs::MiOpcode::kStoreRegisterMem, regs::kStoreRegisterMemDwords), offset,
            static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32)};
  }
  static Commands LoadRegister(uint32_t offset, uint32_t value) { return {regs::LoadRegisterImm(1), offset, value}; }
  static Commands Copy(uint64_t to, uint64_t from) {
    return {regs::Mi(regs::MiOpcode::kCopyMemMem, regs::kCopyMemMemDwords), static_cast<uint32_t>(to),
            static_cast<uint32_t>(to >> 32), static_cast<uint32_t>(from), static_cast<uint32_t>(from >> 32)};
  }
  static Commands Increment(uint64_t address) {
    return {regs::Mi(regs::MiOpcode::kAtomic, regs::kAtomicDwords) |
                static_cast<uint32_t>(regs::AtomicOperation::kIncrement) << regs::kAtomicOperationShift,
            static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32)};
  }
  // Until memory is not 0.
  static Commands WaitFor(uint64_t address) {
    return {regs::Mi(regs::MiOpcode::kSemaphoreWait, regs::kSemaphoreWaitDwords) | regs::kSemaphoreWaitPoll |
                static_cast<uint32_t>(regs::Compare::kNotEqual) << regs::kCompareShift,
            0, static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32)};
  }
  static Commands EndUnlessZero(uint64_t address) {
    return {regs::Mi(regs::MiOpcode::kConditionalBatchBufferEnd, regs::kConditionalBatchBufferEndDwords) |
                regs::kConditionalCompareSemaphore |
                static_cast<uint32_t>(regs::Compare::kEqual) << regs::kCompareShift,
            0, static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32)};
  }
  // A batch at `address` that does `body` again and again until memory at `stop` is not 0.
  void PutLoop(uint64_t address, const Commands& body, uint64_t stop) {
    Put(address, Join({body, EndUnlessZero(stop), Start(address)}));
  }

  std::unique_ptr<pci::PciFunction> gpu_;
  std::unique_ptr<pci::DmaMemory> data_;
  std::unique_ptr<pci::DmaMemory> tables_;
  std::map<uint32_t, std::unique_ptr<pci::DmaMemory>> status_pages_;
  std::map<uint32_t, uint32_t> status_addresses_;
  std::map<uint32_t, uint32_t> csb_heads_;
  Vectors taken_;
  uint32_t next_global_ = 0x100000;
  uint32_t last_id_ = 1;
};

}  // namespace xeq::hw::model

#endif  // XEQ_TESTS_UNIT_HW_MODEL_ENGINE_FIXTURE_H_
