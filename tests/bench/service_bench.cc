// What Submit costs over an empty unary gRPC call with the same messages: xeqd and a server that only answers, each in
// its own process, measured in turns from this one. Jobs that are held back never reach an engine: what is left is the
// call and the way to the device thread. With --only, one kind of call alone, for profilers of the server.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/affinity.h"
#include "tests/bench/call_client.h"
#include "tests/bench/floor_server.h"
#include "tests/bench/server_process.h"
#include "tests/bench/statistics.h"

namespace xeq::bench {
namespace {

struct Options {
  std::string serve_floor;
  std::string only;
  size_t calls = 2000;
  size_t outstanding = 1;
  size_t rounds = 12;
  bool pinned = false;
  std::string xeqd = XEQ_BENCH_XEQD;
  std::string wrap;
};

// Where the servers listen.
class SocketFolder {
 public:
  SocketFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "xeq_bench.XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) Require(absl::InternalError("cannot be made"), path.c_str());
    path_ = path;
  }
  ~SocketFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string Address(const std::string& name) const { return "unix:" + path_ + "/" + name; }

 private:
  std::string path_;
};

std::vector<std::string> XeqdCommand(const Options& options, const std::string& address) {
  return {options.xeqd, "--listen=" + address, "--metrics=off", "--log-level=error"};
}
std::vector<std::string> FloorCommand(const std::string& address) {
  return {std::filesystem::read_symlink("/proc/self/exe").string(), "--serve-floor=" + address};
}

// ---- One kind of call.

int RunOnly(const Options& options) {
  if (options.pinned) SetCpus(0, OneOf(CurrentCpus()));
  const SocketFolder folder;
  const std::string address = folder.Address("only.sock");
  const bool floor = options.only == "empty";
  ServerProcess server(options.wrap, floor ? FloorCommand(address) : XeqdCommand(options, address));
  {
    std::optional<SubmitTarget> target;
    if (!floor) target.emplace(address);
    if (options.only == "held") target->Hold();
    CallClient client(address, floor ? nullptr : &*target);
    if (options.outstanding > 1) {
      std::printf("%s: %.0f calls/s\n", options.only.c_str(), client.Rate(options.calls, options.outstanding));
    } else {
      const bool fence = options.only == "fence";
      const std::vector<double> micros = fence ? client.CallsToFence(options.calls) : client.Calls(options.calls);
      std::printf("%s: p50 %.1f us, p99 %.1f us\n", options.only.c_str(), Median(micros), Quantile(micros, 0.99));
    }
    if (options.only == "held") target->Release();
  }
  return 0;
}

// ---- All of them in turns.

// Of one kind of call, one number for each round.
struct Series {
  std::vector<double> p50;
  std::vector<double> p99;
};

void Add(Series& series, const std::vector<double>& micros) {
  series.p50.push_back(Median(micros));
  series.p99.push_back(Quantile(micros, 0.99));
}

// Round by round: a round's neighbours had the same to share the machine with.
double MedianRatio(const std::vector<double>& over, const std::vector<double>& floor) {
  std::vector<double> ratios;
  for (size_t i = 0; i < over.size(); ++i) ratios.push_back(over[i] / floor[i]);
  return Median(ratios);
}

double Best(const std::vector<double>& micros) { return *std::min_element(micros.begin(), micros.end()); }

void PrintLatency(const char* name, const Series& series, const Series& floor) {
  std::printf("%-24s %10.1f %10.1f %10.1f %12.2f %12.2f %12.2f\n", name, Best(series.p50), Median(series.p50),
              Median(series.p99), Best(series.p50) / Best(floor.p50), MedianRatio(series.p50, floor.p50),
              MedianRatio(series.p99, floor.p99));
}

// The processes and connections of one run.
struct Bench {
  explicit Bench(const Options& options_in)
      : options(options_in),
        xeqd_address(folder.Address("xeqd.sock")),
        floor_address(folder.Address("floor.sock")),
        xeqd("", XeqdCommand(options, xeqd_address)),
        floor_server("", FloorCommand(floor_address)) {}

