#include "server/service/device_service.h"

#include "server/service/convert.h"
#include "server/service/status.h"

namespace xeq::service {

grpc::ServerUnaryReactor* DeviceService::GetDevice(grpc::CallbackServerContext* context,
                                                   const v1::GetDeviceRequest* request,
                                                   v1::GetDeviceResponse* response) {
  const std::string& device = request->device();
  if (!device.empty() && device != backend_.device.info().id) return Finish(context, DeviceNotFound(device));
  Write(backend_.device, response->mutable_device());
  response->set_service_version(backend_.version);
  response->set_service_instance(backend_.instance);
  return Finish(context, absl::OkStatus());
}

}  // namespace xeq::service
