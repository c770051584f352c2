#include "tests/bench/call_client.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "xeq/batch.h"

namespace xeq::bench {
namespace {

using Clock = std::chrono::steady_clock;

double MicrosSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

void RequireCall(const grpc::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.error_message().c_str());
  std::exit(1);
}

// As libxeq's calls.
void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

template <typename T>
T Get(absl::StatusOr<T> result, const char* what) {
  Require(result.status(), what);
  return *std::move(result);
}

// A server that is still on its way up is tried again soon.
std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(60))) {
    Require(absl::UnavailableError("nobody answers"), address.c_str());
  }
  return channel;
}

// One of the calls of Rate.
struct Call {
  grpc::ClientContext context;
  v1::SubmitResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::SubmitResponse>> reader;
};

}  // namespace

void Require(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::exit(1);
}

SubmitTarget::SubmitTarget(const std::string& address)
    : client_((Connect(address), Get(Client::Connect(address), "connect"))),
      session_(Get(client_.OpenSession(), "session")),
      vm_(Get(session_.CreateVm(), "vm")),
      buffer_(Get(session_.CreateBuffer(4096), "buffer")),
      queue_(
          Get(session_.CreateQueue(vm_, EngineClass::kCopy, {std::nullopt, QueuePriority::kNormal, 10'000}), "queue")) {
  Require(buffer_.Write(0, Get(BatchBuilder().Finish(), "batch")), "write");
  const auto holder = Get(BatchBuilder().WaitUntil(kGate, Compare::kEqual, 1).Finish(), "batch");
  Require(buffer_.Write(kHolder - kBatch, holder), "write");
  Require(session_.Wait(Get(vm_.Bind(buffer_, kBatch), "bind")), "bind");
}

void SubmitTarget::SetGate(uint32_t value) {
  Require(buffer_.Write(kGate - kBatch, absl::MakeConstSpan(&value, 1)), "write");
}

void SubmitTarget::Hold() {
  SetGate(0);
  Get(queue_.Submit(kHolder), "submit");
}

void SubmitTarget::Release() {
  SetGate(1);
  Require(session_.Wait(Get(queue_.Submit(kBatch), "submit")), "wait");
}

CallClient::CallClient(const std::string& address, const SubmitTarget* target)
    : channel_(Connect(address)),
      queues_(v1::QueueService::NewStub(channel_)),
      fences_(v1::FenceService::NewStub(channel_)) {
  request_.set_session_id(target != nullptr ? target->session_id() : 0x123456789abcdef0);
  v1::Job* job = request_.add_jobs();
  job->set_queue(target != nullptr ? target->queue() : 3);
  job->add_batch_addresses(target != nullptr ? target->batch() : 0x100000);
}

CallClient::~CallClient() {
  if (watch_ == nullptr) return;
  watch_context_.TryCancel();
  watch_->Finish();
}

v1::SubmitResponse CallClient::CallOnce() {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::SubmitResponse response;
  RequireCall(queues_->Submit(&context, request_, &response), "Submit");
  return response;
}

std::vector<double> CallClient::Calls(size_t count) {
  std::vector<double> micros;
  micros.reserve(count);
  while (micros.size() < count) {
    const auto begin = Clock::now();
    CallOnce();
    micros.push_back(MicrosSince(begin));
  }
  return micros;
}

void CallClient::OpenWatch() {
  v1::WatchFencesRequest request;
  request.set_session_id(request_.session_id());
  watch_ = fences_->WatchFences(&watch_context_, request);
  watch_->WaitForInitialMetadata();
}

std::vector<double> CallClient::CallsToFence(size_t count) {
  if (watch_ == nullptr) OpenWatch();
  std::vector<double> micros;
  micros.reserve(count);
  v1::WatchFencesResponse message;
  while (micros.size() < count) {
    const auto begin = Clock::now();
    const v1::SubmitResponse submitted = CallOnce();
    const v1::Fence& fence = submitted.fences(0);
    for (bool seen = false; !seen;) {
      if (!watch_->Read(&message)) RequireCall(watch_->Finish(), "WatchFences");
      for (const v1::FenceEvent& event : message.events()) {
        const v1::FenceStatus& status = event.status();
        seen = seen || (status.fence().context() == fence.context() && status.fence().seqno() == fence.seqno());
      }
    }
    micros.push_back(MicrosSince(begin));
  }
  return micros;
}

double CallClient::Rate(size_t count, size_t outstanding) {
  grpc::CompletionQueue queue;
  std::vector<std::optional<Call>> calls(outstanding);
  size_t begun = 0;
  const auto start = [&](std::optional<Call>& call) {
    call.emplace();
    SetDeadline(call->context);
    call->reader = queues_->AsyncSubmit(&call->context, request_, &queue);
    call->reader->Finish(&call->response, &call->status, &call);
    ++begun;
  };
  const auto begin = Clock::now();
  for (size_t i = 0; i < outstanding && begun < count; ++i) start(calls[i]);
  for (size_t ended = 0; ended < count; ++ended) {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    auto& call = *static_cast<std::optional<Call>*>(tag);
    RequireCall(call->status, "Submit");
    if (begun < count) start(call);
  }
  const double rate = static_cast<double>(count) / MicrosSince(begin) * 1e6;
  queue.Shutdown();
  return rate;
}

}  // namespace xeq::bench
