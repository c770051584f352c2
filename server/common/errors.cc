#include "server/common/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace xeq {
namespace {

constexpr char kPayloadUrl[] = "xeq/error-details";
// Long enough for a batch of jobs to end, short against a person's patience.
constexpr int64_t kRetryAfterMs = 10;

// Strings in a row, each behind its length.
void AppendString(std::string& out, absl::string_view text) { absl::StrAppend(&out, text.size(), ":", text); }

bool TakeString(absl::string_view& in, std::string& text) {
  const size_t colon = in.find(':');
  size_t size = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(in.substr(0, colon), &size)) return false;
  in.remove_prefix(colon + 1);
  if (size > in.size()) return false;
  text = std::string(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

using Metadata = std::vector<std::pair<std::string, std::string>>;

absl::Status Invalid(absl::string_view message, absl::string_view reason, Metadata metadata) {
  return MakeError(absl::StatusCode::kInvalidArgument, message, {std::string(reason), std::move(metadata), {}});
}

absl::Status HandleNotFound(absl::string_view kind, absl::string_view reason, absl::string_view field,
                            uint64_t handle) {
  return MakeError(
      absl::StatusCode::kNotFound, absl::StrCat(field, ": the session has no ", kind, " with the handle ", handle),
      {std::string(reason), {{"field", std::string(field)}, {std::string(kind), absl::StrCat(handle)}}, {}});
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, absl::string_view message, const ErrorDetails& details) {
  std::string encoded;
  AppendString(encoded, details.reason);
  AppendString(encoded, details.retry_after_ms ? absl::StrCat(*details.retry_after_ms) : "");
  for (const auto& [key, value] : details.metadata) {
    AppendString(encoded, key);
    AppendString(encoded, value);
  }
  absl::Status status(code, message);
  status.SetPayload(kPayloadUrl, absl::Cord(encoded));
  return status;
}

std::optional<ErrorDetails> DetailsOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload) return std::nullopt;
  const std::string encoded(*payload);
  absl::string_view rest(encoded);
  ErrorDetails details;
  std::string retry_after;
  if (!TakeString(rest, details.reason) || !TakeString(rest, retry_after)) return std::nullopt;
  int64_t retry_after_ms = 0;
  if (absl::SimpleAtoi(retry_after, &retry_after_ms)) details.retry_after_ms = retry_after_ms;
  while (!rest.empty()) {
    auto& [key, value] = details.metadata.emplace_back();
    if (!TakeString(rest, key) || !TakeString(rest, value)) return std::nullopt;
  }
  return details;
}

absl::Status FieldOutOfRange(absl::string_view field, uint64_t value, uint64_t min, uint64_t max) {
  return Invalid(absl::StrCat(field, " is ", value, ", must be from ", min, " to ", max), "FIELD_OUT_OF_RANGE",
                 {{"field", std::string(field)},
                  {"value", absl::StrCat(value)},
                  {"min", absl::StrCat(min)},
                  {"max", absl::StrCat(max)}});
}

absl::Status FieldNotAligned(absl::string_view field, uint64_t value, uint64_t alignment) {
  return Invalid(
      absl::StrCat(field, " is ", value, ", must be a multiple of ", alignment), "FIELD_NOT_ALIGNED",
      {{"field", std::string(field)}, {"value", absl::StrCat(value)}, {"alignment", absl::StrCat(alignment)}});
}

absl::Status FieldLengthOutOfRange(absl::string_view field, uint64_t length, uint64_t min, uint64_t max) {
  return Invalid(absl::StrCat(field, " has the length ", length, ", must be from ", min, " to ", max),
                 "FIELD_LENGTH_OUT_OF_RANGE",
                 {{"field", std::string(field)},
                  {"length", absl::StrCat(length)},
                  {"min", absl::StrCat(min)},
                  {"max", absl::StrCat(max)}});
}

absl::Status FieldUnknownValue(absl::string_view field, int64_t value) {
  return Invalid(absl::StrCat(field, " has the unknown value ", value), "FIELD_UNKNOWN_VALUE",
                 {{"field", std::string(field)}, {"value", absl::StrCat(value)}});
}

absl::Status FieldMissing(absl::string_view field) {
  return Invalid(absl::StrCat(field, " is missing"), "FIELD_MISSING", {{"field", std::string(field)}});
}

absl::Status FieldNotAllowed(absl::string_view field, absl::string_view why) {
  return Invalid(absl::StrCat(field, " is not allowed here: ", why), "FIELD_NOT_ALLOWED",
                 {{"field", std::string(field)}});
}

