#include "server/service/suspend_call.h"

#include <chrono>
#include <utility>

#include "hw/clock.h"
#include "server/common/errors.h"
#include "server/service/status.h"

namespace xeq::service {

grpc::ServerUnaryReactor* SuspendCall::Start(std::shared_ptr<session::Session> session, uint64_t queue,
                                             uint32_t timeout_ms) {
  auto call = std::make_shared<SuspendCall>(std::move(session), queue, timeout_ms);
  call->self_ = call;
  call->session_->lease().Hold();
  call->Begin();
  return call.get();
}

void SuspendCall::Begin() {
  // Before the session knows of the wait: from then on the answer may go out at any time, and this be gone.
  // Weak: an alarm keeps its callback for as long as it lives, also after it fired, and the call owns the alarm.
  const std::weak_ptr<SuspendCall> weak = self_;
  alarm_.Set(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms_), [weak](bool fired) {
    const std::shared_ptr<SuspendCall> call = weak.lock();
    if (fired && call != nullptr) call->OnTime();
  });
  const std::shared_ptr<SuspendCall> held = self_;
  const absl::Status status = session_->SuspendQueue(queue_, held);
  if (!status.ok()) FinishOnce(status);
}

void SuspendCall::OnTime() {
  session_->ForgetSuspend(queue_, *this);
  FinishOnce(SuspendPending(queue_, timeout_ms_));
}

void SuspendCall::OnCancel() {
  session_->ForgetSuspend(queue_, *this);
  FinishOnce(absl::CancelledError("the client cancelled the call"));
}

void SuspendCall::FinishOnce(const absl::Status& status) {
  if (!answered_.exchange(true)) Finish(ToGrpc(status));
}

void SuspendCall::OnDone() {
  session_->lease().Release(hw::MonotonicNow());
  alarm_.Cancel();
  // Frees this, unless the session or the alarm still has to let go.
  const std::shared_ptr<SuspendCall> last = std::move(self_);
}

}  // namespace xeq::service
