#include "client/watch_stream.h"

#include <utility>

#include "client/convert.h"

namespace xeq {
namespace internal {

WatchStream::WatchStream(std::shared_ptr<SessionState> session, uint64_t after_event) : session_(std::move(session)) {
  v1::WatchFencesRequest request;
  request.set_session_id(session_->id);
  request.set_after_event(after_event);
  reader_ = session_->connection->fences->WatchFences(&context_, request);
}

WatchStream::~WatchStream() {
  if (finished_) return;
  context_.TryCancel();
  Finish().IgnoreError();
}

absl::Status WatchStream::Finish() {
  if (!std::exchange(finished_, true)) end_ = FromGrpc(reader_->Finish());
  return end_;
}

absl::Status WatchStream::WaitForStart() {
  reader_->WaitForInitialMetadata();
  // A refused stream ends with nothing but its status; one that stands names itself first.
  if (context_.GetServerInitialMetadata().count("xeq-watch") > 0) return absl::OkStatus();
  absl::Status status = Finish();
  return status.ok() ? absl::InternalError("the watch ended before it began") : status;
}

absl::StatusOr<FenceEvent> WatchStream::Next() {
  while (next_in_message_ == message_.events_size()) {
    next_in_message_ = 0;
    message_.Clear();
    if (finished_ || !reader_->Read(&message_)) {
      absl::Status status = Finish();
      return status.ok() ? absl::OutOfRangeError("the session is closed, and all was told") : status;
    }
  }
  return FromProto(message_.events(next_in_message_++));
}

}  // namespace internal

Watch::Watch(std::unique_ptr<internal::WatchStream> stream) : stream_(std::move(stream)) {}
Watch::Watch(Watch&&) noexcept = default;
Watch& Watch::operator=(Watch&&) noexcept = default;
Watch::~Watch() = default;

absl::StatusOr<FenceEvent> Watch::Next() { return stream_->Next(); }

}  // namespace xeq
