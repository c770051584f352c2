// Errors at the border of gRPC.
#ifndef XEQ_SERVER_SERVICE_STATUS_H_
#define XEQ_SERVER_SERVICE_STATUS_H_

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "server/common/errors.h"

namespace xeq::service {

// The domain of every ErrorInfo.
inline constexpr char kErrorDomain[] = "xeq";

// As google.rpc.Status, with an ErrorInfo and, where it is worth trying again, a RetryInfo.
google::rpc::Status ToProto(absl::StatusCode code, absl::string_view message, const ErrorDetails& details);
// The same in the call's trailing metadata (grpc-status-details-bin).
grpc::Status ToGrpc(const absl::Status& status);

// Ends a call whose answer, if any, is filled in.
grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status);

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_STATUS_H_
