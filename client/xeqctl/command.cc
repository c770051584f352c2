#include "client/xeqctl/command.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "xeq/error.h"

namespace xeq::ctl {

int Fail(const Global& global, const absl::Status& status) {
  const std::string message(status.message());
  if (global.json) {
    nlohmann::json error = {{"code", absl::StatusCodeToString(status.code())}, {"message", message}};
    error["reason"] = ErrorReason(status);
    error["metadata"] = ErrorMetadata(status);
    std::fprintf(stderr, "%s\n", nlohmann::json{{"error", error}}.dump().c_str());
  } else {
    const std::string reason = ErrorReason(status);
    std::fprintf(stderr, "xeqctl: %s%s%s%s\n", message.c_str(), reason.empty() ? "" : " (", reason.c_str(),
                 reason.empty() ? "" : ")");
  }
  return kExitFailed;
}

absl::StatusOr<Client> Connect(const Global& global) {
  ClientOptions options;
  options.name = "xeqctl";
  options.timeout = global.timeout();
  return Client::Connect(global.address, options);
}

std::string EngineClassName(EngineClass engine_class) {
  switch (engine_class) {
    case EngineClass::kRender:
      return "render";
    case EngineClass::kCopy:
      return "copy";
    case EngineClass::kVideoDecode:
      return "video-decode";
    case EngineClass::kVideoEnhance:
      return "video-enhance";
    case EngineClass::kCompute:
      return "compute";
  }
  return "unknown";
}

std::string QueueStateName(QueueState state) {
  switch (state) {
    case QueueState::kUsable:
      return "usable";
    case QueueState::kSuspendPending:
      return "suspending";
    case QueueState::kSuspended:
      return "suspended";
    case QueueState::kBanned:
      return "banned";
    case QueueState::kKilled:
      return "killed";
    case QueueState::kLost:
      return "lost";
  }
  return "unknown";
}

std::string PriorityName(QueuePriority priority) {
  if (priority == QueuePriority::kLow) return "low";
  return priority == QueuePriority::kHigh ? "high" : "normal";
}

}  // namespace xeq::ctl
