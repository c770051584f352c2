// Buffers, VMs and queues.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/connection.h"
#include "client/convert.h"
#include "xeq/client.h"

namespace xeq {
namespace {

using internal::Retry;

// Large enough that gRPC's cost per message does not count.
constexpr uint64_t kChunkBytes = 512 << 10;

template <typename Request>
void WriteWaits(absl::Span<const Fence> waits, Request* request) {
  for (const Fence& fence : waits) internal::Write(fence, request->add_waits()->mutable_fence());
}

}  // namespace

namespace internal {

Handle::~Handle() {
  if (released) return;
  Connection& to = connection();
  const auto destroy = [&](auto request, auto response, auto set_id, auto call) {
    request.set_session_id(session->id);
    set_id(request);
    // If it does not get through, it goes with the session.
    to.Invoke(Retry::kNever, [&](grpc::ClientContext* context) {
        return call(context, request, &response);
      }).IgnoreError();
  };
  switch (kind) {
    case Kind::kVm:
      destroy(
          v1::DestroyVmRequest(), v1::DestroyVmResponse(), [&](auto& request) { request.set_vm(id); },
          [&](auto... arguments) { return to.vms->DestroyVm(arguments...); });
      break;
    case Kind::kBuffer:
      destroy(
          v1::DestroyBufferRequest(), v1::DestroyBufferResponse(), [&](auto& request) { request.set_buffer(id); },
          [&](auto... arguments) { return to.buffers->DestroyBuffer(arguments...); });
      break;
    case Kind::kQueue:
      destroy(
          v1::DestroyQueueRequest(), v1::DestroyQueueResponse(), [&](auto& request) { request.set_queue(id); },
          [&](auto... arguments) { return to.queues->DestroyQueue(arguments...); });
      break;
    case Kind::kHostTimeline:
      destroy(
          v1::DestroyHostTimelineRequest(), v1::DestroyHostTimelineResponse(),
          [&](auto& request) { request.set_timeline(id); },
          [&](auto... arguments) { return to.fences->DestroyHostTimeline(arguments...); });
      break;
    case Kind::kSyncobj:
      destroy(
          v1::DestroySyncobjRequest(), v1::DestroySyncobjResponse(), [&](auto& request) { request.set_syncobj(id); },
          [&](auto... arguments) { return to.syncobjs->DestroySyncobj(arguments...); });
      break;
  }
}

}  // namespace internal

// ---- Buffer.

Buffer::Buffer(std::unique_ptr<internal::Handle> handle, uint64_t size_bytes)
    : handle_(std::move(handle)), size_bytes_(size_bytes) {}
Buffer::Buffer(Buffer&&) noexcept = default;
Buffer& Buffer::operator=(Buffer&&) noexcept = default;
Buffer::~Buffer() = default;

uint64_t Buffer::handle() const { return handle_->id; }

absl::Status Buffer::Write(uint64_t offset, absl::Span<const std::byte> data, const Progress& progress) {
  grpc::ClientContext context;
  v1::WriteBufferResponse response;
  auto writer = handle_->connection().buffers->WriteBuffer(&context, &response);
  v1::WriteBufferRequest request;
  request.set_session_id(handle_->session->id);
  request.set_buffer(handle_->id);
  uint64_t done = 0;
  do {
    const uint64_t size = std::min<uint64_t>(kChunkBytes, data.size() - done);
    request.set_offset(offset + done);
    request.set_data(data.data() + done, size);
    // The status of Finish says why.
    if (!writer->Write(request)) break;
    done += size;
    if (progress) progress(done, data.size());
  } while (done < data.size());
  writer->WritesDone();
  absl::Status status = internal::FromGrpc(writer->Finish());
  if (status.ok() && response.bytes_written() != data.size()) {
    return absl::DataLossError(
        absl::StrCat("the service wrote ", response.bytes_written(), " of ", data.size(), " bytes"));
  }
  return status;
}

absl::Status Buffer::Write(uint64_t offset, absl::Span<const uint32_t> dwords) {
  return Write(offset, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(dwords.data()), dwords.size() * 4));
}

absl::Status Buffer::Read(uint64_t offset, absl::Span<std::byte> data, const Progress& progress) const {
  if (data.empty()) return absl::OkStatus();
  grpc::ClientContext context;
  v1::ReadBufferRequest request;
  request.set_session_id(handle_->session->id);
  request.set_buffer(handle_->id);
  request.set_offset(offset);
  request.set_size(data.size());
  request.set_chunk_bytes(kChunkBytes);
  auto reader = handle_->connection().buffers->ReadBuffer(&context, request);
  v1::ReadBufferResponse response;
  uint64_t done = 0;
  while (reader->Read(&response)) {
    const std::string& chunk = response.data();
    if (response.offset() != offset + done || chunk.size() > data.size() - done) {
      context.TryCancel();
      reader->Finish();
      return absl::DataLossError("the service sent a chunk that was not asked for");
    }
    std::copy_n(reinterpret_cast<const std::byte*>(chunk.data()), chunk.size(), data.begin() + done);
    done += chunk.size();
    if (progress) progress(done, data.size());
  }
  absl::Status status = internal::FromGrpc(reader->Finish());
  if (status.ok() && done != data.size()) {
    return absl::DataLossError(absl::StrCat("the service sent ", done, " of ", data.size(), " bytes"));
  }
  return status;
}

