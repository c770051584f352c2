// Buffers, and the streams that fill and read them.
#ifndef XEQ_SERVER_SERVICE_BUFFER_SERVICE_H_
#define XEQ_SERVER_SERVICE_BUFFER_SERVICE_H_

#include "server/service/backend.h"
#include "xeq/v1/buffer.grpc.pb.h"

namespace xeq::service {

class BufferService final : public v1::BufferService::CallbackService {
 public:
  explicit BufferService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateBuffer(grpc::CallbackServerContext* context, const v1::CreateBufferRequest* request,
                                         v1::CreateBufferResponse* response) override;
  grpc::ServerUnaryReactor* DestroyBuffer(grpc::CallbackServerContext* context, const v1::DestroyBufferRequest* request,
                                          v1::DestroyBufferResponse* response) override;
  grpc::ServerReadReactor<v1::WriteBufferRequest>* WriteBuffer(grpc::CallbackServerContext* context,
                                                               v1::WriteBufferResponse* response) override;
  grpc::ServerWriteReactor<v1::ReadBufferResponse>* ReadBuffer(grpc::CallbackServerContext* context,
                                                               const v1::ReadBufferRequest* request) override;

 private:
  const Backend backend_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_BUFFER_SERVICE_H_
