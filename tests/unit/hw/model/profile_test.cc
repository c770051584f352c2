// Goal: a profile is read in full or refused with a message that names what is wrong. Method: texts that are right, and
// a table of texts that are not.
#include "hw/model/profile.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "hw/model/model.h"

namespace xeq::hw::model {
namespace {

TEST(ProfileTest, WhatIsMissingIsAsInTheDefault) {
  const Profile profile = ParseProfile("{}", "here").value();
  const Profile standard;
  EXPECT_EQ(profile.name, standard.name);
  EXPECT_EQ(profile.address, standard.address);
  EXPECT_EQ(profile.device_id, 0x9a49);
  EXPECT_EQ(profile.engines.size(), standard.engines.size());
  EXPECT_EQ(profile.memory_bytes, standard.memory_bytes);
}

TEST(ProfileTest, AllMembersAreRead) {
  const Profile profile = ParseProfile(R"({"name": "small", "address": "0000:03:00.1", "device_id": "0x4905",
      "engines": ["vecs3", "bcs0", "rcs0", "vcs7"], "memory_mib": 64})",
                                       "here")
                              .value();
  EXPECT_EQ(profile.name, "small");
  EXPECT_EQ(profile.address, "0000:03:00.1");
  EXPECT_EQ(profile.device_id, 0x4905);
  EXPECT_EQ(profile.memory_bytes, 64u << 20);
  ASSERT_EQ(profile.engines.size(), 4u);
  EXPECT_EQ(profile.engines[0].engine_class, regs::HwClass::kVideoEnhance);
  EXPECT_EQ(profile.engines[0].instance, 3u);
  EXPECT_EQ(profile.engines[1].engine_class, regs::HwClass::kCopy);
  EXPECT_EQ(profile.engines[2].engine_class, regs::HwClass::kRender);
  EXPECT_EQ(profile.engines[3].engine_class, regs::HwClass::kVideoDecode);
  EXPECT_EQ(profile.engines[3].instance, 7u);
}

TEST(ProfileTest, TheBoundsOfTheMemoryAreWithin) {
  EXPECT_EQ(ParseProfile(R"({"memory_mib": 1048576})", "here")->memory_bytes, 1ull << 40);
  EXPECT_EQ(ParseProfile(R"({"device_id": "ffff"})", "here")->device_id, 0xffff);
}

struct BadText {
  std::string text;
  // Of the message.
  std::string part;
};

BadText Engines(const std::string& list, const std::string& part) {
  return {R"({"engines": )" + list + "}", "engines " + part};
}

