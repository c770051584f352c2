// When a job's memory goes back: in the completion path, or later on another thread. And who hands a job to the device:
// the thread that submits it, or another. Measures both on the production loop, in all four combinations.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/bench/affinity.h"
#include "tests/bench/put_modes_measure.h"
#include "tests/bench/put_modes_report.h"

namespace xeq::bench {
namespace {

struct Options {
  size_t jobs = 200'000;
  size_t rounds = 5;
  std::vector<size_t> queues = {1, 8, 64, 512, 4096};
  std::string csv;
  bool pinned = false;
};

void MeasureMode(const Mode& mode, const Options& options, Report& report) {
  MeasureCost(mode, options.jobs, report);
  MeasureWaiter(mode, options.jobs / 20, report);
  MeasureReleases(mode, options.jobs, report);
  if (mode.put_mode == sched::PutMode::kInline) MeasureBatches(mode, options.jobs, report);
  MeasurePool(mode, options.jobs / 4, report);
  MeasureAllocator(mode, options.jobs, report);
}

// Rounds are outermost, so that what disturbs the machine for a while disturbs every mode.
void MeasureAll(const Options& options, Report& report) {
  for (size_t round = 1; round <= options.rounds; ++round) {
    std::fprintf(stderr, "round %zu of %zu\n", round, options.rounds);
    for (const auto put_mode : {sched::PutMode::kInline, sched::PutMode::kDeferred}) {
      for (const bool bypass : {true, false}) {
        for (const size_t queues : options.queues) MeasureMode({put_mode, bypass, queues}, options, report);
        MeasureIdle({put_mode, bypass}, report);
      }
    }
  }
}

}  // namespace
}  // namespace xeq::bench

int main(int argc, char** argv) {
  xeq::bench::Options options;
  CLI::App app("Measures put modes and the bypass.", "bench_put_modes");
  app.add_option("--jobs", options.jobs, "Of one measurement")->check(CLI::Range(10'000, 10'000'000));
  app.add_option("--rounds", options.rounds, "Of which the median is told")->check(CLI::Range(1, 100));
  app.add_option("--queues", options.queues, "How many, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000));
  app.add_option("--csv", options.csv, "Write every value to this file");
  app.add_flag("--pinned", options.pinned, "All threads on one processor");
  CLI11_PARSE(app, argc, argv);
  if (options.pinned) xeq::bench::SetCpus(0, xeq::bench::OneOf(xeq::bench::CurrentCpus()));
  xeq::bench::Report report;
  xeq::bench::MeasureAll(options, report);
  report.Print();
  if (!options.csv.empty() && !report.WriteCsv(options.csv)) {
    std::fprintf(stderr, "bench_put_modes: cannot write %s\n", options.csv.c_str());
    return 1;
  }
  return 0;
}
