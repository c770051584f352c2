#include "server/config.h"

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "server/version.h"

namespace xeq {
namespace {

constexpr uint32_t kCountMax = 1 << 20;
constexpr uint32_t kDrainTimeoutMsMax = 600'000;

void AddLimits(CLI::App& app, session::ManagerOptions& options) {
  constexpr char kGroup[] = "Limits";
  const auto add = [&](const std::string& flag, uint32_t& value, const std::string& help) {
    app.add_option(flag, value, help)->group(kGroup)->capture_default_str()->check(CLI::Range(1u, kCountMax));
  };
  session::SessionLimits& limits = options.limits;
  add("--sessions-max", options.sessions_max, "Open sessions");
  add("--vms-max", limits.vms_max, "VMs of a session");
  add("--buffers-max", limits.buffers_max, "Buffers of a session");
  add("--queues-max", limits.queues_max, "Queues of a session");
  add("--jobs-in-flight-max", limits.jobs_in_flight_max, "Jobs and binds of a session that have not ended");
  add("--waiters-max", limits.waiters_max, "WaitFences and WaitSyncobjs calls of a session at one time");
  add("--watches-max", limits.watches_max, "WatchFences streams of a session");
  add("--events-kept-max", limits.events_kept_max, "Events of a session that a watch can come back to");
  add("--syncobjs-max", limits.syncobjs_max, "Syncobjs of a session");
  add("--syncobj-payloads-max", limits.syncobj_payloads_max, "What the syncobjs of a session hold, points included");
  app.add_option("--priority-max", limits.priority_max, "Highest priority of a session's queues")
      ->group(kGroup)
      ->transform(CLI::CheckedTransformer(std::map<std::string, hw::Priority>{
          {"low", hw::Priority::kLow}, {"normal", hw::Priority::kNormal}, {"high", hw::Priority::kHigh}}))
      ->default_str("high");
  app.add_option("--buffer-bytes-max", limits.buffer_bytes_max, "Bytes of all buffers of a session")
      ->group(kGroup)
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{4096}, uint64_t{1} << 48));
}

}  // namespace

ParsedConfig ParseConfig(int argc, const char* const* argv) {
  ParsedConfig parsed;
  Config& config = parsed.config;
  CLI::App app("Owns a GPU and lets many clients share it, over gRPC.", "xeqd");
  app.set_version_flag("--version", kVersion);
  app.set_config("--config", "", "Read settings from a TOML or INI file");
  app.add_option("--device", config.device,
                 "The device: model, model:PROFILE.json, vfio:0000:03:00.0, drm:/dev/dri/renderD128")
      ->capture_default_str();
  app.add_option("--listen", config.listen, "Where the API is served: HOST:PORT (port 0: any) or unix:PATH; repeatable")
      ->capture_default_str();
  app.add_option("--metrics", config.metrics, "Where /metrics is served: HOST:PORT (port 0: any), or off")
      ->capture_default_str();
  app.add_option("--inbox-capacity", config.inbox_capacity, "Jobs on their way to the device thread")
      ->capture_default_str()
      ->check(CLI::Range(1u, kInboxCapacityMax));
  app.add_option("--drain-timeout-ms", config.drain_timeout_ms, "How long calls may take to end when the service ends")
      ->capture_default_str()
      ->check(CLI::Range(0u, kDrainTimeoutMsMax));
  app.add_option("--log-level", config.log_level, "What is logged to standard error")
      ->capture_default_str()
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}));
  AddLimits(app, config.sessions);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version come this way too. Exits with 2 where the command line is wrong.
    parsed.exit = true;
    parsed.exit_status = app.exit(error) == 0 ? 0 : 2;
  }
  return parsed;
}

}  // namespace xeq
