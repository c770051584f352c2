// Goal: the API does what proto/ promises. Method: a real server on the software GPU, raw gRPC calls.
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <thread>

#include "tests/integration/service_fixture.h"

namespace xeq {
namespace {

TEST_F(ServiceTest, JobRunsAndItsEffectIsRead) {
  Upload(kCode, StoreDword(kBase, 0xc0ffee) + kEnd);
  const v1::Fence fence = Submit(SubmitRequest({kCode})).front();
  EXPECT_EQ(fence.context(), queue_);
  EXPECT_EQ(fence.seqno(), 1u);
  EXPECT_EQ(WaitOne(fence).state(), v1::FENCE_STATE_SIGNALED);
  EXPECT_EQ(Read(kBase), 0xc0ffeeu);
}

TEST_F(ServiceTest, TcpServesTheSame) {
  Stubs tcp(service_.Channel(1));
  const auto device =
      Call<v1::GetDeviceResponse>(tcp.devices, &v1::DeviceService::Stub::GetDevice, v1::GetDeviceRequest()).device();
  EXPECT_EQ(device.id(), "0000:00:02.0");
  EXPECT_EQ(device.device_id(), 0x9a49u);
  EXPECT_EQ(device.engines_size(), 5);
}

TEST_F(ServiceTest, FailureTravelsDownAChainAndNamesItsRoot) {
  const uint64_t video = CreateQueue(v1::ENGINE_CLASS_VIDEO_DECODE);
  Upload(kCode, StoreDword(kBase + kBytes, 1) + kEnd);
  Upload(kCode + 64, StoreDword(kBase, 7) + kEnd);
  v1::SubmitRequest request = SubmitRequest({kCode});
  v1::Job* second = request.add_jobs();
  second->set_queue(video);
  second->add_batch_addresses(kCode + 64);
  second->add_waits()->set_job(0);
  const std::vector<v1::Fence> fences = Submit(request);
  const ErrorSeen first = See(WaitOne(fences[0]).error());
  EXPECT_EQ(first.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(first.reason, "JOB_PAGE_FAULT");
  EXPECT_EQ(first.metadata.at("fault_address"), "0x1010000");
  EXPECT_EQ(first.metadata.at("address"), "0x1008000");
  const ErrorSeen last = See(WaitOne(fences[1]).error());
  EXPECT_EQ(last.reason, "JOB_DEPENDENCY_FAILED");
  EXPECT_EQ(last.metadata.at("context"), absl::StrCat(queue_));
  EXPECT_EQ(last.metadata.at("fault_address"), "0x1010000");
  EXPECT_EQ(Read(kBase), 0u);
}

TEST_F(ServiceTest, JobMayRunInSpiteOfAFailure) {
  const uint64_t video = CreateQueue(v1::ENGINE_CLASS_VIDEO_DECODE);
  Upload(kCode, Batch{0x1f << 23} + kEnd);
  Upload(kCode + 64, StoreDword(kBase, 7) + kEnd);
  v1::SubmitRequest request = SubmitRequest({kCode});
  v1::Job* second = request.add_jobs();
  second->set_queue(video);
  second->add_batch_addresses(kCode + 64);
  second->add_waits()->set_job(0);
  second->mutable_waits(0)->set_on_error(v1::WAIT_ERROR_POLICY_RUN);
  const std::vector<v1::Fence> fences = Submit(request);
  EXPECT_EQ(See(WaitOne(fences[0]).error()).reason, "JOB_INVALID_COMMAND");
  EXPECT_EQ(WaitOne(fences[1]).state(), v1::FENCE_STATE_SIGNALED);
  EXPECT_EQ(Read(kBase), 7u);
}

TEST_F(ServiceTest, HangEndsWithItsReasonAndBansTheQueue) {
  v1::CreateQueueRequest with_limit = QueueRequest(v1::ENGINE_CLASS_RENDER);
  with_limit.set_job_timeout_ms(50);
  const uint64_t render =
      Call<v1::CreateQueueResponse>(stubs_.queues, &v1::QueueService::Stub::CreateQueue, with_limit).queue().queue();
  Upload(kCode, WaitDword(kBase, 1) + kEnd);
  const v1::Fence fence = Submit(SubmitRequest({kCode}, render)).front();
  const ErrorSeen error = See(WaitOne(fence).error());
  EXPECT_EQ(error.code, grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(error.reason, "JOB_HANG");
  const ErrorSeen banned =
      Try<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit, SubmitRequest({kCode}, render));
  EXPECT_EQ(banned.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(banned.reason, "QUEUE_BANNED");
  // Others go on.
  Upload(kCode, kEnd);
  EXPECT_EQ(WaitOne(Submit(SubmitRequest({kCode})).front()).state(), v1::FENCE_STATE_SIGNALED);
}

TEST_F(ServiceTest, DestroyedQueueCancelsAndItsFencesStay) {
  Upload(kCode, WaitDword(kBase, 1) + kEnd);
  const std::vector<v1::Fence> fences = Submit(SubmitRequest({kCode, kCode, kCode}));
  v1::DestroyQueueRequest destroy;
  destroy.set_session_id(session_);
  destroy.set_queue(queue_);
  Call<v1::DestroyQueueResponse>(stubs_.queues, &v1::QueueService::Stub::DestroyQueue, destroy);
  for (const v1::Fence& fence : fences) EXPECT_EQ(See(WaitOne(fence).error()).reason, "JOB_CANCELLED");
  EXPECT_EQ(Try<v1::DestroyQueueResponse>(stubs_.queues, &v1::QueueService::Stub::DestroyQueue, destroy).reason,
            "QUEUE_NOT_FOUND");
}

TEST_F(ServiceTest, WaitAnyAllAndTimeouts) {
  const uint64_t video = CreateQueue(v1::ENGINE_CLASS_VIDEO_DECODE);
  Upload(kCode, WaitDword(kBase, 1) + kEnd);
  Upload(kCode + 64, kEnd);
  const v1::Fence slow = Submit(SubmitRequest({kCode})).front();
  const v1::Fence fast = Submit(SubmitRequest({kCode + 64}, video)).front();
  v1::WaitFencesRequest any = WaitRequest({slow, fast});
  any.set_mode(v1::WAIT_MODE_ANY);
  const v1::WaitFencesResponse one = Wait(any);
  EXPECT_TRUE(one.satisfied());
  EXPECT_EQ(one.statuses(0).state(), v1::FENCE_STATE_PENDING);
  EXPECT_EQ(one.statuses(1).state(), v1::FENCE_STATE_SIGNALED);
  EXPECT_FALSE(Wait(WaitRequest({slow, fast}, 0)).satisfied());
  EXPECT_FALSE(Wait(WaitRequest({slow, fast}, 30)).satisfied());
  Upload(kBase, {1});
  EXPECT_TRUE(Wait(WaitRequest({slow, fast})).satisfied());
}

TEST_F(ServiceTest, CancelledWaitLeavesNothingBehind) {
  Upload(kCode, WaitDword(kBase, 1) + kEnd);
  const v1::Fence fence = Submit(SubmitRequest({kCode})).front();
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(5));
    v1::WaitFencesResponse response;
    EXPECT_EQ(stubs_.fences->WaitFences(&context, WaitRequest({fence}), &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  const hw::Nanos deadline = hw::MonotonicNow() + 10 * hw::kNanosPerSecond;
  while (service_.recorder().device().waiters.load() != 0 && hw::MonotonicNow() < deadline) std::this_thread::yield();
  EXPECT_EQ(service_.recorder().device().waiters.load(), 0);
  Upload(kBase, {1});
  EXPECT_EQ(WaitOne(fence).state(), v1::FENCE_STATE_SIGNALED);
}

class WatchTest : public ServiceTest {
 protected:
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchFencesResponse>> reader;
  };
  std::unique_ptr<Stream> Open(uint64_t after, uint32_t heartbeat_ms = 0) {
    auto stream = std::make_unique<Stream>();
    stream->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::WatchFencesRequest request;
    request.set_session_id(session_);
    request.set_after_event(after);
    request.set_heartbeat_ms(heartbeat_ms);
    stream->reader = stubs_.fences->WatchFences(&stream->context, request);
    return stream;
  }
  std::vector<v1::FenceEvent> Take(Stream& stream, size_t count) {
    std::vector<v1::FenceEvent> events;
    v1::WatchFencesResponse response;
    while (events.size() < count && stream.reader->Read(&response)) {
      events.insert(events.end(), response.events().begin(), response.events().end());
    }
    return events;
  }
};

TEST_F(WatchTest, TellsEveryEndInOrderAndResumes) {
  Upload(kCode, kEnd);
  auto stream = Open(0);
  for (int i = 0; i < 50; ++i) Submit(SubmitRequest({kCode, kCode}));
  const std::vector<v1::FenceEvent> events = Take(*stream, 101);
  ASSERT_EQ(events.size(), 101u) << "one bind and a hundred jobs";
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].number(), i + 1);
    EXPECT_EQ(events[i].status().state(), v1::FENCE_STATE_SIGNALED);
  }
  EXPECT_GT(events[1].times().execution_ns(), 0u);
  stream->context.TryCancel();
  auto again = Open(95);
  const std::vector<v1::FenceEvent> rest = Take(*again, 6);
  ASSERT_EQ(rest.size(), 6u);
  EXPECT_EQ(rest.front().number(), 96u);
}

TEST_F(WatchTest, BeatsOnASilentStream) {
  auto stream = Open(0, 100);
  EXPECT_EQ(Take(*stream, 1).size(), 1u);
  v1::WatchFencesResponse response;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream->reader->Read(&response));
    EXPECT_EQ(response.events_size(), 0);
    EXPECT_EQ(response.last_event(), 1u);
  }
}

