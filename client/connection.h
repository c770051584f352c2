// The channel to one service, and how calls over it are made.
#ifndef XEQ_CLIENT_CONNECTION_H_
#define XEQ_CLIENT_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "xeq/client.h"
#include "xeq/error.h"
#include "xeq/v1/buffer.grpc.pb.h"
#include "xeq/v1/device.grpc.pb.h"
#include "xeq/v1/fence.grpc.pb.h"
#include "xeq/v1/queue.grpc.pb.h"
#include "xeq/v1/session.grpc.pb.h"
#include "xeq/v1/syncobj.grpc.pb.h"
#include "xeq/v1/vm.grpc.pb.h"

namespace xeq::internal {

absl::Status FromGrpc(const grpc::Status& status);

// What the service itself takes at most.
inline constexpr std::chrono::milliseconds kWaitMax = std::chrono::hours(1);
// So that a wait's answer arrives before the call's own deadline.
inline constexpr std::chrono::milliseconds kAnswerTime = std::chrono::seconds(5);

// Which errors a call may be repeated after.
enum class Retry {
  kNever,
  // Those that say when to come back: nothing was done.
  kBusy,
  // Also a service that cannot be reached: the call changes nothing, or nothing more when it is repeated.
  kSafe,
};

struct Connection {
  Connection(std::shared_ptr<grpc::Channel> channel_in, ClientOptions options_in)
      : channel(std::move(channel_in)),
        options(std::move(options_in)),
        sessions(v1::SessionService::NewStub(channel)),
        devices(v1::DeviceService::NewStub(channel)),
        vms(v1::VmService::NewStub(channel)),
        buffers(v1::BufferService::NewStub(channel)),
        queues(v1::QueueService::NewStub(channel)),
        fences(v1::FenceService::NewStub(channel)),
        syncobjs(v1::SyncobjService::NewStub(channel)) {}

  // Calls `call(context)`, which gives a grpc::Status, until it succeeds, may not be repeated, or `timeout` has passed.
  template <typename Call>
  absl::Status Invoke(Retry retry, std::chrono::milliseconds timeout, Call call) const {
    const auto deadline = std::chrono::system_clock::now() + timeout;
    for (std::chrono::milliseconds pause(10);; pause = std::min(2 * pause, std::chrono::milliseconds(1000))) {
      grpc::ClientContext context;
      context.set_deadline(deadline);
      absl::Status status = FromGrpc(call(&context));
      if (status.ok() || retry == Retry::kNever) return status;
      std::optional<std::chrono::milliseconds> delay = RetryDelay(status);
      if (!delay && retry == Retry::kSafe && absl::IsUnavailable(status)) delay = pause;
      if (!delay || std::chrono::system_clock::now() + *delay >= deadline) return status;
      std::this_thread::sleep_for(*delay);
    }
  }
  template <typename Call>
  absl::Status Invoke(Retry retry, Call call) const {
    return Invoke(retry, options.timeout, std::move(call));
  }

  const std::shared_ptr<grpc::Channel> channel;
  const ClientOptions options;
  const std::unique_ptr<v1::SessionService::Stub> sessions;
  const std::unique_ptr<v1::DeviceService::Stub> devices;
  const std::unique_ptr<v1::VmService::Stub> vms;
  const std::unique_ptr<v1::BufferService::Stub> buffers;
  const std::unique_ptr<v1::QueueService::Stub> queues;
  const std::unique_ptr<v1::FenceService::Stub> fences;
  const std::unique_ptr<v1::SyncobjService::Stub> syncobjs;
};

// Closed when the last of the session's objects is gone, so that none outlives it.
struct SessionState {
  SessionState(std::shared_ptr<Connection> connection, uint64_t id, bool owned)
      : connection(std::move(connection)), id(id), owned(owned) {}
  SessionState(const SessionState&) = delete;
  SessionState& operator=(const SessionState&) = delete;
  ~SessionState();

  const std::shared_ptr<Connection> connection;
  const uint64_t id;
  const bool owned;
  // Numbers of Submit so far. Only whoever opened the session numbers them.
  std::atomic<uint64_t> next_submit{0};
};

// A handle of the service, given back in the end.
struct Handle {
  enum class Kind { kVm, kBuffer, kQueue, kHostTimeline, kSyncobj };
  Handle(std::shared_ptr<SessionState> session, Kind kind, uint64_t id)
      : session(std::move(session)), kind(kind), id(id) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle();

  Connection& connection() const { return *session->connection; }

  const std::shared_ptr<SessionState> session;
  const Kind kind;
  const uint64_t id;
  // It is somebody else's now.
  bool released = false;
};

}  // namespace xeq::internal

#endif  // XEQ_CLIENT_CONNECTION_H_