absl::Status PageTokenInvalid(absl::string_view token) {
  return Invalid(absl::StrCat("page_token \"", absl::Utf8SafeCEscape(token), "\" did not come from an answer"),
                 "PAGE_TOKEN_INVALID", {{"field", "page_token"}});
}

absl::Status RangeOutsideBuffer(absl::string_view field, uint64_t offset, uint64_t size, uint64_t buffer_bytes) {
  return Invalid(
      absl::StrCat(field, ": ", size, " bytes at offset ", offset, " do not lie in the buffer of ", buffer_bytes),
      "RANGE_OUTSIDE_BUFFER",
      {{"field", std::string(field)},
       {"offset", absl::StrCat(offset)},
       {"size", absl::StrCat(size)},
       {"buffer_bytes", absl::StrCat(buffer_bytes)}});
}

absl::Status RangeOutsideVm(absl::string_view field, uint64_t address, uint64_t size, uint64_t limit) {
  return Invalid(absl::StrCat(field, ": ", size, " bytes at address ", address, " do not lie below ", limit),
                 "RANGE_OUTSIDE_VM",
                 {{"field", std::string(field)},
                  {"address", absl::StrCat(address)},
                  {"size", absl::StrCat(size)},
                  {"max", absl::StrCat(limit)}});
}

absl::Status FenceNeverArmed(absl::string_view field, uint64_t context, uint64_t seqno, uint64_t last_armed) {
  return Invalid(absl::StrCat(field, ": the fence {", context, ", ", seqno,
                              "} was never armed; the last of its context is ", last_armed),
                 "FENCE_NEVER_ARMED",
                 {{"field", std::string(field)},
                  {"context", absl::StrCat(context)},
                  {"seqno", absl::StrCat(seqno)},
                  {"last_armed_seqno", absl::StrCat(last_armed)}});
}

absl::Status WaitNotEarlier(absl::string_view field, uint64_t value, uint64_t own_index) {
  return Invalid(absl::StrCat(field, " is ", value, ", must be below ", own_index, ", the index of the job that waits"),
                 "WAIT_NOT_EARLIER",
                 {{"field", std::string(field)}, {"value", absl::StrCat(value)}, {"job", absl::StrCat(own_index)}});
}

absl::Status SyncobjNotSubmitted(absl::string_view field, uint64_t syncobj, uint64_t point, uint64_t newest) {
  return Invalid(absl::StrCat(field, ": nothing was submitted for the point ", point, " of the syncobj ", syncobj,
                              "; its newest point is ", newest),
                 "SYNCOBJ_NOT_SUBMITTED",
                 {{"field", std::string(field)},
                  {"syncobj", absl::StrCat(syncobj)},
                  {"point", absl::StrCat(point)},
                  {"newest_point", absl::StrCat(newest)}});
}

absl::Status SyncobjUnknown(absl::string_view field, uint64_t syncobj) {
  return Invalid(absl::StrCat(field, ": the session has no syncobj with the handle ", syncobj), "SYNCOBJ_UNKNOWN",
                 {{"field", std::string(field)}, {"syncobj", absl::StrCat(syncobj)}});
}

absl::Status ContainerNotAllowed(absl::string_view field, absl::string_view why) {
  return Invalid(absl::StrCat(field, ": ", why), "CONTAINER_NOT_ALLOWED", {{"field", std::string(field)}});
}

absl::Status DeviceRefused(const absl::Status& status) { return Invalid(status.message(), "DEVICE_REFUSED", {}); }

absl::Status SessionNotFound() {
  return MakeError(absl::StatusCode::kNotFound, "session_id: there is no such session, or no more",
                   {"SESSION_NOT_FOUND", {{"field", "session_id"}}, {}});
}

absl::Status VmNotFound(absl::string_view field, uint64_t vm) {
  return HandleNotFound("vm", "VM_NOT_FOUND", field, vm);
}

absl::Status BufferNotFound(absl::string_view field, uint64_t buffer) {
  return HandleNotFound("buffer", "BUFFER_NOT_FOUND", field, buffer);
}

absl::Status QueueNotFound(absl::string_view field, uint64_t queue) {
  return HandleNotFound("queue", "QUEUE_NOT_FOUND", field, queue);
}

absl::Status TimelineNotFound(absl::string_view field, uint64_t timeline) {
  return HandleNotFound("timeline", "TIMELINE_NOT_FOUND", field, timeline);
}

