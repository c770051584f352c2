#include "tests/bench/put_modes_measure.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "hw/clock.h"
#include "tests/bench/statistics.h"

namespace xeq::bench {
namespace {

// Of the process, or of the calling thread.
struct Usage {
  double cpu_ns = 0;
  double switches = 0;
  hw::Nanos at = 0;
};

Usage UsageOf(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto nanos = [](const timeval& time) {
    return 1e9 * static_cast<double>(time.tv_sec) + 1e3 * static_cast<double>(time.tv_usec);
  };
  return {nanos(usage.ru_utime) + nanos(usage.ru_stime), static_cast<double>(usage.ru_nvcsw + usage.ru_nivcsw),
          hw::MonotonicNow()};
}

// How jobs are submitted: as fast as they go, up to a limit.
struct Load {
  size_t jobs = 0;
  size_t submitters = 1;
  // The limit is kPool jobs whose memory is not back, instead of kWindow that have not ended.
  bool from_pool = false;
};

struct Cost {
  double cpu_ns = 0;
  double switches = 0;
  double million_per_s = 0;
};

// From the first submission until the memory of the last job is back; for each job.
Cost Flood(Rig& rig, size_t queues, const Load& load) {
  std::atomic<uint64_t> submitted{0};
  const auto submit = [&](size_t submitter) {
    current_role = Role::kSubmitter;
    for (size_t i = submitter; i < load.jobs; i += load.submitters) {
      const uint64_t count = submitted.fetch_add(1) + 1;
      if (load.from_pool && count > kPool) rig.WaitForReleased(count - kPool);
      if (!load.from_pool && count > kWindow && count % (kWindow / 2) == 0) rig.WaitForEnded(count - kWindow);
      rig.Submit(i % queues, submitter);
    }
  };
  const Usage before = UsageOf(RUSAGE_SELF);
  std::vector<std::thread> others;
  for (size_t submitter = 1; submitter < load.submitters; ++submitter) others.emplace_back(submit, submitter);
  submit(0);
  for (std::thread& other : others) other.join();
  rig.WaitForReleased(load.jobs);
  const Usage after = UsageOf(RUSAGE_SELF);
  const auto jobs = static_cast<double>(load.jobs);
  return {(after.cpu_ns - before.cpu_ns) / jobs, (after.switches - before.switches) / jobs,
          jobs * 1e3 / static_cast<double>(after.at - before.at)};
}

// What reading the clock adds to a stamped span.
double ClockCost() {
  std::vector<double> spans;
  for (int i = 0; i < 10'000; ++i) {
    const hw::Nanos begin = hw::MonotonicNow();
    spans.push_back(static_cast<double>(hw::MonotonicNow() - begin));
  }
  return Median(spans);
}

}  // namespace

void MeasureCost(const Mode& mode, size_t jobs, Report& report) {
  const std::shared_ptr<Rig> rig = Rig::Make(mode, {});
  const Cost cost = Flood(*rig, mode.queues, {.jobs = jobs});
  rig->Stop();
  report.Add("N1 CPU time per job", "ns", mode, cost.cpu_ns);
  report.Add("N1 throughput", "million jobs/s", mode, cost.million_per_s);
  report.Add("N2 context switches per 1000 jobs", "1", mode, cost.switches * 1e3);
}

void MeasureWaiter(const Mode& mode, size_t jobs, Report& report) {
  const std::shared_ptr<Rig> rig = Rig::Make(mode, {});
  std::vector<double> micros;
  micros.reserve(jobs);
  const Usage before = UsageOf(RUSAGE_SELF);
  for (size_t i = 0; i < jobs; ++i) {
    rig->Submit(i % mode.queues, 0);
    rig->WaitForEnded(i + 1);
    micros.push_back(static_cast<double>(hw::MonotonicNow() - rig->device().completed_at()) / 1e3);
  }
  const Usage after = UsageOf(RUSAGE_SELF);
  rig->Stop();
  report.Add("N3 signal to waiter p50", "us", mode, Quantile(micros, 0.5));
  report.Add("N3 signal to waiter p99", "us", mode, Quantile(micros, 0.99));
  report.Add("N3 signal to waiter p99.9", "us", mode, Quantile(micros, 0.999));
  const auto count = static_cast<double>(jobs);
  report.Add("N3 round trip of one job", "us", mode, static_cast<double>(after.at - before.at) / count / 1e3);
  report.Add("N3 CPU time per job, one at a time", "us", mode, (after.cpu_ns - before.cpu_ns) / count / 1e3);
  report.Add("N3 context switches per job, one at a time", "1", mode, (after.switches - before.switches) / count);
}

void MeasureReleases(const Mode& mode, size_t jobs, Report& report) {
  const std::shared_ptr<Rig> rig = Rig::Make(mode, {.look = Look::kReleases, .jobs = jobs});
  Flood(*rig, mode.queues, {.jobs = jobs});
  rig->Stop();
  const Findings& found = rig->findings();
  const std::vector<double> release_ns = found.release_ns.values();
  const auto share = [&](Role role) {
    return 100 * static_cast<double>(found.released_by[static_cast<size_t>(role)].load()) / static_cast<double>(jobs);
  };
  report.Add("N4 completion to memory returned p50", "us", mode, Quantile(release_ns, 0.5) / 1e3);
  report.Add("N4 completion to memory returned p99", "us", mode, Quantile(release_ns, 0.99) / 1e3);
  report.Add("N4 peak of ended jobs whose memory is not back", "jobs", mode,
             static_cast<double>(found.peak_unreleased.load()));
  report.Add("N4 released by the device thread", "%", mode, share(Role::kDeviceThread));
  report.Add("N4 released by the completion source", "%", mode, share(Role::kCompletionSource));
  report.Add("N4 released by the submitter", "%", mode, share(Role::kSubmitter));
}

void MeasureBatches(const Mode& mode, size_t jobs, Report& report) {
  const std::shared_ptr<Rig> rig = Rig::Make(mode, {.look = Look::kBatches, .jobs = jobs});
  Flood(*rig, mode.queues, {.jobs = jobs});
  rig->Stop();
  const Findings& found = rig->findings();
  const std::vector<double> clock = found.batch_ns.values();
  const std::vector<double> cpu = found.batch_cpu_ns.values();
  report.Add("N5 longest batch of inline releases", "jobs", mode, static_cast<double>(found.batch_max));
  report.Add("N5 most inline releases in one turn", "jobs", mode, static_cast<double>(found.turn_max));
  report.Add("N5 CPU time per inline release", "ns", mode,
             std::accumulate(cpu.begin(), cpu.end(), 0.0) / static_cast<double>(jobs));
  report.Add("N5 longest batch by the thread's own time", "us", mode, Quantile(cpu, 1) / 1e3);
  report.Add("N5 batch by the clock p99", "us", mode, Quantile(clock, 0.99) / 1e3);
  report.Add("N5 longest batch by the clock", "us", mode, Quantile(clock, 1) / 1e3);
}

void MeasureIdle(Mode mode, Report& report) {
  constexpr size_t kClients = 16;
  constexpr size_t kFrames = 60;
  constexpr auto kFrame = std::chrono::nanoseconds(16'666'667);
  mode.queues = kClients;
  const std::shared_ptr<Rig> rig = Rig::Make(mode, {.submitters = kClients});
  // Clients are not in step with each other.
  const auto begin = std::chrono::steady_clock::now() + 2 * kFrame;
  std::vector<Usage> own(kClients);
  std::vector<std::thread> clients;
  const Usage before = UsageOf(RUSAGE_SELF);
  for (size_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      auto next = begin + client * kFrame / kClients;
      for (size_t frame = 0; frame < kFrames; ++frame, next += kFrame) {
        std::this_thread::sleep_until(next);
        rig->Submit(client, client);
      }
      own[client] = UsageOf(RUSAGE_THREAD);
    });
  }
  for (std::thread& client : clients) client.join();
  rig->WaitForReleased(kClients * kFrames);
  const Usage after = UsageOf(RUSAGE_SELF);
  rig->Stop();
  double clients_switches = 0;
  for (const Usage& usage : own) clients_switches += usage.switches;
  const double seconds = static_cast<double>(after.at - before.at) / 1e9;
  const double all = after.switches - before.switches;
  report.Add("N6 switches per second of the loop and the device", "1/s", mode, (all - clients_switches) / seconds);
  report.Add("N6 switches per second of the clients", "1/s", mode, clients_switches / seconds);
  report.Add("N6 CPU time per second, everything", "ms", mode, (after.cpu_ns - before.cpu_ns) / seconds / 1e6);
}

