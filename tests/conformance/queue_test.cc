// Goal: queues are suspended, resumed, killed and given properties as hw/device.h says, on every device. Method:
// batches that count in memory, and wait for the host or for ever.
#include <gtest/gtest.h>

#include "tests/conformance/device_fixture.h"

namespace xeq::hw {
namespace {

class QueueOpsTest : public DeviceTest {
 protected:
  // Counts up for ever, past arbitration points.
  Batch Counter(uint64_t address) {
    const Batch add = AddDword(address, 1);
    const uint64_t begin = NextPlace();
    return add + Batch{regs::kArbCheck, regs::kBatchBufferStart, static_cast<uint32_t>(begin),
                       static_cast<uint32_t>(begin >> 32)};
  }
  // Suspends it and waits for the answer to this call.
  absl::Status Suspend(uint64_t context) {
    const size_t before = suspends_[context]++;
    EXPECT_TRUE(device_->Suspend(*queues_[context]).ok());
    const std::vector<absl::Status> all = listener_.WaitForSuspends(context, before + 1);
    EXPECT_EQ(all.size(), before + 1);
    return all.empty() ? absl::UnknownError("no answer") : all.back();
  }
  QueueSnapshot Look(uint64_t context) { return device_->Look(*queues_[context]); }
  // The dword does not move while the engine could have counted it up many times.
  bool StandsStill(uint64_t address) {
    const uint32_t before = Read(address);
    const Nanos end = MonotonicNow() + 5 * kNanosPerMilli;
    while (MonotonicNow() < end) std::this_thread::yield();
    return Read(address) == before;
  }

  std::map<uint64_t, size_t> suspends_;
};

INSTANTIATE_TEST_SUITE_P(Devices, QueueOpsTest, ::testing::Values("model"),
                         [](const auto& device) { return std::string(device.param); });

TEST_P(QueueOpsTest, T33a_WhatIsSubmittedToASuspendedQueueStartsAfterTheResume) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  EXPECT_TRUE(Suspend(queue).ok());
  EXPECT_EQ(Look(queue).state, QueueState::kSuspended);
  Submit(queue, StoreDword(kBase, 7) + kEnd);
  EXPECT_TRUE(StandsStill(kBase));
  EXPECT_EQ(listener_.count(queue), 0u);
  device_->Resume(*queues_[queue]);
  EXPECT_EQ(Last(queue).status, JobStatus::kOk);
  EXPECT_EQ(Read(kBase), 7u);
  EXPECT_EQ(Look(queue).state, QueueState::kRunning);
}

TEST_P(QueueOpsTest, T33a_RunningJobLeavesAndGoesOnWhereItWas) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  Submit(queue, Counter(kBase));
  for (uint32_t round = 0; round < 3; ++round) {
    const uint32_t seen = Read(kBase);
    while (Read(kBase) == seen) std::this_thread::yield();
    EXPECT_TRUE(Suspend(queue).ok());
    EXPECT_TRUE(StandsStill(kBase)) << "although nobody else wants the engine";
    device_->Resume(*queues_[queue]);
  }
  const uint32_t seen = Read(kBase);
  while (Read(kBase) == seen) std::this_thread::yield();
  EXPECT_GT(Read(kBase), seen);
}

TEST_P(QueueOpsTest, T33b_SuspendsBeforeTheAnswerMergeAndOneResumeSuffices) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  Submit(queue, Counter(kBase));
  while (Read(kBase) == 0) std::this_thread::yield();
  EXPECT_TRUE(device_->Suspend(*queues_[queue]).ok());
  EXPECT_TRUE(device_->Suspend(*queues_[queue]).ok());
  const size_t answers = listener_.WaitForSuspends(queue, 1).size();
  EXPECT_GE(answers, 1u);
  EXPECT_LE(answers, 2u) << "the second may have come behind the answer";
  device_->Resume(*queues_[queue]);
  const uint32_t seen = Read(kBase);
  while (Read(kBase) == seen) std::this_thread::yield();
}

TEST_P(QueueOpsTest, T33c_DeadQueueCannotBeSuspended) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  Submit(queue, StoreDword(kBase + kBytes, 1) + kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kPageFault);
  EXPECT_EQ(device_->Suspend(*queues_[queue]).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Look(queue).state, QueueState::kBanned);
  device_->Resume(*queues_[queue]);
  EXPECT_EQ(Look(queue).state, QueueState::kBanned);
}

