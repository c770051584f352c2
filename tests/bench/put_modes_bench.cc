// When a job's memory goes back: in the completion path, or later on another thread. And who hands a job to the device:
// the thread that submits it, or another. Measures both on the production loop, in all four combinations.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/put_modes_rig.h"
#include "tests/bench/statistics.h"

namespace xeq::bench {
namespace {

struct Options {
  size_t jobs = 200'000;
  size_t rounds = 3;
  std::vector<size_t> queues = {1, 8, 64, 512, 4096};
  std::string csv;
};

struct Usage {
  double cpu_ns = 0;
  double switches = 0;
  hw::Nanos at = 0;
};

Usage Now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto nanos = [](const timeval& time) { return 1e9 * static_cast<double>(time.tv_sec) + 1e3 * time.tv_usec; };
  return {nanos(usage.ru_utime) + nanos(usage.ru_stime), static_cast<double>(usage.ru_nvcsw + usage.ru_nivcsw),
          hw::MonotonicNow()};
}

class Report {
 public:
  explicit Report(const std::string& path) : file_(path.empty() ? nullptr : std::fopen(path.c_str(), "w")) {
    if (file_ != nullptr) std::fprintf(file_, "metric,put_mode,bypass,queues,value,unit\n");
  }
  ~Report() {
    if (file_ != nullptr) std::fclose(file_);
  }
  // The median of the rounds.
  void Add(const char* metric, const Mode& mode, const std::vector<double>& rounds, const char* unit) {
    const char* put = mode.put_mode == sched::PutMode::kInline ? "inline" : "deferred";
    const char* bypass = mode.bypass ? "on" : "off";
    const double value = Median(rounds);
    std::printf("%-34s put %-8s bypass %-3s %5zu queues %14.3f %s\n", metric, put, bypass, mode.queues, value, unit);
    if (file_ != nullptr) {
      std::fprintf(file_, "%s,%s,%s,%zu,%.3f,%s\n", metric, put, bypass, mode.queues, value, unit);
    }
  }

