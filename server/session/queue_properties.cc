#include "server/session/queue_properties.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/common/errors.h"

namespace xeq::session {
namespace {

// The logical instance; without a number that of the first engine, when the class has one at all.
absl::StatusOr<uint32_t> Logical(const hw::DeviceInfo& device, hw::EngineClass engine_class,
                                 std::optional<uint32_t> instance) {
  uint32_t logical = 0;
  for (const hw::EngineInfo& engine : device.engines) {
    if (engine.engine_class != engine_class) continue;
    if (!instance || engine.instance == *instance) return logical;
    ++logical;
  }
  const std::string_view name = hw::EngineClassName(engine_class);
  return EngineNotFound({name.data(), name.size()}, instance);
}

}  // namespace

absl::StatusOr<uint32_t> LogicalMask(const hw::DeviceInfo& device, const QueueSpec& spec) {
  if (spec.placements.empty()) {
    const absl::StatusOr<uint32_t> first = Logical(device, spec.engine_class, spec.engine_instance);
    if (!first.ok()) return first.status();
    const auto engines = static_cast<uint32_t>(
        std::count_if(device.engines.begin(), device.engines.end(),
                      [&](const hw::EngineInfo& engine) { return engine.engine_class == spec.engine_class; }));
    const uint32_t width_max = std::min<uint32_t>(engines - *first, hw::kBatchesPerJobMax);
    if (spec.width > width_max) return FieldOutOfRange("width", spec.width, 1, width_max);
    return 1u << *first;
  }
  if (spec.placements.size() > hw::kBatchesPerJobMax) {
    return FieldLengthOutOfRange("placements", spec.placements.size(), 1, hw::kBatchesPerJobMax);
  }
  if (spec.width > spec.placements.size() || spec.placements.size() % spec.width != 0) {
    return FieldNotAllowed("placements", absl::StrCat("their number is no multiple of the width ", spec.width));
  }
  uint32_t first_mask = 0;
  for (uint32_t lane = 0; lane < spec.width; ++lane) {
    uint32_t mask = 0;
    for (size_t at = lane; at < spec.placements.size(); at += spec.width) {
      const absl::StatusOr<uint32_t> logical = Logical(device, spec.engine_class, spec.placements[at]);
      if (!logical.ok()) return logical.status();
      mask |= 1u << *logical;
    }
    if (lane == 0) first_mask = mask;
    if (mask != first_mask << lane) {
      return FieldNotAllowed("placements", absl::StrCat("the engines of lane ", lane, " are not next to lane 0's"));
    }
  }
  return first_mask;
}

absl::InlinedVector<uint32_t, 4> DefaultPlacements(const hw::DeviceInfo& device, const QueueSpec& spec, uint32_t mask) {
  absl::InlinedVector<uint32_t, 4> placements;
  uint32_t logical = 0;
  for (const hw::EngineInfo& engine : device.engines) {
    if (engine.engine_class != spec.engine_class) continue;
    if (mask <= 1u << logical++ && placements.size() < spec.width) placements.push_back(engine.instance);
  }
  return placements;
}

absl::Status CheckProps(const hw::SchedProps& props, hw::Priority priority_max) {
  if (props.priority > priority_max) {
    return PriorityNotAllowed(static_cast<uint32_t>(props.priority), static_cast<uint32_t>(priority_max));
  }
  if (props.timeslice_us < hw::kSchedUsMin || props.timeslice_us > hw::kSchedUsMax) {
    return FieldOutOfRange("timeslice_us", props.timeslice_us, hw::kSchedUsMin, hw::kSchedUsMax);
  }
  if (props.preempt_timeout_us < hw::kSchedUsMin || props.preempt_timeout_us > hw::kSchedUsMax) {
    return FieldOutOfRange("preempt_timeout_us", props.preempt_timeout_us, hw::kSchedUsMin, hw::kSchedUsMax);
  }
  return absl::OkStatus();
}

std::string DefaultName(hw::EngineClass engine_class, uint64_t handle) {
  return absl::StrCat(std::string(hw::EngineClassName(engine_class)), handle).substr(0, kQueueNameBytesMax);
}

}  // namespace xeq::session
