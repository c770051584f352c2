// Goal: which engines and properties a queue may ask for, and how each refusal names its field and limit. Method: a
// table over a device with four video engines.
#include "server/session/queue_properties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/common/errors.h"

namespace xeq::session {
namespace {

using ::testing::ElementsAre;

// vcs0, vcs2, vcs4, vcs6: instances that are not the logical ones.
hw::DeviceInfo Device() {
  hw::DeviceInfo device;
  device.engines = {{hw::EngineClass::kRender, 0, "rcs0"},
                    {hw::EngineClass::kVideoDecode, 0, "vcs0"},
                    {hw::EngineClass::kVideoDecode, 2, "vcs2"},
                    {hw::EngineClass::kVideoDecode, 4, "vcs4"},
                    {hw::EngineClass::kVideoDecode, 6, "vcs6"}};
  return device;
}

struct Row {
  std::string name;
  uint32_t width;
  std::vector<uint32_t> placements;
  // 0: refused, for this reason.
  uint32_t mask;
  std::string reason = "";
};

std::string Reason(const absl::Status& status) {
  const auto details = DetailsOf(status);
  return details ? details->reason : "";
}

TEST(LogicalMaskTest, T15_PlacementsAreCheckedAsTheKernelDoes) {
  const std::vector<Row> rows = {{"one engine", 1, {2}, 0b0010},
                                 {"any of two", 1, {0, 4}, 0b0101},
                                 {"any of all, named twice", 1, {0, 2, 4, 6, 0}, 0b1111},
                                 {"two lanes", 2, {0, 2}, 0b0001},
                                 {"two lanes in two placements", 2, {0, 2, 4, 6}, 0b0101},
                                 {"four lanes", 4, {0, 2, 4, 6}, 0b0001},
                                 {"lanes that are not neighbours", 2, {0, 4}, 0, "FIELD_NOT_ALLOWED"},
                                 {"lanes in the wrong order", 2, {2, 0}, 0, "FIELD_NOT_ALLOWED"},
                                 {"a placement of its own for one lane", 2, {0, 2, 4, 4}, 0, "FIELD_NOT_ALLOWED"},
                                 {"no multiple of the width", 2, {0, 2, 4}, 0, "FIELD_NOT_ALLOWED"},
                                 {"fewer than the width", 3, {0, 2}, 0, "FIELD_NOT_ALLOWED"},
                                 {"ten", 1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, "FIELD_LENGTH_OUT_OF_RANGE"},
                                 {"an engine that is not there", 1, {1}, 0, "ENGINE_NOT_FOUND"},
                                 {"as many as the width, by default", 4, {}, 0b0001},
                                 {"wider than the device, by default", 5, {}, 0, "FIELD_OUT_OF_RANGE"}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    QueueSpec spec;
    spec.engine_class = hw::EngineClass::kVideoDecode;
    spec.width = row.width;
    spec.placements.assign(row.placements.begin(), row.placements.end());
    const absl::StatusOr<uint32_t> mask = LogicalMask(Device(), spec);
    EXPECT_EQ(mask.value_or(0), row.mask);
    EXPECT_EQ(Reason(mask.status()), row.reason);
  }
}

TEST(LogicalMaskTest, TheFirstEngineOrTheNamedOneIsTheDefault) {
  QueueSpec spec;
  spec.engine_class = hw::EngineClass::kVideoDecode;
  EXPECT_EQ(LogicalMask(Device(), spec).value(), 1u);
  spec.engine_instance = 4;
  spec.width = 2;
  EXPECT_EQ(LogicalMask(Device(), spec).value(), 0b0100u);
  EXPECT_THAT(DefaultPlacements(Device(), spec, 0b0100), ElementsAre(4, 6));
  spec.width = 3;
  EXPECT_EQ(Reason(LogicalMask(Device(), spec).status()), "FIELD_OUT_OF_RANGE");
  spec.engine_class = hw::EngineClass::kCompute;
  EXPECT_EQ(Reason(LogicalMask(Device(), spec).status()), "ENGINE_NOT_FOUND");
}

TEST(CheckPropsTest, T10_TimesAreBounded) {
  for (uint32_t hw::SchedProps::*time : {&hw::SchedProps::timeslice_us, &hw::SchedProps::preempt_timeout_us}) {
    hw::SchedProps props;
    for (const uint32_t good : {1u, 10'000'000u}) {
      props.*time = good;
      EXPECT_TRUE(CheckProps(props, hw::Priority::kNormal).ok()) << good;
    }
    for (const uint32_t bad : {0u, 10'000'001u}) {
      props.*time = bad;
      EXPECT_EQ(Reason(CheckProps(props, hw::Priority::kNormal)), "FIELD_OUT_OF_RANGE") << bad;
    }
  }
}

TEST(CheckPropsTest, T09_PriorityIsBoundedByTheSessions) {
  hw::SchedProps props;
  for (const hw::Priority priority : {hw::Priority::kLow, hw::Priority::kNormal, hw::Priority::kHigh}) {
    props.priority = priority;
    EXPECT_TRUE(CheckProps(props, hw::Priority::kHigh).ok());
  }
  EXPECT_EQ(CheckProps(props, hw::Priority::kNormal).code(), absl::StatusCode::kPermissionDenied);
  props.priority = hw::Priority::kNormal;
  EXPECT_TRUE(CheckProps(props, hw::Priority::kNormal).ok());
}

TEST(DefaultNameTest, FitsTheKernelsBound) {
  EXPECT_EQ(DefaultName(hw::EngineClass::kCopy, 7), "bcs7");
  EXPECT_EQ(DefaultName(hw::EngineClass::kVideoEnhance, UINT64_MAX).size(), kQueueNameBytesMax);
}

}  // namespace
}  // namespace xeq::session