absl::Status ContextNotFound(absl::string_view field, uint64_t context) {
  return HandleNotFound("context", "CONTEXT_NOT_FOUND", field, context);
}

absl::Status SyncobjNotFound(absl::string_view field, uint64_t syncobj) {
  return HandleNotFound("syncobj", "SYNCOBJ_NOT_FOUND", field, syncobj);
}

absl::Status DeviceNotFound(absl::string_view device) {
  const std::string shown = absl::Utf8SafeCEscape(device);
  return MakeError(absl::StatusCode::kNotFound, absl::StrCat("device: the service has no device \"", shown, "\""),
                   {"DEVICE_NOT_FOUND", {{"field", "device"}, {"device", shown}}, {}});
}

absl::Status EngineNotFound(absl::string_view engine_class, std::optional<uint32_t> instance) {
  ErrorDetails details{"ENGINE_NOT_FOUND", {{"engine_class", std::string(engine_class)}}, {}};
  details.metadata.emplace_back("field", instance ? "engine_instance" : "engine_class");
  if (instance) details.metadata.emplace_back("engine_instance", absl::StrCat(*instance));
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("the device has no engine ", engine_class, instance ? absl::StrCat(*instance) : ""),
                   details);
}

absl::Status LimitReached(absl::string_view limit, uint64_t value, uint64_t used) {
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat(limit, " is ", value, ", and ", used, " are in use"),
                   {"LIMIT_REACHED",
                    {{"limit", std::string(limit)}, {"value", absl::StrCat(value)}, {"used", absl::StrCat(used)}},
                    {}});
}

absl::Status LimitReachedForNow(absl::string_view limit, uint64_t value, uint64_t used) {
  const absl::Status error = LimitReached(limit, value, used);
  ErrorDetails details = *DetailsOf(error);
  details.retry_after_ms = kRetryAfterMs;
  return MakeError(error.code(), error.message(), details);
}

absl::Status InboxFull(absl::string_view message) {
  return MakeError(absl::StatusCode::kResourceExhausted, message, {"INBOX_FULL", {}, kRetryAfterMs});
}

absl::Status DeviceMemoryExhausted(absl::string_view message) {
  return MakeError(absl::StatusCode::kResourceExhausted, message, {"DEVICE_MEMORY_EXHAUSTED", {}, {}});
}

absl::Status QueueBanned(uint64_t queue, uint64_t context, uint64_t seqno) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("queue ", queue, " takes no more jobs since the job {", context, ", ", seqno, "} faulted or hung"),
      {"QUEUE_BANNED",
       {{"queue", absl::StrCat(queue)}, {"context", absl::StrCat(context)}, {"seqno", absl::StrCat(seqno)}},
       {}});
}

absl::Status QueueKilled(uint64_t queue) {
  return MakeError(absl::StatusCode::kFailedPrecondition, absl::StrCat("queue ", queue, " was killed"),
                   {"QUEUE_KILLED", {{"queue", absl::StrCat(queue)}}, {}});
}

absl::Status SuspendRefused(absl::StatusCode code, uint64_t queue) {
  if (code == absl::StatusCode::kDeadlineExceeded) {
    return MakeError(code, absl::StrCat("queue ", queue, " did not leave the engine in time and is banned"),
                     {"SUSPEND_TIMED_OUT", {{"queue", absl::StrCat(queue)}}, {}});
  }
  if (code == absl::StatusCode::kAborted) {
    return MakeError(code, absl::StrCat("queue ", queue, " was resumed or stopped before it was suspended"),
                     {"SUSPEND_ABORTED", {{"queue", absl::StrCat(queue)}}, {}});
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, absl::StrCat("queue ", queue, " is stopped for good"),
                   {"QUEUE_STOPPED", {{"queue", absl::StrCat(queue)}}, {}});
}

absl::Status SuspendPending(uint64_t queue, uint32_t timeout_ms) {
  return MakeError(absl::StatusCode::kDeadlineExceeded,
                   absl::StrCat("queue ", queue, " has not left the engine within ", timeout_ms, " ms"),
                   {"SUSPEND_PENDING", {{"queue", absl::StrCat(queue)}, {"timeout_ms", absl::StrCat(timeout_ms)}}, {}});
}

