// One SuspendQueue while it waits.
#ifndef XEQ_SERVER_SERVICE_SUSPEND_CALL_H_
#define XEQ_SERVER_SERVICE_SUSPEND_CALL_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "server/session/session.h"

namespace xeq::service {

// Answered by whichever comes first: the queue, the time, the client's cancellation. Keeps itself until gRPC is done
// with it; the session keeps it for as long as it may call it.
class SuspendCall final : public grpc::ServerUnaryReactor, public session::SuspendWait {
 public:
  static grpc::ServerUnaryReactor* Start(std::shared_ptr<session::Session> session, uint64_t queue,
                                         uint32_t timeout_ms);
  SuspendCall(std::shared_ptr<session::Session> session, uint64_t queue, uint32_t timeout_ms)
      : session_(std::move(session)), queue_(queue), timeout_ms_(timeout_ms) {}

  void OnAnswered(const absl::Status& status) override { FinishOnce(status); }
  void OnCancel() override;
  void OnDone() override;

 private:
  void Begin();
  void OnTime();
  void FinishOnce(const absl::Status& status);

  const std::shared_ptr<session::Session> session_;
  const uint64_t queue_;
  const uint32_t timeout_ms_;
  std::atomic<bool> answered_{false};
  grpc::Alarm alarm_;
  std::shared_ptr<SuspendCall> self_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_SUSPEND_CALL_H_
