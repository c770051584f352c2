// A whole service in the test's process, on the software GPU: real gRPC on a Unix socket and on TCP.
#ifndef XEQ_TESTS_INTEGRATION_SERVICE_FIXTURE_H_
#define XEQ_TESTS_INTEGRATION_SERVICE_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "hw/clock.h"
#include "hw/device_factory.h"
#include "hw/regs/commands.h"
#include "server/metrics/recorder.h"
#include "server/sched/device_loop.h"
#include "server/server.h"
#include "server/session/session_manager.h"
#include "xeq/v1/buffer.grpc.pb.h"
#include "xeq/v1/device.grpc.pb.h"
#include "xeq/v1/fence.grpc.pb.h"
#include "xeq/v1/queue.grpc.pb.h"
#include "xeq/v1/session.grpc.pb.h"
#include "xeq/v1/syncobj.grpc.pb.h"
#include "xeq/v1/vm.grpc.pb.h"

namespace xeq {

// What a failed call says to programs.
struct ErrorSeen {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string reason;
  std::map<std::string, std::string> metadata;
  bool has_retry = false;
};

inline ErrorSeen See(const google::rpc::Status& status) {
  ErrorSeen seen{static_cast<grpc::StatusCode>(status.code()), status.message(), "", {}, false};
  for (const google::protobuf::Any& any : status.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info)) {
      seen.reason = info.reason();
      seen.metadata = {info.metadata().begin(), info.metadata().end()};
    }
    seen.has_retry |= any.Is<google::rpc::RetryInfo>();
  }
  return seen;
}

inline ErrorSeen See(const grpc::Status& status) {
  google::rpc::Status proto;
  proto.ParseFromString(status.error_details());
  ErrorSeen seen = See(proto);
  seen.code = status.error_code();
  seen.message = status.error_message();
  return seen;
}

struct Stubs {
  explicit Stubs(std::shared_ptr<grpc::Channel> channel)
      : sessions(v1::SessionService::NewStub(channel)),
        devices(v1::DeviceService::NewStub(channel)),
        vms(v1::VmService::NewStub(channel)),
        buffers(v1::BufferService::NewStub(channel)),
        queues(v1::QueueService::NewStub(channel)),
        fences(v1::FenceService::NewStub(channel)),
        syncobjs(v1::SyncobjService::NewStub(channel)) {}

  std::unique_ptr<v1::SessionService::Stub> sessions;
  std::unique_ptr<v1::DeviceService::Stub> devices;
  std::unique_ptr<v1::VmService::Stub> vms;
  std::unique_ptr<v1::BufferService::Stub> buffers;
  std::unique_ptr<v1::QueueService::Stub> queues;
  std::unique_ptr<v1::FenceService::Stub> fences;
  std::unique_ptr<v1::SyncobjService::Stub> syncobjs;
};

