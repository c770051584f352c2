// Opening and closing sessions.
#ifndef XEQ_SERVER_SERVICE_SESSION_SERVICE_H_
#define XEQ_SERVER_SERVICE_SESSION_SERVICE_H_

#include "server/service/backend.h"
#include "xeq/v1/session.grpc.pb.h"

namespace xeq::service {

class SessionService final : public v1::SessionService::CallbackService {
 public:
  explicit SessionService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context, const v1::OpenSessionRequest* request,
                                        v1::OpenSessionResponse* response) override;
  grpc::ServerUnaryReactor* CloseSession(grpc::CallbackServerContext* context, const v1::CloseSessionRequest* request,
                                         v1::CloseSessionResponse* response) override;

 private:
  absl::Status Open(const v1::OpenSessionRequest& request, v1::OpenSessionResponse* response);

  const Backend backend_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_SESSION_SERVICE_H_
