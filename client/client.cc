#include "xeq/client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/connection.h"
#include "client/convert.h"

namespace xeq {

using internal::Retry;

namespace internal {

SessionState::~SessionState() {
  if (!owned) return;
  v1::CloseSessionRequest request;
  v1::CloseSessionResponse response;
  request.set_session_id(id);
  // If it does not get through, the lease takes everything down.
  connection
      ->Invoke(
          Retry::kNever,
          [&](grpc::ClientContext* context) { return connection->sessions->CloseSession(context, request, &response); })
      .IgnoreError();
}

}  // namespace internal

Client::Client(std::shared_ptr<internal::Connection> connection) : connection_(std::move(connection)) {}

absl::StatusOr<Client> Client::Connect(const std::string& address, const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  // The service bounds what it takes; what it sends has the same bound.
  arguments.SetMaxReceiveMessageSize(-1);
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + options.timeout)) {
    return absl::UnavailableError(absl::StrCat("nobody answers at ", address));
  }
  return Client(std::make_shared<internal::Connection>(std::move(channel), options));
}

absl::StatusOr<Session> Client::OpenSession() {
  v1::OpenSessionRequest request;
  v1::OpenSessionResponse response;
  request.set_client_name(connection_->options.name);
  request.set_lease_ms(connection_->options.lease_ms);
  // A session that is opened for nothing goes with its lease.
  absl::Status status = connection_->Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection_->sessions->OpenSession(context, request, &response);
  });
  if (!status.ok()) return status;
  return Session(std::make_shared<internal::SessionState>(connection_, response.session_id(), /*owned=*/true));
}

absl::StatusOr<Session> Client::AdoptSession(uint64_t session_id) {
  if (session_id == 0) return absl::InvalidArgumentError("a session's id is not 0");
  return Session(std::make_shared<internal::SessionState>(connection_, session_id, /*owned=*/false));
}

absl::StatusOr<DeviceInfo> Client::GetDevice() {
  v1::GetDeviceRequest request;
  v1::GetDeviceResponse response;
  absl::Status status = connection_->Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection_->devices->GetDevice(context, request, &response);
  });
  if (!status.ok()) return status;
  DeviceInfo info = internal::FromProto(response.device());
  info.service_version = response.service_version();
  return info;
}

absl::StatusOr<std::vector<QueueInfo>> Client::ListQueues() {
  std::vector<QueueInfo> queues;
  v1::ListQueuesRequest request;
  request.set_page_size(1000);
  do {
    v1::ListQueuesResponse response;
    absl::Status status = connection_->Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
      return connection_->queues->ListQueues(context, request, &response);
    });
    if (!status.ok()) return status;
    for (const v1::Queue& queue : response.queues()) queues.push_back(internal::FromProto(queue));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return queues;
}

}  // namespace xeq
