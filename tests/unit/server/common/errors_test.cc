// Goal: every error that a client can see has its code, its reason and the metadata that a program needs, and its
// message names the values for a person; details come out as they went in. Method: a table with one row for each
// function of errors.h, and strings that a careless encoding would trip over.
#include "server/common/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/cord.h"

namespace xeq {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using Metadata = std::map<std::string, std::string>;

struct ErrorCase {
  const char* reason;
  StatusCode code;
  Metadata metadata;
  absl::Status status;
  // Words that the message has to have.
  std::vector<std::string> says;
  bool retry = false;
};

// Shown by GoogleTest beside the index of the case.
void PrintTo(const ErrorCase& error, std::ostream* out) { *out << error.reason; }

std::vector<ErrorCase> InvalidArguments() {
  constexpr StatusCode kCode = StatusCode::kInvalidArgument;
  return {
      {"FIELD_OUT_OF_RANGE",
       kCode,
       {{"field", "jobs"}, {"value", "9"}, {"min", "1"}, {"max", "8"}},
       FieldOutOfRange("jobs", 9, 1, 8),
       {"jobs", "9", "1", "8"}},
      {"FIELD_NOT_ALIGNED",
       kCode,
       {{"field", "address"}, {"value", "4097"}, {"alignment", "4096"}},
       FieldNotAligned("address", 4097, 4096),
       {"address", "4097", "4096"}},
      {"FIELD_LENGTH_OUT_OF_RANGE",
       kCode,
       {{"field", "name"}, {"length", "300"}, {"min", "0"}, {"max", "255"}},
       FieldLengthOutOfRange("name", 300, 0, 255),
       {"name", "300", "255"}},
      {"FIELD_UNKNOWN_VALUE",
       kCode,
       {{"field", "priority"}, {"value", "-7"}},
       FieldUnknownValue("priority", -7),
       {"priority", "-7"}},
      {"FIELD_MISSING", kCode, {{"field", "queue"}}, FieldMissing("queue"), {"queue"}},
      {"FIELD_NOT_ALLOWED", kCode, {{"field", "offset"}}, FieldNotAllowed("offset", "no buffer"), {"offset", "no b"}},
      {"PAGE_TOKEN_INVALID", kCode, {{"field", "page_token"}}, PageTokenInvalid("a\n"), {"page_token", "a\\n"}},
      {"RANGE_OUTSIDE_BUFFER",
       kCode,
       {{"field", "size"}, {"offset", "8"}, {"size", "16"}, {"buffer_bytes", "20"}},
       RangeOutsideBuffer("size", 8, 16, 20),
       {"size", "8", "16", "20"}},
      {"RANGE_OUTSIDE_VM",
       kCode,
       {{"field", "address"}, {"address", "100"}, {"size", "200"}, {"max", "256"}},
       RangeOutsideVm("address", 100, 200, 256),
       {"address", "100", "200", "256"}},
      {"FENCE_NEVER_ARMED",
       kCode,
       {{"field", "fences[0].seqno"}, {"context", "5"}, {"seqno", "7"}, {"last_armed_seqno", "6"}},
       FenceNeverArmed("fences[0].seqno", 5, 7, 6),
       {"fences[0].seqno", "{5, 7}", "6"}},
      {"WAIT_NOT_EARLIER",
       kCode,
       {{"field", "jobs[2].waits[0].job"}, {"value", "3"}, {"job", "2"}},
       WaitNotEarlier("jobs[2].waits[0].job", 3, 2),
       {"jobs[2].waits[0].job", "3", "2"}},
      {"SYNCOBJ_NOT_SUBMITTED",
       kCode,
       {{"field", "syncobjs[1].point"}, {"syncobj", "4"}, {"point", "9"}, {"newest_point", "8"}},
       SyncobjNotSubmitted("syncobjs[1].point", 4, 9, 8),
       {"syncobjs[1].point", "point 9", "syncobj 4", "8"}},
      {"SYNCOBJ_UNKNOWN",
       kCode,
       {{"field", "syncobj"}, {"syncobj", "4"}},
       SyncobjUnknown("syncobj", 4),
       {"syncobj", "4"}},
      {"CONTAINER_NOT_ALLOWED",
       kCode,
       {{"field", "source.point"}},
       ContainerNotAllowed("source.point", "a box may not hold a box"),
       {"source.point", "a box may not hold a box"}},
      {"DEVICE_REFUSED", kCode, {}, DeviceRefused(absl::InternalError("odd offset")), {"odd offset"}},
  };
}

std::vector<ErrorCase> NotFounds() {
  constexpr StatusCode kCode = StatusCode::kNotFound;
  return {
      {"SESSION_NOT_FOUND", kCode, {{"field", "session_id"}}, SessionNotFound(), {"session_id"}},
      {"VM_NOT_FOUND", kCode, {{"field", "vm"}, {"vm", "3"}}, VmNotFound("vm", 3), {"vm", "3"}},
      {"BUFFER_NOT_FOUND", kCode, {{"field", "buffer"}, {"buffer", "4"}}, BufferNotFound("buffer", 4), {"buffer", "4"}},
      {"QUEUE_NOT_FOUND",
       kCode,
       {{"field", "jobs[1].queue"}, {"queue", "5"}},
       QueueNotFound("jobs[1].queue", 5),
       {"jobs[1].queue", "5"}},
      {"CONTEXT_NOT_FOUND",
       kCode,
       {{"field", "fences[0].context"}, {"context", "6"}},
       ContextNotFound("fences[0].context", 6),
       {"fences[0].context", "6"}},
      {"SYNCOBJ_NOT_FOUND",
       kCode,
       {{"field", "syncobjs[0].syncobj"}, {"syncobj", "6"}},
       SyncobjNotFound("syncobjs[0].syncobj", 6),
       {"syncobjs[0].syncobj", "6"}},
      {"DEVICE_NOT_FOUND",
       kCode,
       {{"field", "device"}, {"device", "x\\ty"}},
       DeviceNotFound("x\ty"),
       {"device", "x\\ty"}},
      {"ENGINE_NOT_FOUND",
       kCode,
       {{"field", "engine_class"}, {"engine_class", "rcs"}},
       EngineNotFound("rcs", std::nullopt),
       {"rcs"}},
      {"ENGINE_NOT_FOUND",
       kCode,
       {{"field", "engine_instance"}, {"engine_class", "vcs"}, {"engine_instance", "2"}},
       EngineNotFound("vcs", 2),
       {"vcs2"}},
  };
}

std::vector<ErrorCase> Others() {
  constexpr StatusCode kExhausted = StatusCode::kResourceExhausted;
  constexpr StatusCode kPrecondition = StatusCode::kFailedPrecondition;
  const Metadata limit = {{"limit", "queues_max"}, {"value", "64"}, {"used", "63"}};
  return {
      {"LIMIT_REACHED", kExhausted, limit, LimitReached("queues_max", 64, 63), {"queues_max", "64", "63"}},
      {"LIMIT_REACHED",
       kExhausted,
       limit,
       LimitReachedForNow("queues_max", 64, 63),
       {"queues_max", "64", "63"},
       /*retry=*/true},
      {"INBOX_FULL", kExhausted, {}, InboxFull("4 of 4"), {"4 of 4"}, /*retry=*/true},
      {"DEVICE_MEMORY_EXHAUSTED", kExhausted, {}, DeviceMemoryExhausted("no pages"), {"no pages"}},
      {"QUEUE_BANNED",
       kPrecondition,
       {{"queue", "7"}, {"context", "8"}, {"seqno", "9"}},
       QueueBanned(7, 8, 9),
       {"queue 7", "{8, 9}"}},
      {"VM_IN_USE", kPrecondition, {{"vm", "1"}, {"queue", "2"}}, VmInUse(1, 2), {"vm 1", "queue 2"}},
      {"SUBMIT_FORGOTTEN",
       StatusCode::kOutOfRange,
       {{"field", "submit_number"}, {"value", "3"}, {"oldest_kept", "5"}},
       SubmitForgotten(3, 5),
       {"submit_number", "3", "5"}},
      {"FENCE_FORGOTTEN",
       StatusCode::kOutOfRange,
       {{"field", "fences[3].seqno"}, {"context", "1"}, {"seqno", "2"}},
       FenceForgotten("fences[3].seqno", 1, 2),
       {"fences[3].seqno", "{1, 2}"}},
      {"SYNCOBJ_POINT_FORGOTTEN",
       StatusCode::kOutOfRange,
       {{"field", "source.point"}, {"syncobj", "1"}, {"point", "2"}},
       SyncobjPointForgotten("source.point", 1, 2),
       {"source.point", "point 2", "syncobj 1"}},
      {"SYNCOBJ_NOT_SUBMITTED",
       StatusCode::kDeadlineExceeded,
       {{"field", "source"}, {"syncobj", "1"}, {"point", "2"}},
       SyncobjNotSubmittedInTime(1, 2, 5000),
       {"source", "point 2", "syncobj 1", "5000 ms"}},
      {"EVENT_NOT_KEPT",
       StatusCode::kOutOfRange,
       {{"field", "after_event"}, {"value", "3"}, {"oldest_event", "10"}, {"last_event", "20"}},
       EventNotKept(3, 10, 20),
       {"after_event", "3", "10", "20"}},
      {"SHUTTING_DOWN", StatusCode::kUnavailable, {}, ShuttingDown(), {"shutting down"}},
      {"DEVICE_UNAVAILABLE", StatusCode::kUnavailable, {}, DeviceUnavailable("it is lost"), {"it is lost"}},
  };
}

class ErrorsTest : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(ErrorsTest, CarriesCodeReasonMetadataAndMessage) {
  const ErrorCase& expected = GetParam();
  EXPECT_EQ(expected.status.code(), expected.code);
  const std::optional<ErrorDetails> details = DetailsOf(expected.status);
  ASSERT_TRUE(details.has_value());
  EXPECT_EQ(details->reason, expected.reason);
  EXPECT_EQ(Metadata(details->metadata.begin(), details->metadata.end()), expected.metadata);
  EXPECT_EQ(details->metadata.size(), expected.metadata.size()) << "no key comes twice";
  EXPECT_EQ(details->retry_after_ms.has_value(), expected.retry);
  if (expected.retry) {
    EXPECT_GT(details->retry_after_ms.value_or(0), 0);
  }
  for (const std::string& words : expected.says) {
    EXPECT_THAT(std::string(expected.status.message()), HasSubstr(words));
  }
}

INSTANTIATE_TEST_SUITE_P(InvalidArgument, ErrorsTest, ::testing::ValuesIn(InvalidArguments()));
INSTANTIATE_TEST_SUITE_P(NotFound, ErrorsTest, ::testing::ValuesIn(NotFounds()));
INSTANTIATE_TEST_SUITE_P(Other, ErrorsTest, ::testing::ValuesIn(Others()));

TEST(ErrorDetailsTest, ComeOutAsTheyWentInWhateverTheStringsHold) {
  const std::string zeros("\0:\0", 3);
  const std::string binary = "\xff\xfe 4:abc";
  const ErrorDetails in{"REASON:3:x", {{"", ""}, {"5:", zeros}, {binary, "\n\""}, {"", "twice"}}, -3};
  const std::optional<ErrorDetails> out = DetailsOf(MakeError(StatusCode::kAborted, "m", in));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->reason, in.reason);
  EXPECT_THAT(out->metadata, ElementsAre(Pair("", ""), Pair("5:", zeros), Pair(binary, "\n\""), Pair("", "twice")));
  EXPECT_EQ(out->retry_after_ms, -3);
}

