#include "server/service/watch_call.h"

#include <chrono>
#include <utility>

#include "server/service/convert.h"
#include "server/service/status.h"

namespace xeq::service {
namespace {

// In the initial metadata of a stream that was not refused; named in fence.proto.
constexpr char kWatchMetadataKey[] = "xeq-watch";

}  // namespace

WatchCall::WatchCall(std::shared_ptr<session::Session> session, metrics::Recorder& recorder, hw::Nanos heartbeat_ns)
    : session_(std::move(session)),
      recorder_(recorder),
      heartbeat_ns_(heartbeat_ns),
      last_write_(hw::MonotonicNow()),
      events_(kEventsPerMessageMax) {}

WatchCall* WatchCall::Start(grpc::CallbackServerContext* context, std::shared_ptr<session::Session> session,
                            metrics::Recorder& recorder, uint64_t after_event, hw::Nanos heartbeat_ns) {
  auto call = std::make_shared<WatchCall>(std::move(session), recorder, heartbeat_ns);
  call->self_ = call;
  call->session_->lease().Hold();
  if (absl::Status status = call->session_->StartWatch(call, after_event); !status.ok()) {
    {
      hw::MutexLock lock(call->mutex_);
      call->finished_ = true;
    }
    call->Finish(ToGrpc(status));
    return call.get();
  }
  {
    hw::MutexLock lock(call->mutex_);
    call->SetAlarm(heartbeat_ns);
  }
  // So that the client knows that the watch stands, whether there is an event or not.
  context->AddInitialMetadata(kWatchMetadataKey, "1");
  call->StartSendInitialMetadata();
  call->Continue();
  return call.get();
}

void WatchCall::SetAlarm(hw::Nanos in) {
  // Weak: an alarm keeps its callback for as long as it lives, also after it fired, and the call owns the alarm.
  alarm_.Set(std::chrono::system_clock::now() + std::chrono::nanoseconds(in), [weak = weak_from_this()](bool fired) {
    const std::shared_ptr<WatchCall> call = weak.lock();
    if (fired && call != nullptr) call->OnAlarm();
  });
}

void WatchCall::OnAlarm() {
  {
    hw::MutexLock lock(mutex_);
    if (finished_) return;
    const hw::Nanos silent = hw::MonotonicNow() - last_write_;
    heartbeat_due_ = silent >= heartbeat_ns_;
    SetAlarm(heartbeat_due_ ? heartbeat_ns_ : heartbeat_ns_ - silent);
  }
  Continue();
}

void WatchCall::Continue() {
  grpc::Status status;
  Step step;
  {
    hw::MutexLock lock(mutex_);
    step = Choose(&status);
  }
  // With no lock held; `writing_` and `finished_` keep others from doing the same meanwhile.
  if (step == Step::kWrite) StartWrite(&response_);
  if (step == Step::kFinish) Finish(status);
}

WatchCall::Step WatchCall::Choose(grpc::Status* status) {
  if (writing_ || finished_) return Step::kNothing;
  absl::StatusOr<session::WatchedEvents> read = absl::CancelledError("the client has gone");
  if (!cancelled_) read = session_->ReadEvents(*this, absl::MakeSpan(events_));
  if (!read.ok() || (read->count == 0 && read->finished)) {
    finished_ = true;
    *status = ToGrpc(read.status());
    return Step::kFinish;
  }
  if (read->count == 0 && !heartbeat_due_) return Step::kNothing;
  const hw::Nanos now = hw::MonotonicNow();
  heartbeat_due_ = false;
  last_write_ = now;
  response_.Clear();
  response_.set_last_event(read->last_event);
  for (size_t i = 0; i < read->count; ++i) {
    Write(events_[i], read->first_number + i, now, response_.add_events());
    recorder_.OnNotified(now - events_[i].times.ended);
  }
  writing_ = true;
  return Step::kWrite;
}

void WatchCall::OnWriteDone(bool ok) {
  {
    hw::MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) cancelled_ = true;
  }
  Continue();
}

void WatchCall::OnCancel() {
  {
    hw::MutexLock lock(mutex_);
    cancelled_ = true;
  }
  Continue();
}

void WatchCall::OnDone() {
  session_->StopWatch(*this);
  session_->lease().Release(hw::MonotonicNow());
  {
    hw::MutexLock lock(mutex_);
    alarm_.Cancel();
  }
  // Frees this, unless the session or the alarm still has to let go.
  const std::shared_ptr<WatchCall> last = std::move(self_);
}

}  // namespace xeq::service
