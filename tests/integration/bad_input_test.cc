// Goal: every field of every RPC that is out of range is refused with the field named, and nothing is half done.
// Method: a table for each RPC; each row spoils one field of a request that is good otherwise.
#include <functional>

#include "tests/integration/service_fixture.h"

namespace xeq {
namespace {

using grpc::StatusCode;

template <typename Request>
struct Row {
  const char* name;
  std::function<void(Request&)> spoil;
  StatusCode code;
  const char* reason;
  // ErrorInfo metadata "field"; "" where the reason has none.
  const char* field;
};

class BadInputTest : public ServiceTest {
 protected:
  template <typename Response, typename Request, typename Stub, typename Method>
  void Check(Stub& stub, Method method, const Request& good, const std::vector<Row<Request>>& rows) {
    for (const Row<Request>& row : rows) {
      Request request = good;
      row.spoil(request);
      const ErrorSeen seen = Try<Response>(stub, method, request);
      EXPECT_EQ(seen.code, row.code) << row.name << ": " << seen.message;
      EXPECT_EQ(seen.reason, row.reason) << row.name;
      const auto field = seen.metadata.find("field");
      EXPECT_EQ(field == seen.metadata.end() ? "" : field->second, row.field) << row.name;
      EXPECT_FALSE(seen.message.empty()) << row.name;
    }
  }
  template <typename Request>
  static Row<Request> UnknownSession() {
    return {"unknown session", [](Request& r) { r.set_session_id(12345); }, StatusCode::NOT_FOUND, "SESSION_NOT_FOUND",
            "session_id"};
  }
  template <typename Request>
  static Row<Request> NoSession() {
    return {"no session", [](Request& r) { r.set_session_id(0); }, StatusCode::NOT_FOUND, "SESSION_NOT_FOUND",
            "session_id"};
  }
};

constexpr StatusCode kInvalid = StatusCode::INVALID_ARGUMENT;
constexpr StatusCode kNotFound = StatusCode::NOT_FOUND;
constexpr StatusCode kExhausted = StatusCode::RESOURCE_EXHAUSTED;

TEST_F(BadInputTest, OpenSession) {
  using R = v1::OpenSessionRequest;
  Check<v1::OpenSessionResponse, R>(
      stubs_.sessions, &v1::SessionService::Stub::OpenSession, R(),
      {{"device", [](R& r) { r.set_device("0000:99:00.0"); }, kNotFound, "DEVICE_NOT_FOUND", "device"},
       {"name", [](R& r) { r.set_client_name(std::string(129, 'x')); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE",
        "client_name"},
       {"short lease", [](R& r) { r.set_lease_ms(999); }, kInvalid, "FIELD_OUT_OF_RANGE", "lease_ms"},
       {"long lease", [](R& r) { r.set_lease_ms(3'600'001); }, kInvalid, "FIELD_OUT_OF_RANGE", "lease_ms"}});
  R at_the_bound;
  at_the_bound.set_client_name(std::string(128, 'x'));
  at_the_bound.set_lease_ms(3'600'000);
  EXPECT_EQ(Try<v1::OpenSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::OpenSession, at_the_bound).code,
            StatusCode::OK);
}

TEST_F(BadInputTest, CloseSession) {
  using R = v1::CloseSessionRequest;
  Check<v1::CloseSessionResponse, R>(stubs_.sessions, &v1::SessionService::Stub::CloseSession, R(),
                                     {UnknownSession<R>(), NoSession<R>()});
}

TEST_F(BadInputTest, GetDevice) {
  using R = v1::GetDeviceRequest;
  Check<v1::GetDeviceResponse, R>(
      stubs_.devices, &v1::DeviceService::Stub::GetDevice, R(),
      {{"device", [](R& r) { r.set_device("nothing"); }, kNotFound, "DEVICE_NOT_FOUND", "device"}});
}

TEST_F(BadInputTest, CreateVmAndDestroyVm) {
  using R = v1::CreateVmRequest;
  R create;
  create.set_session_id(session_);
  Check<v1::CreateVmResponse, R>(stubs_.vms, &v1::VmService::Stub::CreateVm, create,
                                 {UnknownSession<R>(), NoSession<R>()});
  using D = v1::DestroyVmRequest;
  D destroy;
  destroy.set_session_id(session_);
  destroy.set_vm(vm_);
  Check<v1::DestroyVmResponse, D>(
      stubs_.vms, &v1::VmService::Stub::DestroyVm, destroy,
      {UnknownSession<D>(),
       {"unknown", [](D& r) { r.set_vm(77777); }, kNotFound, "VM_NOT_FOUND", "vm"},
       {"a queue's handle", [this](D& r) { r.set_vm(queue_); }, kNotFound, "VM_NOT_FOUND", "vm"},
       {"in use", [](D&) {}, StatusCode::FAILED_PRECONDITION, "VM_IN_USE", ""}});
}

TEST_F(BadInputTest, Bind) {
  using R = v1::BindRequest;
  const std::vector<Row<R>> rows = {
      UnknownSession<R>(),
      {"unknown vm", [](R& r) { r.set_vm(77777); }, kNotFound, "VM_NOT_FOUND", "vm"},
      {"unknown buffer", [](R& r) { r.set_buffer(77777); }, kNotFound, "BUFFER_NOT_FOUND", "buffer"},
      {"no buffer", [](R& r) { r.set_buffer(0); }, kNotFound, "BUFFER_NOT_FOUND", "buffer"},
      {"address", [](R& r) { r.set_address(kBase + 8); }, kInvalid, "FIELD_NOT_ALIGNED", "address"},
      {"offset", [](R& r) { r.set_offset(8); }, kInvalid, "FIELD_NOT_ALIGNED", "offset"},
      {"size", [](R& r) { r.set_size(4097); }, kInvalid, "FIELD_NOT_ALIGNED", "size"},
      {"too long", [](R& r) { r.set_size(kBytes + 4096); }, kInvalid, "RANGE_OUTSIDE_BUFFER", "size"},
      {"behind the end", [](R& r) { r.set_offset(kBytes); }, kInvalid, "RANGE_OUTSIDE_BUFFER", "size"},
      {"wraps", [](R& r) { r.set_offset(~0ull - 4095); }, kInvalid, "RANGE_OUTSIDE_BUFFER", "size"},
      {"outside the vm", [](R& r) { r.set_address((1ull << 48) - 4096); }, kInvalid, "RANGE_OUTSIDE_VM", "address"},
      {"waits on a job", [](R& r) { r.add_waits()->set_job(0); }, kInvalid, "FIELD_NOT_ALLOWED", "waits[0].job"},
      {"empty wait", [](R& r) { r.add_waits(); }, kInvalid, "FIELD_MISSING", "waits[0].on"},
      {"never armed",
       [this](R& r) {
         r.add_waits()->mutable_fence()->set_context(queue_);
         r.mutable_waits(0)->mutable_fence()->set_seqno(1);
       },
       kInvalid, "FENCE_NEVER_ARMED", "waits[0].fence.seqno"},
      {"unknown context", [](R& r) { r.add_waits()->mutable_fence()->set_context(77777); }, kNotFound,
       "CONTEXT_NOT_FOUND", "waits[0].fence.context"},
      {"65 waits",
       [this](R& r) {
         for (int i = 0; i < 65; ++i) *r.add_waits()->mutable_fence() = bound_;
       },
       kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "waits"}};
  Check<v1::BindResponse, R>(stubs_.vms, &v1::VmService::Stub::Bind, BindRequest(buffer_, kBase), rows);
  EXPECT_EQ(Bind(buffer_, kBase).seqno(), bound_.seqno() + 1) << "the refused calls armed nothing";
}

TEST_F(BadInputTest, Unbind) {
  using R = v1::UnbindRequest;
  R good;
  good.set_session_id(session_);
  good.set_vm(vm_);
  good.set_address(kBase);
  good.set_size(4096);
  Check<v1::UnbindResponse, R>(
      stubs_.vms, &v1::VmService::Stub::Unbind, good,
      {UnknownSession<R>(),
       {"unknown vm", [](R& r) { r.set_vm(77777); }, kNotFound, "VM_NOT_FOUND", "vm"},
       {"empty", [](R& r) { r.set_size(0); }, kInvalid, "FIELD_OUT_OF_RANGE", "size"},
       {"size", [](R& r) { r.set_size(1); }, kInvalid, "FIELD_NOT_ALIGNED", "size"},
       {"address", [](R& r) { r.set_address(1); }, kInvalid, "FIELD_NOT_ALIGNED", "address"},
       {"outside the vm", [](R& r) { r.set_size(1ull << 48); }, kInvalid, "RANGE_OUTSIDE_VM", "address"}});
}

TEST_F(BadInputTest, CreateBufferAndDestroyBuffer) {
  using R = v1::CreateBufferRequest;
  R good;
  good.set_session_id(session_);
  good.set_size(4096);
  Check<v1::CreateBufferResponse, R>(
      stubs_.buffers, &v1::BufferService::Stub::CreateBuffer, good,
      {UnknownSession<R>(),
       {"empty", [](R& r) { r.set_size(0); }, kInvalid, "FIELD_OUT_OF_RANGE", "size"},
       {"larger than the region", [](R& r) { r.set_size(1ull << 60); }, kInvalid, "FIELD_OUT_OF_RANGE", "size"},
       {"region", [](R& r) { r.set_region(9); }, kInvalid, "FIELD_UNKNOWN_VALUE", "region"}});
  using D = v1::DestroyBufferRequest;
  D destroy;
  destroy.set_session_id(session_);
  Check<v1::DestroyBufferResponse, D>(
      stubs_.buffers, &v1::BufferService::Stub::DestroyBuffer, destroy,
      {UnknownSession<D>(), {"unknown", [](D& r) { r.set_buffer(77777); }, kNotFound, "BUFFER_NOT_FOUND", "buffer"}});
}

TEST_F(BadInputTest, WriteBuffer) {
  using R = v1::WriteBufferRequest;
  const auto write = [&](const std::vector<R>& requests) {
    grpc::ClientContext context;
    v1::WriteBufferResponse response;
    auto writer = stubs_.buffers->WriteBuffer(&context, &response);
    for (const R& request : requests) {
      if (!writer->Write(request)) break;
    }
    writer->WritesDone();
    return See(writer->Finish());
  };
  R good;
  good.set_session_id(session_);
  good.set_buffer(buffer_);
  good.set_data("1234");
  EXPECT_EQ(write({good}).code, StatusCode::OK);
  EXPECT_EQ(write({}).reason, "FIELD_MISSING");
  R request = good;
  request.set_session_id(0);
  EXPECT_EQ(write({request}).metadata.at("field"), "session_id");
  request = good;
  request.set_buffer(0);
  EXPECT_EQ(write({request}).metadata.at("field"), "buffer");
  request = good;
  request.set_buffer(77777);
  EXPECT_EQ(write({request}).reason, "BUFFER_NOT_FOUND");
  EXPECT_EQ(write({good, request}).reason, "FIELD_NOT_ALLOWED");
  request = good;
  request.set_offset(kBytes - 3);
  const ErrorSeen outside = write({good, request});
  EXPECT_EQ(outside.reason, "RANGE_OUTSIDE_BUFFER");
  EXPECT_EQ(outside.metadata.at("offset"), absl::StrCat(kBytes - 3));
  request = good;
  request.set_data(std::string(5 << 20, 'x'));
  EXPECT_EQ(write({request}).code, kExhausted) << "a message over the limit";
}

TEST_F(BadInputTest, ReadBuffer) {
  using R = v1::ReadBufferRequest;
  const auto read = [&](const R& request) {
    grpc::ClientContext context;
    auto reader = stubs_.buffers->ReadBuffer(&context, request);
    v1::ReadBufferResponse response;
    while (reader->Read(&response)) {
    }
    return See(reader->Finish());
  };
  R good;
  good.set_session_id(session_);
  good.set_buffer(buffer_);
  EXPECT_EQ(read(good).code, StatusCode::OK);
  R request = good;
  request.set_session_id(1);
  EXPECT_EQ(read(request).reason, "SESSION_NOT_FOUND");
  request = good;
  request.set_buffer(77777);
  EXPECT_EQ(read(request).reason, "BUFFER_NOT_FOUND");
  request = good;
  request.set_offset(kBytes + 1);
  EXPECT_EQ(read(request).reason, "RANGE_OUTSIDE_BUFFER");
  request = good;
  request.set_offset(1);
  request.set_size(kBytes);
  EXPECT_EQ(read(request).reason, "RANGE_OUTSIDE_BUFFER");
  request = good;
  request.set_chunk_bytes(4 << 20);
  EXPECT_EQ(read(request).metadata.at("field"), "chunk_bytes");
}

TEST_F(BadInputTest, CreateQueue) {
  using R = v1::CreateQueueRequest;
  Check<v1::CreateQueueResponse, R>(
      stubs_.queues, &v1::QueueService::Stub::CreateQueue, QueueRequest(v1::ENGINE_CLASS_COPY),
      {UnknownSession<R>(),
       {"unknown vm", [](R& r) { r.set_vm(77777); }, kNotFound, "VM_NOT_FOUND", "vm"},
       {"no class", [](R& r) { r.set_engine_class(v1::ENGINE_CLASS_UNSPECIFIED); }, kInvalid, "FIELD_MISSING",
        "engine_class"},
       {"unknown class", [](R& r) { r.set_engine_class(static_cast<v1::EngineClass>(99)); }, kInvalid,
        "FIELD_UNKNOWN_VALUE", "engine_class"},
       {"no such engine", [](R& r) { r.set_engine_class(v1::ENGINE_CLASS_COMPUTE); }, kNotFound, "ENGINE_NOT_FOUND",
        "engine_class"},
       {"no such instance", [](R& r) { r.set_engine_instance(1); }, kNotFound, "ENGINE_NOT_FOUND", "engine_instance"},
       {"huge instance", [](R& r) { r.set_engine_instance(65536); }, kNotFound, "ENGINE_NOT_FOUND", "engine_instance"},
       {"priority", [](R& r) { r.set_priority(static_cast<v1::QueuePriority>(9)); }, kInvalid, "FIELD_UNKNOWN_VALUE",
        "priority"},
       {"timeout", [](R& r) { r.set_job_timeout_ms(10'001); }, kInvalid, "FIELD_OUT_OF_RANGE", "job_timeout_ms"},
       {"width", [](R& r) { r.set_width(10); }, kInvalid, "FIELD_OUT_OF_RANGE", "width"},
       {"put mode", [](R& r) { r.set_put_mode(static_cast<v1::PutMode>(9)); }, kInvalid, "FIELD_UNKNOWN_VALUE",
        "put_mode"}});
}

TEST_F(BadInputTest, HostFences) {
  using C = v1::CreateHostTimelineRequest;
  C create;
  create.set_session_id(session_);
  Check<v1::CreateHostTimelineResponse, C>(stubs_.fences, &v1::FenceService::Stub::CreateHostTimeline, create,
                                           {UnknownSession<C>()});
  grpc::ClientContext context;
  v1::CreateHostTimelineResponse created;
  ASSERT_TRUE(stubs_.fences->CreateHostTimeline(&context, create, &created).ok());
  using A = v1::ArmHostFenceRequest;
  A arm;
  arm.set_session_id(session_);
  arm.set_timeline(created.timeline());
  Check<v1::ArmHostFenceResponse, A>(
      stubs_.fences, &v1::FenceService::Stub::ArmHostFence, arm,
      {UnknownSession<A>(),
       {"a queue", [this](A& r) { r.set_timeline(queue_); }, kNotFound, "TIMELINE_NOT_FOUND", "timeline"},
       {"expiry", [](A& r) { r.set_expires_ms(3'600'001); }, kInvalid, "FIELD_OUT_OF_RANGE", "expires_ms"}});
  using S = v1::SignalHostFenceRequest;
  S signal;
  signal.set_session_id(session_);
  signal.mutable_fence()->set_context(created.timeline());
  signal.mutable_fence()->set_seqno(1);
  Check<v1::SignalHostFenceResponse, S>(
      stubs_.fences, &v1::FenceService::Stub::SignalHostFence, signal,
      {UnknownSession<S>(),
       {"no fence", [](S& r) { r.clear_fence(); }, kInvalid, "FIELD_MISSING", "fence"},
       {"a queue's fence", [this](S& r) { r.mutable_fence()->set_context(queue_); }, kNotFound, "TIMELINE_NOT_FOUND",
        "fence.context"},
       {"never armed", [](S&) {}, kInvalid, "FENCE_NEVER_ARMED", "fence.seqno"}});
  using D = v1::DestroyHostTimelineRequest;
  D destroy;
  destroy.set_session_id(session_);
  Check<v1::DestroyHostTimelineResponse, D>(
      stubs_.fences, &v1::FenceService::Stub::DestroyHostTimeline, destroy,
      {UnknownSession<D>(),
       {"unknown", [](D& r) { r.set_timeline(77777); }, kNotFound, "TIMELINE_NOT_FOUND", "timeline"}});
}

TEST_F(BadInputTest, GetListAndDestroyQueue) {
  using G = v1::GetQueueRequest;
  G get;
  get.set_session_id(session_);
  get.set_queue(queue_);
  Check<v1::GetQueueResponse, G>(
      stubs_.queues, &v1::QueueService::Stub::GetQueue, get,
      {UnknownSession<G>(), {"unknown", [this](G& r) { r.set_queue(vm_); }, kNotFound, "QUEUE_NOT_FOUND", "queue"}});
  using L = v1::ListQueuesRequest;
  L list;
  list.set_session_id(session_);
  Check<v1::ListQueuesResponse, L>(
      stubs_.queues, &v1::QueueService::Stub::ListQueues, list,
      {UnknownSession<L>(),
       {"page size", [](L& r) { r.set_page_size(1001); }, kInvalid, "FIELD_OUT_OF_RANGE", "page_size"},
       {"page token", [](L& r) { r.set_page_token("12x"); }, kInvalid, "PAGE_TOKEN_INVALID", "page_token"}});
  using D = v1::DestroyQueueRequest;
  D destroy;
  destroy.set_session_id(session_);
  Check<v1::DestroyQueueResponse, D>(
      stubs_.queues, &v1::QueueService::Stub::DestroyQueue, destroy,
      {UnknownSession<D>(), {"unknown", [](D& r) { r.set_queue(77777); }, kNotFound, "QUEUE_NOT_FOUND", "queue"}});
}

TEST_F(BadInputTest, Submit) {
  using R = v1::SubmitRequest;
  Upload(kCode, kEnd);
  const auto last = [](R& r) { return r.mutable_jobs(2); };
  const std::vector<Row<R>> rows = {
      UnknownSession<R>(),
      {"no jobs", [](R& r) { r.clear_jobs(); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "jobs"},
      {"1025 jobs",
       [](R& r) {
         while (r.jobs_size() < 1025) *r.add_jobs() = r.jobs(0);
       },
       kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "jobs"},
      {"unknown queue", [&](R& r) { last(r)->set_queue(77777); }, kNotFound, "QUEUE_NOT_FOUND", "jobs[2].queue"},
      {"any of one", [&](R& r) { *last(r)->add_waits()->mutable_any_of()->add_fences() = r.jobs(0).waits(0).fence(); },
       kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "jobs[2].waits[1].any_of.fences"},
      {"any of an unknown fence",
       [&](R& r) {
         v1::AnyOf* any = last(r)->add_waits()->mutable_any_of();
         for (int i = 0; i < 2; ++i) *any->add_fences() = r.jobs(0).waits(0).fence();
         any->mutable_fences(1)->set_context(77777);
       },
       kNotFound, "CONTEXT_NOT_FOUND", "jobs[2].waits[1].any_of.fences[1].context"},
      {"any of 64 and another",
       [&](R& r) {
         v1::AnyOf* any = last(r)->add_waits()->mutable_any_of();
         while (any->fences_size() < 64) *any->add_fences() = r.jobs(0).waits(0).fence();
       },
       kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "jobs[2].waits"},
      {"two batches", [&](R& r) { last(r)->add_batch_addresses(kCode); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE",
       "jobs[2].batch_addresses"},
      {"unaligned", [&](R& r) { last(r)->set_batch_addresses(0, kCode + 4); }, kInvalid, "FIELD_NOT_ALIGNED",
       "jobs[2].batch_addresses[0]"},
      {"null", [&](R& r) { last(r)->set_batch_addresses(0, 0); }, kInvalid, "FIELD_OUT_OF_RANGE",
       "jobs[2].batch_addresses[0]"},
      {"over 2^48", [&](R& r) { last(r)->set_batch_addresses(0, 1ull << 48); }, kInvalid, "FIELD_OUT_OF_RANGE",
       "jobs[2].batch_addresses[0]"},
      {"waits on itself", [&](R& r) { last(r)->add_waits()->set_job(2); }, kInvalid, "WAIT_NOT_EARLIER",
       "jobs[2].waits[1].job"},
      {"waits on a later job", [](R& r) { r.mutable_jobs(0)->add_waits()->set_job(1); }, kInvalid, "WAIT_NOT_EARLIER",
       "jobs[0].waits[1].job"},
      {"never armed",
       [&](R& r) {
         last(r)->mutable_waits(0)->mutable_fence()->set_context(queue_);
         last(r)->mutable_waits(0)->mutable_fence()->set_seqno(1000);
       },
       kInvalid, "FENCE_NEVER_ARMED", "jobs[2].waits[0].fence.seqno"},
      {"seqno 0", [&](R& r) { last(r)->mutable_waits(0)->mutable_fence()->set_seqno(0); }, kInvalid,
       "FENCE_NEVER_ARMED", "jobs[2].waits[0].fence.seqno"},
      {"unknown context", [&](R& r) { last(r)->mutable_waits(0)->mutable_fence()->set_context(77777); }, kNotFound,
       "CONTEXT_NOT_FOUND", "jobs[2].waits[0].fence.context"},
      {"error policy", [&](R& r) { last(r)->mutable_waits(0)->set_on_error(static_cast<v1::WaitErrorPolicy>(7)); },
       kInvalid, "FIELD_UNKNOWN_VALUE", "jobs[2].waits[0].on_error"},
      {"65 waits",
       [&](R& r) {
         while (last(r)->waits_size() < 65) *last(r)->add_waits() = last(r)->waits(0);
       },
       kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "jobs[2].waits"}};
  Check<v1::SubmitResponse, R>(stubs_.queues, &v1::QueueService::Stub::Submit, SubmitRequest({kCode, kCode, kCode}),
                               rows);
  EXPECT_EQ(Submit(SubmitRequest({kCode})).front().seqno(), 1u) << "the refused calls armed nothing";
}

TEST_F(BadInputTest, SubmitWithSyncobjs) {
  using R = v1::SubmitRequest;
  Upload(kCode, kEnd);
  v1::CreateSyncobjRequest create;
  create.set_session_id(session_);
  const uint64_t syncobj =
      Call<v1::CreateSyncobjResponse>(stubs_.syncobjs, &v1::SyncobjService::Stub::CreateSyncobj, create).syncobj();
  R good = SubmitRequest({kCode, kCode});
  good.mutable_jobs(0)->add_signals()->set_syncobj(syncobj);
  good.mutable_jobs(1)->add_waits()->mutable_syncobj()->set_syncobj(syncobj);
  const auto wait = [](R& r) { return r.mutable_jobs(1)->mutable_waits(1)->mutable_syncobj(); };
  Check<v1::SubmitResponse, R>(stubs_.queues, &v1::QueueService::Stub::Submit, good,
                               {{"wait on none", [&](R& r) { wait(r)->set_syncobj(0); }, kNotFound, "SYNCOBJ_NOT_FOUND",
                                 "jobs[1].waits[1].syncobj.syncobj"},
                                {"wait on unknown", [&](R& r) { wait(r)->set_syncobj(77777); }, kNotFound,
                                 "SYNCOBJ_NOT_FOUND", "jobs[1].waits[1].syncobj.syncobj"},
                                {"no such point", [&](R& r) { wait(r)->set_point(1); }, kInvalid,
                                 "SYNCOBJ_NOT_SUBMITTED", "jobs[1].waits[1].syncobj.point"},
                                {"nothing there yet", [](R& r) { r.mutable_jobs(0)->clear_signals(); }, kInvalid,
                                 "SYNCOBJ_NOT_SUBMITTED", "jobs[1].waits[1].syncobj.point"},
                                {"signal unknown", [](R& r) { r.mutable_jobs(1)->add_signals()->set_syncobj(77777); },
                                 kNotFound, "SYNCOBJ_NOT_FOUND", "jobs[1].signals[0].syncobj"},
                                {"65 signals",
                                 [](R& r) {
                                   while (r.jobs(0).signals_size() < 65)
                                     *r.mutable_jobs(0)->add_signals() = r.jobs(0).signals(0);
                                 },
                                 kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "jobs[0].signals"}});
  EXPECT_EQ(Submit(good).front().seqno(), 1u) << "the refused calls armed nothing";
}

TEST_F(BadInputTest, Syncobjs) {
  using C = v1::CreateSyncobjRequest;
  using Stub = v1::SyncobjService::Stub;
  C create;
  create.set_session_id(session_);
  create.set_signaled(true);
  Check<v1::CreateSyncobjResponse, C>(stubs_.syncobjs, &Stub::CreateSyncobj, create, {UnknownSession<C>()});
  const uint64_t syncobj = Call<v1::CreateSyncobjResponse>(stubs_.syncobjs, &Stub::CreateSyncobj, create).syncobj();
  using R = v1::ResetSyncobjsRequest;
  R reset;
  reset.set_session_id(session_);
  reset.add_syncobjs(syncobj);
  Check<v1::ResetSyncobjsResponse, R>(
      stubs_.syncobjs, &Stub::ResetSyncobjs, reset,
      {UnknownSession<R>(),
       {"none", [](R& r) { r.clear_syncobjs(); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "syncobjs"},
       {"65", [](R& r) { r.mutable_syncobjs()->Resize(65, r.syncobjs(0)); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE",
        "syncobjs"},
       {"a queue", [this](R& r) { r.add_syncobjs(queue_); }, kNotFound, "SYNCOBJ_NOT_FOUND", "syncobjs[1]"}});
  using S = v1::SignalSyncobjsRequest;
  S signal;
  signal.set_session_id(session_);
  signal.add_points()->set_syncobj(syncobj);
  Check<v1::SignalSyncobjsResponse, S>(
      stubs_.syncobjs, &Stub::SignalSyncobjs, signal,
      {UnknownSession<S>(),
       {"none", [](S& r) { r.clear_points(); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "points"},
       {"65",
        [](S& r) {
          while (r.points_size() < 65) *r.add_points() = r.points(0);
        },
        kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "points"},
       {"unknown", [](S& r) { r.add_points()->set_syncobj(77777); }, kNotFound, "SYNCOBJ_NOT_FOUND",
        "points[1].syncobj"}});
  using Q = v1::QuerySyncobjsRequest;
  Q query;
  query.set_session_id(session_);
  query.add_syncobjs(syncobj);
  Check<v1::QuerySyncobjsResponse, Q>(
      stubs_.syncobjs, &Stub::QuerySyncobjs, query,
      {UnknownSession<Q>(),
       {"none", [](Q& r) { r.clear_syncobjs(); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "syncobjs"},
       {"unknown", [](Q& r) { r.set_syncobjs(0, 77777); }, kNotFound, "SYNCOBJ_NOT_FOUND", "syncobjs[0]"}});
  using D = v1::DestroySyncobjRequest;
  D destroy;
  destroy.set_session_id(session_);
  destroy.set_syncobj(syncobj);
  Check<v1::DestroySyncobjResponse, D>(
      stubs_.syncobjs, &Stub::DestroySyncobj, destroy,
      {UnknownSession<D>(), {"unknown", [](D& r) { r.set_syncobj(77777); }, kInvalid, "SYNCOBJ_UNKNOWN", "syncobj"}});
}

TEST_F(BadInputTest, TransferAndWaitSyncobjs) {
  using Stub = v1::SyncobjService::Stub;
  v1::CreateSyncobjRequest create;
  create.set_session_id(session_);
  create.set_signaled(true);
  const uint64_t syncobj = Call<v1::CreateSyncobjResponse>(stubs_.syncobjs, &Stub::CreateSyncobj, create).syncobj();
  using T = v1::TransferSyncobjRequest;
  T transfer;
  transfer.set_session_id(session_);
  transfer.mutable_source()->set_syncobj(syncobj);
  transfer.mutable_destination()->set_syncobj(syncobj);
  Check<v1::TransferSyncobjResponse, T>(
      stubs_.syncobjs, &Stub::TransferSyncobj, transfer,
      {UnknownSession<T>(),
       {"no source", [](T& r) { r.clear_source(); }, kInvalid, "FIELD_MISSING", "source"},
       {"no destination", [](T& r) { r.clear_destination(); }, kInvalid, "FIELD_MISSING", "destination"},
       {"source", [](T& r) { r.mutable_source()->set_syncobj(77777); }, kNotFound, "SYNCOBJ_NOT_FOUND",
        "source.syncobj"},
       {"destination", [](T& r) { r.mutable_destination()->set_syncobj(77777); }, kNotFound, "SYNCOBJ_NOT_FOUND",
        "destination.syncobj"},
       {"point", [](T& r) { r.mutable_source()->set_point(1); }, kInvalid, "SYNCOBJ_NOT_SUBMITTED", "source.point"},
       {"wait", [](T& r) { r.set_wait_for_submit_ms(5001); }, kInvalid, "FIELD_OUT_OF_RANGE", "wait_for_submit_ms"}});
  using W = v1::WaitSyncobjsRequest;
  W wait;
  wait.set_session_id(session_);
  wait.add_syncobjs()->set_syncobj(syncobj);
  Check<v1::WaitSyncobjsResponse, W>(
      stubs_.syncobjs, &Stub::WaitSyncobjs, wait,
      {UnknownSession<W>(),
       {"65",
        [](W& r) {
          while (r.syncobjs_size() < 65) *r.add_syncobjs() = r.syncobjs(0);
        },
        kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "syncobjs"},
       {"unknown", [](W& r) { r.add_syncobjs()->set_syncobj(77777); }, kNotFound, "SYNCOBJ_NOT_FOUND",
        "syncobjs[1].syncobj"},
       {"point", [](W& r) { r.mutable_syncobjs(0)->set_point(1); }, kInvalid, "SYNCOBJ_NOT_SUBMITTED",
        "syncobjs[0].point"},
       {"available", [](W& r) { r.set_wait_available(true); }, kInvalid, "FIELD_NOT_ALLOWED", "wait_available"},
       {"mode", [](W& r) { r.set_mode(static_cast<v1::WaitMode>(5)); }, kInvalid, "FIELD_UNKNOWN_VALUE", "mode"},
       {"timeout", [](W& r) { r.set_timeout_ms(3'600'001); }, kInvalid, "FIELD_OUT_OF_RANGE", "timeout_ms"}});
}

TEST_F(BadInputTest, WaitFences) {
  using R = v1::WaitFencesRequest;
  Check<v1::WaitFencesResponse, R>(
      stubs_.fences, &v1::FenceService::Stub::WaitFences, WaitRequest({bound_}),
      {UnknownSession<R>(),
       {"none", [](R& r) { r.clear_fences(); }, kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "fences"},
       {"1025",
        [this](R& r) {
          while (r.fences_size() < 1025) *r.add_fences() = bound_;
        },
        kInvalid, "FIELD_LENGTH_OUT_OF_RANGE", "fences"},
       {"seqno 0", [](R& r) { r.mutable_fences(0)->set_seqno(0); }, kInvalid, "FENCE_NEVER_ARMED", "fences[0].seqno"},
       {"never armed", [](R& r) { r.mutable_fences(0)->set_seqno(9); }, kInvalid, "FENCE_NEVER_ARMED",
        "fences[0].seqno"},
       {"context", [](R& r) { r.mutable_fences(0)->set_context(77777); }, kNotFound, "CONTEXT_NOT_FOUND",
        "fences[0].context"},
       {"mode", [](R& r) { r.set_mode(static_cast<v1::WaitMode>(5)); }, kInvalid, "FIELD_UNKNOWN_VALUE", "mode"},
       {"timeout", [](R& r) { r.set_timeout_ms(3'600'001); }, kInvalid, "FIELD_OUT_OF_RANGE", "timeout_ms"}});
}

TEST_F(BadInputTest, WatchFences) {
  using R = v1::WatchFencesRequest;
  const auto watch = [&](const R& request) {
    grpc::ClientContext context;
    auto reader = stubs_.fences->WatchFences(&context, request);
    v1::WatchFencesResponse response;
    while (reader->Read(&response)) {
    }
    return See(reader->Finish());
  };
  R request;
  EXPECT_EQ(watch(request).reason, "SESSION_NOT_FOUND");
  request.set_session_id(session_);
  request.set_heartbeat_ms(99);
  EXPECT_EQ(watch(request).metadata.at("field"), "heartbeat_ms");
  request.set_heartbeat_ms(0);
  request.set_after_event(1000);
  const ErrorSeen future = watch(request);
  EXPECT_EQ(future.code, StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(future.metadata.count("oldest_event"), 1u);
}

// Handles of one session mean nothing in another.
TEST_F(BadInputTest, ForeignHandles) {
  const uint64_t other = OpenSession();
  v1::SubmitRequest submit = SubmitRequest({kCode});
  submit.set_session_id(other);
  EXPECT_EQ(Try<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit, submit).code, kNotFound);
  v1::WaitFencesRequest wait = WaitRequest({bound_});
  wait.set_session_id(other);
  EXPECT_EQ(Try<v1::WaitFencesResponse>(stubs_.fences, &v1::FenceService::Stub::WaitFences, wait).reason,
            "CONTEXT_NOT_FOUND");
  v1::BindRequest bind = BindRequest(buffer_, kBase);
  bind.set_session_id(other);
  EXPECT_EQ(Try<v1::BindResponse>(stubs_.vms, &v1::VmService::Stub::Bind, bind).reason, "VM_NOT_FOUND");
  v1::CreateQueueRequest queue = QueueRequest(v1::ENGINE_CLASS_COPY);
  queue.set_session_id(other);
  EXPECT_EQ(Try<v1::CreateQueueResponse>(stubs_.queues, &v1::QueueService::Stub::CreateQueue, queue).reason,
            "VM_NOT_FOUND");
}

class LimitsTest : public ServiceTest {
 protected:
  static session::ManagerOptions Tight() {
    session::ManagerOptions options;
    options.sessions_max = 2;
    options.limits.vms_max = 2;
    options.limits.buffers_max = 2;
    options.limits.buffer_bytes_max = kBytes + 4096;
    options.limits.queues_max = 2;
    options.limits.jobs_in_flight_max = 8;
    options.limits.waiters_max = 1;
    options.limits.watches_max = 1;
    return options;
  }
  LimitsTest() : ServiceTest(Tight()) {}

  void ExpectLimit(const ErrorSeen& seen, const char* limit, uint64_t value) {
    EXPECT_EQ(seen.code, kExhausted) << limit;
    EXPECT_EQ(seen.reason, "LIMIT_REACHED") << limit;
    ASSERT_EQ(seen.metadata.count("limit"), 1u) << limit;
    EXPECT_EQ(seen.metadata.at("limit"), limit);
    EXPECT_EQ(seen.metadata.at("value"), absl::StrCat(value)) << limit;
  }
};

TEST_F(LimitsTest, EachIsNamedAndGivenBack) {
  OpenSession();
  ExpectLimit(
      Try<v1::OpenSessionResponse>(stubs_.sessions, &v1::SessionService::Stub::OpenSession, v1::OpenSessionRequest()),
      "sessions_max", 2);
  const uint64_t second_vm = CreateVm();
  v1::CreateVmRequest vm;
  vm.set_session_id(session_);
  ExpectLimit(Try<v1::CreateVmResponse>(stubs_.vms, &v1::VmService::Stub::CreateVm, vm), "vms_max", 2);
  v1::DestroyVmRequest destroy_vm;
  destroy_vm.set_session_id(session_);
  destroy_vm.set_vm(second_vm);
  Call<v1::DestroyVmResponse>(stubs_.vms, &v1::VmService::Stub::DestroyVm, destroy_vm);
  CreateVm();

  v1::CreateBufferRequest buffer;
  buffer.set_session_id(session_);
  buffer.set_size(8192);
  ExpectLimit(Try<v1::CreateBufferResponse>(stubs_.buffers, &v1::BufferService::Stub::CreateBuffer, buffer),
              "buffer_bytes_max", kBytes + 4096);
  CreateBuffer(4096);
  CreateQueue(v1::ENGINE_CLASS_RENDER);
  ExpectLimit(Try<v1::CreateQueueResponse>(stubs_.queues, &v1::QueueService::Stub::CreateQueue,
                                           QueueRequest(v1::ENGINE_CLASS_RENDER)),
              "queues_max", 2);
}

TEST_F(LimitsTest, JobsInFlight) {
  // The bind of the fixture counts until it has ended.
  WaitOne(bound_);
  Upload(kCode, WaitDword(kBase, 1) + kEnd);
  const std::vector<v1::Fence> fences = Submit(SubmitRequest({kCode, kCode, kCode, kCode, kCode, kCode, kCode, kCode}));
  const ErrorSeen seen =
      Try<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit, SubmitRequest({kCode}));
  ExpectLimit(seen, "jobs_in_flight_max", 8);
  EXPECT_TRUE(seen.has_retry);
  Upload(kBase, {1});
  EXPECT_EQ(WaitOne(fences.back()).state(), v1::FENCE_STATE_SIGNALED);
  EXPECT_EQ(WaitOne(Submit(SubmitRequest({kCode})).front()).state(), v1::FENCE_STATE_SIGNALED);
}

}  // namespace
}  // namespace xeq
