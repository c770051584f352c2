// Goal: no batch, whatever it holds, makes the process crash or harms another queue. Method: batches of random
// commands, half of them with headers that the engine knows, on every engine; an innocent queue's job after each.
// Prints its seed; XEQ_FUZZ_SEED and XEQ_FUZZ_BATCHES choose others.
#include <cstdlib>
#include <random>

#include "hw/regs/registers.h"
#include "tests/conformance/device_fixture.h"

namespace xeq::hw {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

class BatchFuzz : public DeviceTest {
 protected:
  uint32_t Dword() { return static_cast<uint32_t>(random_()); }
  uint32_t Below(uint32_t bound) { return Dword() % bound; }

  // Mostly near what is bound, sometimes not.
  uint64_t Address() {
    switch (Below(8)) {
      case 0:
        return random_();
      case 1:
        return kBase + kBytes - 64 + Below(128);
      default:
        return kBase + Below(kBytes);
    }
  }

  // A header that some engine knows, with flags that may be wrong.
  uint32_t Header() {
    using regs::MiOpcode;
    static constexpr MiOpcode kOpcodes[] = {MiOpcode::kNoop,
                                            MiOpcode::kUserInterrupt,
                                            MiOpcode::kArbCheck,
                                            MiOpcode::kArbOnOff,
                                            MiOpcode::kMath,
                                            MiOpcode::kSemaphoreWait,
                                            MiOpcode::kStoreDataImm,
                                            MiOpcode::kLoadRegisterImm,
                                            MiOpcode::kStoreRegisterMem,
                                            MiOpcode::kFlushDw,
                                            MiOpcode::kLoadRegisterMem,
                                            MiOpcode::kLoadRegisterReg,
                                            MiOpcode::kCopyMemMem,
                                            MiOpcode::kAtomic,
                                            MiOpcode::kBatchBufferStart,
                                            MiOpcode::kConditionalBatchBufferEnd};
    const uint32_t flags = Below(3) == 0 ? Dword() & 0x7fff00 : 0;
    switch (Below(6)) {
      case 0:
        return regs::Blit(Below(2) == 0 ? regs::BlitOpcode::kFastCopy : regs::BlitOpcode::kFastColor,
                          Below(2) == 0 ? 10 : 11) |
               flags;
      case 1:
        return regs::kPipeControl | flags;
      default:
        return regs::Mi(kOpcodes[Below(std::size(kOpcodes))], 1 + Below(8)) | flags;
    }
  }

  // Commands that any engine executes; then, half of the time, one bit of them is another.
  Batch NearlyGoodBatch() {
    Batch batch;
    for (uint32_t commands = 1 + Below(12); commands > 0; --commands) {
      const uint64_t address = kBase + Below(kBytes / 2) / 4 * 4;
      switch (Below(3)) {
        case 0:
          batch = batch + StoreDword(address, Dword());
          break;
        case 1:
          batch = batch + AddDword(address, Dword());
          break;
        default:
          batch = batch + Batch{regs::kArbCheck, regs::kNoop};
          break;
      }
    }
    if (Below(2) == 0) batch[Below(static_cast<uint32_t>(batch.size()))] ^= 1u << Below(32);
    return batch + kEnd;
  }

  Batch RandomBatch() {
    if (Below(3) == 0) return NearlyGoodBatch();
    Batch batch;
    const uint32_t commands = 1 + Below(12);
    for (uint32_t i = 0; i < commands; ++i) {
      batch.push_back(Below(4) == 0 ? Dword() : Header());
      for (uint32_t operands = Below(12); operands > 0; --operands) {
        if (Below(3) != 0) {
          batch.push_back(Below(2) == 0 ? Below(64) : Dword());
          continue;
        }
        const uint64_t address = Address();
        batch.push_back(static_cast<uint32_t>(address));
        batch.push_back(static_cast<uint32_t>(address >> 32));
      }
    }
    batch.insert(batch.end(), kEnd.begin(), kEnd.end());
    return batch;
  }

  std::mt19937_64 random_;
};

TEST_P(BatchFuzz, NothingButTheJobFails) {
  const uint64_t seed = FromEnvironment("XEQ_FUZZ_SEED", std::random_device()());
  const uint64_t batches = FromEnvironment("XEQ_FUZZ_BATCHES", 400);
  SCOPED_TRACE(testing::Message() << "XEQ_FUZZ_SEED=" << seed);
  std::printf("XEQ_FUZZ_SEED=%llu\n", static_cast<unsigned long long>(seed));
  random_.seed(seed);
  // Out of the batches' reach.
  auto own = device_->CreateBuffer({kPageBytes, 0}).value();
  auto own_vm = device_->CreateVm({}).value();
  auto bind = device_->PrepareBind(own_vm, {kBase, kPageBytes, own, 0}).value();
  Carry(*bind);
  const Batch count = AddDword(kBase + 512, 1) + kEnd;
  ASSERT_TRUE(own->Write(0, {reinterpret_cast<const std::byte*>(count.data()), count.size() * 4}).ok());

  std::map<JobStatus, int> ends;
  const std::vector<EngineInfo>& engines = device_->info().engines;
  for (uint64_t i = 0; i < batches; ++i) {
    const EngineInfo& engine = engines[i % engines.size()];
    const uint64_t queue = MakeQueue(engine);
    next_code_ = kCode;
    Submit(queue, RandomBatch());
    const uint64_t innocent = next_context_++;
    QueueSpec spec{.context = innocent, .engine_class = engine.engine_class};
    spec.logical_mask = 1u << LogicalInstance(device_->info(), engine.engine_class, engine.instance).value();
    auto innocent_queue = device_->CreateQueue(spec, own_vm).value();
    device_->Submit(*innocent_queue, {.seqno = 1, .batches = {&kBase, 1}});
    // What has not ended after a while on the engine never will.
    const Nanos patience = MonotonicNow() + 3 * kNanosPerMilli;
    while (listener_.count(queue) == 0 && MonotonicNow() < patience) std::this_thread::yield();
    device_->Cancel(*queues_[queue], JobStatus::kHang);
    ++ends[Last(queue).status];
    const std::vector<Completion> end = listener_.Wait(innocent, 1);
    ASSERT_EQ(end.size(), 1u) << "batch " << i;
    ASSERT_EQ(end.front().status, JobStatus::kOk) << "batch " << i;
    queues_.erase(queue);
  }
  uint32_t counted = 0;
  ASSERT_TRUE(own->Read(512, {reinterpret_cast<std::byte*>(&counted), sizeof(counted)}).ok());
  EXPECT_EQ(counted, batches);
  // Were it otherwise, the batches would say little.
  EXPECT_GT(ends[JobStatus::kInvalidCommand], 0);
  EXPECT_GT(ends[JobStatus::kPageFault], 0);
  EXPECT_GT(ends[JobStatus::kOk], 0);
}

INSTANTIATE_TEST_SUITE_P(Devices, BatchFuzz, ::testing::Values("model"),
                         [](const auto& device) { return std::string(device.param); });

}  // namespace
}  // namespace xeq::hw
