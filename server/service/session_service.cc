#include "server/service/session_service.h"

#include "hw/clock.h"
#include "server/service/convert.h"
#include "server/service/status.h"

namespace xeq::service {
namespace {

constexpr size_t kClientNameBytesMax = 128;

}  // namespace

grpc::ServerUnaryReactor* SessionService::OpenSession(grpc::CallbackServerContext* context,
                                                      const v1::OpenSessionRequest* request,
                                                      v1::OpenSessionResponse* response) {
  return Finish(context, Open(*request, response));
}

absl::Status SessionService::Open(const v1::OpenSessionRequest& request, v1::OpenSessionResponse* response) {
  const std::string& device = request.device();
  if (!device.empty() && device != backend_.device.info().id) return DeviceNotFound(device);
  const size_t name_bytes = request.client_name().size();
  if (name_bytes > kClientNameBytesMax) {
    return FieldLengthOutOfRange("client_name", name_bytes, 0, kClientNameBytesMax);
  }
  absl::StatusOr<hw::Nanos> lease = ReadLease(request);
  if (!lease.ok()) return lease.status();
  absl::StatusOr<session::OpenedSession> opened =
      backend_.sessions.Open(request.client_name(), *lease, hw::MonotonicNow());
  if (!opened.ok()) return opened.status();
  response->set_session_id(opened->id);
  response->set_lease_ms(static_cast<uint32_t>(*lease / hw::kNanosPerMilli));
  Write(opened->session->limits(), response->mutable_limits());
  response->set_service_instance(backend_.instance);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SessionService::CloseSession(grpc::CallbackServerContext* context,
                                                       const v1::CloseSessionRequest* request,
                                                       v1::CloseSessionResponse*) {
  return Finish(context, backend_.sessions.Close(request->session_id()));
}

}  // namespace xeq::service
