// Execution queues of a session.
#include <algorithm>
#include <utility>

#include "client/connection.h"
#include "client/convert.h"

namespace xeq {

using internal::Handle;
using internal::kAnswerTime;
using internal::Retry;

absl::StatusOr<Queue> Session::CreateQueue(uint64_t vm, EngineClass engine_class, const QueueOptions& options) {
  internal::Connection& connection = *state_->connection;
  v1::CreateQueueRequest request;
  v1::CreateQueueResponse response;
  request.set_session_id(state_->id);
  request.set_vm(vm);
  request.set_engine_class(internal::ToProto(engine_class));
  if (options.engine_instance) request.set_engine_instance(*options.engine_instance);
  request.set_priority(internal::ToProto(options.priority));
  request.set_job_timeout_ms(options.job_timeout_ms);
  request.set_width(options.width);
  request.set_bypass(options.bypass);
  request.set_put_mode(options.deferred_put ? v1::PUT_MODE_DEFERRED : v1::PUT_MODE_INLINE);
  request.mutable_placements()->Assign(options.placements.begin(), options.placements.end());
  request.set_timeslice_us(options.timeslice_us);
  request.set_preempt_timeout_us(options.preempt_timeout_us);
  request.set_low_latency(options.low_latency);
  request.set_name(options.name);
  request.set_msix_vector(options.msix_vector);
  absl::Status status = connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.queues->CreateQueue(context, request, &response);
  });
  if (!status.ok()) return status;
  return Queue(std::make_unique<Handle>(state_, Handle::Kind::kQueue, response.queue().queue()));
}

absl::StatusOr<QueueInfo> Session::GetQueue(uint64_t queue) {
  internal::Connection& connection = *state_->connection;
  v1::GetQueueRequest request;
  v1::GetQueueResponse response;
  request.set_session_id(state_->id);
  request.set_queue(queue);
  absl::Status status = connection.Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection.queues->GetQueue(context, request, &response);
  });
  if (!status.ok()) return status;
  return internal::FromProto(response.queue());
}

absl::Status Session::SetQueueProperties(uint64_t queue, const QueueProperties& properties) {
  internal::Connection& connection = *state_->connection;
  v1::SetQueuePropertiesRequest request;
  v1::SetQueuePropertiesResponse response;
  request.set_session_id(state_->id);
  request.set_queue(queue);
  if (properties.priority) request.set_priority(internal::ToProto(*properties.priority));
  request.set_timeslice_us(properties.timeslice_us.value_or(0));
  request.set_preempt_timeout_us(properties.preempt_timeout_us.value_or(0));
  return connection.Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection.queues->SetQueueProperties(context, request, &response);
  });
}

absl::Status Session::SuspendQueue(uint64_t queue, std::chrono::milliseconds timeout) {
  internal::Connection& connection = *state_->connection;
  v1::SuspendQueueRequest request;
  v1::SuspendQueueResponse response;
  request.set_session_id(state_->id);
  request.set_queue(queue);
  request.set_timeout_ms(static_cast<uint32_t>(std::clamp<int64_t>(timeout.count(), 1, UINT32_MAX)));
  return connection.Invoke(Retry::kSafe, timeout + kAnswerTime, [&](grpc::ClientContext* context) {
    return connection.queues->SuspendQueue(context, request, &response);
  });
}

absl::Status Session::ResumeQueue(uint64_t queue) {
  internal::Connection& connection = *state_->connection;
  v1::ResumeQueueRequest request;
  v1::ResumeQueueResponse response;
  request.set_session_id(state_->id);
  request.set_queue(queue);
  return connection.Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection.queues->ResumeQueue(context, request, &response);
  });
}

absl::Status Session::KillQueue(uint64_t queue) {
  internal::Connection& connection = *state_->connection;
  v1::KillQueueRequest request;
  v1::KillQueueResponse response;
  request.set_session_id(state_->id);
  request.set_queue(queue);
  return connection.Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection.queues->KillQueue(context, request, &response);
  });
}

}  // namespace xeq
