#include "server/session/session_manager.h"

#include <algorithm>
#include <utility>

#include "server/common/errors.h"
#include "server/common/random_id.h"

namespace xeq::session {

SessionManager::SessionManager(sched::DeviceLoop& loop, Recorder& recorder, const ManagerOptions& options)
    : loop_(loop), recorder_(recorder), options_(options) {}

SessionManager::~SessionManager() { Drain(); }

absl::StatusOr<OpenedSession> SessionManager::Open(std::string client_name, hw::Nanos lease_ns, hw::Nanos now) {
  absl::StatusOr<uint64_t> id = RandomId();
  if (!id.ok()) return id.status();
  SessionOptions options{std::move(client_name), options_.limits, lease_ns};
  auto session = std::make_shared<Session>(loop_, recorder_, std::move(options), now);
  {
    hw::MutexLock lock(mutex_);
    if (draining_) return ShuttingDown();
    if (sessions_.size() >= options_.sessions_max) {
      return LimitReached("sessions_max", options_.sessions_max, sessions_.size());
    }
    if (!sessions_.emplace(*id, session).second) return absl::InternalError("the random session id is taken");
  }
  recorder_.OnSessionOpened();
  return OpenedSession{*id, std::move(session)};
}

absl::StatusOr<std::shared_ptr<Session>> SessionManager::Find(uint64_t id, hw::Nanos now) {
  hw::MutexLock lock(mutex_);
  if (draining_) return ShuttingDown();
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return SessionNotFound();
  found->second->lease().Renew(now);
  return found->second;
}

absl::Status SessionManager::Close(uint64_t id) {
  std::shared_ptr<Session> session;
  {
    hw::MutexLock lock(mutex_);
    if (draining_) return ShuttingDown();
    auto found = sessions_.find(id);
    if (found == sessions_.end()) return SessionNotFound();
    session = std::move(found->second);
    sessions_.erase(found);
  }
  session->Close(CloseReason::kClient);
  return absl::OkStatus();
}

void SessionManager::Sweep(hw::Nanos now) {
  std::vector<std::shared_ptr<Session>> expired;
  {
    hw::MutexLock lock(mutex_);
    absl::erase_if(sessions_, [&](const auto& entry) {
      if (!entry.second->lease().HasRunOut(now)) return false;
      expired.push_back(entry.second);
      return true;
    });
  }
  for (const std::shared_ptr<Session>& session : expired) session->Close(CloseReason::kLeaseExpired);
}

void SessionManager::Drain() {
  absl::flat_hash_map<uint64_t, std::shared_ptr<Session>> sessions;
  {
    hw::MutexLock lock(mutex_);
    draining_ = true;
    sessions.swap(sessions_);
  }
  for (const auto& [id, session] : sessions) session->Close(CloseReason::kShutdown);
}

std::vector<QueueInfo> SessionManager::ListQueues(uint64_t after, size_t count_max) {
  std::vector<std::shared_ptr<Session>> sessions;
  {
    hw::MutexLock lock(mutex_);
    sessions.reserve(sessions_.size());
    for (const auto& [id, session] : sessions_) sessions.push_back(session);
  }
  std::vector<QueueInfo> queues;
  for (const std::shared_ptr<Session>& session : sessions) {
    std::vector<QueueInfo> some = session->ListQueues(after);
    queues.insert(queues.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return FirstByHandle(std::move(queues), count_max);
}

std::vector<QueueInfo> FirstByHandle(std::vector<QueueInfo> queues, size_t count_max) {
  std::sort(queues.begin(), queues.end(), [](const QueueInfo& a, const QueueInfo& b) { return a.queue < b.queue; });
  if (queues.size() > count_max) queues.resize(count_max);
  return queues;
}

}  // namespace xeq::session
