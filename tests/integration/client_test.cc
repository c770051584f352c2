// Goal: libxeq does what its headers say, and its batches do on the GPU what their names say. Method: a real server on
// the software GPU.
#include "xeq/client.h"

#include <cstring>

#include "tests/integration/service_fixture.h"
#include "xeq/batch.h"
#include "xeq/error.h"

namespace xeq {
namespace {

constexpr uint64_t kAt = 0x40000000;
constexpr uint64_t kSize = 4 << 20;
constexpr uint64_t kBatchOffset = kSize - 65536;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    client_.emplace(Client::Connect(service_.server().addresses()[0]).value());
    session_.emplace(client_->OpenSession().value());
    vm_.emplace(session_->CreateVm().value());
    buffer_.emplace(session_->CreateBuffer(kSize).value());
    bound_ = vm_->Bind(*buffer_, kAt).value();
  }

  // Runs one batch to its end.
  absl::Status Run(EngineClass engine_class, BatchBuilder builder) {
    Queue queue = session_->CreateQueue(*vm_, engine_class).value();
    auto batch = builder.Finish();
    if (!batch.ok()) return batch.status();
    if (absl::Status status = buffer_->Write(kBatchOffset, *batch); !status.ok()) return status;
    return session_->Wait(queue.Submit(kAt + kBatchOffset, {bound_}).value());
  }
  static Job JobOf(const Queue& queue, std::vector<uint64_t> batches, std::vector<Fence> waits) {
    Job job;
    job.queue = queue.handle();
    job.batch_addresses = std::move(batches);
    job.waits = std::move(waits);
    return job;
  }
  Fence SubmitOne(const Job& job) { return session_->Submit({&job, 1}).value().front(); }
  uint64_t Qword(uint64_t offset) {
    uint64_t value = 0;
    EXPECT_TRUE(buffer_->Read(offset, {reinterpret_cast<std::byte*>(&value), 8}).ok());
    return value;
  }
  void Fill(uint64_t offset, const std::vector<uint32_t>& dwords) { EXPECT_TRUE(buffer_->Write(offset, dwords).ok()); }

  Service service_;
  std::optional<Client> client_;
  std::optional<Session> session_;
  std::optional<Vm> vm_;
  std::optional<Buffer> buffer_;
  Fence bound_;
};

TEST_F(ClientTest, MemoryCommandsOnEveryEngineClass) {
  for (const EngineClass engine_class :
       {EngineClass::kRender, EngineClass::kCopy, EngineClass::kVideoDecode, EngineClass::kVideoEnhance}) {
    Fill(0, std::vector<uint32_t>(32, 0));
    ASSERT_TRUE(Run(engine_class, BatchBuilder()
                                      .StoreDword(kAt, 5)
                                      .StoreQword(kAt + 8, 0x1122334455667788)
                                      .CopyDword(kAt + 16, kAt + 8)
                                      .AtomicAddDword(kAt, 10)
                                      .AtomicIncrementDword(kAt)
                                      .AtomicAddQword(kAt + 24, 0x100000002)
                                      .AtomicAddQword(kAt + 24, 0x100000002)
                                      .PreemptionPoint())
                    .ok());
    EXPECT_EQ(Qword(0), 16u);
    EXPECT_EQ(Qword(8), 0x1122334455667788u);
    EXPECT_EQ(Qword(16), 0x55667788u);
    EXPECT_EQ(Qword(24), 0x200000004u);
  }
}

TEST_F(ClientTest, Arithmetic) {
  const Gpr a{3}, b{15}, c{0};
  const uint64_t first = 0xfff0'0000'0000'00ff, second = 0x0ff0'0000'0000'0101;
  ASSERT_TRUE(Run(EngineClass::kRender, BatchBuilder()
                                            .LoadImmediate(a, first)
                                            .StoreQword(kAt + 64, second)
                                            .LoadQword(b, kAt + 64)
                                            .Add(c, a, b)
                                            .StoreQword(kAt, c)
                                            .Subtract(c, a, b)
                                            .StoreQword(kAt + 8, c)
                                            .And(c, a, b)
                                            .StoreQword(kAt + 16, c)
                                            .Or(c, a, b)
                                            .StoreQword(kAt + 24, c)
                                            .Xor(c, a, b)
                                            .StoreQword(kAt + 32, c))
                  .ok());
  EXPECT_EQ(Qword(0), first + second);
  EXPECT_EQ(Qword(8), first - second);
  EXPECT_EQ(Qword(16), first & second);
  EXPECT_EQ(Qword(24), first | second);
  EXPECT_EQ(Qword(32), first ^ second);
}

