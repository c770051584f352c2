#include "xeq/error.h"

#include <grpcpp/grpcpp.h>

#include "absl/strings/cord.h"
#include "client/connection.h"
#include "client/convert.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace xeq {
namespace {

constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.Status";

template <typename Detail>
std::optional<Detail> FindDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  google::rpc::Status proto;
  if (!payload || !proto.ParseFromString(std::string(*payload))) return std::nullopt;
  for (const google::protobuf::Any& any : proto.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

absl::Status WithDetails(absl::StatusCode code, const std::string& message, const std::string& details) {
  absl::Status status(code, message);
  if (!details.empty()) status.SetPayload(kPayloadUrl, absl::Cord(details));
  return status;
}

}  // namespace

namespace internal {

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return WithDetails(static_cast<absl::StatusCode>(status.error_code()), status.error_message(),
                     status.error_details());
}

absl::Status FromProto(const google::rpc::Status& status) {
  return WithDetails(static_cast<absl::StatusCode>(status.code()), status.message(), status.SerializeAsString());
}

}  // namespace internal

std::string ErrorReason(const absl::Status& status) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : "";
}

std::map<std::string, std::string> ErrorMetadata(const absl::Status& status) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  if (!info) return {};
  return {info->metadata().begin(), info->metadata().end()};
}

std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status) {
  const auto retry = FindDetail<google::rpc::RetryInfo>(status);
  if (!retry) return std::nullopt;
  const auto& delay = retry->retry_delay();
  return std::chrono::milliseconds(delay.seconds() * 1000 + delay.nanos() / 1'000'000);
}

}  // namespace xeq