 private:
  std::FILE* const file_;
};

// All jobs as fast as they go, at most `window` not ended (or, with `by_memory`, not released) at one time.
struct Flood {
  double cpu_ns = 0;
  double switches = 0;
  double jobs_per_s = 0;
  double release_p50_us = 0;
  double release_p99_us = 0;
  double peak_unreleased = 0;
  double batch = 0;
  double batch_us = 0;
  double foreign_share = 0;
};

Flood MeasureFlood(const Mode& mode, size_t jobs, size_t window, bool by_memory, size_t threads) {
  JobStamps stamps(jobs);
  const std::shared_ptr<Rig> rig = Rig::Make(mode, stamps);
  const Usage before = Now();
  std::atomic<uint64_t> submitted{0};
  const auto submit = [&](size_t thread) {
    // Each thread has queues of its own.
    for (size_t i = thread; i < jobs; i += threads) {
      rig->Submit(i % mode.queues);
      const uint64_t count = submitted.fetch_add(1) + 1;
      if (count <= window) continue;
      if (by_memory) {
        rig->WaitForReleased(count - window);
      } else if (count % (window / 2) == 0) {
        rig->WaitForEnded(count - window);
      }
    }
  };
  std::vector<std::thread> others;
  for (size_t thread = 1; thread < threads; ++thread) others.emplace_back(submit, thread);
  submit(0);
  for (std::thread& other : others) other.join();
  rig->WaitForEnded(jobs);
  rig->WaitForReleased(jobs);
  const Usage after = Now();
  rig->Stop();
  const auto count = static_cast<double>(jobs);
  std::vector<double> release(stamps.release_ns.begin(), stamps.release_ns.end());
  return {(after.cpu_ns - before.cpu_ns) / count,
          (after.switches - before.switches) / count,
          count / (static_cast<double>(after.at - before.at) / 1e9),
          Quantile(release, 0.5) / 1e3,
          Quantile(release, 0.99) / 1e3,
          static_cast<double>(stamps.peak_unreleased.load()),
          static_cast<double>(stamps.longest_batch.load()),
          static_cast<double>(stamps.longest_batch_ns.load()) / 1e3,
          static_cast<double>(stamps.released_elsewhere.load()) / count};
}

// One job at a time: from just before the completions are handed over until the submitter is awake again.
std::vector<double> MeasureWakes(const Mode& mode, size_t jobs) {
  JobStamps stamps(jobs);
  const std::shared_ptr<Rig> rig = Rig::Make(mode, stamps);
  std::vector<double> micros;
  micros.reserve(jobs);
  for (size_t i = 0; i < jobs; ++i) {
    rig->Submit(i % mode.queues);
    rig->WaitForEnded(i + 1);
    micros.push_back(static_cast<double>(hw::MonotonicNow() - rig->device().completed_at()) / 1e3);
  }
  rig->Stop();
  return micros;
}

// 16 clients with a job each, 60 times a second.
double MeasureIdleSwitches(Mode mode) {
  constexpr size_t kClients = 16;
  constexpr size_t kFrames = 60;
  mode.queues = kClients;
  JobStamps stamps(kClients * kFrames);
  const std::shared_ptr<Rig> rig = Rig::Make(mode, stamps);
  const Usage before = Now();
  auto next = std::chrono::steady_clock::now();
  for (size_t frame = 0; frame < kFrames; ++frame) {
    for (size_t client = 0; client < kClients; ++client) rig->Submit(client);
    std::this_thread::sleep_until(next += std::chrono::microseconds(16'667));
  }
  const Usage after = Now();
  rig->Stop();
  return (after.switches - before.switches) / (static_cast<double>(after.at - before.at) / 1e9);
}

void MeasureMode(const Mode& mode, const Options& options, Report& report) {
  std::vector<double> cpu, switches, rate, p50, p99, peak, batch, batch_us;
  std::vector<double> wake50, wake99, wake999, pool, foreign, two_cpu;
  for (size_t round = 0; round < options.rounds; ++round) {
    const Flood flood = MeasureFlood(mode, options.jobs, 4096, /*by_memory=*/false, 1);
    cpu.push_back(flood.cpu_ns);
    switches.push_back(flood.switches);
    rate.push_back(flood.jobs_per_s / 1e6);
    p50.push_back(flood.release_p50_us);
    p99.push_back(flood.release_p99_us);
    peak.push_back(flood.peak_unreleased);
    batch.push_back(flood.batch);
    batch_us.push_back(flood.batch_us);
    const std::vector<double> wakes = MeasureWakes(mode, options.jobs / 20);
    wake50.push_back(Quantile(wakes, 0.5));
    wake99.push_back(Quantile(wakes, 0.99));
    wake999.push_back(Quantile(wakes, 0.999));
    pool.push_back(MeasureFlood(mode, options.jobs / 4, 64, /*by_memory=*/true, 1).jobs_per_s / 1e6);
    if (mode.queues < 2) continue;
    const Flood two = MeasureFlood(mode, options.jobs, 4096, /*by_memory=*/false, 2);
    foreign.push_back(two.foreign_share);
    two_cpu.push_back(two.cpu_ns);
  }
  report.Add("N1 cpu per job", mode, cpu, "ns");
  report.Add("N2 context switches per job", mode, switches, "1");
  report.Add("N3 signal to waiter p50", mode, wake50, "us");
  report.Add("N3 signal to waiter p99", mode, wake99, "us");
  report.Add("N3 signal to waiter p99.9", mode, wake999, "us");
  report.Add("N4 completion to release p50", mode, p50, "us");
  report.Add("N4 completion to release p99", mode, p99, "us");
  report.Add("N4 peak unreleased jobs", mode, peak, "1");
  if (mode.put_mode == sched::PutMode::kInline) {
    report.Add("N5 longest batch of releases", mode, batch, "1");
    report.Add("N5 longest batch of releases", mode, batch_us, "us");
  }
  report.Add("N7 rate with 64 jobs of memory", mode, pool, "M/s");
  if (!foreign.empty()) {
    report.Add("N8 released by a foreign thread", mode, foreign, "1");
    report.Add("N8 cpu per job with 2 submitters", mode, two_cpu, "ns");
  }
  report.Add("rate", mode, rate, "M/s");
}

}  // namespace
}  // namespace xeq::bench

int main(int argc, char** argv) {
  xeq::bench::Options options;
  CLI::App app("Measures put modes and the bypass.", "bench_put_modes");
  app.add_option("--jobs", options.jobs, "Of one measurement")->check(CLI::Range(10'000, 10'000'000));
  app.add_option("--rounds", options.rounds, "Of which the median is told")->check(CLI::Range(1, 100));
  app.add_option("--queues", options.queues, "How many")->check(CLI::Range(1, 100'000));
  app.add_option("--csv", options.csv, "Write every value to this file");
  CLI11_PARSE(app, argc, argv);
  xeq::bench::Report report(options.csv);
  for (const auto put_mode : {xeq::sched::PutMode::kInline, xeq::sched::PutMode::kDeferred}) {
    for (const bool bypass : {true, false}) {
      for (const size_t queues : options.queues) xeq::bench::MeasureMode({put_mode, bypass, queues}, options, report);
      std::vector<double> idle;
      for (size_t round = 0; round < options.rounds; ++round) {
        idle.push_back(xeq::bench::MeasureIdleSwitches({put_mode, bypass, 16}));
      }
      report.Add("N6 switches per s of 16 x 60 Hz", {put_mode, bypass, 16}, idle, "1/s");
    }
  }
  return 0;
}
