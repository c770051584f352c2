// The sessions of the service.
#ifndef XEQ_SERVER_SESSION_SESSION_MANAGER_H_
#define XEQ_SERVER_SESSION_SESSION_MANAGER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/clock.h"
#include "hw/mutex.h"
#include "server/session/session.h"

namespace xeq::session {

struct ManagerOptions {
  uint32_t sessions_max = 256;
  SessionLimits limits;
};

struct OpenedSession {
  uint64_t id = 0;
  std::shared_ptr<Session> session;
};

// Thread-safe; nothing blocks. `loop` and `recorder` outlive it.
class SessionManager {
 public:
  SessionManager(sched::DeviceLoop& loop, Recorder& recorder, const ManagerOptions& options);
  SessionManager(const SessionManager&) = delete;
  SessionManager& operator=(const SessionManager&) = delete;
  // Closes what is left.
  ~SessionManager();

  // RESOURCE_EXHAUSTED: sessions_max. UNAVAILABLE: Drain was called.
  absl::StatusOr<OpenedSession> Open(std::string client_name, hw::Nanos lease_ns, hw::Nanos now);
  // Renews the lease. NOT_FOUND: no such session, or no more. UNAVAILABLE: Drain was called.
  absl::StatusOr<std::shared_ptr<Session>> Find(uint64_t id, hw::Nanos now);
  // Statuses of Find.
  absl::Status Close(uint64_t id);
  // Closes the sessions whose lease has run out.
  void Sweep(hw::Nanos now);
  // Refuses everything from here on, and closes all sessions. Idempotent.
  void Drain();

  // The queues of all sessions with a handle above `after`, by handle, at most `count_max`.
  std::vector<QueueInfo> ListQueues(uint64_t after, size_t count_max);

 private:
  sched::DeviceLoop& loop_;
  Recorder& recorder_;
  const ManagerOptions options_;

  hw::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
};

// Sorted by handle, the first `count_max`.
std::vector<QueueInfo> FirstByHandle(std::vector<QueueInfo> queues, size_t count_max);

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_SESSION_MANAGER_H_
