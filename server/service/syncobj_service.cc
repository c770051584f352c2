#include "server/service/syncobj_service.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hw/clock.h"
#include "server/service/convert.h"
#include "server/service/status.h"
#include "server/service/syncobj_call.h"

namespace xeq::service {
namespace {

absl::Status CheckCount(absl::string_view field, int count, size_t min) {
  const auto length = static_cast<size_t>(count);
  if (length >= min && length <= session::kSyncobjsPerCallMax) return absl::OkStatus();
  return FieldLengthOutOfRange(field, length, min, session::kSyncobjsPerCallMax);
}

session::SyncobjPoint Read(const v1::SyncobjPoint& point) { return {point.syncobj(), point.point()}; }

std::vector<session::SyncobjPoint> Read(const google::protobuf::RepeatedPtrField<v1::SyncobjPoint>& points) {
  std::vector<session::SyncobjPoint> read;
  read.reserve(static_cast<size_t>(points.size()));
  for (const v1::SyncobjPoint& point : points) read.push_back(Read(point));
  return read;
}

absl::StatusOr<session::SyncobjWaitOptions> ReadOptions(const v1::WaitSyncobjsRequest& request) {
  if (absl::Status status = CheckCount("syncobjs", request.syncobjs_size(), 0); !status.ok()) return status;
  const absl::StatusOr<session::FenceWait::Mode> mode = ReadMode(request.mode());
  if (!mode.ok()) return mode.status();
  if (request.timeout_ms() > session::kWaitTimeoutMsMax) {
    return FieldOutOfRange("timeout_ms", request.timeout_ms(), 0, session::kWaitTimeoutMsMax);
  }
  for (int i = 0; request.wait_available() && i < request.syncobjs_size(); ++i) {
    if (request.syncobjs(i).point() == 0) {
      return FieldNotAllowed("wait_available", absl::StrCat("syncobjs[", i, "].point is 0, which is no point"));
    }
  }
  return session::SyncobjWaitOptions{*mode, request.wait_for_submit(), request.wait_available()};
}

bool IsNotSubmitted(const absl::Status& status) {
  const std::optional<ErrorDetails> details = DetailsOf(status);
  return details && details->reason == "SYNCOBJ_NOT_SUBMITTED";
}

}  // namespace

grpc::ServerUnaryReactor* SyncobjService::CreateSyncobj(grpc::CallbackServerContext* context,
                                                        const v1::CreateSyncobjRequest* request,
                                                        v1::CreateSyncobjResponse* response) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  const absl::StatusOr<uint64_t> syncobj = (*session)->CreateSyncobj(request->signaled());
  if (syncobj.ok()) response->set_syncobj(*syncobj);
  return Finish(context, syncobj.status());
}

grpc::ServerUnaryReactor* SyncobjService::DestroySyncobj(grpc::CallbackServerContext* context,
                                                         const v1::DestroySyncobjRequest* request,
                                                         v1::DestroySyncobjResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  return Finish(context, session.ok() ? (*session)->DestroySyncobj(request->syncobj()) : session.status());
}

grpc::ServerUnaryReactor* SyncobjService::ResetSyncobjs(grpc::CallbackServerContext* context,
                                                        const v1::ResetSyncobjsRequest* request,
                                                        v1::ResetSyncobjsResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  if (absl::Status status = CheckCount("syncobjs", request->syncobjs_size(), 1); !status.ok()) {
    return Finish(context, status);
  }
  return Finish(context,
                (*session)->ResetSyncobjs({request->syncobjs().data(), static_cast<size_t>(request->syncobjs_size())}));
}

grpc::ServerUnaryReactor* SyncobjService::SignalSyncobjs(grpc::CallbackServerContext* context,
                                                         const v1::SignalSyncobjsRequest* request,
                                                         v1::SignalSyncobjsResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  if (absl::Status status = CheckCount("points", request->points_size(), 1); !status.ok()) {
    return Finish(context, status);
  }
  return Finish(context, (*session)->SignalSyncobjs(Read(request->points())));
}

grpc::ServerUnaryReactor* SyncobjService::QuerySyncobjs(grpc::CallbackServerContext* context,
                                                        const v1::QuerySyncobjsRequest* request,
                                                        v1::QuerySyncobjsResponse* response) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  if (absl::Status status = CheckCount("syncobjs", request->syncobjs_size(), 1); !status.ok()) {
    return Finish(context, status);
  }
  std::vector<uint64_t> points(static_cast<size_t>(request->syncobjs_size()));
  const absl::Status status = (*session)->QuerySyncobjs({request->syncobjs().data(), points.size()},
                                                        request->last_submitted(), absl::MakeSpan(points));
  if (status.ok()) response->mutable_points()->Assign(points.begin(), points.end());
  return Finish(context, status);
}

grpc::ServerUnaryReactor* SyncobjService::TransferSyncobj(grpc::CallbackServerContext* context,
                                                          const v1::TransferSyncobjRequest* request,
                                                          v1::TransferSyncobjResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  if (!request->has_source()) return Finish(context, FieldMissing("source"));
  if (!request->has_destination()) return Finish(context, FieldMissing("destination"));
  const uint32_t wait_ms = request->wait_for_submit_ms();
  if (wait_ms > session::kTransferWaitMsMax) {
    return Finish(context, FieldOutOfRange("wait_for_submit_ms", wait_ms, 0, session::kTransferWaitMsMax));
  }
  const session::SyncobjPoint from = Read(request->source());
  const session::SyncobjPoint to = Read(request->destination());
  const absl::Status status = (*session)->TransferSyncobj(from, to);
  if (wait_ms == 0 || !IsNotSubmitted(status)) return Finish(context, status);
  const auto transfer = [session = *session, from, to, wait_ms](const session::SyncobjWaitResult& result) {
    return result.met ? session->TransferSyncobj(from, to)
                      : SyncobjNotSubmittedInTime(from.syncobj, from.point, wait_ms);
  };
  const session::SyncobjWaitOptions options{session::FenceWait::Mode::kAll, true, /*available=*/true};
  return SyncobjCall::Start(*std::move(session), {from}, options, wait_ms, transfer);
}

grpc::ServerUnaryReactor* SyncobjService::WaitSyncobjs(grpc::CallbackServerContext* context,
                                                       const v1::WaitSyncobjsRequest* request,
                                                       v1::WaitSyncobjsResponse* response) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  const absl::StatusOr<session::SyncobjWaitOptions> options = ReadOptions(*request);
  if (!options.ok()) return Finish(context, options.status());
  return SyncobjCall::Start(*std::move(session), Read(request->syncobjs()), *options, request->timeout_ms(),
                            [response](const session::SyncobjWaitResult& result) {
                              response->set_satisfied(result.met);
                              if (result.first_signaled) response->set_first_signaled(*result.first_signaled);
                              return absl::OkStatus();
                            });
}

}  // namespace xeq::service
