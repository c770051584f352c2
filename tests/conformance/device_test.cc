// Goal: every Device keeps the promises of hw/device.h. Method: real batches, through the same calls as the server's.
#include "tests/conformance/device_fixture.h"

namespace xeq::hw {
namespace {

using ::testing::Values;

TEST_P(DeviceTest, BatchRunsOnEveryEngine) {
  uint64_t address = kBase;
  for (const EngineInfo& engine : device_->info().engines) {
    const uint64_t queue = MakeQueue(engine);
    Submit(queue, StoreDword(address, 0xc0ffee) + kEnd);
    EXPECT_EQ(Last(queue).status, JobStatus::kOk) << engine.name;
    EXPECT_EQ(Read(address), 0xc0ffeeu) << engine.name;
    address += 4;
  }
}

TEST_P(DeviceTest, JobsOfOneQueueEndInOrder) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  const uint32_t rounds = 10;
  const uint32_t jobs = device_->info().jobs_per_queue_max;
  const uint64_t batch = Place(AddDword(kBase, 1) + kEnd);
  for (uint32_t round = 0; round < rounds; ++round) {
    for (uint32_t i = 0; i < jobs; ++i) SubmitAt(queue, batch);
    Last(queue);
  }
  const std::vector<Completion> all = listener_.Wait(queue, rounds * jobs);
  ASSERT_EQ(all.size(), rounds * jobs);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].seqno, i + 1);
    EXPECT_EQ(all[i].status, JobStatus::kOk);
    EXPECT_LE(all[i].gpu_start_ns, all[i].gpu_end_ns);
    if (i == 0) continue;
    // A tick of the engines' clock is 53 ns.
    EXPECT_LE(all[i - 1].gpu_end_ns, all[i].gpu_start_ns + 60);
  }
  EXPECT_EQ(Read(kBase), rounds * jobs);
}

TEST_P(DeviceTest, ManyQueuesShareAnEngine) {
  std::vector<uint64_t> queues;
  for (int i = 0; i < 20; ++i) queues.push_back(MakeQueue(EngineClass::kRender));
  const uint64_t batch = Place(AddDword(kBase, 1) + kEnd);
  for (int i = 0; i < 15; ++i) {
    for (const uint64_t queue : queues) SubmitAt(queue, batch);
  }
  for (const uint64_t queue : queues) EXPECT_EQ(Last(queue).status, JobStatus::kOk);
  EXPECT_EQ(Read(kBase), 20u * 15u);
}

TEST_P(DeviceTest, InvalidCommandNamesItselfAndItsAddress) {
  const uint64_t queue = MakeQueue(EngineClass::kRender);
  const uint64_t innocent = MakeQueue(EngineClass::kRender);
  const uint32_t unknown = 0x1f << 23;
  const uint64_t batch = Place(Batch{regs::kNoop, unknown} + kEnd);
  SubmitAt(queue, batch);
  Submit(queue, StoreDword(kBase, 1) + kEnd);
  Submit(innocent, StoreDword(kBase + 4, 2) + kEnd);
  Last(queue);
  const std::vector<Completion> all = listener_.Wait(queue, 2);
  EXPECT_EQ(all[0].status, JobStatus::kInvalidCommand);
  EXPECT_EQ(all[0].fault.command, unknown);
  EXPECT_EQ(all[0].fault.command_address, batch + 4);
  EXPECT_EQ(all[1].status, JobStatus::kCancelled);
  EXPECT_EQ(Last(innocent).status, JobStatus::kOk);
  EXPECT_EQ(Read(kBase), 0u);
  EXPECT_EQ(Read(kBase + 4), 2u);
}

TEST_P(DeviceTest, PageFaultNamesTheAddress) {
  const uint64_t queue = MakeQueue(EngineClass::kVideoDecode);
  const uint64_t stray = kBase + kBytes + 0x1230;
  const uint64_t batch = Place(StoreDword(stray, 1) + kEnd);
  SubmitAt(queue, batch);
  const Completion end = Last(queue);
  EXPECT_EQ(end.status, JobStatus::kPageFault);
  EXPECT_EQ(end.fault.fault_address, stray & ~0xfffull);
  EXPECT_EQ(end.fault.command_address, batch);
}

TEST_P(DeviceTest, BatchThatIsNotBoundFaults) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  SubmitAt(queue, kBase - 4096);
  const Completion end = Last(queue);
  EXPECT_EQ(end.status, JobStatus::kPageFault);
  EXPECT_EQ(end.fault.fault_address, kBase - 4096);
}

