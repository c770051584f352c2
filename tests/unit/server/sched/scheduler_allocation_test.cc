// Goal: from Add to the end of a job the scheduler takes no memory, so that nothing can fail after a fence was
// promised. Method: the global allocator counts.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "server/sched/scheduler.h"
#include "tests/fakes/counting_allocator.h"
#include "tests/unit/server/sched/scheduler_fixture.h"

namespace xeq::sched {
namespace {

TEST(SchedulerAllocationTest, NothingIsAllocatedBetweenAddAndEnd) {
  constexpr uint64_t kJobs = 1000;
  Scheduler scheduler;
  std::vector<Ref<Timeline>> queues;
  for (ContextId context : {1, 2}) {
    QueueSpec spec;
    spec.context = context;
    spec.credits = 64;
    queues.push_back(MakeRef<Timeline>(spec, std::make_unique<FakeHwQueue>()));
    scheduler.AddQueue(queues.back());
  }
  const uint64_t batch = 0x1000;
  std::vector<Ref<Job>> jobs;
  for (uint64_t seqno = 1; seqno <= kJobs; ++seqno) {
    jobs.push_back(MakeRef<Job>(queues[0], absl::MakeConstSpan(&batch, 1), std::vector<Wait>{}));
    jobs.back()->Arm(seqno, 1);
    std::vector<Wait> waits;
    waits.emplace_back(queues[0], seqno);
    jobs.push_back(MakeRef<Job>(queues[1], absl::MakeConstSpan(&batch, 1), std::move(waits)));
    jobs.back()->Arm(seqno, 1);
  }
  const size_t before = fakes::Allocations();
  ASSERT_GT(before, 2 * kJobs) << "the counter counts";
  uint64_t ended = 0;
  uint64_t failed = 0;
  for (auto& job : jobs) scheduler.Add(std::move(job), 2);
  while (Job* job = scheduler.NextToRun(3)) {
    hw::Completion completion;
    completion.owner = &job->timeline();
    completion.seqno = job->point().seqno;
    // Every third job of the first queue's dependants meets a failure without a ban.
    completion.status = completion.seqno % 3 == 0 ? hw::JobStatus::kCancelled : hw::JobStatus::kOk;
    scheduler.OnCompletion(completion, 4);
    while (const Ref<Job> finished = scheduler.NextFinished()) {
      ++ended;
      failed += finished->result.outcome == Outcome::kOk ? 0 : 1;
    }
  }
  EXPECT_EQ(fakes::Allocations(), before);
  EXPECT_EQ(ended, 2 * kJobs);
  EXPECT_GT(failed, kJobs / 2);
}

}  // namespace
}  // namespace xeq::sched