class Service {
 public:
  explicit Service(const session::ManagerOptions& options = {}, const sched::DeviceLoopOptions& loop_options = {})
      : device_(hw::OpenDevice("model").value()),
        loop_(*device_, &recorder_, loop_options),
        sessions_(loop_, recorder_, options) {
    EXPECT_TRUE(loop_.Start().ok());
    static int number = 0;
    const std::string socket = absl::StrCat(testing::TempDir(), "/xeq-", getpid(), "-", ++number, ".sock");
    auto server = Server::Start({sessions_, *device_, recorder_, /*instance=*/42, "test"},
                                {absl::StrCat("unix:", socket), "127.0.0.1:0"});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~Service() {
    server_->Drain(1000);
    loop_.Stop();
  }

  std::shared_ptr<grpc::Channel> Channel(size_t address = 0) {
    grpc::ChannelArguments arguments;
    // Each its own connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server_->addresses()[address], grpc::InsecureChannelCredentials(), arguments);
  }
  Server& server() { return *server_; }
  hw::Device& device() { return *device_; }
  metrics::Recorder& recorder() { return recorder_; }
  session::SessionManager& sessions() { return sessions_; }

 private:
  metrics::Recorder recorder_;
  std::unique_ptr<hw::Device> device_;
  sched::DeviceLoop loop_;
  session::SessionManager sessions_;
  std::unique_ptr<Server> server_;
};

using Batch = std::vector<uint32_t>;
inline const Batch kEnd = {hw::regs::kBatchBufferEnd, hw::regs::kNoop};

inline Batch StoreDword(uint64_t address, uint32_t value) {
  return {hw::regs::Mi(hw::regs::MiOpcode::kStoreDataImm, 4), static_cast<uint32_t>(address),
          static_cast<uint32_t>(address >> 32), value};
}
// Waits until the dword equals `value`.
inline Batch WaitDword(uint64_t address, uint32_t value) {
  using namespace hw::regs;  // NOLINT: constants of one command
  return {Mi(MiOpcode::kSemaphoreWait, kSemaphoreWaitTokenDwords) | kSemaphoreWaitPoll |
              static_cast<uint32_t>(Compare::kEqual) << kCompareShift,
          value, static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32), 0};
}
inline Batch operator+(Batch first, const Batch& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// One session with a VM, 64 KiB bound at kBase, and a copy queue.
class ServiceTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kBase = 0x1000000;
  static constexpr uint64_t kBytes = 64 << 10;
  static constexpr uint64_t kCode = kBase + kBytes / 2;

  explicit ServiceTest(const session::ManagerOptions& options = {}, const sched::DeviceLoopOptions& loop = {})
      : service_(options, loop), stubs_(service_.Channel()) {}

  void SetUp() override {
    session_ = OpenSession();
    vm_ = CreateVm();
    buffer_ = CreateBuffer(kBytes);
    bound_ = Bind(buffer_, kBase);
    queue_ = CreateQueue(v1::ENGINE_CLASS_COPY);
  }

  // Calls `(stub->*method)`, which must succeed.
  template <typename Response, typename Stub, typename Method, typename Request>
  Response Call(Stub& stub, Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    Response response;
    const grpc::Status status = ((*stub).*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // Calls it, and gives what it says.
  template <typename Response, typename Stub, typename Method, typename Request>
  ErrorSeen Try(Stub& stub, Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    Response response;
    return See(((*stub).*method)(&context, request, &response));
  }

  uint64_t OpenSession(uint32_t lease_ms = 0) {
    v1::OpenSessionRequest request;
    request.set_client_name("test");
    request.set_lease_ms(lease_ms);
    return Call<v1::OpenSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::OpenSession, request).session_id();
  }
  uint64_t CreateVm() {
    v1::CreateVmRequest request;
    request.set_session_id(session_);
    return Call<v1::CreateVmResponse>(stubs_.vms, &v1::VmService::Stub::CreateVm, request).vm();
  }
  uint64_t CreateBuffer(uint64_t size) {
    v1::CreateBufferRequest request;
    request.set_session_id(session_);
    request.set_size(size);
    return Call<v1::CreateBufferResponse>(stubs_.buffers, &v1::BufferService::Stub::CreateBuffer, request).buffer();
  }
  v1::BindRequest BindRequest(uint64_t buffer, uint64_t address) {
    v1::BindRequest request;
    request.set_session_id(session_);
    request.set_vm(vm_);
    request.set_buffer(buffer);
    request.set_address(address);
    return request;
  }
  v1::Fence Bind(uint64_t buffer, uint64_t address) {
    return Call<v1::BindResponse>(stubs_.vms, &v1::VmService::Stub::Bind, BindRequest(buffer, address)).fence();
  }
  v1::CreateQueueRequest QueueRequest(v1::EngineClass engine_class) {
    v1::CreateQueueRequest request;
    request.set_session_id(session_);
    request.set_vm(vm_);
    request.set_engine_class(engine_class);
    return request;
  }
  uint64_t CreateQueue(v1::EngineClass engine_class) {
    return Call<v1::CreateQueueResponse>(stubs_.queues, &v1::QueueService::Stub::CreateQueue,
                                         QueueRequest(engine_class))
        .queue()
        .queue();
  }
  // Into the buffer of SetUp.
  void Upload(uint64_t address, const Batch& batch) {
    grpc::ClientContext context;
    v1::WriteBufferResponse response;
    auto writer = stubs_.buffers->WriteBuffer(&context, &response);
    v1::WriteBufferRequest request;
    request.set_session_id(session_);
    request.set_buffer(buffer_);
    request.set_offset(address - kBase);
    request.set_data(batch.data(), batch.size() * 4);
    writer->Write(request);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  uint32_t Read(uint64_t address) {
    grpc::ClientContext context;
    v1::ReadBufferRequest request;
    request.set_session_id(session_);
    request.set_buffer(buffer_);
    request.set_offset(address - kBase);
    request.set_size(4);
    auto reader = stubs_.buffers->ReadBuffer(&context, request);
    v1::ReadBufferResponse response;
    uint32_t value = 0;
    EXPECT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.data().size(), 4u);
    std::memcpy(&value, response.data().data(), 4);
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_TRUE(reader->Finish().ok());
    return value;
  }
  v1::SubmitRequest SubmitRequest(std::vector<uint64_t> batches, uint64_t queue = 0) {
    v1::SubmitRequest request;
    request.set_session_id(session_);
    for (const uint64_t batch : batches) {
      v1::Job* job = request.add_jobs();
      job->set_queue(queue == 0 ? queue_ : queue);
      job->add_batch_addresses(batch);
      *job->add_waits()->mutable_fence() = bound_;
    }
    return request;
  }
  std::vector<v1::Fence> Submit(const v1::SubmitRequest& request) {
    const auto response = Call<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit, request);
    return {response.fences().begin(), response.fences().end()};
  }
  v1::WaitFencesRequest WaitRequest(const std::vector<v1::Fence>& fences, uint32_t timeout_ms = 30000) {
    v1::WaitFencesRequest request;
    request.set_session_id(session_);
    request.set_timeout_ms(timeout_ms);
    for (const v1::Fence& fence : fences) *request.add_fences() = fence;
    return request;
  }
  v1::WaitFencesResponse Wait(const v1::WaitFencesRequest& request) {
    return Call<v1::WaitFencesResponse>(stubs_.fences, &v1::FenceService::Stub::WaitFences, request);
  }
  v1::FenceStatus WaitOne(const v1::Fence& fence) {
    const v1::WaitFencesResponse response = Wait(WaitRequest({fence}));
    EXPECT_TRUE(response.satisfied());
    return response.statuses_size() == 1 ? response.statuses(0) : v1::FenceStatus();
  }

  Service service_;
  Stubs stubs_;
  uint64_t session_ = 0;
  uint64_t vm_ = 0;
  uint64_t buffer_ = 0;
  uint64_t queue_ = 0;
  v1::Fence bound_;
};

}  // namespace xeq

#endif  // XEQ_TESTS_INTEGRATION_SERVICE_FIXTURE_H_