// ---- Vm.

Vm::Vm(std::unique_ptr<internal::Handle> handle) : handle_(std::move(handle)) {}
Vm::Vm(Vm&&) noexcept = default;
Vm& Vm::operator=(Vm&&) noexcept = default;
Vm::~Vm() = default;

uint64_t Vm::handle() const { return handle_->id; }

absl::StatusOr<Fence> Vm::Bind(const Buffer& buffer, uint64_t address, uint64_t offset, uint64_t size_bytes,
                               absl::Span<const Fence> waits) {
  internal::Connection& connection = handle_->connection();
  v1::BindRequest request;
  v1::BindResponse response;
  request.set_session_id(handle_->session->id);
  request.set_vm(handle_->id);
  request.set_buffer(buffer.handle());
  request.set_address(address);
  request.set_offset(offset);
  request.set_size(size_bytes);
  WriteWaits(waits, &request);
  absl::Status status = connection.Invoke(
      Retry::kSafe, [&](grpc::ClientContext* context) { return connection.vms->Bind(context, request, &response); });
  if (!status.ok()) return status;
  return internal::FromProto(response.fence());
}

absl::StatusOr<Fence> Vm::Unbind(uint64_t address, uint64_t size_bytes, absl::Span<const Fence> waits) {
  internal::Connection& connection = handle_->connection();
  v1::UnbindRequest request;
  v1::UnbindResponse response;
  request.set_session_id(handle_->session->id);
  request.set_vm(handle_->id);
  request.set_address(address);
  request.set_size(size_bytes);
  WriteWaits(waits, &request);
  absl::Status status = connection.Invoke(
      Retry::kBusy, [&](grpc::ClientContext* context) { return connection.vms->Unbind(context, request, &response); });
  if (!status.ok()) return status;
  return internal::FromProto(response.fence());
}

// ---- Queue.

Queue::Queue(std::unique_ptr<internal::Handle> handle) : handle_(std::move(handle)) {}
Queue::Queue(Queue&&) noexcept = default;
Queue& Queue::operator=(Queue&&) noexcept = default;
Queue::~Queue() = default;

uint64_t Queue::handle() const { return handle_->id; }

uint64_t Queue::Release() && {
  const uint64_t id = handle_->id;
  handle_->released = true;
  handle_.reset();
  return id;
}

absl::StatusOr<Fence> Queue::Submit(uint64_t batch_address, absl::Span<const Fence> waits) {
  Job job;
  job.queue = handle_->id;
  job.batch_addresses = {batch_address};
  job.waits.assign(waits.begin(), waits.end());
  absl::StatusOr<std::vector<Fence>> fences = Session(handle_->session).Submit(absl::MakeConstSpan(&job, 1));
  if (!fences.ok()) return fences.status();
  return fences->front();
}

// ---- HostTimeline.

HostTimeline::HostTimeline(std::unique_ptr<internal::Handle> handle) : handle_(std::move(handle)) {}
HostTimeline::HostTimeline(HostTimeline&&) noexcept = default;
HostTimeline& HostTimeline::operator=(HostTimeline&&) noexcept = default;
HostTimeline::~HostTimeline() = default;

absl::StatusOr<Fence> HostTimeline::Arm(std::chrono::milliseconds expires) {
  internal::Connection& connection = handle_->connection();
  v1::ArmHostFenceRequest request;
  v1::ArmHostFenceResponse response;
  request.set_session_id(handle_->session->id);
  request.set_timeline(handle_->id);
  request.set_expires_ms(static_cast<uint32_t>(std::clamp<int64_t>(expires.count(), 1, UINT32_MAX)));
  absl::Status status = connection.Invoke(Retry::kBusy, [&](grpc::ClientContext* context) {
    return connection.fences->ArmHostFence(context, request, &response);
  });
  if (!status.ok()) return status;
  return internal::FromProto(response.fence());
}

absl::Status HostTimeline::Signal(const Fence& fence, bool failed) {
  internal::Connection& connection = handle_->connection();
  v1::SignalHostFenceRequest request;
  v1::SignalHostFenceResponse response;
  request.set_session_id(handle_->session->id);
  internal::Write(fence, request.mutable_fence());
  request.set_failed(failed);
  return connection.Invoke(Retry::kSafe, [&](grpc::ClientContext* context) {
    return connection.fences->SignalHostFence(context, request, &response);
  });
}

}  // namespace xeq