TEST_P(QueueOpsTest, T33d_JobThatWouldNotLeaveIsTakenOffAndItsQueueBanned) {
  QueueSpec spec;
  spec.engine_class = EngineClass::kCopy;
  spec.props.preempt_timeout_us = 20'000;
  const uint64_t stubborn = MakeQueue(spec);
  const uint64_t innocent = MakeQueue(EngineClass::kCopy);
  Submit(stubborn, StoreDword(kBase, 1) + Loop(NextPlace() + 16, /*preemptible=*/false));
  ASSERT_TRUE(WaitForDword(kBase, 1));
  EXPECT_EQ(Suspend(stubborn).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Last(stubborn).status, JobStatus::kHang);
  EXPECT_EQ(Look(stubborn).state, QueueState::kBanned);
  Submit(innocent, StoreDword(kBase + 4, 2) + kEnd);
  EXPECT_EQ(Last(innocent).status, JobStatus::kOk);
}

TEST_P(QueueOpsTest, T33f_CancelAnswersAPendingSuspend) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  Submit(queue, StoreDword(kBase, 1) + Loop(NextPlace() + 16, /*preemptible=*/false));
  ASSERT_TRUE(WaitForDword(kBase, 1));
  EXPECT_TRUE(device_->Suspend(*queues_[queue]).ok());
  EXPECT_EQ(Look(queue).state, QueueState::kSuspendPending);
  device_->Cancel(*queues_[queue], JobStatus::kCancelled);
  EXPECT_EQ(listener_.WaitForSuspends(queue, 1).back().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Last(queue).status, JobStatus::kCancelled);
  EXPECT_EQ(Look(queue).state, QueueState::kKilled);
}

TEST_P(QueueOpsTest, T31_QueueIsKilledIdleAndTwice) {
  const uint64_t queue = MakeQueue(EngineClass::kRender);
  device_->Cancel(*queues_[queue], JobStatus::kCancelled);
  device_->Cancel(*queues_[queue], JobStatus::kCancelled);
  EXPECT_EQ(Look(queue).state, QueueState::kKilled);
  EXPECT_TRUE(Look(queue).is_dead());
  Submit(queue, kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kCancelled);
}

TEST_P(QueueOpsTest, HigherPriorityTakesTheEngineOrResetsWhoKeepsIt) {
  QueueSpec spec;
  spec.engine_class = EngineClass::kCopy;
  spec.props.preempt_timeout_us = 20'000;
  const uint64_t stubborn = MakeQueue(spec);
  const uint64_t high = MakeQueue(EngineClass::kCopy, Priority::kHigh);
  Submit(stubborn, StoreDword(kBase, 1) + Loop(NextPlace() + 16, /*preemptible=*/false));
  ASSERT_TRUE(WaitForDword(kBase, 1));
  Submit(high, StoreDword(kBase + 4, 1) + kEnd);
  EXPECT_EQ(Last(high).status, JobStatus::kOk);
  EXPECT_EQ(Last(stubborn).status, JobStatus::kHang);
}

TEST_P(QueueOpsTest, RaisedPriorityOvertakesWhatWaits) {
  const uint64_t running = MakeQueue(EngineClass::kCopy, Priority::kHigh);
  const uint64_t low = MakeQueue(EngineClass::kCopy, Priority::kLow);
  const uint64_t raised = MakeQueue(EngineClass::kCopy, Priority::kLow);
  Submit(running, StoreDword(kBase, 1) + WaitDword(kBase + 4, 7) + kEnd);
  ASSERT_TRUE(WaitForDword(kBase, 1));
  // Each says when it was: the sum so far.
  Submit(low, AddDword(kBase + 8, 1) + kEnd);
  Submit(raised, StoreDword(kBase + 12, 1) + kEnd);
  SchedProps props;
  props.priority = Priority::kKernel;
  device_->SetProps(*queues_[raised], props);
  ASSERT_TRUE(WaitForDword(kBase + 12, 1)) << "before the running one, which never ends by itself";
  EXPECT_EQ(Read(kBase + 8), 0u);
  EXPECT_EQ(Look(raised).props.priority, Priority::kKernel);
  Write(kBase + 4, {7});
  EXPECT_EQ(Last(low).status, JobStatus::kOk);
}

TEST_P(QueueOpsTest, TimesliceIsTheQueues) {
  QueueSpec spec;
  spec.engine_class = EngineClass::kCopy;
  spec.props.timeslice_us = 10'000'000;
  const uint64_t greedy = MakeQueue(spec);
  const uint64_t other = MakeQueue(EngineClass::kCopy);
  Submit(greedy, Counter(kBase));
  while (Read(kBase) == 0) std::this_thread::yield();
  Submit(other, StoreDword(kBase + 4, 1) + kEnd);
  EXPECT_TRUE(StandsStill(kBase + 4)) << "within the other's slice";
  spec.props.timeslice_us = 500;
  device_->SetProps(*queues_[greedy], spec.props);
  EXPECT_EQ(Last(other).status, JobStatus::kOk);
}