TEST_P(DeviceTest, FaultsOnAllEnginesAtOnce) {
  std::vector<uint64_t> queues;
  for (int round = 0; round < 10; ++round) {
    for (const EngineInfo& engine : device_->info().engines) {
      queues.push_back(MakeQueue(engine));
      Submit(queues.back(), StoreDword(kBase + kBytes + queues.size() * 4096, 1) + kEnd);
    }
  }
  for (size_t i = 0; i < queues.size(); ++i) {
    const Completion end = Last(queues[i]);
    EXPECT_EQ(end.status, JobStatus::kPageFault);
    EXPECT_EQ(end.fault.fault_address, kBase + kBytes + (i + 1) * 4096);
  }
}

TEST_P(DeviceTest, UnprivilegedBatchMayNotTouchTheGgtt) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  Batch store = StoreDword(0x200000, 1);
  store[0] |= regs::kMiGgtt;
  Submit(queue, store + kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kInvalidCommand);
}

TEST_P(DeviceTest, HangIsSeenAndCancelledAndHarmsNoOther) {
  const uint64_t hung = MakeQueue(EngineClass::kRender);
  const uint64_t innocent = MakeQueue(EngineClass::kRender);
  const uint64_t loop = NextPlace();
  Submit(hung, Loop(loop, /*preemptible=*/false));
  Submit(hung, StoreDword(kBase, 1) + kEnd);
  for (int i = 0; i < 8; ++i) Submit(innocent, AddDword(kBase + 4, 1) + kEnd);
  Progress progress;
  const Nanos deadline = MonotonicNow() + 30 * kNanosPerSecond;
  while (progress.gpu_time_ns < 20 * kNanosPerMilli && MonotonicNow() < deadline) {
    progress = device_->CheckProgress(*queues_[hung]);
  }
  EXPECT_TRUE(progress.started);
  EXPECT_EQ(listener_.count(innocent), 0u) << "behind a job that cannot be preempted";
  device_->Cancel(*queues_[hung], JobStatus::kHang);
  const std::vector<Completion> all = listener_.Wait(hung, 2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].status, JobStatus::kHang);
  EXPECT_GE(all[0].gpu_time_ns, 20 * kNanosPerMilli) << "charged although it never ended";
  EXPECT_GE(all[0].fault.command_address, loop);
  EXPECT_LE(all[0].fault.command_address, loop + 12);
  EXPECT_EQ(all[1].status, JobStatus::kCancelled);
  EXPECT_EQ(Last(innocent).status, JobStatus::kOk);
  EXPECT_EQ(Read(kBase + 4), 8u);
  EXPECT_EQ(Read(kBase), 0u);
}

TEST_P(DeviceTest, CancelledBehindAnotherLeavesItUnharmed) {
  const uint64_t running = MakeQueue(EngineClass::kCopy);
  const uint64_t behind = MakeQueue(EngineClass::kCopy);
  const uint64_t third = MakeQueue(EngineClass::kCopy);
  // Counts once, then waits for the host at an arbitration point: a replay would count twice.
  Submit(running, AddDword(kBase, 1) + WaitDword(kBase + 4, 7) + kEnd);
  ASSERT_TRUE(WaitForDword(kBase, 1));
  Submit(behind, StoreDword(kBase + 8, 1) + WaitDword(kBase + 4, 7) + kEnd);
  Submit(third, StoreDword(kBase + 12, 1) + WaitDword(kBase + 4, 7) + kEnd);
  ASSERT_TRUE(WaitForDword(kBase + 8, 1)) << "time slices";
  ASSERT_TRUE(WaitForDword(kBase + 12, 1)) << "time slices";
  device_->Cancel(*queues_[behind], JobStatus::kCancelled);
  device_->Cancel(*queues_[third], JobStatus::kCancelled);
  EXPECT_EQ(Last(behind).status, JobStatus::kCancelled);
  EXPECT_EQ(Last(third).status, JobStatus::kCancelled);
  Write(kBase + 4, {7});
  EXPECT_EQ(Last(running).status, JobStatus::kOk);
  EXPECT_EQ(Read(kBase), 1u) << "not begun again";
}

TEST_P(DeviceTest, HigherPriorityGoesFirst) {
  const uint64_t low = MakeQueue(EngineClass::kRender, Priority::kLow);
  const uint64_t high = MakeQueue(EngineClass::kRender, Priority::kHigh);
  Submit(low, StoreDword(kBase, 1) + WaitDword(kBase + 4, 1) + kEnd);
  ASSERT_TRUE(WaitForDword(kBase, 1));
  Submit(high, StoreDword(kBase + 4, 1) + kEnd);
  EXPECT_EQ(Last(high).status, JobStatus::kOk);
  EXPECT_EQ(Last(low).status, JobStatus::kOk);
}

