// The scheduler alone: jobs per second through Add, NextToRun, OnCompletion and NextFinished, beside a bare loop over
// the same jobs and a naive scheduler, all in one run. Jobs are made outside the timed parts, as the threads of clients
// make them. Each figure is the median of several rounds, which the cases take in turns.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hw/clock.h"
#include "server/sched/inbox.h"
#include "server/sched/scheduler.h"
#include "tests/bench/naive_scheduler.h"

namespace xeq::sched {
namespace {

constexpr uint64_t kJobs = 8192;
constexpr int kRounds = 15;
constexpr uint64_t kBatch = 0x1000;

class NoHwQueue : public hw::Queue {};

// Millions a second.
double Rate(uint64_t jobs, hw::Nanos time) { return static_cast<double>(jobs) * 1e3 / static_cast<double>(time); }

// A scheduler with queues, and jobs for them.
class Rig {
 public:
  explicit Rig(uint64_t queues) : armed_(queues + 1) {
    for (ContextId context = 1; context <= queues; ++context) {
      QueueSpec spec;
      spec.context = context;
      spec.credits = 64;
      timelines_.push_back(MakeRef<Timeline>(spec, std::make_unique<NoHwQueue>()));
      scheduler_.AddQueue(timelines_.back());
    }
  }
  ~Rig() {
    for (const Ref<Timeline>& timeline : timelines_) scheduler_.Close(*timeline, 5);
    scheduler_.OnDeviceLost(5);
    while (scheduler_.NextFinished()) {
    }
    while (scheduler_.NextInactive()) {
    }
  }

  // Round robin over the queues; with `waits`, each waits for the last jobs of so many other queues.
  Ref<Job> Make(uint64_t waits_per_job) {
    const uint64_t queues = timelines_.size();
    const ContextId context = 1 + next_++ % queues;
    std::vector<Wait> waits;
    for (uint64_t i = 1; i <= waits_per_job && i < queues; ++i) {
      const ContextId other = 1 + (context - 1 + queues - i) % queues;
      if (armed_[other] > 0) waits.emplace_back(timelines_[other - 1], armed_[other]);
    }
    auto job = MakeRef<Job>(timelines_[context - 1], absl::MakeConstSpan(&kBatch, 1), std::move(waits));
    job->Arm(++armed_[context], 1);
    return job;
  }
  // Runs one job, if one may run, and takes what has ended. Returns how many.
  uint64_t RunOne(std::vector<Ref<Job>>& ended) {
    Job* job = scheduler_.NextToRun(3);
    if (job == nullptr) return 0;
    hw::Completion completion;
    completion.owner = &job->timeline();
    completion.seqno = job->seqno();
    scheduler_.OnCompletion(completion, 4);
    uint64_t count = 0;
    for (; Ref<Job> finished = scheduler_.NextFinished(); ++count) ended.push_back(std::move(finished));
    return count;
  }
  Scheduler& scheduler() { return scheduler_; }
  Timeline& timeline(size_t index) { return *timelines_[index]; }
  const Ref<Timeline>& ref(size_t index) { return timelines_[index]; }

