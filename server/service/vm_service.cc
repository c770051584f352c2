#include "server/service/vm_service.h"

#include "hw/clock.h"
#include "server/service/convert.h"
#include "server/service/status.h"

namespace xeq::service {

grpc::ServerUnaryReactor* VmService::CreateVm(grpc::CallbackServerContext* context, const v1::CreateVmRequest* request,
                                              v1::CreateVmResponse* response) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  absl::StatusOr<uint64_t> vm = (*session)->CreateVm(request->long_running());
  if (vm.ok()) response->set_vm(*vm);
  return Finish(context, vm.status());
}

grpc::ServerUnaryReactor* VmService::DestroyVm(grpc::CallbackServerContext* context,
                                               const v1::DestroyVmRequest* request, v1::DestroyVmResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  return Finish(context, session.ok() ? (*session)->DestroyVm(request->vm()) : session.status());
}

template <typename Request>
absl::Status VmService::Map(const Request& request, v1::Fence* fence) {
  auto session = backend_.sessions.Find(request.session_id(), hw::MonotonicNow());
  if (!session.ok()) return session.status();
  absl::StatusOr<session::MapSpec> spec = ReadMap(request);
  if (!spec.ok()) return spec.status();
  absl::StatusOr<sched::Point> point = (*session)->Map(*spec);
  if (point.ok()) Write(*point, fence);
  return point.status();
}

grpc::ServerUnaryReactor* VmService::Bind(grpc::CallbackServerContext* context, const v1::BindRequest* request,
                                          v1::BindResponse* response) {
  return Finish(context, Map(*request, response->mutable_fence()));
}

grpc::ServerUnaryReactor* VmService::Unbind(grpc::CallbackServerContext* context, const v1::UnbindRequest* request,
                                            v1::UnbindResponse* response) {
  return Finish(context, Map(*request, response->mutable_fence()));
}

}  // namespace xeq::service