TEST(ErrorDetailsTest, EmptyOnesAreNotTheSameAsNone) {
  const std::optional<ErrorDetails> out = DetailsOf(MakeError(StatusCode::kInternal, "", {}));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->reason, "");
  EXPECT_THAT(out->metadata, IsEmpty());
  EXPECT_FALSE(out->retry_after_ms.has_value());
  EXPECT_FALSE(DetailsOf(absl::InternalError("from elsewhere")).has_value());
  EXPECT_FALSE(DetailsOf(absl::OkStatus()).has_value());
}

TEST(ErrorDetailsTest, ZeroIsATimeToTryAgain) {
  const std::optional<ErrorDetails> out = DetailsOf(MakeError(StatusCode::kInternal, "", {"R", {}, 0}));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->retry_after_ms, 0);
}

// The payload of a status that came from here, by way of the one key that it has.
std::string KeyOfDetails() {
  std::string key;
  SessionNotFound().ForEachPayload([&](absl::string_view url, const absl::Cord&) { key = std::string(url); });
  return key;
}

TEST(ErrorDetailsTest, BrokenEncodingsAreNoDetails) {
  for (const char* broken : {"", "1", "1:", "1:R", "1:R0", "1:R0:3:ke", "1:R0:3:key", "1:R0:3:key5:val",
                             "x:R0:", "-1:R0:", "99999999999999999999:R0:"}) {
    absl::Status status = absl::InternalError("m");
    status.SetPayload(KeyOfDetails(), absl::Cord(broken));
    EXPECT_FALSE(DetailsOf(status).has_value()) << broken;
  }
}