 private:
  Scheduler scheduler_;
  std::vector<Ref<Timeline>> timelines_;
  std::vector<uint64_t> armed_;
  uint64_t next_ = 0;
};

// One round of a case; returns millions of jobs a second.
using Round = std::function<double()>;

Round AddToFinished(uint64_t queues, uint64_t waits) {
  auto rig = std::make_shared<Rig>(queues);
  return [rig, waits] {
    std::vector<Ref<Job>> jobs;
    for (uint64_t i = 0; i < kJobs; ++i) jobs.push_back(rig->Make(waits));
    std::vector<Ref<Job>> ended;
    ended.reserve(kJobs);
    const hw::Nanos begin = hw::MonotonicNow();
    for (Ref<Job>& job : jobs) rig->scheduler().Add(std::move(job), 2);
    while (rig->RunOne(ended) > 0) {
    }
    const hw::Nanos time = hw::MonotonicNow() - begin;
    return ended.size() == kJobs ? Rate(kJobs, time) : 0;
  };
}

// The same jobs through two lists: what touching them costs.
Round BareLoop(uint64_t queues) {
  auto rig = std::make_shared<Rig>(queues);
  return [rig] {
    std::vector<Ref<Job>> jobs;
    for (uint64_t i = 0; i < kJobs; ++i) jobs.push_back(rig->Make(0));
    std::vector<Ref<Job>> ended;
    ended.reserve(kJobs);
    JobList list;
    const hw::Nanos begin = hw::MonotonicNow();
    for (Ref<Job>& job : jobs) list.PushBack(std::move(job));
    while (!list.empty()) ended.push_back(list.PopFront());
    return Rate(kJobs, hw::MonotonicNow() - begin);
  };
}

Round Naive(uint32_t queues, uint32_t waits) {
  auto scheduler = std::make_shared<bench::NaiveScheduler>(queues);
  auto armed = std::make_shared<std::vector<uint64_t>>(queues);
  auto next = std::make_shared<uint32_t>(0);
  return [=] {
    uint64_t done = 0;
    std::vector<std::shared_ptr<bench::NaiveScheduler::Job>> jobs;
    std::vector<std::vector<std::pair<uint32_t, uint64_t>>> waits_of;
    for (uint64_t i = 0; i < kJobs; ++i) {
      auto job = std::make_shared<bench::NaiveScheduler::Job>();
      job->queue = (*next)++ % queues;
      waits_of.emplace_back();
      for (uint32_t k = 1; k <= waits && k < queues; ++k) {
        const uint32_t other = (job->queue + queues - k) % queues;
        if ((*armed)[other] > 0) waits_of.back().emplace_back(other, (*armed)[other]);
      }
      job->seqno = ++(*armed)[job->queue];
      job->on_done = [&done] { ++done; };
      jobs.push_back(std::move(job));
    }
    const hw::Nanos begin = hw::MonotonicNow();
    for (size_t i = 0; i < kJobs; ++i) scheduler->Add(jobs[i], waits_of[i]);
    while (const std::shared_ptr<bench::NaiveScheduler::Job> job = scheduler->NextToRun()) scheduler->Complete(*job);
    const hw::Nanos time = hw::MonotonicNow() - begin;
    return done == kJobs ? Rate(kJobs, time) : 0;
  };
}

// With so many jobs pending: each one that is added lets one run.
Round Pending(uint64_t pending) {
  auto rig = std::make_shared<Rig>(64);
  auto ended = std::make_shared<std::vector<Ref<Job>>>();
  ended->reserve(kJobs + 1);
  for (uint64_t i = 0; i < pending; ++i) rig->scheduler().Add(rig->Make(0), 2);
  return [rig, ended] {
    std::vector<Ref<Job>> jobs;
    for (uint64_t i = 0; i < kJobs; ++i) jobs.push_back(rig->Make(0));
    ended->clear();
    const hw::Nanos begin = hw::MonotonicNow();
    for (Ref<Job>& job : jobs) {
      rig->scheduler().Add(std::move(job), 2);
      rig->RunOne(*ended);
    }
    return Rate(kJobs, hw::MonotonicNow() - begin);
  };
}

// One fence that so many jobs, each of a queue of its own, wait for: wake-ups a second while it is signalled. The
// points waited for come in no order.
Round Waiters(uint64_t waiters) {
  auto rig = std::make_shared<Rig>(waiters + 1);
  auto armed = std::make_shared<uint64_t>(0);
  return [rig, armed, waiters] {
    std::vector<Ref<Job>> ended;
    ended.reserve(2 * waiters);
    const uint64_t first = *armed + 1;
    const Ref<Timeline>& awaited = rig->ref(waiters);
    std::vector<Ref<Job>> jobs;
    constexpr uint64_t kPoints = 16;
    for (uint64_t i = 0; i < kPoints; ++i) {
      auto job = MakeRef<Job>(awaited, absl::MakeConstSpan(&kBatch, 1), std::vector<Wait>());
      job->Arm(++*armed, 1);
      rig->scheduler().Add(std::move(job), 2);
    }
    for (uint64_t i = 0; i < waiters; ++i) {
      std::vector<Wait> waits;
      waits.emplace_back(awaited, first + i * 7 % kPoints);
      auto job = MakeRef<Job>(rig->ref(i), absl::Span<const uint64_t>(), std::move(waits));
      job->Arm(first / kPoints + 1, 1);
      jobs.push_back(std::move(job));
    }
    const hw::Nanos begin = hw::MonotonicNow();
    for (Ref<Job>& job : jobs) rig->scheduler().Add(std::move(job), 2);
    while (rig->RunOne(ended) > 0) {
    }
    const hw::Nanos time = hw::MonotonicNow() - begin;
    return ended.size() == waiters + kPoints ? Rate(waiters, time) : 0;
  };
}

// One thread posts jobs by 64 to the inbox, another runs the scheduler and the device and hands the ended ones back.
Round TwoThreads() {
  auto rig = std::make_shared<Rig>(64);
  return [rig] {
    constexpr uint64_t kMany = 8 * kJobs;
    std::vector<Ref<Job>> jobs;
    for (uint64_t i = 0; i < kMany; ++i) jobs.push_back(rig->Make(0));
    Inbox inbox;
    std::atomic<uint64_t> posted{0};
    std::vector<Ref<Job>> ended;
    ended.reserve(kMany);
    const hw::Nanos begin = hw::MonotonicNow();
    std::thread submitter([&] {
      for (uint64_t at = 0; at < kMany; at += 64) {
        for (uint64_t i = at; i < at + 64; ++i) inbox.Push(jobs[i].release());
        posted.store(at + 64, std::memory_order_release);
      }
    });
    while (ended.size() < kMany) {
      while (ended.size() == posted.load(std::memory_order_acquire)) std::this_thread::yield();
      for (Message* next = inbox.TakeAll(); next != nullptr;) {
        Message* message = std::exchange(next, next->next_message);
        rig->scheduler().Add(Ref<Job>::Adopt(static_cast<Job*>(message)), 2);
      }
      while (rig->RunOne(ended) > 0) {
      }
    }
    const hw::Nanos time = hw::MonotonicNow() - begin;
    submitter.join();
    return Rate(kMany, time);
  };
}

struct Case {
  std::string name;
  Round round;
  std::vector<double> rates = {};
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Rounds of all cases in turns, so that a slow moment of the machine hits them alike. The first case is the floor.
void Compare(const char* title, std::vector<Case> cases) {
  for (int i = 0; i < kRounds; ++i) {
    for (Case& one : cases) one.rates.push_back(one.round());
  }
  const double floor = Median(cases.front().rates);
  std::printf("\n%-44s %12s %10s %16s\n", title, "million/s", "ns each", "to the first");
  for (const Case& one : cases) {
    const double rate = Median(one.rates);
    std::printf("%-44s %12.2f %10.1f %15.2fx\n", one.name.c_str(), rate, 1e3 / rate, rate / floor);
  }
}

}  // namespace

void RunAll() {
  Compare("jobs, 64 queues", {{"bare loop over the same jobs", BareLoop(64)},
                              {"naive: mutex, hash map, callbacks", Naive(64, 0)},
                              {"scheduler", AddToFinished(64, 0)},
                              {"naive, two waits each", Naive(64, 2)},
                              {"scheduler, two waits each", AddToFinished(64, 2)},
                              {"scheduler, submit on another thread", TwoThreads()}});
  std::vector<Case> by_queues;
  std::vector<Case> naive_by_queues;
  for (const uint32_t queues : {1, 64, 1024, 4096, 10'000}) {
    by_queues.push_back({std::to_string(queues) + " queues", AddToFinished(queues, 0)});
    naive_by_queues.push_back({"naive, " + std::to_string(queues) + " queues", Naive(queues, 0)});
  }
  Compare("jobs by queues", std::move(by_queues));
  Compare("jobs by queues, naive", std::move(naive_by_queues));
  std::vector<Case> by_pending;
  for (const uint64_t pending : {10, 1'000, 100'000, 1'000'000}) {
    by_pending.push_back({std::to_string(pending) + " jobs pending", Pending(pending)});
  }
  Compare("jobs by those that are pending", std::move(by_pending));
  std::vector<Case> by_waiters;
  for (const uint64_t waiters : {100, 1'000, 10'000}) {
    by_waiters.push_back({std::to_string(waiters) + " waiters of 16 points", Waiters(waiters)});
  }
  Compare("wake-ups by waiters of one timeline", std::move(by_waiters));
}

}  // namespace xeq::sched

int main() { xeq::sched::RunAll(); }
