// The subcommands that only ask: device, queues, version, wait.
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/xeqctl/command.h"
#include "xeq/error.h"

namespace xeq::ctl {
namespace {

using nlohmann::json;

std::string Hex(uint32_t value) { return absl::StrCat("0x", absl::Hex(value, absl::kZeroPad4)); }

json ToJson(const DeviceInfo& device) {
  json out = {{"id", device.id},
              {"name", device.name},
              {"vendor_id", Hex(device.vendor_id)},
              {"device_id", Hex(device.device_id)},
              {"backend", device.backend},
              {"submission", device.submission},
              {"timestamp_frequency_hz", device.timestamp_frequency_hz},
              {"limits",
               {{"jobs_per_submit_max", device.jobs_per_submit_max},
                {"waits_per_job_max", device.waits_per_job_max},
                {"waits_per_call_max", device.waits_per_call_max}}},
              {"service_version", device.service_version}};
  for (const EngineInfo& engine : device.engines) {
    out["engines"].push_back(
        {{"name", engine.name}, {"class", EngineClassName(engine.engine_class)}, {"instance", engine.instance}});
  }
  for (const MemoryRegionInfo& region : device.memory_regions) {
    out["memory_regions"].push_back({{"id", region.id},
                                     {"kind", region.is_vram ? "vram" : "system"},
                                     {"size_bytes", region.size_bytes},
                                     {"used_bytes", region.used_bytes},
                                     {"page_bytes", region.page_bytes}});
  }
  return out;
}

std::string StateName(const FenceStatus& status) {
  if (status.state == FenceState::kPending) return "pending";
  return status.state == FenceState::kSignaled ? "signaled" : "failed";
}

json ToJson(const FenceStatus& status) {
  json out = {{"context", status.fence.context}, {"seqno", status.fence.seqno}, {"state", StateName(status)}};
  if (status.state == FenceState::kFailed) {
    out["error"] = {{"reason", ErrorReason(status.error)},
                    {"message", std::string(status.error.message())},
                    {"metadata", ErrorMetadata(status.error)}};
  }
  return out;
}

json AsJson(const QueueInfo& queue) {
  json out = {{"queue", queue.queue},
              {"name", queue.name},
              {"vm", queue.vm},
              {"engine_class", EngineClassName(queue.engine_class)},
              {"engine_instance", queue.engine_instance},
              {"placements", queue.placements},
              {"width", queue.width},
              {"priority", PriorityName(queue.priority)},
              {"timeslice_us", queue.timeslice_us},
              {"preempt_timeout_us", queue.preempt_timeout_us},
              {"job_timeout_ms", queue.job_timeout_ms},
              {"low_latency", queue.low_latency},
              {"msix_vector", queue.msix_vector},
              {"bypass", queue.bypass},
              {"put_mode", queue.deferred_put ? "deferred" : "inline"},
              {"state", QueueStateName(queue.state)},
              {"last_armed_seqno", queue.last_armed_seqno},
              {"last_ended_seqno", queue.last_ended_seqno},
              {"client_name", queue.client_name}};
  if (!queue.ban.ok()) {
    out["ban"] = {{"reason", ErrorReason(queue.ban)},
                  {"message", std::string(queue.ban.message())},
                  {"metadata", ErrorMetadata(queue.ban)}};
  }
  if (queue.last_fence) out["last_fence"] = ToJson(*queue.last_fence);
  if (queue.use) {
    const QueueUse& use = *queue.use;
    out["use"] = {{"run_ticks", use.run_ticks},
                  {"run_ns", use.run_ns},
                  {"jobs", use.jobs},
                  {"jobs_max", use.jobs_max},
                  {"ring_bytes_used", use.ring_bytes_used},
                  {"ring_bytes", use.ring_bytes},
                  {"next_hw_seqno", use.next_hw_seqno},
                  {"hw_seqno", use.hw_seqno},
                  {"is_idle", use.is_idle},
                  {"ring_full", use.ring_full}};
  }
  return out;
}

absl::StatusOr<Fence> ParseFence(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  Fence fence;
  if (parts.size() == 2 && absl::SimpleAtoi(parts[0], &fence.context) && absl::SimpleAtoi(parts[1], &fence.seqno)) {
    return fence;
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not CONTEXT:SEQNO"));
}

}  // namespace

std::string ToJson(const QueueInfo& queue) { return AsJson(queue).dump(2); }

int RunDevice(const Global& global) {
  absl::StatusOr<Client> client = Connect(global);
  if (!client.ok()) return Fail(global, client.status());
  absl::StatusOr<DeviceInfo> device = client->GetDevice();
  if (!device.ok()) return Fail(global, device.status());
  if (global.json) {
    std::printf("%s\n", ToJson(*device).dump(2).c_str());
    return kExitOk;
  }
  std::printf("%s  %s  [%04x:%04x]  %s, %s submission\n", device->id.c_str(), device->name.c_str(), device->vendor_id,
              device->device_id, device->backend.c_str(), device->submission.c_str());
  for (const EngineInfo& engine : device->engines) {
    std::printf("  engine %-6s %s\n", engine.name.c_str(), EngineClassName(engine.engine_class).c_str());
  }
  for (const MemoryRegionInfo& region : device->memory_regions) {
    std::printf("  memory %-6u %s, %" PRIu64 " MiB, %" PRIu64 " MiB used\n", region.id,
                region.is_vram ? "vram" : "system", region.size_bytes >> 20, region.used_bytes >> 20);
  }
  return kExitOk;
}

int RunQueues(const Global& global) {
  absl::StatusOr<Client> client = Connect(global);
  if (!client.ok()) return Fail(global, client.status());
  absl::StatusOr<std::vector<QueueInfo>> queues = client->ListQueues();
  if (!queues.ok()) return Fail(global, queues.status());
  if (global.json) {
    json out = json::array();
    for (const QueueInfo& queue : *queues) out.push_back(AsJson(queue));
    std::printf("%s\n", out.dump(2).c_str());
    return kExitOk;
  }
  std::printf("%-8s %-8s %-15s %-8s %-7s %10s %10s  %s\n", "QUEUE", "VM", "ENGINE", "PRIORITY", "STATE", "ARMED",
              "ENDED", "CLIENT");
  for (const QueueInfo& queue : *queues) {
    const std::string engine = absl::StrCat(EngineClassName(queue.engine_class), "/", queue.engine_instance);
    std::printf("%-8" PRIu64 " %-8" PRIu64 " %-15s %-8s %-7s %10" PRIu64 " %10" PRIu64 "  %s\n", queue.queue, queue.vm,
                engine.c_str(), PriorityName(queue.priority).c_str(), QueueStateName(queue.state).c_str(),
                queue.last_armed_seqno, queue.last_ended_seqno, queue.client_name.c_str());
  }
  return kExitOk;
}

int RunVersion(const Global& global) {
  absl::StatusOr<Client> client = Connect(global);
  absl::StatusOr<DeviceInfo> device = client.ok() ? client->GetDevice() : client.status();
  if (global.json) {
    json out = {{"xeqctl", XEQ_VERSION}};
    if (device.ok()) out["xeqd"] = device->service_version;
    std::printf("%s\n", out.dump(2).c_str());
  } else {
    std::printf("xeqctl %s\n", XEQ_VERSION);
    if (device.ok()) std::printf("xeqd %s at %s\n", device->service_version.c_str(), global.address.c_str());
  }
  return device.ok() ? kExitOk : Fail(global, device.status());
}

int RunWait(const Global& global, const WaitOptions& options) {
  std::vector<Fence> fences;
  for (const std::string& text : options.fences) {
    absl::StatusOr<Fence> fence = ParseFence(text);
    if (!fence.ok()) {
      Fail(global, fence.status());
      return kExitUsage;
    }
    fences.push_back(*fence);
  }
  absl::StatusOr<Client> client = Connect(global);
  if (!client.ok()) return Fail(global, client.status());
  absl::StatusOr<Session> session = client->AdoptSession(options.session_id);
  if (!session.ok()) return Fail(global, session.status());
  absl::StatusOr<WaitResult> result =
      session->Wait(fences, options.any ? WaitMode::kAny : WaitMode::kAll, global.timeout());
  if (!result.ok()) return Fail(global, result.status());
  bool failed = !result->satisfied;
  json out = {{"satisfied", result->satisfied}, {"fences", json::array()}};
  for (const FenceStatus& status : result->statuses) {
    failed |= status.state == FenceState::kFailed;
    out["fences"].push_back(ToJson(status));
    if (global.json) continue;
    std::printf("%" PRIu64 ":%" PRIu64 " %s%s%s\n", status.fence.context, status.fence.seqno, StateName(status).c_str(),
                status.error.ok() ? "" : ": ", std::string(status.error.message()).c_str());
  }
  if (global.json) std::printf("%s\n", out.dump(2).c_str());
  return failed ? kExitFailed : kExitOk;
}

}  // namespace xeq::ctl
