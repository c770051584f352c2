// xeqctl demo: a real file through the GPU and back, checked and timed.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/xeqctl/command.h"
#include "client/xeqctl/demo_graph.h"
#include "client/xeqctl/demo_input.h"

namespace xeq::ctl {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }
double PerSecond(uint64_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) / seconds / 1e9 : 0;
}

// On a terminal; silent elsewhere and with --json.
class Bar {
 public:
  explicit Bar(const Global& global) : shown_(!global.json && isatty(STDERR_FILENO) == 1) {}
  void Show(const char* what, uint64_t done, uint64_t total) {
    constexpr int kWidth = 40;
    const int percent =
        total == 0 ? 100 : static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
    if (!shown_ || (percent == percent_ && what == what_)) return;
    percent_ = percent;
    what_ = what;
    const std::string filled(static_cast<size_t>(percent * kWidth / 100), '#');
    std::fprintf(stderr, "\r%-9s [%-40s] %3d%%", what, filled.c_str(), percent);
    if (done >= total) std::fprintf(stderr, "\r%*s\r", kWidth + 20, "");
  }

 private:
  const bool shown_;
  int percent_ = -1;
  const char* what_ = nullptr;
};

struct Stage {
  const char* name;
  uint64_t JobTimes::*time;
};
constexpr Stage kStages[] = {{"dependency wait", &JobTimes::dependency_wait_ns},
                             {"queue wait", &JobTimes::queue_wait_ns},
                             {"gpu start delay", &JobTimes::gpu_start_delay_ns},
                             {"execution", &JobTimes::execution_ns},
                             {"signal", &JobTimes::signal_ns},
                             {"notify", &JobTimes::notify_ns}};

