// Syncobjs: the calls of Session for several, and Syncobj for one.
#include <algorithm>
#include <utility>

#include "client/connection.h"
#include "client/convert.h"
#include "xeq/client.h"

namespace xeq {

using internal::Handle;
using internal::kAnswerTime;
using internal::kWaitMax;
using internal::Retry;

absl::StatusOr<Syncobj> Session::CreateSyncobj(bool signaled) {
  internal::Connection& connection = *state_->connection;
  v1::CreateSyncobjRequest request;
  v1::CreateSyncobjResponse response;
  request.set_session_id(state_->id);
  request.set_signaled(signaled);
  absl::Status status = connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.syncobjs->CreateSyncobj(context, request, &response);
  });
  if (!status.ok()) return status;
  return Syncobj(std::make_unique<Handle>(state_, Handle::Kind::kSyncobj, response.syncobj()));
}

absl::Status Session::ResetSyncobjs(absl::Span<const uint64_t> syncobjs) {
  internal::Connection& connection = *state_->connection;
  v1::ResetSyncobjsRequest request;
  v1::ResetSyncobjsResponse response;
  request.set_session_id(state_->id);
  request.mutable_syncobjs()->Assign(syncobjs.begin(), syncobjs.end());
  // Not repeated when the answer is lost: somebody may have given them something since.
  return connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.syncobjs->ResetSyncobjs(context, request, &response);
  });
}

absl::Status Session::SignalSyncobjs(absl::Span<const SyncobjPoint> points) {
  internal::Connection& connection = *state_->connection;
  v1::SignalSyncobjsRequest request;
  v1::SignalSyncobjsResponse response;
  request.set_session_id(state_->id);
  for (const SyncobjPoint& point : points) internal::Write(point, request.add_points());
  return connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.syncobjs->SignalSyncobjs(context, request, &response);
  });
}

absl::StatusOr<std::vector<uint64_t>> Session::QuerySyncobjs(absl::Span<const uint64_t> syncobjs, bool last_submitted) {
  internal::Connection& connection = *state_->connection;
  v1::QuerySyncobjsRequest request;
  v1::QuerySyncobjsResponse response;
  request.set_session_id(state_->id);
  request.mutable_syncobjs()->Assign(syncobjs.begin(), syncobjs.end());
  request.set_last_submitted(last_submitted);
  absl::Status status = connection.Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection.syncobjs->QuerySyncobjs(context, request, &response);
  });
  if (!status.ok()) return status;
  return std::vector<uint64_t>(response.points().begin(), response.points().end());
}

absl::Status Session::TransferSyncobj(const SyncobjPoint& from, const SyncobjPoint& to,
                                      std::chrono::milliseconds wait_for_submit) {
  internal::Connection& connection = *state_->connection;
  v1::TransferSyncobjRequest request;
  v1::TransferSyncobjResponse response;
  request.set_session_id(state_->id);
  internal::Write(from, request.mutable_source());
  internal::Write(to, request.mutable_destination());
  request.set_wait_for_submit_ms(static_cast<uint32_t>(std::clamp<int64_t>(wait_for_submit.count(), 0, UINT32_MAX)));
  return connection.Invoke(Retry::kBusy, connection.options.timeout + kAnswerTime, [&](grpc::ClientContext* context) {
    return connection.syncobjs->TransferSyncobj(context, request, &response);
  });
}

absl::StatusOr<SyncobjWaitResult> Session::WaitSyncobjs(absl::Span<const SyncobjPoint> points,
                                                        const SyncobjWaitOptions& options) {
  internal::Connection& connection = *state_->connection;
  v1::WaitSyncobjsRequest request;
  v1::WaitSyncobjsResponse response;
  const auto timeout = std::clamp(options.timeout, std::chrono::milliseconds(0), kWaitMax);
  request.set_session_id(state_->id);
  for (const SyncobjPoint& point : points) internal::Write(point, request.add_syncobjs());
  request.set_mode(options.mode == WaitMode::kAll ? v1::WAIT_MODE_ALL : v1::WAIT_MODE_ANY);
  request.set_wait_for_submit(options.wait_for_submit);
  request.set_wait_available(options.wait_available);
  request.set_timeout_ms(static_cast<uint32_t>(timeout.count()));
  absl::Status status = connection.Invoke(Retry::kSafe, timeout + kAnswerTime, [&](grpc::ClientContext* context) {
    return connection.syncobjs->WaitSyncobjs(context, request, &response);
  });
  if (!status.ok()) return status;
  SyncobjWaitResult result{response.satisfied(), std::nullopt};
  if (response.has_first_signaled()) result.first_signaled = response.first_signaled();
  return result;
}

// ---- Syncobj.

Syncobj::Syncobj(std::unique_ptr<internal::Handle> handle) : handle_(std::move(handle)) {}
Syncobj::Syncobj(Syncobj&&) noexcept = default;
Syncobj& Syncobj::operator=(Syncobj&&) noexcept = default;
Syncobj::~Syncobj() = default;

uint64_t Syncobj::handle() const { return handle_->id; }

absl::Status Syncobj::Reset() { return Session(handle_->session).ResetSyncobjs({&handle_->id, 1}); }

absl::Status Syncobj::Signal(uint64_t point) {
  const SyncobjPoint at = At(point);
  return Session(handle_->session).SignalSyncobjs({&at, 1});
}

absl::StatusOr<uint64_t> Syncobj::Query(bool last_submitted) {
  absl::StatusOr<std::vector<uint64_t>> points =
      Session(handle_->session).QuerySyncobjs({&handle_->id, 1}, last_submitted);
  if (!points.ok()) return points.status();
  return points->front();
}

absl::Status Syncobj::Wait(uint64_t point, std::chrono::milliseconds timeout) {
  const SyncobjPoint at = At(point);
  SyncobjWaitOptions options;
  options.timeout = timeout;
  absl::StatusOr<SyncobjWaitResult> result = Session(handle_->session).WaitSyncobjs({&at, 1}, options);
  if (!result.ok()) return result.status();
  return result->satisfied ? absl::OkStatus() : absl::DeadlineExceededError("the syncobj was not signalled in time");
}

}  // namespace xeq
