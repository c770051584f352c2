#include "server/service/buffer_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "hw/clock.h"
#include "server/service/convert.h"
#include "server/service/status.h"

namespace xeq::service {
namespace {

using session::Session;

// Keeps a session's lease from running out.
class LeaseHold {
 public:
  explicit LeaseHold(std::shared_ptr<Session> session) : session_(std::move(session)) { session_->lease().Hold(); }
  LeaseHold(const LeaseHold&) = delete;
  LeaseHold& operator=(const LeaseHold&) = delete;
  ~LeaseHold() { session_->lease().Release(hw::MonotonicNow()); }

  Session& session() { return *session_; }

 private:
  const std::shared_ptr<Session> session_;
};

absl::Status CheckInBuffer(absl::string_view field, uint64_t offset, uint64_t size, uint64_t buffer_bytes) {
  if (offset <= buffer_bytes && size <= buffer_bytes - offset) return absl::OkStatus();
  return RangeOutsideBuffer(field, offset, size, buffer_bytes);
}

// One WriteBuffer. gRPC calls its functions one after the other; it frees itself in the end.
class Upload final : public grpc::ServerReadReactor<v1::WriteBufferRequest> {
 public:
  Upload(const Backend& backend, v1::WriteBufferResponse* response) : backend_(backend), response_(response) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    // The client has sent all, or is gone.
    if (!ok) return Finish(ToGrpc(hold_ == nullptr ? FieldMissing("session_id") : absl::OkStatus()));
    if (absl::Status status = Take(); !status.ok()) return Finish(ToGrpc(status));
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  absl::Status Take() {
    if (hold_ == nullptr) {
      if (request_.session_id() == 0) return FieldMissing("session_id");
      if (request_.buffer() == 0) return FieldMissing("buffer");
      auto session = backend_.sessions.Find(request_.session_id(), hw::MonotonicNow());
      if (!session.ok()) return session.status();
      session_id_ = request_.session_id();
      buffer_ = request_.buffer();
      hold_ = std::make_unique<LeaseHold>(*std::move(session));
    }
    if (request_.session_id() != 0 && request_.session_id() != session_id_) {
      return FieldNotAllowed("session_id", "the first message names another session");
    }
    if (request_.buffer() != 0 && request_.buffer() != buffer_) {
      return FieldNotAllowed("buffer", "the first message names another buffer");
    }
    // Looked up for each chunk: a stream that stalls keeps no memory.
    absl::StatusOr<std::shared_ptr<hw::Buffer>> buffer = hold_->session().FindBuffer(buffer_);
    if (!buffer.ok()) return buffer.status();
    const std::string& data = request_.data();
    absl::Status status = CheckInBuffer("offset", request_.offset(), data.size(), (*buffer)->size_bytes());
    if (!status.ok()) return status;
    status = (*buffer)->Write(request_.offset(), {reinterpret_cast<const std::byte*>(data.data()), data.size()});
    if (!status.ok()) return FromDevice(status);
    response_->set_bytes_written(response_->bytes_written() + data.size());
    backend_.recorder.OnTransfer(metrics::Direction::kUpload, data.size());
    return absl::OkStatus();
  }

  const Backend& backend_;
  v1::WriteBufferResponse* const response_;
  v1::WriteBufferRequest request_;
  uint64_t session_id_ = 0;
  uint64_t buffer_ = 0;
  // From the first message on.
  std::unique_ptr<LeaseHold> hold_;
};

// One ReadBuffer. gRPC calls its functions one after the other; it frees itself in the end.
class Download final : public grpc::ServerWriteReactor<v1::ReadBufferResponse> {
 public:
  Download(const Backend& backend, const v1::ReadBufferRequest& request) : backend_(backend) {
    if (absl::Status status = Begin(request); !status.ok()) {
      Finish(ToGrpc(status));
    } else {
      Next();
    }
  }

