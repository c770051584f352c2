// Syncobjs.
#ifndef XEQ_SERVER_SERVICE_SYNCOBJ_SERVICE_H_
#define XEQ_SERVER_SERVICE_SYNCOBJ_SERVICE_H_

#include "server/service/backend.h"
#include "xeq/v1/syncobj.grpc.pb.h"

namespace xeq::service {

class SyncobjService final : public v1::SyncobjService::CallbackService {
 public:
  explicit SyncobjService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateSyncobj(grpc::CallbackServerContext* context, const v1::CreateSyncobjRequest* request,
                                          v1::CreateSyncobjResponse* response) override;
  grpc::ServerUnaryReactor* DestroySyncobj(grpc::CallbackServerContext* context,
                                           const v1::DestroySyncobjRequest* request,
                                           v1::DestroySyncobjResponse* response) override;
  grpc::ServerUnaryReactor* ResetSyncobjs(grpc::CallbackServerContext* context, const v1::ResetSyncobjsRequest* request,
                                          v1::ResetSyncobjsResponse* response) override;
  grpc::ServerUnaryReactor* SignalSyncobjs(grpc::CallbackServerContext* context,
                                           const v1::SignalSyncobjsRequest* request,
                                           v1::SignalSyncobjsResponse* response) override;
  grpc::ServerUnaryReactor* QuerySyncobjs(grpc::CallbackServerContext* context, const v1::QuerySyncobjsRequest* request,
                                          v1::QuerySyncobjsResponse* response) override;
  grpc::ServerUnaryReactor* TransferSyncobj(grpc::CallbackServerContext* context,
                                            const v1::TransferSyncobjRequest* request,
                                            v1::TransferSyncobjResponse* response) override;
  grpc::ServerUnaryReactor* WaitSyncobjs(grpc::CallbackServerContext* context, const v1::WaitSyncobjsRequest* request,
                                         v1::WaitSyncobjsResponse* response) override;

 private:
  const Backend backend_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_SYNCOBJ_SERVICE_H_
