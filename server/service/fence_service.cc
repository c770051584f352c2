#include "server/service/fence_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "hw/clock.h"
#include "server/service/convert.h"
#include "server/service/status.h"
#include "server/service/wait_call.h"
#include "server/service/watch_call.h"

namespace xeq::service {
namespace {

constexpr uint32_t kHeartbeatMsDefault = 10'000;
constexpr uint32_t kHeartbeatMsMin = 100;
constexpr uint32_t kHeartbeatMsMax = 60'000;

// What a WaitFences asks for.
struct ParsedWait {
  std::shared_ptr<session::Session> session;
  std::vector<sched::Point> points;
  session::FenceWait::Mode mode = session::FenceWait::Mode::kAll;
};

absl::StatusOr<ParsedWait> ReadWait(const Backend& backend, const v1::WaitFencesRequest& request) {
  auto session = backend.sessions.Find(request.session_id(), hw::MonotonicNow());
  if (!session.ok()) return session.status();
  absl::StatusOr<std::vector<sched::Point>> points = ReadFences(request);
  if (!points.ok()) return points.status();
  absl::StatusOr<session::FenceWait::Mode> mode = ReadMode(request.mode());
  if (!mode.ok()) return mode.status();
  if (request.timeout_ms() > session::kWaitTimeoutMsMax) {
    return FieldOutOfRange("timeout_ms", request.timeout_ms(), 0, session::kWaitTimeoutMsMax);
  }
  return ParsedWait{*std::move(session), *std::move(points), *mode};
}

// Ends a stream that cannot begin.
class RefusedWatch final : public grpc::ServerWriteReactor<v1::WatchFencesResponse> {
 public:
  explicit RefusedWatch(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerUnaryReactor* FenceService::WaitFences(grpc::CallbackServerContext* context,
                                                   const v1::WaitFencesRequest* request,
                                                   v1::WaitFencesResponse* response) {
  absl::StatusOr<ParsedWait> wait = ReadWait(backend_, *request);
  if (!wait.ok()) return Finish(context, wait.status());
  return WaitCall::Start(std::move(wait->session), std::move(wait->points), wait->mode, request->timeout_ms(),
                         response);
}

grpc::ServerWriteReactor<v1::WatchFencesResponse>* FenceService::WatchFences(grpc::CallbackServerContext* context,
                                                                             const v1::WatchFencesRequest* request) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return new RefusedWatch(session.status());
  absl::StatusOr<uint32_t> heartbeat_ms =
      ReadInRange("heartbeat_ms", request->heartbeat_ms(), kHeartbeatMsDefault, kHeartbeatMsMin, kHeartbeatMsMax);
  if (!heartbeat_ms.ok()) return new RefusedWatch(heartbeat_ms.status());
  return WatchCall::Start(context, *std::move(session), backend_.recorder, request->after_event(),
                          *heartbeat_ms * hw::kNanosPerMilli);
}

grpc::ServerUnaryReactor* FenceService::CreateHostTimeline(grpc::CallbackServerContext* context,
                                                           const v1::CreateHostTimelineRequest* request,
                                                           v1::CreateHostTimelineResponse* response) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  const absl::StatusOr<uint64_t> timeline = (*session)->CreateHostTimeline();
  if (timeline.ok()) response->set_timeline(*timeline);
  return Finish(context, timeline.status());
}

grpc::ServerUnaryReactor* FenceService::ArmHostFence(grpc::CallbackServerContext* context,
                                                     const v1::ArmHostFenceRequest* request,
                                                     v1::ArmHostFenceResponse* response) {
  const hw::Nanos now = hw::MonotonicNow();
  auto session = backend_.sessions.Find(request->session_id(), now);
  if (!session.ok()) return Finish(context, session.status());
  const absl::StatusOr<uint32_t> expires_ms =
      ReadInRange("expires_ms", request->expires_ms(), session::kHostFenceMsDefault, 1, session::kHostFenceMsMax);
  if (!expires_ms.ok()) return Finish(context, expires_ms.status());
  const absl::StatusOr<sched::Point> point = (*session)->ArmHostFence(request->timeline(), *expires_ms, now);
  if (point.ok()) Write(*point, response->mutable_fence());
  return Finish(context, point.status());
}

grpc::ServerUnaryReactor* FenceService::SignalHostFence(grpc::CallbackServerContext* context,
                                                        const v1::SignalHostFenceRequest* request,
                                                        v1::SignalHostFenceResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  if (!request->has_fence()) return Finish(context, FieldMissing("fence"));
  const sched::Point point{request->fence().context(), request->fence().seqno()};
  return Finish(context, (*session)->SignalHostFence(point, request->failed()));
}

grpc::ServerUnaryReactor* FenceService::DestroyHostTimeline(grpc::CallbackServerContext* context,
                                                            const v1::DestroyHostTimelineRequest* request,
                                                            v1::DestroyHostTimelineResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  return Finish(context, session.ok() ? (*session)->DestroyHostTimeline(request->timeline()) : session.status());
}

}  // namespace xeq::service