absl::Status PriorityNotAllowed(uint32_t priority, uint32_t priority_max) {
  return MakeError(absl::StatusCode::kPermissionDenied,
                   absl::StrCat("priority is ", priority, ", and this session may have at most ", priority_max,
                                " (0 low, 1 normal, 2 high)"),
                   {"PRIORITY_NOT_ALLOWED",
                    {{"field", "priority"}, {"value", absl::StrCat(priority)}, {"max", absl::StrCat(priority_max)}},
                    {}});
}

absl::Status NotOnThisDevice(absl::string_view field, absl::string_view what) {
  return MakeError(absl::StatusCode::kUnimplemented, absl::StrCat(field, ": this device has no ", what),
                   {"NOT_ON_THIS_DEVICE", {{"field", std::string(field)}}, {}});
}

absl::Status VmInUse(uint64_t vm, uint64_t queue) {
  return MakeError(absl::StatusCode::kFailedPrecondition, absl::StrCat("vm ", vm, " is in use by queue ", queue),
                   {"VM_IN_USE", {{"vm", absl::StrCat(vm)}, {"queue", absl::StrCat(queue)}}, {}});
}

absl::Status SubmitNotTheSame(uint64_t number) {
  return Invalid(absl::StrCat("submit_number ", number, " was used before, for other jobs"), "SUBMIT_NOT_THE_SAME",
                 {{"field", "submit_number"}, {"value", absl::StrCat(number)}});
}

absl::Status SubmitForgotten(uint64_t number, uint64_t oldest_kept) {
  return MakeError(
      absl::StatusCode::kOutOfRange,
      absl::StrCat("submit_number is ", number, ", and answers are kept from ", oldest_kept, " on"),
      {"SUBMIT_FORGOTTEN",
       {{"field", "submit_number"}, {"value", absl::StrCat(number)}, {"oldest_kept", absl::StrCat(oldest_kept)}},
       {}});
}

absl::Status FenceForgotten(absl::string_view field, uint64_t context, uint64_t seqno) {
  return MakeError(absl::StatusCode::kOutOfRange,
                   absl::StrCat(field, ": how the fence {", context, ", ", seqno, "} ended is no longer kept"),
                   {"FENCE_FORGOTTEN",
                    {{"field", std::string(field)}, {"context", absl::StrCat(context)}, {"seqno", absl::StrCat(seqno)}},
                    {}});
}

absl::Status SyncobjPointForgotten(absl::string_view field, uint64_t syncobj, uint64_t point) {
  return MakeError(
      absl::StatusCode::kOutOfRange,
      absl::StrCat(field, ": how the point ", point, " of the syncobj ", syncobj, " ended is no longer kept"),
      {"SYNCOBJ_POINT_FORGOTTEN",
       {{"field", std::string(field)}, {"syncobj", absl::StrCat(syncobj)}, {"point", absl::StrCat(point)}},
       {}});
}

absl::Status EventNotKept(uint64_t after_event, uint64_t oldest_event, uint64_t last_event) {
  return MakeError(
      absl::StatusCode::kOutOfRange,
      absl::StrCat("after_event is ", after_event, ", and events ", oldest_event, " to ", last_event, " are kept"),
      {"EVENT_NOT_KEPT",
       {{"field", "after_event"},
        {"value", absl::StrCat(after_event)},
        {"oldest_event", absl::StrCat(oldest_event)},
        {"last_event", absl::StrCat(last_event)}},
       {}});
}

absl::Status SyncobjNotSubmittedInTime(uint64_t syncobj, uint64_t point, uint32_t timeout_ms) {
  return MakeError(absl::StatusCode::kDeadlineExceeded,
                   absl::StrCat("source: nothing was submitted for the point ", point, " of the syncobj ", syncobj,
                                " within ", timeout_ms, " ms"),
                   {"SYNCOBJ_NOT_SUBMITTED",
                    {{"field", "source"}, {"syncobj", absl::StrCat(syncobj)}, {"point", absl::StrCat(point)}},
                    {}});
}

absl::Status ShuttingDown() {
  return MakeError(absl::StatusCode::kUnavailable, "the service is shutting down", {"SHUTTING_DOWN", {}, {}});
}

absl::Status DeviceUnavailable(absl::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, message, {"DEVICE_UNAVAILABLE", {}, {}});
}

absl::Status FromDevice(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return DeviceRefused(status);
    case absl::StatusCode::kResourceExhausted:
      return DeviceMemoryExhausted(status.message());
    case absl::StatusCode::kUnavailable:
      return DeviceUnavailable(status.message());
    default:
      return status;
  }
}

absl::Status FromReserve(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? InboxFull(status.message()) : FromDevice(status);
}

}  // namespace xeq
