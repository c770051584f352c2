// Goal: no bytes on the wire make the service crash or hurt a session that behaves. Method: requests of every method,
// good ones with bytes changed, cut off, or random, through a real server; a good job after them. Prints its seed;
// XEQ_FUZZ_SEED and XEQ_FUZZ_CALLS choose others.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <cstdlib>
#include <random>

#include "tests/integration/service_fixture.h"

namespace xeq {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

class WireFuzz : public ServiceTest {
 protected:
  // Sessions that the calls open stay, as nobody looks after leases here.
  static session::ManagerOptions ManySessions() {
    session::ManagerOptions options;
    options.sessions_max = 1 << 20;
    return options;
  }
  WireFuzz() : ServiceTest(ManySessions()) {}

  // Good requests, by method.
  std::vector<std::pair<std::string, std::string>> Seeds() {
    v1::CreateBufferRequest buffer;
    buffer.set_session_id(session_);
    buffer.set_size(4096);
    v1::WriteBufferRequest write;
    write.set_session_id(session_);
    write.set_buffer(buffer_);
    write.set_data("12345678");
    v1::ReadBufferRequest read;
    read.set_session_id(session_);
    read.set_buffer(buffer_);
    v1::ListQueuesRequest list;
    list.set_session_id(session_);
    list.set_page_token("3");
    v1::GetQueueRequest get;
    get.set_session_id(session_);
    get.set_queue(queue_);
    v1::UnbindRequest unbind;
    unbind.set_session_id(session_);
    unbind.set_vm(vm_);
    unbind.set_address(1ull << 40);
    unbind.set_size(4096);
    v1::OpenSessionRequest open;
    open.set_client_name("fuzz");
    v1::WatchFencesRequest watch;
    watch.set_session_id(session_);
    v1::SubmitRequest submit = SubmitRequest({kCode, kCode});
    submit.mutable_jobs(1)->add_waits()->set_job(0);
    return {{"BufferService/CreateBuffer", buffer.SerializeAsString()},
            {"BufferService/WriteBuffer", write.SerializeAsString()},
            {"BufferService/ReadBuffer", read.SerializeAsString()},
            {"QueueService/ListQueues", list.SerializeAsString()},
            {"QueueService/GetQueue", get.SerializeAsString()},
            {"QueueService/CreateQueue", QueueRequest(v1::ENGINE_CLASS_COPY).SerializeAsString()},
            {"QueueService/Submit", submit.SerializeAsString()},
            {"VmService/Bind", BindRequest(buffer_, 1ull << 40).SerializeAsString()},
            {"VmService/Unbind", unbind.SerializeAsString()},
            {"SessionService/OpenSession", open.SerializeAsString()},
            {"DeviceService/GetDevice", v1::GetDeviceRequest().SerializeAsString()},
            {"FenceService/WatchFences", watch.SerializeAsString()},
            {"FenceService/WaitFences", WaitRequest({bound_}, 1).SerializeAsString()}};
  }

  std::string Spoil(std::string bytes) {
    const auto below = [&](size_t bound) { return static_cast<size_t>(random_() % bound); };
    switch (below(4)) {
      case 0:
        bytes.resize(below(bytes.size() + 1));
        break;
      case 1:
        for (size_t i = below(40); i > 0; --i) bytes.push_back(static_cast<char>(random_()));
        break;
      default:
        break;
    }
    for (size_t i = below(4); i > 0 && !bytes.empty(); --i) bytes[below(bytes.size())] = static_cast<char>(random_());
    return bytes;
  }

  grpc::Status Send(const std::string& method, const std::string& bytes) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
    grpc::CompletionQueue queue;
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1), response;
    grpc::Status status;
    auto call = generic_.PrepareUnaryCall(&context, "/xeq.v1." + method, request, &queue);
    call->StartCall();
    call->Finish(&response, &status, &queue);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }

  std::mt19937_64 random_;
  grpc::GenericStub generic_{service_.Channel()};
};

TEST_F(WireFuzz, GoodSessionIsNotHurt) {
  const uint64_t seed = FromEnvironment("XEQ_FUZZ_SEED", std::random_device()());
  const uint64_t calls = FromEnvironment("XEQ_FUZZ_CALLS", 1500);
  SCOPED_TRACE(testing::Message() << "XEQ_FUZZ_SEED=" << seed);
  std::printf("XEQ_FUZZ_SEED=%llu\n", static_cast<unsigned long long>(seed));
  random_.seed(seed);
  const auto seeds = Seeds();
  Upload(kCode, StoreDword(kBase, 1) + kEnd);
  int refused = 0;
  for (uint64_t i = 0; i < calls; ++i) {
    const auto& [method, good] = seeds[i % seeds.size()];
    if (!Send(method, Spoil(good)).ok()) ++refused;
  }
  EXPECT_GT(refused, 0);
  // A session of its own, since the calls may have destroyed or banned what the other had.
  session_ = OpenSession();
  vm_ = CreateVm();
  buffer_ = CreateBuffer(kBytes);
  bound_ = Bind(buffer_, kBase);
  queue_ = CreateQueue(v1::ENGINE_CLASS_RENDER);
  Upload(kCode, StoreDword(kBase, 0x600d) + kEnd);
  EXPECT_EQ(WaitOne(Submit(SubmitRequest({kCode})).front()).state(), v1::FENCE_STATE_SIGNALED);
  EXPECT_EQ(Read(kBase), 0x600du);
}

}  // namespace
}  // namespace xeq
