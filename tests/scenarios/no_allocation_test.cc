// Goal: T57, nothing is allocated between a job's posting and the telling of its end, wherever the scheduler runs.
// Method: the global allocator counts; the test's thread submits, completes and hears, so that nothing else is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/sched/device_loop.h"
#include "tests/fakes/counting_allocator.h"
#include "tests/scenarios/quiet_device.h"

namespace xeq::sched {
namespace {

class CountingObserver : public Observer {
 public:
  void OnFinished(absl::Span<Job* const> jobs) override { ended += jobs.size(); }
  void OnBanned(ContextId, const Result&) override {}
  void OnSuspended(ContextId, absl::Status) override {}
  void OnInactive(ContextId) override {}
  std::atomic<size_t> ended{0};
};

class NoAllocationTest : public ::testing::TestWithParam<PutMode> {};
INSTANTIATE_TEST_SUITE_P(T57, NoAllocationTest, ::testing::Values(PutMode::kInline, PutMode::kDeferred));

TEST_P(NoAllocationTest, T57_NothingIsAllocatedBetweenPostAndEnd) {
  QuietDevice device;
  DeviceLoop loop(device, nullptr, {});
  ASSERT_TRUE(loop.Start().ok());
  const auto observer = std::make_shared<CountingObserver>();
  QueueSpec spec;
  spec.context = loop.NewContext();
  spec.put_mode = GetParam();
  const auto queue = MakeRef<Timeline>(spec, std::make_unique<NoHwQueue>());
  ASSERT_TRUE(loop.PostQueue(queue, observer).ok());
  const uint64_t batch = 0x1000;
  size_t allocations = 0;
  for (uint64_t seqno = 1; seqno <= 1000; ++seqno) {
    auto job = MakeRef<Job>(queue, absl::MakeConstSpan(&batch, 1), std::vector<Wait>());
    absl::StatusOr<Ticket> ticket = loop.Reserve(1);
    ASSERT_TRUE(ticket.ok());
    job->Arm(seqno, hw::MonotonicNow());
    const size_t before = fakes::Allocations();
    loop.Post(*ticket, std::move(job));
    loop.Run(/*bypass=*/true);
    // The device thread may have the baton, from the queue's making or for a tick of the watchdog.
    while (device.submitted < seqno) std::this_thread::yield();
    device.CompleteLast();
    while (observer->ended < seqno) std::this_thread::yield();
    allocations += fakes::Allocations() - before;
  }
  EXPECT_EQ(allocations, 0u);
  EXPECT_GT(fakes::Allocations(), 1000u) << "the counter counts";
  loop.PostClose(queue);
  loop.Stop();
}

}  // namespace
}  // namespace xeq::sched
