// xeqd: settings, then objects from the device outwards, then run until a signal, then drain.
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "hw/clock.h"
#include "hw/device_factory.h"
#include "server/common/random_id.h"
#include "server/config.h"
#include "server/metrics/collector.h"
#include "server/metrics/endpoint.h"
#include "server/metrics/recorder.h"
#include "server/sched/device_loop.h"
#include "server/server.h"
#include "server/session/session_manager.h"
#include "server/version.h"

namespace xeq {
namespace {

// How often leases are looked at.
constexpr hw::Nanos kSweepPeriod = 250 * hw::kNanosPerMilli;

int Fail(const absl::Status& status) {
  spdlog::error("{}", std::string(status.message()));
  return 1;
}

// Blocked before any thread is made, so that all inherit it and only Run takes them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Looks after leases until a signal comes; returns it.
int Run(const sigset_t& signals, session::SessionManager& sessions, sched::DeviceLoop& loop,
        metrics::Recorder& recorder) {
  const timespec period{0, kSweepPeriod};
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &period);
    if (signal > 0) return signal;
    sessions.Sweep(hw::MonotonicNow());
    if (loop.device_lost()) recorder.SetDeviceState(metrics::DeviceState::kLost);
  }
}

int Serve(const Config& config, const sigset_t& signals) {
  absl::StatusOr<std::unique_ptr<hw::Device>> device = hw::OpenDevice(config.device);
  if (!device.ok()) return Fail(device.status());
  absl::StatusOr<uint64_t> instance = RandomId();
  if (!instance.ok()) return Fail(instance.status());
  metrics::Recorder recorder;
  sched::DeviceLoopOptions loop_options;
  loop_options.inbox_capacity = config.inbox_capacity;
  sched::DeviceLoop loop(**device, &recorder, loop_options);
  if (absl::Status status = loop.Start(); !status.ok()) return Fail(status);
  session::SessionManager sessions(loop, recorder, config.sessions);
  std::unique_ptr<metrics::Endpoint> metrics;
  if (config.metrics != "off") {
    auto collector = std::make_shared<metrics::Collector>(recorder, **device, kVersion);
    auto opened = metrics::Endpoint::Open(config.metrics, std::move(collector));
    if (!opened.ok()) return Fail(opened.status());
    metrics = *std::move(opened);
  }
  const hw::DeviceInfo& info = (*device)->info();
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start({sessions, **device, recorder, *instance, kVersion}, config.listen);
  if (!server.ok()) return Fail(server.status());

  spdlog::info("xeqd {} on {} ({}, {}, {} engines)", kVersion, info.name, info.id, info.submission,
               info.engines.size());
  for (const std::string& address : (*server)->addresses()) spdlog::info("API on {}", address);
  if (metrics != nullptr) spdlog::info("metrics on http://{}/metrics", metrics->address());

  const int signal = Run(signals, sessions, loop, recorder);
  spdlog::info("{}: draining", signal == SIGINT ? "SIGINT" : "SIGTERM");
  recorder.SetDeviceState(metrics::DeviceState::kDraining);
  (*server)->Drain(config.drain_timeout_ms);
  loop.Stop();
  spdlog::info("done");
  return 0;
}

}  // namespace
}  // namespace xeq

int main(int argc, char** argv) {
  const xeq::ParsedConfig parsed = xeq::ParseConfig(argc, argv);
  if (parsed.exit) return parsed.exit_status;
  spdlog::set_default_logger(spdlog::stderr_color_mt("xeqd"));
  spdlog::set_level(spdlog::level::from_str(parsed.config.log_level));
  const sigset_t signals = xeq::BlockSignals();
  return xeq::Serve(parsed.config, signals);
}
