#include "server/service/wait_call.h"

#include <chrono>
#include <utility>

#include "hw/clock.h"
#include "server/service/convert.h"
#include "server/service/status.h"

namespace xeq::service {

WaitCall::WaitCall(std::shared_ptr<session::Session> session, std::vector<sched::Point> points, Mode mode,
                   v1::WaitFencesResponse* response)
    : FenceWait(std::move(points), mode), session_(std::move(session)), response_(response) {}

grpc::ServerUnaryReactor* WaitCall::Start(std::shared_ptr<session::Session> session, std::vector<sched::Point> points,
                                          Mode mode, uint32_t timeout_ms, v1::WaitFencesResponse* response) {
  auto call = std::make_shared<WaitCall>(std::move(session), std::move(points), mode, response);
  call->self_ = call;
  call->session_->lease().Hold();
  call->Begin(timeout_ms);
  return call.get();
}

void WaitCall::Begin(uint32_t timeout_ms) {
  if (timeout_ms == 0) return Answer();
  // Before the session knows of the wait: from then on the answer may go out at any time, and this be gone.
  // Weak: an alarm keeps its callback for as long as it lives, also after it fired, and the call owns the alarm.
  const std::weak_ptr<WaitCall> weak = self_;
  alarm_.Set(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms), [weak](bool fired) {
    const std::shared_ptr<WaitCall> call = weak.lock();
    if (fired && call != nullptr) call->Answer();
  });
  const absl::StatusOr<bool> met = session_->StartWait(*this);
  if (!met.ok()) return FinishOnce(met.status());
  if (*met) Answer();
}

void WaitCall::Answer() {
  if (answered_.exchange(true)) return;
  session_->CancelWait(*this);
  std::vector<session::FenceStatus> statuses;
  bool met = false;
  const absl::Status status = session_->FenceStatuses(*this, statuses, met);
  if (status.ok()) {
    response_->set_satisfied(met);
    for (const session::FenceStatus& fence : statuses) Write(fence, response_->add_statuses());
  }
  Finish(ToGrpc(status));
}

void WaitCall::FinishOnce(const absl::Status& status) {
  if (!answered_.exchange(true)) Finish(ToGrpc(status));
}

void WaitCall::OnDone() {
  session_->lease().Release(hw::MonotonicNow());
  alarm_.Cancel();
  // Frees this, unless the session or the alarm still has to let go.
  const std::shared_ptr<WaitCall> last = std::move(self_);
}

}  // namespace xeq::service
