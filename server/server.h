// The gRPC server: listeners, health, reflection, and a way to end without dropping what is under way.
#ifndef XEQ_SERVER_SERVER_H_
#define XEQ_SERVER_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/mutex.h"
#include "server/service/backend.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace xeq {

class Server {
 public:
  // Serves on all of `listen` (see Config). What `backend` refers to outlives it. INVALID_ARGUMENT: an address that
  // cannot be understood. UNAVAILABLE: one that cannot be listened on; it is named.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const service::Backend& backend,
                                                       const std::vector<std::string>& listen);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // With the ports that are really listened on, in the order of `listen`.
  const std::vector<std::string>& addresses() const { return addresses_; }
  // Health says NOT_SERVING, sessions are closed, calls under way get `timeout_ms` to end, then they are broken off.
  // Blocks. Idempotent.
  void Drain(uint32_t timeout_ms);

 private:
  explicit Server(const service::Backend& backend);

  session::SessionManager& sessions_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::string> addresses_;
  // Sockets in the file system, to be removed in the end.
  std::vector<std::string> socket_paths_;
  bool drained_ = false;
};

}  // namespace xeq

#endif  // XEQ_SERVER_SERVER_H_
