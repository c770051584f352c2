// The library's types from the API's messages.
#ifndef XEQ_CLIENT_CONVERT_H_
#define XEQ_CLIENT_CONVERT_H_

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "xeq/types.h"
#include "xeq/v1/device.pb.h"
#include "xeq/v1/fence.pb.h"
#include "xeq/v1/queue.pb.h"
#include "xeq/v1/syncobj.pb.h"

namespace xeq::internal {

absl::Status FromProto(const google::rpc::Status& status);
Fence FromProto(const v1::Fence& fence);
FenceStatus FromProto(const v1::FenceStatus& status);
FenceEvent FromProto(const v1::FenceEvent& event);
DeviceInfo FromProto(const v1::Device& device);
QueueInfo FromProto(const v1::Queue& queue);

v1::EngineClass ToProto(EngineClass engine_class);
v1::QueuePriority ToProto(QueuePriority priority);
v1::WaitErrorPolicy ToProto(OnError on_error);
void Write(const Fence& fence, v1::Fence* proto);
void Write(const SyncobjPoint& point, v1::SyncobjPoint* proto);

}  // namespace xeq::internal

#endif  // XEQ_CLIENT_CONVERT_H_