  const Options& options;
  const SocketFolder folder;
  const std::string xeqd_address;
  const std::string floor_address;
  ServerProcess xeqd;
  ServerProcess floor_server;
  // A session for each kind of call; only one has a watch.
  SubmitTarget target{xeqd_address};
  SubmitTarget held_back{xeqd_address};
  SubmitTarget watched{xeqd_address};
  CallClient floor{floor_address, nullptr};
  CallClient submit{xeqd_address, &target};
  CallClient held{xeqd_address, &held_back};
  CallClient fence{xeqd_address, &watched};
};

void MeasureLatency(Bench& bench, size_t rounds) {
  Series empty, held, submit, fence;
  OthersMeter others({bench.xeqd.pid(), bench.floor_server.pid()});
  for (size_t round = 0; round < rounds; ++round) {
    Add(empty, bench.floor.Calls(bench.options.calls));
    bench.held_back.Hold();
    Add(held, bench.held.Calls(bench.options.calls));
    bench.held_back.Release();
    Add(submit, bench.submit.Calls(bench.options.calls));
    Add(fence, bench.fence.CallsToFence(bench.options.calls / 2));
  }
  std::printf("one call at a time; %zu rounds of %zu calls; others used %.1f cores\n", rounds, bench.options.calls,
              others.CoresSinceLast());
  std::printf("%-24s %10s %10s %10s %12s %12s %12s\n", "", "best p50", "median p50", "p99 us", "x best p50", "x p50",
              "x p99");
  PrintLatency("empty call (the floor)", empty, empty);
  PrintLatency("Submit, job held back", held, empty);
  PrintLatency("Submit", submit, empty);
  PrintLatency("Submit to fence seen", fence, empty);
}

void MeasureRates(Bench& bench, size_t rounds) {
  constexpr std::array<size_t, 2> kOutstanding = {16, 64};
  for (const size_t outstanding : kOutstanding) {
    std::vector<double> empty, submit;
    OthersMeter others({bench.xeqd.pid(), bench.floor_server.pid()});
    for (size_t round = 0; round < rounds; ++round) {
      empty.push_back(bench.floor.Rate(2 * bench.options.calls, outstanding));
      submit.push_back(bench.submit.Rate(2 * bench.options.calls, outstanding));
    }
    std::printf(
        "%2zu outstanding: empty %.0f calls/s, Submit %.0f calls/s, best of %zu: x %.2f; median of rounds x %.2f;"
        " others used %.1f cores\n",
        outstanding, *std::max_element(empty.begin(), empty.end()), *std::max_element(submit.begin(), submit.end()),
        rounds, *std::max_element(submit.begin(), submit.end()) / *std::max_element(empty.begin(), empty.end()),
        MedianRatio(submit, empty), others.CoresSinceLast());
  }
}

void SetAllCpus(const Bench& bench, const cpu_set_t& cpus) {
  for (const pid_t pid : {pid_t{0}, bench.xeqd.pid(), bench.floor_server.pid()}) SetCpus(pid, cpus);
}

int RunAll(const Options& options) {
  const cpu_set_t cpus = CurrentCpus();
  Bench bench(options);
  std::printf("== pinned: both servers and the client on one core\n");
  SetAllCpus(bench, OneOf(cpus));
  // Everything is touched once before it counts.
  bench.floor.Calls(options.calls);
  bench.submit.Calls(options.calls);
  bench.fence.CallsToFence(options.calls / 2);
  MeasureLatency(bench, options.rounds);
  MeasureRates(bench, options.rounds / 2 + 1);
  std::printf("== %d cores, as information\n", CPU_COUNT(&cpus));
  SetAllCpus(bench, cpus);
  MeasureLatency(bench, options.rounds / 2 + 1);
  MeasureRates(bench, options.rounds / 2 + 1);
  return 0;
}

}  // namespace
}  // namespace xeq::bench

int main(int argc, char** argv) {
  xeq::bench::Options options;
  CLI::App app("Measures Submit next to an empty unary call.", "bench_service");
  app.add_option("--only", options.only, "One kind of call alone: its server is started, called and ended")
      ->check(CLI::IsMember({"empty", "held", "submit", "fence"}));
  app.add_option("--calls", options.calls, "Calls of a round, or with --only in all")->check(CLI::Range(1, 10'000'000));
  app.add_option("--rounds", options.rounds, "Rounds, in each of which all kinds have their turn")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--outstanding", options.outstanding, "With --only: calls under way at one time")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--pinned", options.pinned, "With --only: server and client on one core");
  app.add_option("--xeqd", options.xeqd, "The service's program");
  app.add_option("--wrap", options.wrap, "With --only: words before the server's command, such as \"strace -f -c\"");
  app.add_option("--serve-floor", options.serve_floor, "Be the floor's server, on this address");
  CLI11_PARSE(app, argc, argv);
  if (!options.serve_floor.empty()) return xeq::bench::ServeFloor(options.serve_floor);
  return options.only.empty() ? xeq::bench::RunAll(options) : xeq::bench::RunOnly(options);
}
