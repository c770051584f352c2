// VMs and what is bound in them.
#ifndef XEQ_SERVER_SERVICE_VM_SERVICE_H_
#define XEQ_SERVER_SERVICE_VM_SERVICE_H_

#include "server/service/backend.h"
#include "xeq/v1/vm.grpc.pb.h"

namespace xeq::service {

class VmService final : public v1::VmService::CallbackService {
 public:
  explicit VmService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateVm(grpc::CallbackServerContext* context, const v1::CreateVmRequest* request,
                                     v1::CreateVmResponse* response) override;
  grpc::ServerUnaryReactor* DestroyVm(grpc::CallbackServerContext* context, const v1::DestroyVmRequest* request,
                                      v1::DestroyVmResponse* response) override;
  grpc::ServerUnaryReactor* Bind(grpc::CallbackServerContext* context, const v1::BindRequest* request,
                                 v1::BindResponse* response) override;
  grpc::ServerUnaryReactor* Unbind(grpc::CallbackServerContext* context, const v1::UnbindRequest* request,
                                   v1::UnbindResponse* response) override;

 private:
  // Bind and Unbind. Fills in the out-fence.
  template <typename Request>
  absl::Status Map(const Request& request, v1::Fence* fence);

  const Backend backend_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_VM_SERVICE_H_
