#include "server/service/syncobj_call.h"

#include <chrono>
#include <utility>

#include "hw/clock.h"
#include "server/service/status.h"

namespace xeq::service {

SyncobjCall::SyncobjCall(std::shared_ptr<session::Session> session, std::vector<session::SyncobjPoint> points,
                         const session::SyncobjWaitOptions& options, MakeAnswer make_answer)
    : SyncobjWait(std::move(points), options), session_(std::move(session)), make_answer_(std::move(make_answer)) {}

grpc::ServerUnaryReactor* SyncobjCall::Start(std::shared_ptr<session::Session> session,
                                             std::vector<session::SyncobjPoint> points,
                                             const session::SyncobjWaitOptions& options, uint32_t timeout_ms,
                                             MakeAnswer make_answer) {
  auto call = std::make_shared<SyncobjCall>(std::move(session), std::move(points), options, std::move(make_answer));
  call->self_ = call;
  call->session_->lease().Hold();
  call->Begin(timeout_ms);
  return call.get();
}

void SyncobjCall::Begin(uint32_t timeout_ms) {
  const bool keep = timeout_ms > 0;
  if (keep) {
    // Before the session knows of the wait: from then on the answer may go out at any time, and this be gone.
    // Weak: an alarm keeps its callback for as long as it lives, also after it fired, and the call owns the alarm.
    const std::weak_ptr<SyncobjCall> weak = self_;
    alarm_.Set(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms), [weak](bool fired) {
      const std::shared_ptr<SyncobjCall> call = weak.lock();
      if (fired && call != nullptr) call->Answer();
    });
  }
  const absl::StatusOr<bool> met = session_->StartSyncobjWait(*this, keep);
  if (!met.ok()) return FinishOnce(met.status());
  if (*met || !keep) Answer();
}

void SyncobjCall::Answer() {
  if (answered_.exchange(true)) return;
  session_->CancelWait(*this);
  const absl::StatusOr<session::SyncobjWaitResult> result = session_->ResultOf(*this);
  Finish(ToGrpc(result.ok() ? make_answer_(*result) : result.status()));
}

void SyncobjCall::FinishOnce(const absl::Status& status) {
  if (!answered_.exchange(true)) Finish(ToGrpc(status));
}

void SyncobjCall::OnDone() {
  session_->lease().Release(hw::MonotonicNow());
  alarm_.Cancel();
  // Frees this, unless the session or the alarm still has to let go.
  const std::shared_ptr<SyncobjCall> last = std::move(self_);
}

}  // namespace xeq::service
