// The scheduler alone: jobs per second through Add, NextToRun, OnCompletion and NextFinished on one core. Jobs are made
// outside the timed part, as the threads of clients make them.
#include <benchmark/benchmark.h>

#include <memory>
#include <utility>
#include <vector>

#include "server/sched/scheduler.h"

namespace xeq::sched {
namespace {

class NoHwQueue : public hw::Queue {};

constexpr uint64_t kJobsPerRound = 8192;

// Jobs round robin over the queues; with `waits`, each waits for the last jobs of that many other queues.
void BM_AddToFinished(benchmark::State& state) {
  const auto queues = static_cast<uint64_t>(state.range(0));
  const auto waits_per_job = static_cast<uint64_t>(state.range(1));
  Scheduler scheduler;
  std::vector<Ref<Timeline>> timelines;
  for (ContextId context = 1; context <= queues; ++context) {
    QueueSpec spec;
    spec.context = context;
    spec.credits = 64;
    timelines.push_back(MakeRef<Timeline>(spec, std::make_unique<NoHwQueue>()));
    scheduler.AddQueue(timelines.back());
  }
  std::vector<uint64_t> armed(queues + 1);
  std::vector<Ref<Job>> jobs(kJobsPerRound);
  std::vector<Ref<Job>> ended(kJobsPerRound);
  const uint64_t batch = 0x1000;
  uint64_t next = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (auto& job : jobs) {
      const ContextId context = 1 + next++ % queues;
      std::vector<Wait> waits;
      for (uint64_t i = 1; i <= waits_per_job && i < queues; ++i) {
        const ContextId other = 1 + (context - 1 + queues - i) % queues;
        if (armed[other] > 0) waits.emplace_back(timelines[other - 1], armed[other]);
      }
      job = MakeRef<Job>(timelines[context - 1], absl::MakeConstSpan(&batch, 1), std::move(waits));
      job->Arm(++armed[context], 1);
    }
    state.ResumeTiming();
    for (auto& job : jobs) scheduler.Add(std::move(job), 2);
    uint64_t count = 0;
    while (Job* job = scheduler.NextToRun(3)) {
      hw::Completion completion;
      completion.owner = &job->timeline();
      completion.seqno = job->seqno();
      scheduler.OnCompletion(completion, 4);
      while (Ref<Job> finished = scheduler.NextFinished()) ended[count++] = std::move(finished);
    }
    if (count != kJobsPerRound) state.SkipWithError("not every job ended");
    state.PauseTiming();
    for (auto& job : ended) job.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kJobsPerRound));
}
BENCHMARK(BM_AddToFinished)->ArgNames({"queues", "waits"})->ArgsProduct({{1, 64, 4096}, {0, 2}});

}  // namespace
}  // namespace xeq::sched

BENCHMARK_MAIN();
