// One WatchFences stream.
#ifndef XEQ_SERVER_SERVICE_WATCH_CALL_H_
#define XEQ_SERVER_SERVICE_WATCH_CALL_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "hw/clock.h"
#include "hw/mutex.h"
#include "server/metrics/recorder.h"
#include "server/session/session.h"
#include "xeq/v1/fence.pb.h"

namespace xeq::service {

// Writes what the event log has, one message at a time, and heartbeats when that is nothing. Keeps itself until gRPC is
// done with it; the session and the alarm keep it for as long as they may call it.
class WatchCall final : public grpc::ServerWriteReactor<v1::WatchFencesResponse>,
                        public session::Watch,
                        public std::enable_shared_from_this<WatchCall> {
 public:
  // `recorder` outlives the call.
  static WatchCall* Start(grpc::CallbackServerContext* context, std::shared_ptr<session::Session> session,
                          metrics::Recorder& recorder, uint64_t after_event, hw::Nanos heartbeat_ns);
  WatchCall(std::shared_ptr<session::Session> session, metrics::Recorder& recorder, hw::Nanos heartbeat_ns);

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr size_t kEventsPerMessageMax = 512;

  void OnEvents() override { Continue(); }
  void OnAlarm() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetAlarm(hw::Nanos in) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes or finishes if there is a reason to, and no write is under way.
  void Continue() ABSL_LOCKS_EXCLUDED(mutex_);
  // What to do next; a message is in `response_`.
  enum class Step { kNothing, kWrite, kFinish };
  Step Choose(grpc::Status* status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<session::Session> session_;
  metrics::Recorder& recorder_;
  const hw::Nanos heartbeat_ns_;

  hw::Mutex mutex_;
  // A message is on its way; `response_` is gRPC's.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool heartbeat_due_ ABSL_GUARDED_BY(mutex_) = false;
  hw::Nanos last_write_ ABSL_GUARDED_BY(mutex_);
  v1::WatchFencesResponse response_;
  std::vector<session::Event> events_ ABSL_GUARDED_BY(mutex_);
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<WatchCall> self_;
};

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_WATCH_CALL_H_
