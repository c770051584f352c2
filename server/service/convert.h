// The border of protobuf: messages in, plain types out, and back. What depends on the request alone is checked here.
#ifndef XEQ_SERVER_SERVICE_CONVERT_H_
#define XEQ_SERVER_SERVICE_CONVERT_H_

#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "server/session/event_log.h"
#include "server/session/fence_table.h"
#include "server/session/job_spec.h"
#include "server/session/session.h"
#include "xeq/v1/device.pb.h"
#include "xeq/v1/fence.pb.h"
#include "xeq/v1/queue.pb.h"
#include "xeq/v1/session.pb.h"
#include "xeq/v1/vm.pb.h"

namespace xeq::service {

// ---- In. INVALID_ARGUMENT, with the field and its limit, when a message cannot mean anything.
using JobSpecs = absl::InlinedVector<session::JobSpec, 4>;
// The specs point into `request`.
absl::StatusOr<JobSpecs> ReadJobs(const v1::SubmitRequest& request);
absl::StatusOr<session::MapSpec> ReadMap(const v1::BindRequest& request);
absl::StatusOr<session::MapSpec> ReadMap(const v1::UnbindRequest& request);
absl::StatusOr<session::QueueSpec> ReadQueue(const v1::CreateQueueRequest& request);
absl::StatusOr<session::QueueProperties> ReadProperties(const v1::SetQueuePropertiesRequest& request);
absl::StatusOr<hw::Nanos> ReadLease(const v1::OpenSessionRequest& request);
absl::StatusOr<session::FenceWait::Mode> ReadMode(v1::WaitMode mode);
absl::StatusOr<std::vector<sched::Point>> ReadFences(const v1::WaitFencesRequest& request);
// `value` or, when that is 0, `default_value`. It must lie in [min, max] then.
absl::StatusOr<uint32_t> ReadInRange(absl::string_view field, uint32_t value, uint32_t default_value, uint32_t min,
                                     uint32_t max);

// ---- Out.
void Write(const sched::Point& point, v1::Fence* proto);
void Write(const session::FenceStatus& status, v1::FenceStatus* proto);
// `timestamp_hz` is of the device.
void Write(const session::QueueInfo& queue, uint64_t timestamp_hz, v1::Queue* proto);
void Write(const session::SessionLimits& limits, v1::SessionLimits* proto);
void Write(const hw::Device& device, v1::Device* proto);
// `now` is when the event goes to the client.
void Write(const session::Event& event, uint64_t number, hw::Nanos now, v1::FenceEvent* proto);

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_CONVERT_H_