// A call that something still holds would hold its session, with all of its event log.
TEST_F(WatchTest, CallsThatEndedLetTheirSessionGo) {
  std::weak_ptr<session::Session> session = *service_.sessions().Find(session_, hw::MonotonicNow());
  WaitOne(bound_);
  auto stream = Open(0);
  EXPECT_EQ(Take(*stream, 1).size(), 1u);
  v1::CloseSessionRequest request;
  request.set_session_id(session_);
  Call<v1::CloseSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::CloseSession, request);
  v1::WatchFencesResponse response;
  while (stream->reader->Read(&response)) {
  }
  EXPECT_TRUE(stream->reader->Finish().ok());
  const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
  while (!session.expired() && hw::MonotonicNow() < deadline) std::this_thread::yield();
  EXPECT_TRUE(session.expired());
}

TEST_F(WatchTest, EndsWhenTheSessionIsClosed) {
  Upload(kCode, WaitDword(kBase, 1) + kEnd);
  Submit(SubmitRequest({kCode}));
  auto stream = Open(0);
  EXPECT_EQ(Take(*stream, 1).size(), 1u);
  v1::CloseSessionRequest close;
  close.set_session_id(session_);
  Call<v1::CloseSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::CloseSession, close);
  const std::vector<v1::FenceEvent> events = Take(*stream, 100);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(See(events[0].status().error()).reason, "JOB_CANCELLED");
  EXPECT_TRUE(stream->reader->Finish().ok());
}

