// The model's command streamer alone: dwords per second, on one thread, in slices as the engine runs them.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "hw/model/command_streamer.h"
#include "hw/regs/commands.h"
#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

constexpr uint64_t kPage = 4096;
// In the GGTT.
constexpr uint32_t kRing = 0x1000;
constexpr uint32_t kRingBytes = 4 * kPage;
// In the PPGTT: one page of data, then the batch.
constexpr uint64_t kData = 0x10000;
constexpr uint64_t kBatch = 0x20000;
constexpr uint64_t kBatchBytes = 256 << 10;
constexpr uint64_t kLocalEnd = kBatch + kBatchBytes;
// As the engine's.
constexpr uint64_t kSliceBytes = 128 << 10;

// Has no registers and no status pages.
class NoPort : public EnginePort {
 public:
  uint32_t ReadRegister(uint32_t) override { return 0; }
  void WriteRegister(uint32_t, uint32_t) override {}
  uint64_t Timestamp() override { return 0; }
  void Interrupt(uint32_t) override {}
  uint32_t StatusPage() override { return 0; }
  uint32_t ContextStatusPage() override { return 0; }
};

using Commands = std::vector<uint32_t>;

void Append(Commands& commands, std::initializer_list<uint32_t> dwords) {
  commands.insert(commands.end(), dwords.begin(), dwords.end());
}

// A streamer with a ring, a batch and a page of data behind page tables of 4 KiB leaves.
class Machine {
 public:
  Machine() {
    for (uint64_t page = 0; page < kRingBytes / kPage; ++page) {
      ggtt_entries_[kRing / kPage + page] = (ring_->dma_address() + page * kPage) | regs::kPtePresent;
    }
    constexpr uint64_t kFlags = regs::kPtePresent | regs::kPteWritable;
    for (uint64_t level = 0; level < 3; ++level) {
      SetEntry(level, 0, (tables_->dma_address() + (level + 1) * kPage) | kFlags);
    }
    for (uint64_t address = kData; address < kLocalEnd; address += kPage) {
      SetEntry(3, address / kPage, (local_->dma_address() + address) | kFlags);
    }
  }

  void PutBatch(const Commands& commands) { std::memcpy(local_->cpu() + kBatch, commands.data(), commands.size() * 4); }
  void PutRing(const Commands& commands) {
    std::memcpy(ring_->cpu(), commands.data(), commands.size() * 4);
    state_.ring_start = kRing;
    state_.ring_bytes = kRingBytes;
    state_.ring_tail = static_cast<uint32_t>(commands.size() * 4);
    state_.page_directory = tables_->dma_address() | 3;
  }
  // From the ring's head to its tail. False: something else stopped it.
  bool RunRing() {
    streamer_.Load(state_);
    CommandStreamer::Stop stop;
    do {
      stop = streamer_.RunSlice(kSliceBytes, /*preempt=*/false);
    } while (stop == CommandStreamer::Stop::kBudget);
    return stop == CommandStreamer::Stop::kIdle;
  }
  uint32_t Data() const {
    uint32_t value = 0;
    std::memcpy(&value, local_->cpu() + kData, sizeof(value));
    return value;
  }

 private:
  void SetEntry(uint64_t table, uint64_t index, uint64_t entry) {
    std::memcpy(tables_->cpu() + table * kPage + index * 8, &entry, 8);
  }

  std::unique_ptr<DmaArena> arena_ = DmaArena::Create(4 << 20).value();
  std::unique_ptr<pci::DmaMemory> ring_ = arena_->Allocate(kRingBytes).value();
  std::unique_ptr<pci::DmaMemory> local_ = arena_->Allocate(kLocalEnd).value();
  std::unique_ptr<pci::DmaMemory> tables_ = arena_->Allocate(4 * kPage).value();
  std::vector<uint64_t> ggtt_entries_ = std::vector<uint64_t>(16);
  Ggtt ggtt_{ggtt_entries_, *arena_};
  NoPort port_;
  CommandStreamer streamer_{*regs::FindEngine(regs::HwClass::kCopy, 0), ggtt_, *arena_, port_};
  ContextState state_;
};

Commands StartBatch() { return {regs::kBatchBufferStart, kBatch, 0, regs::kNoop}; }

// `dwords` and `commands` are those of one run of the ring.
void Run(benchmark::State& state, Machine& machine, uint64_t dwords, uint64_t commands) {
  for (auto _ : state) {
    if (!machine.RunRing()) {
      state.SkipWithError("the streamer did not reach the ring's tail");
      break;
    }
  }
  const auto rate = benchmark::Counter::kIsRate;
  const auto runs = static_cast<double>(state.iterations());
  state.counters["dwords"] = benchmark::Counter(runs * static_cast<double>(dwords), rate);
  state.counters["commands"] = benchmark::Counter(runs * static_cast<double>(commands), rate);
}

void BM_Noops(benchmark::State& state) {
  Machine machine;
  Commands batch(kBatchBytes / 4 - 1, regs::kNoop);
  batch.push_back(regs::kBatchBufferEnd);
  machine.PutBatch(batch);
  machine.PutRing(StartBatch());
  Run(state, machine, batch.size() + 4, batch.size() + 2);
}
BENCHMARK(BM_Noops);

// Each to another dword of one page.
void BM_Stores(benchmark::State& state) {
  Machine machine;
  constexpr uint32_t kStores = kBatchBytes / 16 - 1;
  Commands batch;
  for (uint32_t i = 0; i < kStores; ++i) {
    Append(batch, {regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmDwordDwords),
                   static_cast<uint32_t>(kData + 4 * i % kPage), 0, i + 1});
  }
  batch.push_back(regs::kBatchBufferEnd);
  machine.PutBatch(batch);
  machine.PutRing(StartBatch());
  Run(state, machine, batch.size() + 4, kStores + 3);
  if (machine.Data() == 0) state.SkipWithError("nothing was stored");
}
BENCHMARK(BM_Stores);

// A ring full of starts of one short batch, which stores a dword: the page of the commands changes all the time.
void BM_RingToBatch(benchmark::State& state) {
  Machine machine;
  machine.PutBatch(
      {regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmDwordDwords), kData, 0, 1, regs::kBatchBufferEnd});
  Commands ring;
  constexpr uint64_t kStarts = kRingBytes / 16 - 1;
  for (uint64_t i = 0; i < kStarts; ++i) Append(ring, {regs::kBatchBufferStart, kBatch, 0, regs::kNoop});
  machine.PutRing(ring);
  Run(state, machine, kStarts * (4 + 5), kStarts * (2 + 2));
  if (machine.Data() == 0) state.SkipWithError("nothing was stored");
}
BENCHMARK(BM_RingToBatch);

}  // namespace
}  // namespace xeq::hw::model