TEST_P(QueueOpsTest, T40_RunTicksFollowTheTimeOnTheEngine) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  EXPECT_EQ(Look(queue).run_ticks, 0u);
  Submit(queue, Counter(kBase));
  while (Read(kBase) == 0) std::this_thread::yield();
  const uint64_t ticks = Look(queue).run_ticks;
  const Nanos begin = MonotonicNow();
  while (MonotonicNow() < begin + 100 * kNanosPerMilli) std::this_thread::yield();
  const uint64_t more = Look(queue).run_ticks - ticks;
  const Nanos elapsed = MonotonicNow() - begin;
  const double expected =
      static_cast<double>(elapsed) * static_cast<double>(device_->info().timestamp_frequency_hz) / 1e9;
  EXPECT_NEAR(static_cast<double>(more), expected, 0.05 * expected);
  EXPECT_TRUE(Suspend(queue).ok());
  const uint64_t off = Look(queue).run_ticks;
  EXPECT_TRUE(StandsStill(kBase));
  EXPECT_EQ(Look(queue).run_ticks, off) << "off the engine";
}

TEST_P(QueueOpsTest, T37_RingFillsUpAndDrains) {
  const uint64_t queue = MakeQueue(EngineClass::kCopy);
  EXPECT_TRUE(Look(queue).is_idle());
  EXPECT_TRUE(Suspend(queue).ok());
  const uint64_t batch = Place(AddDword(kBase, 1) + kEnd);
  uint32_t jobs = 0;
  while (!Look(queue).ring_full()) {
    SubmitAt(queue, batch);
    ASSERT_LE(++jobs, 1000u);
  }
  const QueueSnapshot full = Look(queue);
  EXPECT_EQ(jobs, full.jobs_max);
  EXPECT_EQ(jobs, device_->info().jobs_per_queue_max);
  EXPECT_GT(full.ring_bytes_used, 0u);
  EXPECT_LE(full.ring_bytes_used, full.ring_bytes);
  EXPECT_EQ(full.next_hw_seqno - full.hw_seqno - 1, jobs);
  device_->Resume(*queues_[queue]);
  EXPECT_EQ(Last(queue).status, JobStatus::kOk);
  EXPECT_TRUE(Look(queue).is_idle());
  EXPECT_EQ(Look(queue).ring_bytes_used, 0u);
  EXPECT_EQ(Read(kBase), jobs);
}

TEST_P(QueueOpsTest, UserFenceIsStoredBehindTheBatchOnEveryEngine) {
  uint64_t value = 0x1234'5678'9abc;
  for (const EngineInfo& engine : device_->info().engines) {
    const uint64_t queue = MakeQueue(engine);
    const uint64_t batch = Place(StoreDword(kBase, 1) + kEnd);
    device_->Submit(*queues_[queue], {.seqno = ++seqnos_[queue],
                                      .batches = {&batch, 1},
                                      .user_fence = {.address = kBase + 0x100, .value = ++value}});
    EXPECT_EQ(Last(queue).status, JobStatus::kOk);
    EXPECT_EQ(Read(kBase + 0x100), static_cast<uint32_t>(value)) << engine.name;
    EXPECT_EQ(Read(kBase + 0x104), static_cast<uint32_t>(value >> 32)) << engine.name;
  }
}

TEST_P(QueueOpsTest, T32_StarvedJobIsNotCharged) {
  QueueSpec spec;
  spec.engine_class = EngineClass::kCopy;
  spec.props.timeslice_us = 500;
  const uint64_t first = MakeQueue(spec);
  const uint64_t second = MakeQueue(spec);
  Submit(first, Counter(kBase));
  Submit(second, Counter(kBase + 4));
  const Nanos begin = MonotonicNow();
  while (MonotonicNow() < begin + 60 * kNanosPerMilli) std::this_thread::yield();
  const Nanos elapsed = MonotonicNow() - begin;
  const Nanos sum =
      device_->CheckProgress(*queues_[first]).gpu_time_ns + device_->CheckProgress(*queues_[second]).gpu_time_ns;
  EXPECT_LT(sum, elapsed + elapsed / 4) << "one engine: together they have not had more than there was";
  EXPECT_GT(Read(kBase), 0u);
  EXPECT_GT(Read(kBase + 4), 0u);
}

// ---- Virtual queues: their jobs run on any of several engines.

class VirtualQueueTest : public QueueOpsTest {
 protected:
  void SetUp() override {
    QueueOpsTest::SetUp();
    for (const EngineInfo& engine : device_->info().engines) {
      engines_ += engine.engine_class == EngineClass::kVideoDecode;
    }
    if (engines_ < 2) GTEST_SKIP() << "one video engine only";
  }
  uint64_t MakeVirtual() {
    QueueSpec spec;
    spec.engine_class = EngineClass::kVideoDecode;
    spec.logical_mask = (1u << engines_) - 1;
    return MakeQueue(spec);
  }
  // Says that it has begun, and runs until the host says otherwise, without letting go of its engine.
  void SubmitSpinner(uint64_t queue, uint32_t index) {
    const uint64_t begun = kBase + 8 * index;
    Submit(queue, StoreDword(begun, 1) + Loop(NextPlace() + 16, /*preemptible=*/false));
  }
  uint32_t engines_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Devices, VirtualQueueTest, ::testing::Values("model"),
                         [](const auto& device) { return std::string(device.param); });