TEST_F(ServiceTest, ClosedSessionGivesEverythingBack) {
  const uint64_t extra = CreateBuffer(8 << 20);
  Bind(extra, kBase + (1 << 20));
  EXPECT_GT(service_.device().RegionUsedBytes(0), 8u << 20);
  v1::CloseSessionRequest close;
  close.set_session_id(session_);
  Call<v1::CloseSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::CloseSession, close);
  const hw::Nanos deadline = hw::MonotonicNow() + 10 * hw::kNanosPerSecond;
  while (service_.device().RegionUsedBytes(0) != 0 && hw::MonotonicNow() < deadline) std::this_thread::yield();
  EXPECT_EQ(service_.device().RegionUsedBytes(0), 0u);
  EXPECT_EQ(Try<v1::CloseSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::CloseSession, close).reason,
            "SESSION_NOT_FOUND");
}

TEST_F(ServiceTest, UploadThatIsBrokenOffKeepsWhatArrived) {
  {
    grpc::ClientContext context;
    v1::WriteBufferResponse response;
    auto writer = stubs_.buffers->WriteBuffer(&context, &response);
    v1::WriteBufferRequest request;
    request.set_session_id(session_);
    request.set_buffer(buffer_);
    const uint32_t value = 99;
    request.set_data(&value, 4);
    writer->Write(request);
    const hw::Nanos deadline = hw::MonotonicNow() + 10 * hw::kNanosPerSecond;
    while (Read(kBase) != value && hw::MonotonicNow() < deadline) std::this_thread::yield();
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_EQ(Read(kBase), 99u);
}

TEST_F(ServiceTest, LargeBufferComesBackInChunks) {
  const uint64_t size = 3'000'000;
  const uint64_t large = CreateBuffer(size);
  std::string data(size, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 + i / 4096);
  {
    grpc::ClientContext context;
    v1::WriteBufferResponse response;
    auto writer = stubs_.buffers->WriteBuffer(&context, &response);
    for (uint64_t offset = 0; offset < size; offset += 100'000) {
      v1::WriteBufferRequest request;
      if (offset == 0) request.set_session_id(session_);
      if (offset == 0) request.set_buffer(large);
      request.set_offset(offset);
      request.set_data(data.substr(offset, 100'000));
      ASSERT_TRUE(writer->Write(request));
    }
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
    EXPECT_EQ(response.bytes_written(), size);
  }
  grpc::ClientContext context;
  v1::ReadBufferRequest request;
  request.set_session_id(session_);
  request.set_buffer(large);
  request.set_size(size);
  request.set_chunk_bytes(70'001);
  auto reader = stubs_.buffers->ReadBuffer(&context, request);
  std::string got;
  v1::ReadBufferResponse response;
  while (reader->Read(&response)) {
    EXPECT_EQ(response.offset(), got.size());
    got += response.data();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(got == data);
}

TEST_F(ServiceTest, LeaseRunsOutUnlessAStreamHoldsIt) {
  const uint64_t held = session_;
  session_ = OpenSession(1000);
  v1::WatchFencesRequest watch;
  watch.set_session_id(session_);
  grpc::ClientContext context;
  auto reader = stubs_.fences->WatchFences(&context, watch);
  reader->WaitForInitialMetadata();
  const uint64_t idle = OpenSession(1000);
  const hw::Nanos later = hw::MonotonicNow() + 5 * hw::kNanosPerSecond;
  service_.sessions().Sweep(later);
  v1::CreateVmRequest request;
  request.set_session_id(idle);
  EXPECT_EQ(Try<v1::CreateVmResponse>(stubs_.vms, &v1::VmService::Stub::CreateVm, request).reason, "SESSION_NOT_FOUND");
  request.set_session_id(session_);
  EXPECT_EQ(Try<v1::CreateVmResponse>(stubs_.vms, &v1::VmService::Stub::CreateVm, request).code, grpc::StatusCode::OK);
  session_ = held;
  context.TryCancel();
}

TEST_F(ServiceTest, QueuesAreListedByPage) {
  for (int i = 0; i < 4; ++i) CreateQueue(v1::ENGINE_CLASS_RENDER);
  v1::ListQueuesRequest request;
  request.set_page_size(2);
  std::vector<uint64_t> seen;
  for (int page = 0; page < 3; ++page) {
    const auto response = Call<v1::ListQueuesResponse>(stubs_.queues, &v1::QueueService::Stub::ListQueues, request);
    for (const v1::Queue& queue : response.queues()) seen.push_back(queue.queue());
    request.set_page_token(response.next_page_token());
    EXPECT_EQ(response.next_page_token().empty(), page == 2);
  }
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_F(ServiceTest, DrainCancelsAndRefuses) {
  Upload(kCode, WaitDword(kBase, 1) + kEnd);
  Submit(SubmitRequest({kCode}));
  service_.server().Drain(1000);
  const ErrorSeen refused =
      Try<v1::OpenSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::OpenSession, v1::OpenSessionRequest());
  EXPECT_EQ(refused.code, grpc::StatusCode::UNAVAILABLE);
}

class SmallInboxTest : public ServiceTest {
 protected:
  static sched::DeviceLoopOptions Small() {
    sched::DeviceLoopOptions options;
    options.inbox_capacity = 4;
    return options;
  }
  SmallInboxTest() : ServiceTest({}, Small()) {}
};

TEST_F(SmallInboxTest, FullInboxSaysWhenToComeBack) {
  Upload(kCode, kEnd);
  const ErrorSeen full = Try<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit,
                                                 SubmitRequest({kCode, kCode, kCode, kCode, kCode}));
  EXPECT_EQ(full.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(full.reason, "INBOX_FULL");
  EXPECT_TRUE(full.has_retry);
  EXPECT_EQ(Submit(SubmitRequest({kCode})).front().seqno(), 1u) << "the refused call armed nothing";
}

}  // namespace
}  // namespace xeq
