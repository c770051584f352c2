#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/service/buffer_service.h"
#include "server/service/device_service.h"
#include "server/service/fence_service.h"
#include "server/service/queue_service.h"
#include "server/service/session_service.h"
#include "server/service/syncobj_service.h"
#include "server/service/vm_service.h"

namespace xeq {
namespace {

// Whether a process listens on the socket.
bool IsLive(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool live = fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  if (fd >= 0) close(fd);
  return live;
}

// Makes room for a socket: a stale one is removed, anything else stays.
absl::Status ClearSocket(const std::string& path) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("listen: the path of unix:", path, " must have 1 to ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  }
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) return absl::OkStatus();
  if (!S_ISSOCK(found.st_mode)) {
    return absl::UnavailableError(absl::StrCat("listen: ", path, " is there and is not a socket"));
  }
  if (IsLive(path)) return absl::UnavailableError(absl::StrCat("listen: another process serves on ", path));
  unlink(path.c_str());
  return absl::OkStatus();
}

}  // namespace

Server::Server(const service::Backend& backend) : sessions_(backend.sessions) {
  services_.push_back(std::make_unique<service::SessionService>(backend));
  services_.push_back(std::make_unique<service::DeviceService>(backend));
  services_.push_back(std::make_unique<service::VmService>(backend));
  services_.push_back(std::make_unique<service::BufferService>(backend));
  services_.push_back(std::make_unique<service::QueueService>(backend));
  services_.push_back(std::make_unique<service::FenceService>(backend));
  services_.push_back(std::make_unique<service::SyncobjService>(backend));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const service::Backend& backend,
                                                      const std::vector<std::string>& listen) {
  auto server = std::unique_ptr<Server>(new Server(backend));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  // Without it two services could share a port, each with half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(static_cast<int>(service::kMessageBytesMax));
  builder.SetMaxSendMessageSize(static_cast<int>(service::kMessageBytesMax));
  // gRPC writes the ports here; the elements must not move.
  std::deque<int> ports;
  for (const std::string& address : listen) {
    absl::string_view path = address;
    const bool is_unix = absl::ConsumePrefix(&path, "unix:");
    if (!is_unix && !absl::StrContains(address, ':')) {
      return absl::InvalidArgumentError(absl::StrCat("listen: \"", address, "\" is neither HOST:PORT nor unix:PATH"));
    }
    if (is_unix) {
      if (absl::Status status = ClearSocket(std::string(path)); !status.ok()) return status;
      server->socket_paths_.emplace_back(path);
    }
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &ports.emplace_back(0));
  }
  for (const auto& service : server->services_) builder.RegisterService(service.get());
  // Sockets in the file system belong to their owner alone.
  const mode_t mask = umask(0177);
  server->server_ = builder.BuildAndStart();
  umask(mask);
  for (size_t i = 0; i < listen.size(); ++i) {
    if (ports[i] == 0 || server->server_ == nullptr) {
      return absl::UnavailableError(absl::StrCat("listen: ", listen[ports[i] == 0 ? i : 0], " cannot be listened on"));
    }
    const bool is_unix = absl::StartsWith(listen[i], "unix:");
    server->addresses_.push_back(is_unix ? listen[i]
                                         : absl::StrCat(listen[i].substr(0, listen[i].rfind(':')), ":", ports[i]));
  }
  return server;
}

Server::~Server() {
  Drain(0);
  for (const std::string& path : socket_paths_) unlink(path.c_str());
}

void Server::Drain(uint32_t timeout_ms) {
  if (server_ == nullptr || std::exchange(drained_, true)) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  sessions_.Drain();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
  server_->Wait();
}

}  // namespace xeq