TEST_P(VirtualQueueTest, T13_AsManySpinnersAsEnginesRunAtOnce) {
  std::vector<uint64_t> queues;
  for (uint32_t i = 0; i < engines_; ++i) queues.push_back(MakeVirtual());
  for (uint32_t i = 0; i < engines_; ++i) SubmitSpinner(queues[i], i);
  for (uint32_t i = 0; i < engines_; ++i) EXPECT_TRUE(WaitForDword(kBase + 8 * i, 1)) << "spinner " << i;
  for (const uint64_t queue : queues) EXPECT_EQ(listener_.count(queue), 0u) << "none has ended";
}

TEST_P(VirtualQueueTest, JobRunsWhereNobodySpins) {
  const uint64_t spinner = MakeQueue(EngineClass::kVideoDecode, Priority::kNormal, 0);
  SubmitSpinner(spinner, 0);
  ASSERT_TRUE(WaitForDword(kBase, 1));
  const uint64_t queue = MakeVirtual();
  for (int i = 0; i < 20; ++i) Submit(queue, AddDword(kBase + 0x100, 1) + kEnd);
  EXPECT_EQ(Last(queue).status, JobStatus::kOk);
  EXPECT_EQ(Read(kBase + 0x100), 20u);
}

TEST_P(VirtualQueueTest, WaitingJobGoesToTheEngineThatBecomesFree) {
  const uint64_t first = MakeQueue(EngineClass::kVideoDecode, Priority::kNormal, 0);
  const uint64_t second = MakeQueue(EngineClass::kVideoDecode, Priority::kNormal, 1);
  SubmitSpinner(first, 0);
  Submit(second, StoreDword(kBase + 8, 1) + WaitDword(kBase + 16, 7) + kEnd);
  ASSERT_TRUE(WaitForDword(kBase, 1));
  ASSERT_TRUE(WaitForDword(kBase + 8, 1));
  const uint64_t queue = MakeVirtual();
  Submit(queue, StoreDword(kBase + 0x100, 1) + kEnd);
  Write(kBase + 16, {7});
  EXPECT_EQ(Last(second).status, JobStatus::kOk);
  EXPECT_EQ(Last(queue).status, JobStatus::kOk) << "although the first engine is never free";
}

TEST_P(VirtualQueueTest, JobsOfManyVirtualQueuesEndInOrderAndOnce) {
  std::vector<uint64_t> queues;
  for (uint32_t i = 0; i < 2 * engines_ + 1; ++i) queues.push_back(MakeVirtual());
  constexpr uint32_t kJobs = 60;
  std::vector<uint64_t> batches;
  for (size_t i = 0; i < queues.size(); ++i) batches.push_back(Place(AddDword(kBase + 8 * i, 1) + kEnd));
  for (uint32_t job = 0; job < kJobs; ++job) {
    for (size_t i = 0; i < queues.size(); ++i) {
      if (job >= device_->info().jobs_per_queue_max) {
        listener_.Wait(queues[i], job + 1 - device_->info().jobs_per_queue_max);
      }
      SubmitAt(queues[i], batches[i]);
    }
  }
  for (size_t i = 0; i < queues.size(); ++i) {
    const std::vector<Completion> ends = listener_.Wait(queues[i], kJobs);
    ASSERT_EQ(ends.size(), kJobs);
    for (uint32_t job = 0; job < kJobs; ++job) {
      EXPECT_EQ(ends[job].seqno, job + 1);
      EXPECT_EQ(ends[job].status, JobStatus::kOk);
    }
    EXPECT_EQ(Read(kBase + 8 * i), kJobs);
  }
}

TEST_P(VirtualQueueTest, QueueThatIsTakenOffHarmsNobodyOnEitherEngine) {
  const uint64_t hung = MakeVirtual();
  const uint64_t innocent = MakeVirtual();
  SubmitSpinner(hung, 0);
  ASSERT_TRUE(WaitForDword(kBase, 1));
  Submit(innocent, StoreDword(kBase + 8, 1) + WaitDword(kBase + 16, 7) + kEnd);
  ASSERT_TRUE(WaitForDword(kBase + 8, 1));
  device_->Cancel(*queues_[hung], JobStatus::kHang);
  EXPECT_EQ(Last(hung).status, JobStatus::kHang);
  Write(kBase + 16, {7});
  EXPECT_EQ(Last(innocent).status, JobStatus::kOk);
}

}  // namespace
}  // namespace xeq::hw