  void OnWriteDone(bool ok) override {
    // Not written: the client is gone.
    if (!ok) return Finish(grpc::Status::CANCELLED);
    Next();
  }
  void OnDone() override { delete this; }

 private:
  absl::Status Begin(const v1::ReadBufferRequest& request) {
    auto session = backend_.sessions.Find(request.session_id(), hw::MonotonicNow());
    if (!session.ok()) return session.status();
    absl::StatusOr<uint32_t> chunk =
        ReadInRange("chunk_bytes", request.chunk_bytes(), kChunkBytesDefault, 1, kChunkBytesMax);
    if (!chunk.ok()) return chunk.status();
    absl::StatusOr<std::shared_ptr<hw::Buffer>> buffer = (*session)->FindBuffer(request.buffer());
    if (!buffer.ok()) return buffer.status();
    const uint64_t bytes = (*buffer)->size_bytes();
    const uint64_t size = request.size() == 0 && request.offset() <= bytes ? bytes - request.offset() : request.size();
    if (absl::Status status = CheckInBuffer("offset", request.offset(), size, bytes); !status.ok()) return status;
    buffer_ = request.buffer();
    offset_ = request.offset();
    end_ = offset_ + size;
    chunk_bytes_ = *chunk;
    hold_ = std::make_unique<LeaseHold>(*std::move(session));
    return absl::OkStatus();
  }

  void Next() {
    if (offset_ == end_) return Finish(grpc::Status::OK);
    absl::StatusOr<std::shared_ptr<hw::Buffer>> buffer = hold_->session().FindBuffer(buffer_);
    if (!buffer.ok()) return Finish(ToGrpc(buffer.status()));
    const uint64_t size = std::min<uint64_t>(chunk_bytes_, end_ - offset_);
    std::string* data = response_.mutable_data();
    data->resize(size);
    const absl::Status status = (*buffer)->Read(offset_, {reinterpret_cast<std::byte*>(data->data()), data->size()});
    if (!status.ok()) return Finish(ToGrpc(FromDevice(status)));
    response_.set_offset(offset_);
    offset_ += size;
    backend_.recorder.OnTransfer(metrics::Direction::kDownload, size);
    StartWrite(&response_);
  }

  const Backend& backend_;
  v1::ReadBufferResponse response_;
  uint64_t buffer_ = 0;
  uint64_t offset_ = 0;
  uint64_t end_ = 0;
  uint32_t chunk_bytes_ = 0;
  std::unique_ptr<LeaseHold> hold_;
};

}  // namespace

grpc::ServerUnaryReactor* BufferService::CreateBuffer(grpc::CallbackServerContext* context,
                                                      const v1::CreateBufferRequest* request,
                                                      v1::CreateBufferResponse* response) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  if (!session.ok()) return Finish(context, session.status());
  absl::StatusOr<session::BufferInfo> buffer = (*session)->CreateBuffer(request->size(), request->region());
  if (buffer.ok()) {
    response->set_buffer(buffer->buffer);
    response->set_size(buffer->size_bytes);
  }
  return Finish(context, buffer.status());
}

grpc::ServerUnaryReactor* BufferService::DestroyBuffer(grpc::CallbackServerContext* context,
                                                       const v1::DestroyBufferRequest* request,
                                                       v1::DestroyBufferResponse*) {
  auto session = backend_.sessions.Find(request->session_id(), hw::MonotonicNow());
  return Finish(context, session.ok() ? (*session)->DestroyBuffer(request->buffer()) : session.status());
}

grpc::ServerReadReactor<v1::WriteBufferRequest>* BufferService::WriteBuffer(grpc::CallbackServerContext*,
                                                                            v1::WriteBufferResponse* response) {
  return new Upload(backend_, response);
}

grpc::ServerWriteReactor<v1::ReadBufferResponse>* BufferService::ReadBuffer(grpc::CallbackServerContext*,
                                                                            const v1::ReadBufferRequest* request) {
  return new Download(backend_, *request);
}

}  // namespace xeq::service