TEST_P(DeviceTest, EnginesWaitForEachOther) {
  const uint64_t video = MakeQueue(EngineClass::kVideoDecode);
  const uint64_t copy = MakeQueue(EngineClass::kCopy);
  for (uint32_t i = 1; i <= 20; ++i) {
    Submit(video, WaitDword(kBase, i) + StoreDword(kBase + 4, i) + kEnd);
    Submit(copy, StoreDword(kBase, i) + WaitDword(kBase + 4, i) + kEnd);
  }
  EXPECT_EQ(Last(video).status, JobStatus::kOk);
  EXPECT_EQ(Last(copy).status, JobStatus::kOk);
}

TEST_P(DeviceTest, UnbindTakesEffectAndFreesTheMemory) {
  const uint64_t far = 0x7fff'ffff'0000;
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  const uint64_t used = device_->RegionUsedBytes(0);
  auto extra = device_->CreateBuffer({16 * kPageBytes, 0}).value();
  std::weak_ptr<Buffer> watched = extra;
  Map(far, 16 * kPageBytes, std::move(extra));
  Submit(queue, StoreDword(far + 5 * kPageBytes, 3) + kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kOk);
  // A hole in the middle, then the rest.
  Map(far + 4 * kPageBytes, 4 * kPageBytes, nullptr);
  EXPECT_FALSE(watched.expired());
  Submit(queue, StoreDword(far + 8 * kPageBytes, 3) + StoreDword(far + 3 * kPageBytes, 3) + kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kOk);
  Map(far, 16 * kPageBytes, nullptr);
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(device_->RegionUsedBytes(0), used);
  Submit(queue, StoreDword(far, 3) + kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kPageFault);
}

TEST_P(DeviceTest, RebindReplacesWhatWasThere) {
  const uint64_t at = kBase + kBytes;
  auto first = device_->CreateBuffer({4 * kPageBytes, 0}).value();
  auto second = device_->CreateBuffer({4 * kPageBytes, 0}).value();
  Map(at, 4 * kPageBytes, first);
  Map(at + kPageBytes, kPageBytes, second, 3 * kPageBytes);
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  Submit(queue, StoreDword(at, 1) + StoreDword(at + kPageBytes, 2) + StoreDword(at + 2 * kPageBytes, 3) + kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kOk);
  const auto read = [](Buffer& buffer, uint64_t offset) {
    uint32_t value = 0;
    EXPECT_TRUE(buffer.Read(offset, {reinterpret_cast<std::byte*>(&value), sizeof(value)}).ok());
    return value;
  };
  EXPECT_EQ(read(*first, 0), 1u);
  EXPECT_EQ(read(*first, kPageBytes), 0u);
  EXPECT_EQ(read(*first, 2 * kPageBytes), 3u);
  EXPECT_EQ(read(*second, 3 * kPageBytes), 2u);
}

TEST_P(DeviceTest, BadBindsAreRefused) {
  const BindSpec bad[] = {{kBase + 1, kPageBytes, buffer_, 0},
                          {kBase, kPageBytes + 1, buffer_, 0},
                          {kBase, kPageBytes, buffer_, 1},
                          {kBase, 0, buffer_, 0},
                          {kBase, kBytes, buffer_, kPageBytes},
                          {kBase, kPageBytes, buffer_, ~0ull - 4095},
                          {(1ull << kVaBits) - kPageBytes, 2 * kPageBytes, buffer_, 0},
                          {~0ull - 4095, kPageBytes, nullptr, 0}};
  for (const BindSpec& spec : bad) {
    EXPECT_EQ(device_->PrepareBind(vm_, spec).status().code(), absl::StatusCode::kInvalidArgument) << spec.address;
  }
}

TEST_P(DeviceTest, BuffersAreZeroedBoundedAndChecked) {
  EXPECT_FALSE(device_->CreateBuffer({0, 0}).ok());
  EXPECT_FALSE(device_->CreateBuffer({4096, 7}).ok());
  EXPECT_EQ(device_->CreateBuffer({device_->info().regions[0].size_bytes + 4096, 0}).status().code(),
            absl::StatusCode::kResourceExhausted);
  auto small = device_->CreateBuffer({1, 0}).value();
  EXPECT_EQ(small->size_bytes(), kPageBytes);
  std::byte data[8] = {};
  EXPECT_FALSE(small->Write(4092, data).ok());
  EXPECT_FALSE(small->Read(~0ull, data).ok());
  EXPECT_TRUE(small->Write(4088, data).ok());
}