uint64_t Percentile(std::vector<uint64_t> values, double part) {
  if (values.empty()) return 0;
  const size_t index = std::min(values.size() - 1, static_cast<size_t>(part * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(index), values.end());
  return values[index];
}

// What was seen, for the table.
struct Report {
  std::string origin;
  uint64_t bytes = 0;
  uint64_t jobs = 0;
  double upload_s = 0;
  double run_s = 0;
  double download_s = 0;
  std::string sha256_in;
  std::string sha256_out;
  std::vector<JobTimes> times;
};

void Print(const Report& report) {
  std::printf("input     %" PRIu64 " bytes, %s\n", report.bytes, report.origin.c_str());
  std::printf("sha256    %s\n", report.sha256_in.c_str());
  std::printf("          %s  %s\n", report.sha256_out.c_str(),
              report.sha256_in == report.sha256_out ? "same" : "DIFFERENT");
  std::printf("%-10s %8s %12s %10s %8s\n", "", "jobs", "bytes", "seconds", "GB/s");
  const auto row = [](const char* name, uint64_t jobs, uint64_t bytes, double seconds) {
    std::printf("%-10s %8" PRIu64 " %12" PRIu64 " %10.3f %8.2f\n", name, jobs, bytes, seconds,
                PerSecond(bytes, seconds));
  };
  row("upload", 0, report.bytes, report.upload_s);
  // The chunks are copied once, and gathered once.
  row("jobs", report.jobs, 2 * report.bytes, report.run_s);
  row("download", 0, report.bytes, report.download_s);
  std::printf("%-16s %12s %12s   us, of %zu jobs\n", "stage", "p50", "p99", report.times.size());
  for (const Stage& stage : kStages) {
    std::vector<uint64_t> values;
    for (const JobTimes& times : report.times) values.push_back(times.*stage.time);
    std::printf("%-16s %12.1f %12.1f\n", stage.name, static_cast<double>(Percentile(values, 0.5)) / 1e3,
                static_cast<double>(Percentile(values, 0.99)) / 1e3);
  }
}

void PrintJson(const Report& report) {
  nlohmann::json out = {{"input", report.origin},
                        {"bytes", report.bytes},
                        {"jobs", report.jobs},
                        {"sha256_in", report.sha256_in},
                        {"sha256_out", report.sha256_out},
                        {"upload_seconds", report.upload_s},
                        {"run_seconds", report.run_s},
                        {"download_seconds", report.download_s}};
  for (const Stage& stage : kStages) {
    std::vector<uint64_t> values;
    for (const JobTimes& times : report.times) values.push_back(times.*stage.time);
    out["stages"][stage.name] = {{"p50_ns", Percentile(values, 0.5)}, {"p99_ns", Percentile(values, 0.99)}};
  }
  std::printf("%s\n", out.dump(2).c_str());
}

// Follows the session's fences until all jobs have ended. The first failure is the answer.
absl::Status FollowJobs(Watch& watch, const DemoGraph& graph, const Fence& last, Bar& bar, Report& report) {
  while (report.times.size() < graph.jobs()) {
    absl::StatusOr<FenceEvent> event = watch.Next();
    if (!event.ok()) return event.status();
    if (!event->status.error.ok()) return event->status.error;
    if (event->status.fence.context == graph.bind_context()) continue;
    report.times.push_back(event->times);
    bar.Show("jobs", report.times.size(), graph.jobs());
    if (event->status.fence == last) break;
  }
  return absl::OkStatus();
}

// 0 or kExitFailed, having said what differs.
int Compare(absl::Span<const std::byte> sent, absl::Span<const std::byte> got, const DemoCounts& counts,
            const DemoCounts& expected) {
  const auto [at, other] = std::mismatch(sent.begin(), sent.end(), got.begin());
  if (at != sent.end()) {
    const auto offset = static_cast<uint64_t>(at - sent.begin());
    std::fprintf(stderr, "xeqctl: the byte at 0x%" PRIx64 " is 0x%02x, sent was 0x%02x\n", offset,
                 std::to_integer<unsigned>(*other), std::to_integer<unsigned>(*at));
    return kExitFailed;
  }
  if (counts.chunks != expected.chunks || counts.sum != expected.sum || counts.video_done != expected.video_done) {
    std::fprintf(stderr,
                 "xeqctl: the GPU counted %u chunks with the sum %" PRIu64
                 " and %u video jobs, expected were %u, %" PRIu64 " and %u\n",
                 counts.chunks, counts.sum, counts.video_done, expected.chunks, expected.sum, expected.video_done);
    return kExitFailed;
  }
  return kExitOk;
}

absl::StatusOr<int> Run(const Global& global, const DemoInput& input, Report& report) {
  Bar bar(global);
  absl::StatusOr<Client> client = Connect(global);
  if (!client.ok()) return client.status();
  absl::StatusOr<DeviceInfo> device = client->GetDevice();
  if (!device.ok()) return device.status();
  absl::StatusOr<Session> session = client->OpenSession();
  if (!session.ok()) return session.status();
  absl::StatusOr<std::unique_ptr<DemoGraph>> made = DemoGraph::Create(*session, input.data.size());
  if (!made.ok()) return made.status();
  DemoGraph& graph = **made;

  Clock::time_point begin = Clock::now();
  absl::Status status = graph.input().Write(0, absl::MakeConstSpan(input.data),
                                            [&](uint64_t done, uint64_t total) { bar.Show("upload", done, total); });
  if (!status.ok()) return status;
  report.upload_s = SecondsSince(begin);

  absl::StatusOr<Watch> watch = session->WatchFences();
  if (!watch.ok()) return watch.status();
  begin = Clock::now();
  absl::StatusOr<Fence> last = graph.Submit(*session, device->jobs_per_submit_max);
  if (!last.ok()) return last.status();
  status = FollowJobs(*watch, graph, *last, bar, report);
  if (!status.ok()) return status;
  report.run_s = SecondsSince(begin);
  report.jobs = graph.jobs();

  begin = Clock::now();
  std::vector<std::byte> got(input.data.size());
  status = graph.output().Read(0, absl::MakeSpan(got),
                               [&](uint64_t done, uint64_t total) { bar.Show("download", done, total); });
  if (!status.ok()) return status;
  report.download_s = SecondsSince(begin);
  absl::StatusOr<DemoCounts> counts = graph.ReadCounts();
  if (!counts.ok()) return counts.status();
  report.sha256_out = Sha256(got);
  return Compare(input.data, got, *counts, graph.ExpectedCounts());
}

}  // namespace

int RunDemo(const Global& global, const DemoOptions& options) {
  absl::StatusOr<DemoInput> input = ReadDemoInput(options);
  if (!input.ok()) return Fail(global, input.status());
  Report report;
  report.origin = input->origin;
  report.bytes = input->data.size();
  report.sha256_in = Sha256(input->data);
  absl::StatusOr<int> result = Run(global, *input, report);
  if (!result.ok()) return Fail(global, result.status());
  if (global.json) {
    PrintJson(report);
  } else {
    Print(report);
  }
  return report.sha256_in == report.sha256_out ? *result : kExitFailed;
}

}  // namespace xeq::ctl
