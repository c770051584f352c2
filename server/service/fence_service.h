// Waiting for fences and watching them.
#ifndef XEQ_SERVER_SERVICE_FENCE_SERVICE_H_
#define XEQ_SERVER_SERVICE_FENCE_SERVICE_H_

#include "server/service/backend.h"
#include "xeq/v1/fence.grpc.pb.h"

namespace xeq::service {

class FenceService final : public v1::FenceService::CallbackService {
 public:
  explicit FenceService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* WaitFences(grpc::CallbackServerContext* context, const v1::WaitFencesRequest* request,
                                       v1::WaitFencesResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchFencesResponse>* WatchFences(grpc::CallbackServerContext* context,
                                                                 const v1::WatchFencesRequest* request) override;

  grpc::ServerUnaryReactor* CreateHostTimeline(grpc::CallbackServerContext* context,
                                               const v1::CreateHostTimelineRequest* request,
                                               v1::CreateHostTimelineResponse* response) override;
  grpc::ServerUnaryReactor* ArmHostFence(grpc::CallbackServerContext* context, const v1::ArmHostFenceRequest* request,
                                         v1::ArmHostFenceResponse* response) override;
  grpc::ServerUnaryReactor* SignalHostFence(grpc::CallbackServerContext* context,
                                            const v1::SignalHostFenceRequest* request,
                                            v1::SignalHostFenceResponse* response) override;
  grpc::ServerUnaryReactor* DestroyHostTimeline(grpc::CallbackServerContext* context,
                                                const v1::DestroyHostTimelineRequest* request,
                                                v1::DestroyHostTimelineResponse* response) override;

 private:
  const Backend backend_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_FENCE_SERVICE_H_