TEST_P(DeviceTest, QueueOnAnEngineThatIsNotThere) {
  EXPECT_EQ(device_->CreateQueue({.context = 99, .engine_class = EngineClass::kCompute}, vm_).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(
      device_->CreateQueue({.context = 99, .engine_class = EngineClass::kCopy, .logical_mask = 2}, vm_).status().code(),
      absl::StatusCode::kNotFound);
}

TEST_P(DeviceTest, QueuesComeAndGo) {
  for (int i = 0; i < 200; ++i) {
    const uint64_t queue = MakeQueue(EngineClass::kCopy);
    Submit(queue, AddDword(kBase, 1) + kEnd);
    EXPECT_EQ(Last(queue).status, JobStatus::kOk);
    next_code_ = kCode;
    queues_.erase(queue);
  }
  EXPECT_EQ(Read(kBase), 200u);
}

// Two engines of one class; skipped on a device that has not.
class ParallelQueueTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    std::vector<uint16_t> instances;
    for (const EngineInfo& engine : device_->info().engines) {
      if (engine.engine_class == EngineClass::kVideoDecode) instances.push_back(engine.instance);
    }
    if (instances.size() < 2) GTEST_SKIP() << "one video engine only";
    queue_ = MakeQueue(EngineClass::kVideoDecode, Priority::kNormal, 0, 2);
  }
  uint64_t queue_ = 0;
};

TEST_P(ParallelQueueTest, T14_JobEndsWhenAllItsBatchesHave) {
  // Each lane waits for the other: they run at the same time or never end.
  const uint64_t a = Place(StoreDword(kBase, 1) + WaitDword(kBase + 4, 1) + StoreDword(kBase + 8, 0xc0ffee) + kEnd);
  const uint64_t b = Place(StoreDword(kBase + 4, 1) + WaitDword(kBase, 1) + WaitDword(kBase + 16, 1) +
                           StoreDword(kBase + 12, 0xc0ffee) + kEnd);
  SubmitAll(queue_, {a, b});
  ASSERT_TRUE(WaitForDword(kBase + 8, 0xc0ffee));
  EXPECT_EQ(listener_.count(queue_), 0u) << "one lane has not ended";
  Write(kBase + 16, {1});
  EXPECT_EQ(Last(queue_).status, JobStatus::kOk);
  EXPECT_EQ(Read(kBase + 12), 0xc0ffeeu);
}

TEST_P(ParallelQueueTest, ManyJobsEndInOrderWhicheverLaneIsFirst) {
  const uint64_t add = Place(AddDword(kBase, 1) + kEnd);
  const uint64_t twice = Place(AddDword(kBase, 1) + AddDword(kBase, 1) + kEnd);
  const uint32_t jobs = device_->info().jobs_per_queue_max;
  for (uint32_t i = 0; i < jobs; ++i) SubmitAll(queue_, {i % 2 == 0 ? add : twice, i % 2 == 0 ? twice : add});
  Last(queue_);
  const std::vector<Completion> all = listener_.Wait(queue_, jobs);
  ASSERT_EQ(all.size(), jobs);
  for (uint32_t i = 0; i < jobs; ++i) EXPECT_EQ(all[i].seqno, i + 1);
  EXPECT_EQ(Read(kBase), 3 * jobs);
}

TEST_P(ParallelQueueTest, FaultOfOneLaneStopsTheOther) {
  const uint64_t endless = NextPlace();
  Write(Place(Loop(endless, true)), Loop(endless, true));
  const uint64_t faulty = Place(StoreDword(0x1000, 1) + kEnd);
  SubmitAll(queue_, {endless, faulty});
  SubmitAll(queue_, {faulty, faulty});
  const std::vector<Completion> all = listener_.Wait(queue_, 2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].status, JobStatus::kPageFault);
  EXPECT_EQ(all[0].fault.fault_address, 0x1000u);
  EXPECT_EQ(all[1].status, JobStatus::kCancelled);
}

TEST_P(ParallelQueueTest, TooWideIsRefused) {
  auto queue = device_->CreateQueue({.context = 99, .engine_class = EngineClass::kCopy, .width = 2}, vm_);
  EXPECT_EQ(queue.status().code(), absl::StatusCode::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Devices, ParallelQueueTest, Values("model"));

INSTANTIATE_TEST_SUITE_P(Devices, DeviceTest, Values("model"),
                         [](const auto& device) { return std::string(device.param); });

}  // namespace
}  // namespace xeq::hw
