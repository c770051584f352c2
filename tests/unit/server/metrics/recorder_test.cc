// Goal: each thing that is told moves its own counters, in its own engine class, and no others. Method: a job with
// every stage, and jobs that got stuck at each of them.
#include "server/metrics/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace xeq::metrics {
namespace {

using hw::EngineClass;
using session::CloseReason;
using ::testing::Each;
using ::testing::ElementsAre;

class FakeBind : public hw::BindOp {};

uint64_t Samples(const Histogram& histogram) {
  uint64_t samples = 0;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) samples += histogram.count(i);
  return samples;
}

template <size_t N>
std::vector<uint64_t> Values(const std::array<Counter, N>& counters) {
  return {counters.begin(), counters.end()};
}

// What a histogram that was added to at most once holds: the sample, or -1.
int64_t OnlySample(const Histogram& histogram) {
  EXPECT_LE(Samples(histogram), 1u);
  return Samples(histogram) == 0 ? -1 : histogram.sum();
}

class RecorderTest : public ::testing::Test {
 protected:
  static constexpr sched::StageTimes kAllStages = {.armed = 1'000,
                                                   .ready = 1'010,
                                                   .dispatched = 1'030,
                                                   .gpu_start = 1'070,
                                                   .gpu_end = 1'150,
                                                   .ended = 1'310,
                                                   .gpu_time = 60};

  void Record(const sched::StageTimes& times, sched::Outcome outcome = sched::Outcome::kOk) {
    const uint64_t batch = 0x1000;
    Tell(sched::MakeRef<sched::Job>(Queue(), absl::MakeConstSpan(&batch, 1), std::vector<sched::Wait>()), times,
         outcome);
  }
  void RecordBind(const sched::StageTimes& times, sched::Outcome outcome = sched::Outcome::kOk) {
    Tell(sched::MakeRef<sched::Job>(Queue(), std::make_unique<FakeBind>(), std::vector<sched::Wait>()), times, outcome);
  }
  const EngineCells& copy() const { return recorder_.engine(EngineClass::kCopy); }

  Recorder recorder_;

 private:
  static sched::Ref<sched::Timeline> Queue() {
    sched::QueueSpec spec;
    spec.engine_class = EngineClass::kCopy;
    return sched::MakeRef<sched::Timeline>(spec, nullptr);
  }
  void Tell(const sched::Ref<sched::Job>& job, const sched::StageTimes& times, sched::Outcome outcome) {
    job->times = times;
    job->result.outcome = outcome;
    recorder_.Record(*job, job->timeline().spec);
  }
};

TEST_F(RecorderTest, EachStageOfAJobGoesToItsHistogram) {
  Record(kAllStages);
  EXPECT_EQ(OnlySample(copy().dependency_wait), 10);
  EXPECT_EQ(OnlySample(copy().queue_wait), 20);
  EXPECT_EQ(OnlySample(copy().gpu_start_delay), 40);
  EXPECT_EQ(OnlySample(copy().execution), 80);
  EXPECT_EQ(OnlySample(copy().signal_latency), 160);
  EXPECT_EQ(OnlySample(copy().end_to_end), 310);
  EXPECT_EQ(copy().gpu_time_ns, 60u);
  EXPECT_EQ(recorder_.device().fences_ok, 1u);
  EXPECT_EQ(recorder_.device().fences_failed, 0u);
  EXPECT_EQ(OnlySample(recorder_.device().vm_bind), -1);
  EXPECT_EQ(Samples(recorder_.engine(EngineClass::kRender).end_to_end), 0u);
}

TEST_F(RecorderTest, AJobThatNeverGotReadyHasNoStagesButItsEnd) {
  Record({.armed = 100, .ended = 150}, sched::Outcome::kCancelled);
  EXPECT_EQ(OnlySample(copy().dependency_wait), -1);
  EXPECT_EQ(OnlySample(copy().queue_wait), -1);
  EXPECT_EQ(OnlySample(copy().gpu_start_delay), -1);
  EXPECT_EQ(OnlySample(copy().execution), -1);
  EXPECT_EQ(OnlySample(copy().signal_latency), -1);
  EXPECT_EQ(OnlySample(copy().end_to_end), 50);
  EXPECT_EQ(recorder_.device().fences_failed, 1u);
}

TEST_F(RecorderTest, AJobThatWasTakenOffTheEngineHasNoExecutionButItsGpuTime) {
  sched::StageTimes times = kAllStages;
  times.gpu_end = 0;
  Record(times, sched::Outcome::kHang);
  EXPECT_EQ(OnlySample(copy().gpu_start_delay), 40);
  EXPECT_EQ(OnlySample(copy().execution), -1);
  EXPECT_EQ(OnlySample(copy().signal_latency), -1);
  EXPECT_EQ(copy().gpu_time_ns, 60u);
}

