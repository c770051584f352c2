#include "hw/types.h"

namespace xeq::hw {

std::string_view EngineClassName(EngineClass engine_class) {
  switch (engine_class) {
    case EngineClass::kRender:
      return "rcs";
    case EngineClass::kCopy:
      return "bcs";
    case EngineClass::kVideoDecode:
      return "vcs";
    case EngineClass::kVideoEnhance:
      return "vecs";
    case EngineClass::kCompute:
      return "ccs";
  }
  return "unknown";
}

std::optional<uint32_t> LogicalInstance(const DeviceInfo& info, EngineClass engine_class, uint16_t instance) {
  uint32_t logical = 0;
  for (const EngineInfo& engine : info.engines) {
    if (engine.engine_class != engine_class) continue;
    if (engine.instance == instance) return logical;
    ++logical;
  }
  return std::nullopt;
}

std::string_view QueueStateName(QueueState state) {
  switch (state) {
    case QueueState::kRunning:
      return "running";
    case QueueState::kSuspendPending:
      return "suspend_pending";
    case QueueState::kSuspended:
      return "suspended";
    case QueueState::kKilled:
      return "killed";
    case QueueState::kBanned:
      return "banned";
    case QueueState::kLost:
      return "lost";
  }
  return "unknown";
}

}  // namespace xeq::hw
