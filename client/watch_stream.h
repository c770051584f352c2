// The stream behind a Watch.
#ifndef XEQ_CLIENT_WATCH_STREAM_H_
#define XEQ_CLIENT_WATCH_STREAM_H_

#include <memory>

#include "absl/status/statusor.h"
#include "client/connection.h"

namespace xeq::internal {

// One thread at a time.
class WatchStream {
 public:
  WatchStream(std::shared_ptr<SessionState> session, uint64_t after_event);
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;
  ~WatchStream();

  // Blocks until the service has taken the watch, or refused it.
  absl::Status WaitForStart();
  // See Watch::Next.
  absl::StatusOr<FenceEvent> Next();

 private:
  absl::Status Finish();

  const std::shared_ptr<SessionState> session_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchFencesResponse>> reader_;
  v1::WatchFencesResponse message_;
  int next_in_message_ = 0;
  bool finished_ = false;
  absl::Status end_;
};

}  // namespace xeq::internal

#endif  // XEQ_CLIENT_WATCH_STREAM_H_
