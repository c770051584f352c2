// What kind of GPU the model is.
#ifndef XEQ_HW_MODEL_PROFILE_H_
#define XEQ_HW_MODEL_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hw/regs/engines.h"

namespace xeq::hw::model {

struct ProfileEngine {
  regs::HwClass engine_class;
  uint32_t instance;
};

struct Profile {
  std::string name = "Tiger Lake GT2 (model)";
  std::string address = "0000:00:02.0";
  uint16_t device_id = regs::kDeviceTigerLakeGt2;
  std::vector<ProfileEngine> engines = {{regs::HwClass::kRender, 0},
                                        {regs::HwClass::kCopy, 0},
                                        {regs::HwClass::kVideoDecode, 0},
                                        {regs::HwClass::kVideoDecode, 2},
                                        {regs::HwClass::kVideoEnhance, 0}};
  // System memory that the driver may take. Pages cost nothing until they are touched.
  uint64_t memory_bytes = 8ull << 30;
};

inline constexpr uint64_t kProfileMemoryMibMin = 64;
inline constexpr uint64_t kProfileMemoryMibMax = 1 << 20;

// Reads a JSON object with any of the members
//   "name": text; "address": "0000:00:02.0"; "device_id": "0x9a49"; "engines": ["rcs0", "bcs0", ...] (rcs0 and bcs0,
//   and any of vcs0-7, vecs0-3; each once); "memory_mib": kProfileMemoryMibMin to kProfileMemoryMibMax.
// What is missing is as in Profile. NOT_FOUND: no such file. INVALID_ARGUMENT: names the member.
absl::StatusOr<Profile> ReadProfile(const std::string& path);
// The same, from text. `origin` is for messages.
absl::StatusOr<Profile> ParseProfile(const std::string& text, const std::string& origin);

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_PROFILE_H_
