// One WaitFences while it waits.
#ifndef XEQ_SERVER_SERVICE_WAIT_CALL_H_
#define XEQ_SERVER_SERVICE_WAIT_CALL_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/session/session.h"
#include "xeq/v1/fence.pb.h"

namespace xeq::service {

// Answered by whichever comes first: the fences, the time, the client's cancellation. Keeps itself until gRPC is done
// with it; the session and the alarm keep it for as long as they may call it.
class WaitCall final : public grpc::ServerUnaryReactor, public session::FenceWait {
 public:
  static grpc::ServerUnaryReactor* Start(std::shared_ptr<session::Session> session, std::vector<sched::Point> points,
                                         Mode mode, uint32_t timeout_ms, v1::WaitFencesResponse* response);
  WaitCall(std::shared_ptr<session::Session> session, std::vector<sched::Point> points, Mode mode,
           v1::WaitFencesResponse* response);

  void OnCancel() override { Answer(); }
  void OnDone() override;

 private:
  void OnMet() override { Answer(); }
  void Begin(uint32_t timeout_ms);
  // Once; later calls do nothing.
  void Answer();
  void FinishOnce(const absl::Status& status);

  const std::shared_ptr<session::Session> session_;
  v1::WaitFencesResponse* const response_;
  std::atomic<bool> answered_{false};
  grpc::Alarm alarm_;
  std::shared_ptr<WaitCall> self_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_WAIT_CALL_H_
