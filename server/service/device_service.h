// What the service's GPU is and can do.
#ifndef XEQ_SERVER_SERVICE_DEVICE_SERVICE_H_
#define XEQ_SERVER_SERVICE_DEVICE_SERVICE_H_

#include "server/service/backend.h"
#include "xeq/v1/device.grpc.pb.h"

namespace xeq::service {

class DeviceService final : public v1::DeviceService::CallbackService {
 public:
  explicit DeviceService(const Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* GetDevice(grpc::CallbackServerContext* context, const v1::GetDeviceRequest* request,
                                      v1::GetDeviceResponse* response) override;

 private:
  const Backend backend_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_DEVICE_SERVICE_H_