TEST_F(RecorderTest, GpuTimeIsNeverCountedDown) {
  sched::StageTimes times = kAllStages;
  Record(times);
  times.gpu_time = -40;
  Record(times);
  EXPECT_EQ(copy().gpu_time_ns, 60u);
}

TEST_F(RecorderTest, ABindIsAFenceAndATimeOfItsOwnButNoJob) {
  RecordBind(kAllStages);
  RecordBind({.armed = 100, .ended = 150}, sched::Outcome::kCancelled);
  EXPECT_EQ(OnlySample(recorder_.device().vm_bind), 80);
  EXPECT_EQ(recorder_.device().fences_ok, 1u);
  EXPECT_EQ(recorder_.device().fences_failed, 1u);
  EXPECT_EQ(Samples(copy().end_to_end), 0u);
  EXPECT_THAT(Values(copy().jobs_completed), Each(0));
}

TEST_F(RecorderTest, JobsAreCountedByOutcome) {
  for (size_t i = 0; i < sched::kOutcomeCount; ++i) {
    for (size_t times = 0; times <= i; ++times) Record(kAllStages, static_cast<sched::Outcome>(i));
  }
  EXPECT_THAT(Values(copy().jobs_completed), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  EXPECT_EQ(recorder_.device().fences_ok, 1u);
  EXPECT_EQ(recorder_.device().fences_failed, 54u);
}

TEST_F(RecorderTest, QueuesMoveFromUsableToBannedToClosed) {
  for (int i = 0; i < 3; ++i) recorder_.OnQueueCreated(EngineClass::kCopy);
  recorder_.OnQueueBanned(EngineClass::kCopy);
  EXPECT_EQ(copy().queues_usable, 2);
  EXPECT_EQ(copy().queues_banned, 1);
  recorder_.OnQueueClosed(EngineClass::kCopy, /*banned=*/true, CloseReason::kClient);
  recorder_.OnQueueClosed(EngineClass::kCopy, /*banned=*/false, CloseReason::kLeaseExpired);
  EXPECT_EQ(copy().queues_usable, 1);
  EXPECT_EQ(copy().queues_banned, 0);
  EXPECT_EQ(copy().queues_created, 3u);
  EXPECT_THAT(Values(copy().queues_closed), ElementsAre(1, 1, 0));
  EXPECT_EQ(recorder_.engine(EngineClass::kRender).queues_created, 0u);
}

TEST_F(RecorderTest, SessionsAreCountedAndThoseWhoseLeaseRanOut) {
  for (int i = 0; i < 4; ++i) recorder_.OnSessionOpened();
  recorder_.OnSessionClosed(CloseReason::kClient);
  recorder_.OnSessionClosed(CloseReason::kLeaseExpired);
  recorder_.OnSessionClosed(CloseReason::kShutdown);
  EXPECT_EQ(recorder_.device().sessions, 1);
  EXPECT_EQ(recorder_.device().lease_expirations, 1u);
}

TEST_F(RecorderTest, WhatTheEdgeTells) {
  recorder_.OnJobsArmed(EngineClass::kCopy, 3);
  recorder_.OnSubmitted(7);
  recorder_.OnWaiters(5);
  recorder_.OnWaiters(-2);
  recorder_.OnWatches(1);
  recorder_.OnSubmitServed(1'234);
  recorder_.OnNotified(4'321);
  recorder_.OnRejected(RejectReason::kBanned, 6);
  recorder_.OnTransfer(Direction::kDownload, 4'096);
  recorder_.SetDeviceState(DeviceState::kLost);
  const DeviceCells& device = recorder_.device();
  EXPECT_EQ(copy().jobs_submitted, 3u);
  EXPECT_EQ(OnlySample(device.submit_batch_jobs), 7);
  EXPECT_EQ(device.waiters, 3);
  EXPECT_EQ(device.watches, 1);
  EXPECT_EQ(OnlySample(device.submit_server), 1'234);
  EXPECT_EQ(OnlySample(device.notify_latency), 4'321);
  EXPECT_THAT(Values(device.jobs_rejected), ElementsAre(0, 0, 6, 0, 0, 0));
  EXPECT_THAT(Values(device.transfer_bytes), ElementsAre(0, 4'096));
  EXPECT_EQ(device.state, DeviceState::kLost);
}

}  // namespace
}  // namespace xeq::metrics