TEST(ProfileTest, WhatIsWrongIsRefusedByName) {
  const BadText kTable[] = {
      BadText{"", "JSON object"},
      BadText{"[]", "JSON object"},
      BadText{"7", "JSON object"},
      BadText{"null", "JSON object"},
      BadText{"{", "JSON object"},
      BadText{"{} {}", "JSON object"},
      BadText{R"({"name": "a",})", "JSON object"},
      BadText{"{\"name\": \"\xff\"}", "JSON object"},
      BadText{std::string(100'000, '['), "JSON object"},
      BadText{R"({"nmae": "a"})", "nmae is not known"},
      BadText{R"({"": "a"})", " is not known"},
      BadText{R"({"name": 7})", "name must be a text"},
      BadText{R"({"name": null})", "name must be a text"},
      BadText{R"({"address": ["a"]})", "address must be a text"},
      BadText{R"({"device_id": 39497})", "device_id must be a text"},
      BadText{R"({"device_id": "0x10000"})", "device_id must be hexadecimal"},
      BadText{R"({"device_id": "fish"})", "device_id must be hexadecimal"},
      BadText{R"({"device_id": ""})", "device_id must be hexadecimal"},
      BadText{R"({"device_id": "-1"})", "device_id must be hexadecimal"},
      BadText{R"({"memory_mib": 63})", "memory_mib must be from 64 to 1048576"},
      BadText{R"({"memory_mib": 1048577})", "memory_mib must be"},
      BadText{R"({"memory_mib": 0})", "memory_mib must be"},
      BadText{R"({"memory_mib": -64})", "memory_mib must be"},
      BadText{R"({"memory_mib": 64.0})", "memory_mib must be"},
      BadText{R"({"memory_mib": 18446744073709551616})", "memory_mib must be"},
      BadText{R"({"memory_mib": 18446744073709551615})", "memory_mib must be"},
      BadText{R"({"memory_mib": "64"})", "memory_mib must be"},
      BadText{R"({"memory_mib": true})", "memory_mib must be"},
      Engines("[]", "must be a list of names, not empty"),
      Engines("\"rcs0\"", "must be a list"),
      Engines("{}", "must be a list"),
      Engines("[0]", "must be a list of names"),
      Engines(R"(["rcs0", "bcs0", "rcs0"])", "has \"rcs0\" twice"),
      Engines(R"(["rcs0"])", "must have rcs0 and bcs0"),
      Engines(R"(["bcs0", "vcs0"])", "must have rcs0 and bcs0"),
      Engines(R"(["rcs1"])", "has \"rcs1\""),
      Engines(R"(["bcs1"])", "has \"bcs1\""),
      Engines(R"(["vcs8"])", "has \"vcs8\""),
      Engines(R"(["vecs4"])", "has \"vecs4\""),
      Engines(R"(["ccs0"])", "has \"ccs0\""),
      Engines(R"([""])", "has \"\""),
      Engines(R"(["rcs"])", "has \"rcs\""),
      Engines(R"(["RCS0"])", "has \"RCS0\""),
      Engines(R"(["rcs-1"])", "has \"rcs-1\""),
      Engines(R"(["rcs0x0"])", "has \"rcs0x0\""),
      Engines(R"(["vcs4294967296"])", "has \"vcs4294967296\""),
      Engines(R"(["vcs00"])", "has \"vcs00\""),
      Engines(R"(["vcs 0"])", "has \"vcs 0\""),
      Engines(R"(["vcs+0"])", "has \"vcs+0\""),
      Engines(R"(["vcs0 "])", "has \"vcs0 \""),
  };
  for (const BadText& bad : kTable) {
    SCOPED_TRACE(bad.text.substr(0, 80));
    const absl::Status status = ParseProfile(bad.text, "origin.json").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message().find("origin.json: "), 0u) << status;
    EXPECT_NE(status.message().find(bad.part), std::string::npos) << status;
  }
}

TEST(ProfileTest, AFileIsReadAndNamedInMessages) {
  const std::string path = ::testing::TempDir() + "profile_test.json";
  EXPECT_EQ(ReadProfile(path + ".missing").status().code(), absl::StatusCode::kNotFound);
  std::ofstream(path) << R"({"name": "from a file"})";
  EXPECT_EQ(ReadProfile(path)->name, "from a file");
  std::ofstream(path) << R"({"name": 1})";
  const absl::Status status = ReadProfile(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message().find(path), 0u) << status;
  std::remove(path.c_str());
  EXPECT_FALSE(ReadProfile(::testing::TempDir()).ok()) << "a directory";
}

TEST(ProfileTest, AModelIsWhatItsProfileSays) {
  Profile profile = ParseProfile(R"({"name": "n", "address": "a", "device_id": "0x4905", "memory_mib": 64,
      "engines": ["rcs0", "bcs0", "vcs1", "vecs3"]})",
                                 "here")
                        .value();
  auto gpu = CreateModel(profile).value();
  EXPECT_EQ(gpu->description(), "n");
  EXPECT_EQ(gpu->address(), "a");
  EXPECT_EQ(gpu->ReadConfig(0), 0x49058086u);
  EXPECT_EQ(gpu->dma_bytes_max(), 64u << 20);
  EXPECT_EQ(gpu->Read32({regs::kGtVeboxVdboxDisable}), 0x000700fdu);
  EXPECT_EQ(gpu->AllocateDma(65u << 20).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ProfileTest, MemoryThatTheHostCannotGiveIsAnError) {
  Profile profile;
  profile.memory_bytes = 1ull << 60;
  EXPECT_EQ(CreateModel(profile).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace xeq::hw::model