TEST(FromDeviceTest, RefusalsBecomeAClientsByTheirCode) {
  const auto reason = [](const absl::Status& status) { return DetailsOf(status).value_or(ErrorDetails{}).reason; };
  const absl::Status invalid = FromDevice(absl::InvalidArgumentError("odd"));
  EXPECT_EQ(invalid.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(reason(invalid), "DEVICE_REFUSED");
  const absl::Status full = FromDevice(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(reason(full), "DEVICE_MEMORY_EXHAUSTED");
  const absl::Status lost = FromDevice(absl::UnavailableError("lost"));
  EXPECT_EQ(lost.code(), StatusCode::kUnavailable);
  EXPECT_EQ(reason(lost), "DEVICE_UNAVAILABLE");
  EXPECT_EQ(lost.message(), "lost");
  EXPECT_EQ(FromDevice(absl::InternalError("bug")), absl::InternalError("bug"));
}

TEST(FromReserveTest, AFullInboxIsNotAFullDevice) {
  const absl::Status inbox = FromReserve(absl::ResourceExhaustedError("full"));
  ASSERT_TRUE(DetailsOf(inbox).has_value());
  EXPECT_EQ(DetailsOf(inbox)->reason, "INBOX_FULL");
  const absl::Status stopped = FromReserve(absl::UnavailableError("stop"));
  ASSERT_TRUE(DetailsOf(stopped).has_value());
  EXPECT_EQ(DetailsOf(stopped)->reason, "DEVICE_UNAVAILABLE");
}

}  // namespace
}  // namespace xeq
