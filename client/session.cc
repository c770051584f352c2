// Sessions, and what is made, submitted and waited for in them.
#include <utility>

#include "client/connection.h"
#include "client/convert.h"
#include "client/watch_stream.h"
#include "xeq/client.h"

namespace xeq {

using internal::Handle;
using internal::kAnswerTime;
using internal::kWaitMax;
using internal::Retry;

Session::Session(std::shared_ptr<internal::SessionState> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

uint64_t Session::id() const { return state_->id; }

absl::StatusOr<Vm> Session::CreateVm(bool long_running) {
  internal::Connection& connection = *state_->connection;
  v1::CreateVmRequest request;
  v1::CreateVmResponse response;
  request.set_session_id(state_->id);
  request.set_long_running(long_running);
  absl::Status status = connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.vms->CreateVm(context, request, &response);
  });
  if (!status.ok()) return status;
  return Vm(std::make_unique<Handle>(state_, Handle::Kind::kVm, response.vm()));
}

absl::StatusOr<Buffer> Session::CreateBuffer(uint64_t size_bytes, uint32_t region) {
  internal::Connection& connection = *state_->connection;
  v1::CreateBufferRequest request;
  v1::CreateBufferResponse response;
  request.set_session_id(state_->id);
  request.set_size(size_bytes);
  request.set_region(region);
  absl::Status status = connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.buffers->CreateBuffer(context, request, &response);
  });
  if (!status.ok()) return status;
  return Buffer(std::make_unique<Handle>(state_, Handle::Kind::kBuffer, response.buffer()), response.size());
}

absl::StatusOr<HostTimeline> Session::CreateHostTimeline() {
  internal::Connection& connection = *state_->connection;
  v1::CreateHostTimelineRequest request;
  v1::CreateHostTimelineResponse response;
  request.set_session_id(state_->id);
  absl::Status status = connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.fences->CreateHostTimeline(context, request, &response);
  });
  if (!status.ok()) return status;
  return HostTimeline(std::make_unique<Handle>(state_, Handle::Kind::kHostTimeline, response.timeline()));
}

absl::StatusOr<std::vector<Fence>> Session::Submit(absl::Span<const Job> jobs) {
  return SubmitJobs(jobs, /*combined=*/false);
}
absl::StatusOr<std::vector<Fence>> Session::SubmitCombined(absl::Span<const Job> jobs) {
  return SubmitJobs(jobs, /*combined=*/true);
}

absl::StatusOr<std::vector<Fence>> Session::SubmitJobs(absl::Span<const Job> jobs, bool combined) {
  internal::Connection& connection = *state_->connection;
  v1::SubmitRequest request;
  v1::SubmitResponse response;
  request.set_session_id(state_->id);
  request.set_combined_fence(combined);
  // So that it can be made again when the answer is lost.
  if (state_->owned) request.set_submit_number(state_->next_submit.fetch_add(1) + 1);
  for (const Job& job : jobs) {
    v1::Job* proto = request.add_jobs();
    proto->set_queue(job.queue);
    proto->mutable_batch_addresses()->Assign(job.batch_addresses.begin(), job.batch_addresses.end());
    if (job.user_fence_address != 0) {
      proto->mutable_user_fence()->set_address(job.user_fence_address);
      proto->mutable_user_fence()->set_value(job.user_fence_value);
    }
    const v1::WaitErrorPolicy policy = internal::ToProto(job.on_error);
    for (const Fence& fence : job.waits) {
      v1::Wait* wait = proto->add_waits();
      internal::Write(fence, wait->mutable_fence());
      wait->set_on_error(policy);
    }
    for (const uint32_t earlier : job.waits_on_jobs) {
      v1::Wait* wait = proto->add_waits();
      wait->set_job(earlier);
      wait->set_on_error(policy);
    }
    for (const SyncobjPoint& point : job.waits_on_syncobjs) {
      v1::Wait* wait = proto->add_waits();
      internal::Write(point, wait->mutable_syncobj());
      wait->set_on_error(policy);
    }
    for (const SyncobjPoint& point : job.signals) internal::Write(point, proto->add_signals());
    if (job.waits_on_any_of.empty()) continue;
    v1::Wait* any = proto->add_waits();
    any->set_on_error(policy);
    for (const Fence& fence : job.waits_on_any_of) internal::Write(fence, any->mutable_any_of()->add_fences());
  }
  absl::Status status = connection.Invoke(
      state_->owned ? Retry::kSafe : Retry::kBusy,
      [&](grpc::ClientContext* context) { return connection.queues->Submit(context, request, &response); });
  if (!status.ok()) return status;
  std::vector<Fence> fences;
  fences.reserve(static_cast<size_t>(response.fences_size()));
  for (const v1::Fence& fence : response.fences()) fences.push_back(internal::FromProto(fence));
  if (combined) fences.push_back(internal::FromProto(response.combined()));
  return fences;
}

absl::StatusOr<WaitResult> Session::Wait(absl::Span<const Fence> fences, WaitMode mode,
                                         std::chrono::milliseconds timeout) {
  internal::Connection& connection = *state_->connection;
  v1::WaitFencesRequest request;
  v1::WaitFencesResponse response;
  timeout = std::clamp(timeout, std::chrono::milliseconds(0), kWaitMax);
  request.set_session_id(state_->id);
  request.set_mode(mode == WaitMode::kAll ? v1::WAIT_MODE_ALL : v1::WAIT_MODE_ANY);
  request.set_timeout_ms(static_cast<uint32_t>(timeout.count()));
  for (const Fence& fence : fences) internal::Write(fence, request.add_fences());
  absl::Status status = connection.Invoke(Retry::kSafe, timeout + kAnswerTime, [&](grpc::ClientContext* context) {
    return connection.fences->WaitFences(context, request, &response);
  });
  if (!status.ok()) return status;
  WaitResult result{response.satisfied(), {}};
  for (const v1::FenceStatus& fence : response.statuses()) result.statuses.push_back(internal::FromProto(fence));
  return result;
}

absl::Status Session::Wait(const Fence& fence, std::chrono::milliseconds timeout) {
  absl::StatusOr<WaitResult> result = Wait(absl::MakeConstSpan(&fence, 1), WaitMode::kAll, timeout);
  if (!result.ok()) return result.status();
  if (!result->satisfied) return absl::DeadlineExceededError("the fence has not ended in time");
  return result->statuses.front().error;
}

absl::StatusOr<Watch> Session::WatchFences(uint64_t after_event) {
  auto stream = std::make_unique<internal::WatchStream>(state_, after_event);
  if (absl::Status status = stream->WaitForStart(); !status.ok()) return status;
  return Watch(std::move(stream));
}

}  // namespace xeq
