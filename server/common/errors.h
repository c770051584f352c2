// Every error that a client can see before its job is armed, one function each. The message is for people and names the
// field, the value and the limit; ErrorDetails carries the same for programs. The RPC edge turns both into a gRPC
// status, so that nothing above it knows protobuf.
#ifndef XEQ_SERVER_COMMON_ERRORS_H_
#define XEQ_SERVER_COMMON_ERRORS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xeq {

// What a program wants to know of an error.
struct ErrorDetails {
  // Becomes google.rpc.ErrorInfo.reason: "FIELD_OUT_OF_RANGE".
  std::string reason;
  // Becomes google.rpc.ErrorInfo.metadata.
  std::vector<std::pair<std::string, std::string>> metadata;
  // Becomes google.rpc.RetryInfo: when it is worth trying again.
  std::optional<int64_t> retry_after_ms;
};

// A status that carries `details`, and the details of one; nothing when the status did not come from here.
absl::Status MakeError(absl::StatusCode code, absl::string_view message, const ErrorDetails& details);
std::optional<ErrorDetails> DetailsOf(const absl::Status& status);

// ---- INVALID_ARGUMENT. Fields by their path in the request: "jobs[2].waits[0].fence.seqno".
absl::Status FieldOutOfRange(absl::string_view field, uint64_t value, uint64_t min, uint64_t max);
absl::Status FieldNotAligned(absl::string_view field, uint64_t value, uint64_t alignment);
// `length` is of a string in bytes, or of a list in elements.
absl::Status FieldLengthOutOfRange(absl::string_view field, uint64_t length, uint64_t min, uint64_t max);
// An enum value that this version does not know.
absl::Status FieldUnknownValue(absl::string_view field, int64_t value);
absl::Status FieldMissing(absl::string_view field);
absl::Status FieldNotAllowed(absl::string_view field, absl::string_view why);
absl::Status PageTokenInvalid(absl::string_view token);
// [offset, offset + size) does not lie in a buffer of `buffer_bytes`.
absl::Status RangeOutsideBuffer(absl::string_view field, uint64_t offset, uint64_t size, uint64_t buffer_bytes);
// [address, address + size) does not lie below `limit`.
absl::Status RangeOutsideVm(absl::string_view field, uint64_t address, uint64_t size, uint64_t limit);
absl::Status FenceNeverArmed(absl::string_view field, uint64_t context, uint64_t seqno, uint64_t last_armed);
// A wait on the job with index `value`, which is not before the one that waits.
absl::Status WaitNotEarlier(absl::string_view field, uint64_t value, uint64_t own_index);
// Neither binary payload nor point: `newest` is the newest point of the syncobj, 0 when it is no timeline.
absl::Status SyncobjNotSubmitted(absl::string_view field, uint64_t syncobj, uint64_t point, uint64_t newest);
// As SyncobjNotFound, where the kernel's number is EINVAL.
absl::Status SyncobjUnknown(absl::string_view field, uint64_t syncobj);
// `why` names what may not hold what.
absl::Status ContainerNotAllowed(absl::string_view field, absl::string_view why);
// What the device refuses for a reason of its own.
absl::Status DeviceRefused(const absl::Status& status);

// A call of Submit with this number was made before, for other jobs.
absl::Status SubmitNotTheSame(uint64_t number);

// ---- NOT_FOUND.
absl::Status SessionNotFound();
absl::Status VmNotFound(absl::string_view field, uint64_t vm);
absl::Status BufferNotFound(absl::string_view field, uint64_t buffer);
absl::Status QueueNotFound(absl::string_view field, uint64_t queue);
absl::Status TimelineNotFound(absl::string_view field, uint64_t timeline);
absl::Status ContextNotFound(absl::string_view field, uint64_t context);
absl::Status SyncobjNotFound(absl::string_view field, uint64_t syncobj);
absl::Status DeviceNotFound(absl::string_view device);
absl::Status EngineNotFound(absl::string_view engine_class, std::optional<uint32_t> instance);

// ---- RESOURCE_EXHAUSTED.
// `limit` is the name of a field of SessionLimits or of a setting.
absl::Status LimitReached(absl::string_view limit, uint64_t value, uint64_t used);
// As LimitReached, where the use goes down by itself.
absl::Status LimitReachedForNow(absl::string_view limit, uint64_t value, uint64_t used);
absl::Status InboxFull(absl::string_view message);
absl::Status DeviceMemoryExhausted(absl::string_view message);

// ---- FAILED_PRECONDITION.
// `context` and `seqno` name the job for which the queue was banned.
absl::Status QueueBanned(uint64_t queue, uint64_t context, uint64_t seqno);
absl::Status QueueKilled(uint64_t queue);
// The device's answer to a suspend, by its code: FAILED_PRECONDITION, DEADLINE_EXCEEDED or ABORTED.
absl::Status SuspendRefused(absl::StatusCode code, uint64_t queue);
absl::Status VmInUse(uint64_t vm, uint64_t queue);

// ---- PERMISSION_DENIED.
// Of hw::Priority.
absl::Status PriorityNotAllowed(uint32_t priority, uint32_t priority_max);

// ---- UNIMPLEMENTED.
absl::Status NotOnThisDevice(absl::string_view field, absl::string_view what);

// ---- OUT_OF_RANGE.
absl::Status SyncobjPointForgotten(absl::string_view field, uint64_t syncobj, uint64_t point);
// A number at or below those whose answers are no longer kept.
absl::Status SubmitForgotten(uint64_t number, uint64_t oldest_kept);
absl::Status FenceForgotten(absl::string_view field, uint64_t context, uint64_t seqno);
absl::Status EventNotKept(uint64_t after_event, uint64_t oldest_event, uint64_t last_event);

// ---- DEADLINE_EXCEEDED.
// The queue was asked to leave the engine and has not yet.
absl::Status SuspendPending(uint64_t queue, uint32_t timeout_ms);
absl::Status SyncobjNotSubmittedInTime(uint64_t syncobj, uint64_t point, uint32_t timeout_ms);

// ---- UNAVAILABLE.
absl::Status ShuttingDown();
absl::Status DeviceUnavailable(absl::string_view message);

// ---- A refusal from below in a client's terms, by its code: of Device and DeviceLoop::PostQueue, of
// DeviceLoop::Reserve.
absl::Status FromDevice(const absl::Status& status);
absl::Status FromReserve(const absl::Status& status);

}  // namespace xeq

#endif  // XEQ_SERVER_COMMON_ERRORS_H_
