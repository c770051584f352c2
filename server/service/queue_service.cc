#include "server/service/queue_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "hw/clock.h"
#include "server/service/convert.h"
#include "server/service/status.h"
#include "server/service/suspend_call.h"

namespace xeq::service {
namespace {

using metrics::RejectReason;

constexpr uint32_t kSuspendMsDefault = 10'000;
constexpr uint32_t kSuspendMsMax = 60'000;
constexpr uint32_t kPageSizeDefault = 100;
constexpr uint32_t kPageSizeMax = 1000;

RejectReason ReasonOf(const absl::Status& status) {
  const std::optional<ErrorDetails> details = DetailsOf(status);
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return details && details->reason == "INBOX_FULL" ? RejectReason::kInboxFull : RejectReason::kQuota;
    case absl::StatusCode::kFailedPrecondition:
      return RejectReason::kBanned;
    case absl::StatusCode::kNotFound:
      return RejectReason::kNotFound;
    case absl::StatusCode::kUnavailable:
      return RejectReason::kUnavailable;
    default:
      return RejectReason::kInvalid;
  }
}

}  // namespace

grpc::ServerUnaryReactor* QueueService::CreateQueue(grpc::CallbackServerContext* context,
                                                    const v1::CreateQueueRequest* request,
                                                    v1::CreateQueueResponse* response) {
  return Finish(context, Create(*request, response));
}

absl::Status QueueService::Create(const v1::CreateQueueRequest& request, v1::CreateQueueResponse* response) {
  auto session = backend_.sessions.Find(request.session_id(), hw::MonotonicNow());
  if (!session.ok()) return session.status();
  absl::StatusOr<session::QueueSpec> spec = ReadQueue(request);
  if (!spec.ok()) return spec.status();
  absl::StatusOr<session::QueueInfo> queue = (*session)->CreateQueue(*spec);
  if (queue.ok()) Write(*queue, backend_.device.info().timestamp_frequency_hz, response->mutable_queue());
  return queue.status();
}

grpc::ServerUnaryReactor* QueueService::GetQueue(grpc::CallbackServerContext* context,
                                                 const v1::GetQueueRequest* request, v1::GetQueueResponse* response) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  absl::StatusOr<session::QueueInfo> queue = (*session)->GetQueue(request->queue());
  if (queue.ok()) Write(*queue, backend_.device.info().timestamp_frequency_hz, response->mutable_queue());
  return Finish(context, queue.status());
}

grpc::ServerUnaryReactor* QueueService::ListQueues(grpc::CallbackServerContext* context,
                                                   const v1::ListQueuesRequest* request,
                                                   v1::ListQueuesResponse* response) {
  return Finish(context, List(*request, response));
}

absl::Status QueueService::List(const v1::ListQueuesRequest& request, v1::ListQueuesResponse* response) {
  absl::StatusOr<uint32_t> page_size = ReadInRange("page_size", request.page_size(), kPageSizeDefault, 1, kPageSizeMax);
  if (!page_size.ok()) return page_size.status();
  // The token is the last handle of the page before.
  uint64_t after = 0;
  const std::string& token = request.page_token();
  if (!token.empty() && !absl::SimpleAtoi(token, &after)) return PageTokenInvalid(token);
  // One more than asked for tells whether there is another page.
  std::vector<session::QueueInfo> queues;
  if (request.session_id() == 0) {
    queues = backend_.sessions.ListQueues(after, *page_size + 1);
  } else {
    auto session = backend_.sessions.Find(request.session_id(), hw::MonotonicNow());
    if (!session.ok()) return session.status();
    queues = session::FirstByHandle((*session)->ListQueues(after), *page_size + 1);
  }
  if (queues.size() > *page_size) {
    queues.pop_back();
    response->set_next_page_token(absl::StrCat(queues.back().queue));
  }
  for (const session::QueueInfo& queue : queues) {
    Write(queue, backend_.device.info().timestamp_frequency_hz, response->add_queues());
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* QueueService::DestroyQueue(grpc::CallbackServerContext* context,
                                                     const v1::DestroyQueueRequest* request,
                                                     v1::DestroyQueueResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  return Finish(context, session.ok() ? (*session)->DestroyQueue(request->queue()) : session.status());
}

grpc::ServerUnaryReactor* QueueService::SetQueueProperties(grpc::CallbackServerContext* context,
                                                           const v1::SetQueuePropertiesRequest* request,
                                                           v1::SetQueuePropertiesResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  const absl::StatusOr<session::QueueProperties> properties = ReadProperties(*request);
  if (!properties.ok()) return Finish(context, properties.status());
  return Finish(context, (*session)->SetQueueProperties(request->queue(), *properties));
}

grpc::ServerUnaryReactor* QueueService::SuspendQueue(grpc::CallbackServerContext* context,
                                                     const v1::SuspendQueueRequest* request,
                                                     v1::SuspendQueueResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  const absl::StatusOr<uint32_t> timeout =
      ReadInRange("timeout_ms", request->timeout_ms(), kSuspendMsDefault, 1, kSuspendMsMax);
  if (!timeout.ok()) return Finish(context, timeout.status());
  return SuspendCall::Start(*std::move(session), request->queue(), *timeout);
}

grpc::ServerUnaryReactor* QueueService::ResumeQueue(grpc::CallbackServerContext* context,
                                                    const v1::ResumeQueueRequest* request, v1::ResumeQueueResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  return Finish(context, session.ok() ? (*session)->ResumeQueue(request->queue()) : session.status());
}

grpc::ServerUnaryReactor* QueueService::KillQueue(grpc::CallbackServerContext* context,
                                                  const v1::KillQueueRequest* request, v1::KillQueueResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  return Finish(context, session.ok() ? (*session)->KillQueue(request->queue()) : session.status());
}

grpc::ServerUnaryReactor* QueueService::Submit(grpc::CallbackServerContext* context, const v1::SubmitRequest* request,
                                               v1::SubmitResponse* response) {
  const hw::Nanos now = hw::MonotonicNow();
  const absl::Status status = SubmitJobs(*request, now, response);
  if (!status.ok()) backend_.recorder.OnRejected(ReasonOf(status), static_cast<uint32_t>(request->jobs_size()));
  grpc::ServerUnaryReactor* reactor = Finish(context, status);
  backend_.recorder.OnSubmitServed(hw::MonotonicNow() - now);
  return reactor;
}

absl::Status QueueService::SubmitJobs(const v1::SubmitRequest& request, hw::Nanos now, v1::SubmitResponse* response) {
  auto session = backend_.sessions.Find(request.session_id(), now);
  if (!session.ok()) return session.status();
  absl::StatusOr<JobSpecs> specs = ReadJobs(request);
  if (!specs.ok()) return specs.status();
  absl::InlinedVector<sched::Point, 4> points(specs->size());
  sched::Point combined;
  absl::Status status = (*session)->Submit(*specs, now, absl::MakeSpan(points),
                                           request.combined_fence() ? &combined : nullptr, request.submit_number());
  if (!status.ok()) return status;
  if (request.combined_fence()) Write(combined, response->mutable_combined());
  response->mutable_fences()->Reserve(static_cast<int>(points.size()));
  for (const sched::Point& point : points) Write(point, response->add_fences());
  return absl::OkStatus();
}

}  // namespace xeq::service
