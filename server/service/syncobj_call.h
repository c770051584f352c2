// One call that waits for syncobjs, while it waits.
#ifndef XEQ_SERVER_SERVICE_SYNCOBJ_CALL_H_
#define XEQ_SERVER_SERVICE_SYNCOBJ_CALL_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "server/session/session.h"

namespace xeq::service {

// Answered by whichever comes first: the syncobjs, the time, the client's cancellation. Keeps itself until gRPC is done
// with it; the session and the alarm keep it for as long as they may call it.
class SyncobjCall final : public grpc::ServerUnaryReactor, public session::SyncobjWait {
 public:
  // Fills in the answer. Called once, on any thread, unless the wait was refused.
  using MakeAnswer = std::function<absl::Status(const session::SyncobjWaitResult&)>;
  // `timeout_ms` 0: answers at once.
  static grpc::ServerUnaryReactor* Start(std::shared_ptr<session::Session> session,
                                         std::vector<session::SyncobjPoint> points,
                                         const session::SyncobjWaitOptions& options, uint32_t timeout_ms,
                                         MakeAnswer make_answer);
  SyncobjCall(std::shared_ptr<session::Session> session, std::vector<session::SyncobjPoint> points,
              const session::SyncobjWaitOptions& options, MakeAnswer make_answer);

  void OnCancel() override { Answer(); }
  void OnDone() override;

 private:
  void OnMet() override { Answer(); }
  void Begin(uint32_t timeout_ms);
  // Once; later calls do nothing.
  void Answer();
  void FinishOnce(const absl::Status& status);

  const std::shared_ptr<session::Session> session_;
  const MakeAnswer make_answer_;
  std::atomic<bool> answered_{false};
  grpc::Alarm alarm_;
  std::shared_ptr<SyncobjCall> self_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_SYNCOBJ_CALL_H_