TEST_F(ClientTest, CopiesOfAnySizeAndAlignment) {
  std::vector<std::byte> data(1 << 20);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 31 + i / 256);
  ASSERT_TRUE(buffer_->Write(0, absl::MakeConstSpan(data)).ok());
  const struct {
    uint64_t to, from, size;
  } copies[] = {{0, 0, 1}, {3, 1, 32767}, {8, 4, 32768}, {1, 2, 32769}, {4, 8, 100'000}, {7, 9, 500'001}};
  for (const auto& copy : copies) {
    const uint64_t to = (1 << 20) + copy.to;
    std::vector<std::byte> before(copy.size + 2, std::byte{0xee});
    ASSERT_TRUE(buffer_->Write(to, absl::MakeConstSpan(before)).ok());
    ASSERT_TRUE(Run(EngineClass::kCopy, BatchBuilder().Copy(kAt + to, kAt + copy.from, copy.size)).ok());
    std::vector<std::byte> got(copy.size + 2);
    ASSERT_TRUE(buffer_->Read(to, absl::MakeSpan(got)).ok());
    EXPECT_EQ(std::memcmp(got.data(), data.data() + copy.from, copy.size), 0) << copy.size;
    EXPECT_EQ(got[copy.size], std::byte{0xee}) << "not a byte more";
  }
}