void MeasurePool(const Mode& mode, size_t jobs, Report& report) {
  const std::shared_ptr<Rig> rig = Rig::Make(mode, {});
  const Cost cost = Flood(*rig, mode.queues, {.jobs = jobs, .from_pool = true});
  rig->Stop();
  report.Add("N7 throughput with memory for 64 jobs", "million jobs/s", mode, cost.million_per_s);
  report.Add("N7 CPU time per job", "ns", mode, cost.cpu_ns);
  report.Add("N7 context switches per 1000 jobs", "1", mode, cost.switches * 1e3);
}

void MeasureAllocator(const Mode& mode, size_t jobs, Report& report) {
  // Two submitters on one queue would measure the lock that orders its points.
  if (mode.queues < 2) return;
  const double clock_ns = ClockCost();
  for (const FreeAt free_at : {FreeAt::kWhereReleased, FreeAt::kHome}) {
    const std::string where = free_at == FreeAt::kHome ? ", freed where taken" : ", freed where released";
    const Load load = {.jobs = jobs, .submitters = 2};
    {
      const std::shared_ptr<Rig> rig = Rig::Make(mode, {.free_at = free_at, .submitters = 2});
      const Cost cost = Flood(*rig, mode.queues, load);
      rig->Stop();
      report.Add("N8 CPU time per job" + where, "ns", mode, cost.cpu_ns);
      report.Add("N8 throughput" + where, "million jobs/s", mode, cost.million_per_s);
    }
    const std::shared_ptr<Rig> rig =
        Rig::Make(mode, {.look = Look::kAllocator, .free_at = free_at, .jobs = jobs, .submitters = 2});
    Flood(*rig, mode.queues, load);
    rig->Stop();
    const std::vector<double> frees = rig->findings().free_ns.values();
    const std::vector<double> takes = rig->findings().take_ns.values();
    report.Add("N8 one free p50" + where, "ns", mode, Quantile(frees, 0.5) - clock_ns);
    report.Add("N8 one free p99" + where, "ns", mode, Quantile(frees, 0.99) - clock_ns);
    report.Add("N8 one allocation p50" + where, "ns", mode, Quantile(takes, 0.5) - clock_ns);
    report.Add("N8 one allocation p99" + where, "ns", mode, Quantile(takes, 0.99) - clock_ns);
  }
}

}  // namespace xeq::bench
