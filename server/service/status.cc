#include "server/service/status.h"

#include <optional>
#include <string>

#include "google/rpc/error_details.pb.h"

namespace xeq::service {

google::rpc::Status ToProto(absl::StatusCode code, absl::string_view message, const ErrorDetails& details) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(code));
  proto.set_message(std::string(message));
  google::rpc::ErrorInfo info;
  info.set_reason(details.reason);
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : details.metadata) (*info.mutable_metadata())[key] = value;
  proto.add_details()->PackFrom(info);
  if (details.retry_after_ms) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(*details.retry_after_ms / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(*details.retry_after_ms % 1000 * 1'000'000));
    proto.add_details()->PackFrom(retry);
  }
  return proto;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // The codes are gRPC's own numbers.
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message());
  const std::optional<ErrorDetails> details = DetailsOf(status);
  if (!details) return grpc::Status(code, message);
  return grpc::Status(code, message, ToProto(status.code(), status.message(), *details).SerializeAsString());
}

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace xeq::service
