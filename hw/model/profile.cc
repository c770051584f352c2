#include "hw/model/profile.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace xeq::hw::model {
namespace {

using nlohmann::json;

absl::Status Bad(const std::string& origin, const std::string& member, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(origin, ": ", member, " ", why));
}

absl::StatusOr<ProfileEngine> ParseEngine(const std::string& origin, const std::string& name) {
  static constexpr std::pair<const char*, regs::HwClass> kClasses[] = {{"rcs", regs::HwClass::kRender},
                                                                       {"bcs", regs::HwClass::kCopy},
                                                                       {"vcs", regs::HwClass::kVideoDecode},
                                                                       {"vecs", regs::HwClass::kVideoEnhance}};
  for (const auto& [prefix, engine_class] : kClasses) {
    uint32_t instance = 0;
    if (!absl::StartsWith(name, prefix) || !absl::SimpleAtoi(name.substr(std::string(prefix).size()), &instance)) {
      continue;
    }
    // Not "vcs00" or "vcs +0".
    if (name != absl::StrCat(prefix, instance)) continue;
    if (regs::FindEngine(engine_class, instance).has_value()) return ProfileEngine{engine_class, instance};
  }
  return Bad(origin, "engines",
             absl::StrCat("has \"", name, "\", must be of rcs0, bcs0, vcs0 to vcs7, vecs0 to vecs3"));
}

absl::Status ReadEngines(const std::string& origin, const json& list, Profile& profile) {
  if (!list.is_array() || list.empty()) return Bad(origin, "engines", "must be a list of names, not empty");
  profile.engines.clear();
  for (const json& name : list) {
    if (!name.is_string()) return Bad(origin, "engines", "must be a list of names");
    absl::StatusOr<ProfileEngine> engine = ParseEngine(origin, name.get<std::string>());
    if (!engine.ok()) return engine.status();
    const bool twice = std::any_of(profile.engines.begin(), profile.engines.end(), [&](const ProfileEngine& other) {
      return other.engine_class == engine->engine_class && other.instance == engine->instance;
    });
    if (twice) return Bad(origin, "engines", absl::StrCat("has \"", name.get<std::string>(), "\" twice"));
    profile.engines.push_back(*engine);
  }
  // No fuse takes these away on Gen12.0, so no driver asks.
  for (const regs::HwClass always : {regs::HwClass::kRender, regs::HwClass::kCopy}) {
    const bool there = std::any_of(profile.engines.begin(), profile.engines.end(),
                                   [&](const ProfileEngine& engine) { return engine.engine_class == always; });
    if (!there) return Bad(origin, "engines", "must have rcs0 and bcs0");
  }
  return absl::OkStatus();
}

absl::Status ReadMember(const std::string& origin, const std::string& key, const json& value, Profile& profile) {
  if (key == "engines") return ReadEngines(origin, value, profile);
  if (key == "memory_mib") {
    if (!value.is_number_unsigned() || value < kProfileMemoryMibMin || value > kProfileMemoryMibMax) {
      return Bad(origin, key, absl::StrCat("must be from ", kProfileMemoryMibMin, " to ", kProfileMemoryMibMax));
    }
    profile.memory_bytes = value.get<uint64_t>() << 20;
    return absl::OkStatus();
  }
  if (!value.is_string()) return Bad(origin, key, "must be a text");
  const std::string text = value.get<std::string>();
  if (key == "name") {
    profile.name = text;
  } else if (key == "address") {
    profile.address = text;
  } else if (key == "device_id") {
    uint32_t id = 0;
    if (!absl::SimpleHexAtoi(text, &id) || id > 0xffff) return Bad(origin, key, "must be hexadecimal, up to 0xffff");
    profile.device_id = static_cast<uint16_t>(id);
  } else {
    return Bad(origin, key, "is not known");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Profile> ParseProfile(const std::string& text, const std::string& origin) {
  const json object = json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(origin, ": must hold a JSON object"));
  Profile profile;
  for (const auto& [key, value] : object.items()) {
    if (absl::Status status = ReadMember(origin, key, value, profile); !status.ok()) return status;
  }
  return profile;
}

absl::StatusOr<Profile> ReadProfile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  std::ostringstream text;
  text << file.rdbuf();
  return ParseProfile(text.str(), path);
}

}  // namespace xeq::hw::model
