// Bounds of a session and of one call.
#ifndef XEQ_SERVER_SESSION_LIMITS_H_
#define XEQ_SERVER_SESSION_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "hw/types.h"

namespace xeq::session {

// What one session may have at one time. The names are those of the API's SessionLimits, and of the settings.
struct SessionLimits {
  uint32_t vms_max = 64;
  uint32_t buffers_max = 4096;
  // Memory that was given back as a handle counts until its last mapping is gone.
  uint64_t buffer_bytes_max = uint64_t{64} << 30;
  uint32_t queues_max = 64;
  // Armed and not ended, binds included.
  uint32_t jobs_in_flight_max = 8192;
  uint32_t waiters_max = 1024;
  uint32_t watches_max = 16;
  uint32_t events_kept_max = 16384;
  // The highest priority of its queues. Never kKernel.
  hw::Priority priority_max = hw::Priority::kHigh;
  uint32_t syncobjs_max = 1024;
  // Held by syncobjs or by those who wait for them: one for what a syncobj holds, one for each of its points that has
  // not been let go.
  uint32_t syncobj_payloads_max = 16384;
};

// Jobs of one Submit.
inline constexpr size_t kJobsPerSubmitMax = 1024;
// In-fences of one job or bind.
inline constexpr size_t kWaitsPerJobMax = 64;
// Fences of one WaitFences.
inline constexpr size_t kWaitsPerCallMax = 1024;
// Syncobjs that one job puts its fence into.
inline constexpr size_t kSignalsPerJobMax = 64;
// Syncobjs of one call of SyncobjService.
inline constexpr size_t kSyncobjsPerCallMax = 64;
// Points of one syncobj that are not signalled, with those that are and whose failure is kept.
inline constexpr uint32_t kPointsPerSyncobjMax = 256;
// Points of one syncobj that failed and of which it is known, besides the newest.
inline constexpr uint32_t kFailedPointsKeptMax = 32;
// Fences that one payload stands for.
inline constexpr size_t kFencesPerPayloadMax = 64;
// How long a call waits for fences or syncobjs.
inline constexpr uint32_t kWaitTimeoutMsMax = 3'600'000;
// How long a transfer waits for its source to be submitted.
inline constexpr uint32_t kTransferWaitMsMax = 5'000;
// Queues and VMs that are gone and whose fences can still be asked for, and as many combined fences that have ended;
// beyond that the oldest is forgotten.
inline constexpr size_t kTombstonesMax = 1024;

inline constexpr uint32_t kLeaseMsMin = 1'000;
inline constexpr uint32_t kLeaseMsDefault = 30'000;
inline constexpr uint32_t kLeaseMsMax = 3'600'000;
inline constexpr uint32_t kJobTimeoutMsDefault = 5'000;
inline constexpr uint32_t kJobTimeoutMsMax = 10'000;
inline constexpr uint32_t kHostFenceMsDefault = 10'000;
inline constexpr uint32_t kHostFenceMsMax = 3'600'000;

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_LIMITS_H_