TEST_F(ClientTest, FillsExactly) {
  for (const uint64_t size : {4, 32768, 32772, 100'000}) {
    Fill(1 << 20, std::vector<uint32_t>(40'000, 7));
    ASSERT_TRUE(Run(EngineClass::kCopy, BatchBuilder().Fill(kAt + (1 << 20), size, 0xabcdef01)).ok());
    std::vector<uint32_t> got(40'000);
    ASSERT_TRUE(buffer_->Read(1 << 20, {reinterpret_cast<std::byte*>(got.data()), got.size() * 4}).ok());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], i < size / 4 ? 0xabcdef01 : 7u) << size << " " << i;
  }
}

TEST_F(ClientTest, FlowControl) {
  // Counts to 5 by a loop in memory.
  const uint64_t loop = kAt + kBatchOffset;
  Fill(0, {5, 0, 0, 0});
  ASSERT_TRUE(Run(EngineClass::kRender, BatchBuilder()
                                            .AtomicAddDword(kAt + 8, 1)
                                            .AtomicAddDword(kAt, 0xffffffff)
                                            .EndUnless(kAt, xeq::Compare::kGreater, 0)
                                            .PreemptionPoint()
                                            .Jump(loop))
                  .ok());
  EXPECT_EQ(Qword(8) & 0xffffffff, 5u);
  ASSERT_TRUE(Run(EngineClass::kRender,
                  BatchBuilder().WaitUntil(kAt + 8, xeq::Compare::kGreaterEqual, 5).StoreTimestamp(kAt + 16))
                  .ok());
  EXPECT_NE(Qword(16), 0u);
}

TEST_F(ClientTest, BadOperandsComeOutOfFinish) {
  EXPECT_TRUE(absl::IsInvalidArgument(BatchBuilder().StoreDword(2, 1).Finish().status()));
  EXPECT_TRUE(absl::IsInvalidArgument(BatchBuilder().StoreQword(uint64_t{4}, uint64_t{1}).Finish().status()));
  EXPECT_TRUE(absl::IsInvalidArgument(BatchBuilder().StoreDword(1ull << 48, 1).Finish().status()));
  EXPECT_TRUE(absl::IsInvalidArgument(BatchBuilder().LoadImmediate(Gpr{16}, 1).Finish().status()));
  EXPECT_EQ(BatchBuilder().StoreDword(4, 1).Finish()->size() % 2, 0u);
}

TEST_F(ClientTest, ErrorsCarryTheirReason) {
  Queue queue = session_->CreateQueue(*vm_, EngineClass::kCopy).value();
  const absl::Status refused = queue.Submit(4).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_EQ(ErrorReason(refused), "FIELD_NOT_ALIGNED");
  EXPECT_EQ(ErrorMetadata(refused).at("field"), "jobs[0].batch_addresses[0]");
  const absl::Status failed = session_->Wait(queue.Submit(0x1000).value());
  EXPECT_EQ(ErrorReason(failed), "JOB_PAGE_FAULT");
  EXPECT_EQ(ErrorMetadata(failed).at("fault_address"), "0x1000");
  EXPECT_EQ(ErrorReason(absl::InternalError("ours")), "");
}

TEST_F(ClientTest, GraphOfOneCallAndWatch) {
  Queue copy = session_->CreateQueue(*vm_, EngineClass::kCopy).value();
  Queue render = session_->CreateQueue(*vm_, EngineClass::kRender).value();
  ASSERT_TRUE(buffer_->Write(kBatchOffset, *BatchBuilder().AtomicAddDword(kAt, 1).Finish()).ok());
  Watch watch = session_->WatchFences().value();
  std::vector<Job> jobs;
  for (uint32_t i = 0; i < 40; ++i) {
    jobs.push_back(JobOf(i % 2 == 0 ? copy : render, {kAt + kBatchOffset}, {bound_}));
    if (i > 0) jobs.back().waits_on_jobs.push_back(i - 1);
  }
  const std::vector<Fence> fences = session_->Submit(jobs).value();
  for (uint64_t number = 1; number <= 41; ++number) {
    const FenceEvent event = watch.Next().value();
    EXPECT_EQ(event.number, number);
    if (number == 1) continue;  // the bind
    EXPECT_EQ(event.status.fence, fences[number - 2]);
  }
  EXPECT_EQ(Qword(0) & 0xffffffff, 40u);
}

TEST_F(ClientTest, ObjectsGiveTheirHandlesBack) {
  const uint64_t used = service_.device().RegionUsedBytes(0);
  for (int i = 0; i < 100; ++i) {
    Vm vm = session_->CreateVm().value();
    Buffer buffer = session_->CreateBuffer(1 << 20).value();
    Queue queue = session_->CreateQueue(vm, EngineClass::kCopy).value();
    Queue moved = std::move(queue);
    EXPECT_NE(moved.handle(), 0u);
  }
  EXPECT_EQ(service_.device().RegionUsedBytes(0), used);
  EXPECT_EQ(client_->ListQueues()->size(), 0u);
}

TEST_F(ClientTest, NobodyAnswers) {
  ClientOptions options;
  options.timeout = std::chrono::milliseconds(50);
  EXPECT_TRUE(absl::IsUnavailable(Client::Connect("unix:/nonexistent/socket", options).status()));
}

TEST_F(ClientTest, CombinedFenceEndsBehindAllJobsOfTheCall) {
  Queue copy = session_->CreateQueue(*vm_, EngineClass::kCopy).value();
  Queue render = session_->CreateQueue(*vm_, EngineClass::kRender).value();
  ASSERT_TRUE(buffer_->Write(kBatchOffset, *BatchBuilder().WaitUntil(kAt + 64, Compare::kEqual, 1).Finish()).ok());
  const std::vector<Job> jobs = {JobOf(copy, {}, {bound_}), JobOf(render, {kAt + kBatchOffset}, {bound_})};
  const std::vector<Fence> fences = session_->SubmitCombined(jobs).value();
  ASSERT_EQ(fences.size(), 3u);
  EXPECT_TRUE(session_->Wait(fences[0]).ok());
  const WaitResult early = session_->Wait({&fences[2], 1}, WaitMode::kAll, std::chrono::milliseconds(0)).value();
  EXPECT_FALSE(early.satisfied);
  const uint32_t one = 1;
  ASSERT_TRUE(buffer_->Write(64, absl::MakeConstSpan(&one, 1)).ok());
  EXPECT_TRUE(session_->Wait(fences[2]).ok());
  EXPECT_TRUE(session_->Wait(fences[1]).ok());
}

TEST_F(ClientTest, CombinedFenceFailsWithAnEarlierJobOfAQueue) {
  Queue queue = session_->CreateQueue(*vm_, EngineClass::kCopy).value();
  HostTimeline host = session_->CreateHostTimeline().value();
  const Fence gate = host.Arm().value();
  const std::vector<Job> jobs = {JobOf(queue, {}, {gate}), JobOf(queue, {}, {})};
  const std::vector<Fence> fences = session_->SubmitCombined(jobs).value();
  EXPECT_TRUE(host.Signal(gate, /*failed=*/true).ok());
  EXPECT_TRUE(session_->Wait(fences[1]).ok()) << "the second job has no part in it";
  EXPECT_EQ(ErrorReason(session_->Wait(fences[2])), "JOB_DEPENDENCY_FAILED");
}

TEST_F(ClientTest, HostFencesHoldJobsBackUntilSignalled) {
  Queue queue = session_->CreateQueue(*vm_, EngineClass::kCopy).value();
  HostTimeline host = session_->CreateHostTimeline().value();
  const Fence gate = host.Arm().value();
  const Fence failing = host.Arm().value();
  const Fence job = SubmitOne(JobOf(queue, {}, {gate}));
  const Fence doomed = SubmitOne(JobOf(queue, {}, {failing}));
  EXPECT_FALSE(session_->Wait({&job, 1}, WaitMode::kAll, std::chrono::milliseconds(0))->satisfied);
  EXPECT_TRUE(host.Signal(gate).ok());
  EXPECT_TRUE(session_->Wait(job).ok());
  EXPECT_TRUE(host.Signal(failing, /*failed=*/true).ok());
  EXPECT_EQ(ErrorReason(session_->Wait(failing)), "FENCE_HOST_ERROR");
  EXPECT_EQ(ErrorReason(session_->Wait(doomed)), "JOB_DEPENDENCY_FAILED");
  const Fence forgotten = host.Arm(std::chrono::milliseconds(1)).value();
  EXPECT_EQ(ErrorReason(session_->Wait(forgotten)), "FENCE_EXPIRED");
}

TEST_F(ClientTest, AnyOfAndSkip) {
  Queue queue = session_->CreateQueue(*vm_, EngineClass::kCopy).value();
  Queue other = session_->CreateQueue(*vm_, EngineClass::kRender).value();
  HostTimeline slow = session_->CreateHostTimeline().value();
  HostTimeline fast = session_->CreateHostTimeline().value();
  const Fence never = slow.Arm().value();
  const Fence soon = fast.Arm().value();
  Job any = JobOf(queue, {}, {});
  any.waits_on_any_of = {never, soon};
  const Fence one_is_enough = SubmitOne(any);
  EXPECT_TRUE(fast.Signal(soon).ok());
  EXPECT_TRUE(session_->Wait(one_is_enough).ok());
  Job skip = JobOf(queue, {}, {never});
  skip.on_error = OnError::kSkip;
  const Fence skipped = SubmitOne(skip);
  const Fence after = SubmitOne(JobOf(other, {}, {skipped}));
  EXPECT_TRUE(slow.Signal(never, /*failed=*/true).ok());
  EXPECT_EQ(ErrorReason(session_->Wait(skipped)), "JOB_SKIPPED");
  EXPECT_TRUE(session_->Wait(after).ok());
}

TEST_F(ClientTest, ParallelQueueRunsABatchOnEachEngine) {
  QueueOptions options;
  options.width = 2;
  options.deferred_put = true;
  Queue queue = session_->CreateQueue(*vm_, EngineClass::kVideoDecode, options).value();
  ASSERT_TRUE(buffer_->Write(kBatchOffset, *BatchBuilder().AtomicAddDword(kAt, 1).Finish()).ok());
  const Job job = JobOf(queue, {kAt + kBatchOffset, kAt + kBatchOffset}, {bound_});
  EXPECT_TRUE(session_->Wait(SubmitOne(job)).ok());
  uint32_t sum = 0;
  ASSERT_TRUE(buffer_->Read(0, {reinterpret_cast<std::byte*>(&sum), sizeof(sum)}).ok());
  EXPECT_EQ(sum, 2u);
  const Job narrow = JobOf(queue, {kAt + kBatchOffset}, {});
  EXPECT_EQ(ErrorReason(session_->Submit({&narrow, 1}).status()), "FIELD_LENGTH_OUT_OF_RANGE");
  const std::vector<QueueInfo> queues = client_->ListQueues().value();
  ASSERT_EQ(queues.size(), 1u);
  EXPECT_EQ(queues[0].width, 2u);
  EXPECT_TRUE(queues[0].deferred_put);
  EXPECT_TRUE(queues[0].bypass);
  options.width = 3;
  EXPECT_EQ(ErrorReason(session_->CreateQueue(*vm_, EngineClass::kVideoDecode, options).status()),
            "FIELD_OUT_OF_RANGE");
}

// A loop that has no end leaves its engine for a job with a fence, goes on where it was, and tells by memory.
TEST_F(ClientTest, T41_LongRunningJobSharesItsEngineWithFences) {
  Vm endless_vm = session_->CreateVm(/*long_running=*/true).value();
  Buffer memory = session_->CreateBuffer(8192).value();
  ASSERT_TRUE(session_->Wait(endless_vm.Bind(memory, kAt).value()).ok());
  // Counts up for ever, past arbitration points.
  const std::vector<uint32_t> loop = {hw::regs::Mi(hw::regs::MiOpcode::kAtomic, 3) | 5u << 8,  // increment
                                      static_cast<uint32_t>(kAt + 4096),
                                      0,
                                      hw::regs::kArbCheck,
                                      hw::regs::kBatchBufferStart,
                                      static_cast<uint32_t>(kAt),
                                      0};
  ASSERT_TRUE(memory.Write(0, loop).ok());
  Queue endless = session_->CreateQueue(endless_vm, EngineClass::kCopy).value();
  const Fence never = endless.Submit(kAt).value();
  const auto counter = [&] {
    uint32_t value = 0;
    EXPECT_TRUE(memory.Read(4096, {reinterpret_cast<std::byte*>(&value), sizeof(value)}).ok());
    return value;
  };
  const auto advances = [&] {
    const uint32_t before = counter();
    for (int i = 0; i < 100'000; ++i) {
      if (counter() != before) return true;
    }
    return false;
  };
  EXPECT_TRUE(advances());

  Queue fenced = session_->CreateQueue(*vm_, EngineClass::kCopy).value();
  ASSERT_TRUE(buffer_->Write(0, BatchBuilder().StoreDword(kAt + 2048, 7).Finish().value()).ok());
  Job job;
  job.queue = fenced.handle();
  job.batch_addresses = {kAt};
  job.user_fence_address = kAt + 3072;
  job.user_fence_value = 0x1122334455667788;
  for (int i = 0; i < 5; ++i) {
    const std::vector<Fence> fences = session_->Submit({&job, 1}).value();
    EXPECT_TRUE(session_->Wait(fences.front()).ok()) << "although the loop never ends";
    EXPECT_TRUE(advances()) << "and goes on";
  }
  uint64_t stored = 0;
  ASSERT_TRUE(buffer_->Read(3072, {reinterpret_cast<std::byte*>(&stored), sizeof(stored)}).ok());
  EXPECT_EQ(stored, job.user_fence_value);

  job.waits = {never};
  EXPECT_EQ(ErrorReason(session_->Submit({&job, 1}).status()), "FIELD_NOT_ALLOWED");
  job.waits.clear();
  job.queue = endless.handle();
  EXPECT_EQ(ErrorReason(session_->SubmitCombined({&job, 1}).status()), "FIELD_NOT_ALLOWED");
  EXPECT_TRUE(session_->KillQueue(endless.handle()).ok());
  EXPECT_EQ(ErrorReason(session_->Wait(never)), "JOB_CANCELLED");
}

TEST_F(ClientTest, QueuesAreSeenChangedSuspendedAndKilled) {
  QueueOptions options;
  options.name = "mine";
  options.timeslice_us = 2'000;
  options.placements = {0, 2};
  Queue queue = session_->CreateQueue(*vm_, EngineClass::kVideoDecode, options).value();
  QueueInfo info = session_->GetQueue(queue.handle()).value();
  EXPECT_EQ(info.name, "mine");
  EXPECT_EQ(info.timeslice_us, 2'000u);
  EXPECT_EQ(info.preempt_timeout_us, 640'000u);
  EXPECT_EQ(info.placements, (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(info.state, QueueState::kUsable);
  EXPECT_FALSE(info.last_fence);
  ASSERT_TRUE(info.use);
  EXPECT_TRUE(info.use->is_idle);

  QueueProperties properties;
  properties.priority = QueuePriority::kLow;
  EXPECT_TRUE(session_->SetQueueProperties(queue.handle(), properties).ok());
  properties.timeslice_us = 10'000'001;
  EXPECT_EQ(ErrorReason(session_->SetQueueProperties(queue.handle(), properties)), "FIELD_OUT_OF_RANGE");
  EXPECT_EQ(session_->GetQueue(queue.handle())->priority, QueuePriority::kLow);

  EXPECT_TRUE(session_->SuspendQueue(queue.handle()).ok());
  EXPECT_EQ(session_->GetQueue(queue.handle())->state, QueueState::kSuspended);
  ASSERT_TRUE(buffer_->Write(0, BatchBuilder().StoreDword(kAt + 2048, 9).Finish().value()).ok());
  const Fence fence = queue.Submit(kAt, {bound_}).value();
  EXPECT_EQ(session_->Wait(fence, std::chrono::milliseconds(20)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(session_->ResumeQueue(queue.handle()).ok());
  EXPECT_TRUE(session_->Wait(fence).ok());
  info = session_->GetQueue(queue.handle()).value();
  EXPECT_GT(info.use->run_ticks, 0u);
  EXPECT_EQ(info.last_fence->state, FenceState::kSignaled);

  EXPECT_TRUE(session_->KillQueue(queue.handle()).ok());
  EXPECT_EQ(ErrorReason(queue.Submit(kAt).status()), "QUEUE_KILLED");
  EXPECT_EQ(session_->GetQueue(queue.handle())->state, QueueState::kKilled);
}

}  // namespace
}  // namespace xeq
