// Goal: syncobjs mean to a client what they mean in the kernel, sentence by sentence; a Submit signals them wholly or
// not at all. Method: a real server and libxeq; jobs that only wait are held back by host fences, so that each test
// says when a payload ends.
#include "xeq/syncobj.h"

#include <future>

#include "tests/integration/service_fixture.h"
#include "xeq/batch.h"
#include "xeq/client.h"
#include "xeq/error.h"

namespace xeq {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kPoll(0);
constexpr uint64_t kAt = 0x40000000;
constexpr uint64_t kBatchOffset = 4096;

class SyncobjTest : public ::testing::Test {
 protected:
  SyncobjTest() {
    client_.emplace(Client::Connect(service_.server().addresses()[0]).value());
    session_.emplace(client_->OpenSession().value());
    vm_.emplace(session_->CreateVm().value());
    a_.emplace(session_->CreateQueue(*vm_, EngineClass::kCopy).value());
    b_.emplace(session_->CreateQueue(*vm_, EngineClass::kRender).value());
    host_.emplace(session_->CreateHostTimeline().value());
  }

  Syncobj Make(bool signaled = false) { return session_->CreateSyncobj(signaled).value(); }
  // A job without batches that ends with `gate` and signals `points`.
  static Job JobOf(const Queue& queue, std::vector<Fence> gates, std::vector<SyncobjPoint> signals) {
    Job job;
    job.queue = queue.handle();
    job.waits = std::move(gates);
    job.signals = std::move(signals);
    return job;
  }
  Fence Submit(const Job& job) {
    const absl::StatusOr<std::vector<Fence>> fences = session_->Submit({&job, 1});
    EXPECT_TRUE(fences.ok()) << fences.status();
    return fences.ok() ? fences->front() : Fence{};
  }
  // Gives the point a fence that ends with the gate it returns.
  Fence Gate(const SyncobjPoint& point) {
    const Fence gate = host_->Arm(seconds(60)).value();
    last_ = Submit(JobOf(*a_, {gate}, {point}));
    return gate;
  }
  void Open(const Fence& gate) { EXPECT_TRUE(host_->Signal(gate).ok()); }
  void Open(const Fence& gate, const Fence& job) {
    Open(gate);
    EXPECT_TRUE(session_->Wait(job).ok());
  }
  absl::StatusOr<SyncobjWaitResult> Wait(const std::vector<SyncobjPoint>& points, SyncobjWaitOptions options) {
    return session_->WaitSyncobjs(points, options);
  }
  static SyncobjWaitOptions Options(WaitMode mode, milliseconds timeout = kPoll) {
    return {mode, /*wait_for_submit=*/false, /*wait_available=*/false, timeout};
  }
  static SyncobjWaitOptions ForSubmit(milliseconds timeout = seconds(30)) {
    return {WaitMode::kAll, /*wait_for_submit=*/true, /*wait_available=*/false, timeout};
  }
  static SyncobjWaitOptions Available(milliseconds timeout = seconds(30)) {
    return {WaitMode::kAll, /*wait_for_submit=*/false, /*wait_available=*/true, timeout};
  }
  // A wait on a thread of its own that the service has begun.
  std::future<absl::StatusOr<SyncobjWaitResult>> StartWait(std::vector<SyncobjPoint> points,
                                                           SyncobjWaitOptions options) {
    const int64_t before = service_.recorder().device().waiters;
    auto waiting = std::async(std::launch::async, [this, points = std::move(points), options] {
      return session_->WaitSyncobjs(points, options);
    });
    while (service_.recorder().device().waiters <= before) std::this_thread::yield();
    return waiting;
  }
  static bool IsPending(const std::future<absl::StatusOr<SyncobjWaitResult>>& waiting) {
    return waiting.wait_for(kPoll) == std::future_status::timeout;
  }
  static bool IsTimeout(const absl::Status& status) { return absl::IsDeadlineExceeded(status); }

  Service service_;
  std::optional<Client> client_;
  std::optional<Session> session_;
  std::optional<Vm> vm_;
  std::optional<Queue> a_;
  std::optional<Queue> b_;
  std::optional<HostTimeline> host_;
  // Of the last Gate.
  Fence last_;
};

TEST_F(SyncobjTest, T25_ALaterJobOfTheCallWaitsForWhatAnEarlierOneSignals) {
  Syncobj slot = Make();
  const Fence gate = host_->Arm(seconds(60)).value();
  std::vector<Job> jobs = {JobOf(*a_, {gate}, {slot.At()}), JobOf(*b_, {}, {})};
  jobs[1].waits_on_syncobjs = {slot.At()};
  const std::vector<Fence> fences = session_->Submit(jobs).value();
  EXPECT_FALSE(session_->Wait({&fences[1], 1}, WaitMode::kAll, kPoll)->satisfied);
  Watch watch = session_->WatchFences().value();
  Open(gate);
  EXPECT_EQ(watch.Next()->status.fence, gate);
  EXPECT_EQ(watch.Next()->status.fence, fences[0]);
  EXPECT_EQ(watch.Next()->status.fence, fences[1]);
}

TEST_F(SyncobjTest, T25_ABackwardWaitSeesWhatWasThereBeforeTheCall) {
  Syncobj slot = Make();
  const Fence gate = host_->Arm(seconds(60)).value();
  std::vector<Job> jobs = {JobOf(*b_, {}, {}), JobOf(*a_, {gate}, {slot.At()})};
  jobs[0].waits_on_syncobjs = {slot.At()};
  const absl::Status refused = session_->Submit(jobs).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_EQ(ErrorReason(refused), "SYNCOBJ_NOT_SUBMITTED");
  EXPECT_EQ(ErrorMetadata(refused).at("field"), "jobs[0].waits[0].syncobj.point");
  ASSERT_TRUE(slot.Signal().ok());
  const std::vector<Fence> fences = session_->Submit(jobs).value();
  EXPECT_TRUE(session_->Wait(fences[0]).ok()) << "it does not wait for the second job";
  EXPECT_TRUE(IsTimeout(slot.Wait(0, kPoll))) << "which has replaced what was there";
  Open(gate, fences[1]);
  EXPECT_TRUE(slot.Wait().ok());
}

TEST_F(SyncobjTest, T25_AnInvalidOperationAnywhereLeavesAllAsItWas) {
  Syncobj slot = Make();
  Syncobj line = Make();
  const Fence gate = Gate(slot.At());
  ASSERT_TRUE(line.Signal(3).ok());
  const auto good = [&] {
    return std::vector<Job>{JobOf(*a_, {}, {slot.At(), line.At(4)}), JobOf(*b_, {}, {line.At()}),
                            JobOf(*b_, {}, {slot.At(7), line.At(1)})};
  };
  for (size_t job = 0; job < 3; ++job) {
    for (int spoil = 0; spoil < 3; ++spoil) {
      std::vector<Job> jobs = good();
      if (spoil == 0) jobs[job].waits_on_syncobjs = {slot.At(99)};
      if (spoil == 1) jobs[job].signals.push_back({77777, 0});
      if (spoil == 2) jobs[job].waits.push_back({a_->handle(), 1000});
      EXPECT_FALSE(session_->Submit(jobs).ok()) << job << " " << spoil;
      EXPECT_TRUE(IsTimeout(slot.Wait(0, kPoll))) << "the fence of the first call";
      EXPECT_EQ(line.Query(true).value(), 3u);
    }
  }
  const std::vector<Fence> fences = session_->Submit(good()).value();
  EXPECT_EQ(fences[0].seqno, last_.seqno + 1);
  EXPECT_EQ(fences[1].seqno, 1u);
  EXPECT_EQ(fences[2].seqno, 2u);
  Open(gate);
}

TEST_F(SyncobjTest, T26_ASyncobjHoldsAFenceOrNothing) {
  Syncobj slot = Make();
  EXPECT_TRUE(absl::IsInvalidArgument(slot.Wait(0, kPoll))) << "nothing";
  const Fence gate = Gate(slot.At());
  EXPECT_TRUE(IsTimeout(slot.Wait(0, kPoll))) << "a fence";
  ASSERT_TRUE(slot.Reset().ok());
  EXPECT_TRUE(absl::IsInvalidArgument(slot.Wait(0, kPoll))) << "reset: nothing";
  ASSERT_TRUE(slot.Signal().ok());
  EXPECT_TRUE(slot.Wait(0, kPoll).ok()) << "signal: a new stub that is signalled";
  const Fence again = Gate(slot.At());
  EXPECT_TRUE(IsTimeout(slot.Wait(0, kPoll))) << "a submit replaces it";
  Open(gate);
  Open(again, last_);
  EXPECT_TRUE(slot.Wait(0, kPoll).ok());
}

TEST_F(SyncobjTest, T26_WaitsForSubmissionLookAgainAtEachReplacement) {
  Syncobj slot = Make();
  auto blocked = StartWait({slot.At()}, ForSubmit());
  auto point = StartWait({slot.At(2)}, ForSubmit());
  ASSERT_TRUE(slot.Signal().ok());
  EXPECT_TRUE(blocked.get()->satisfied);
  ASSERT_TRUE(slot.Signal(1).ok());
  EXPECT_TRUE(IsPending(point));
  const Fence gate = Gate(slot.At(2));
  EXPECT_TRUE(IsPending(point)) << "submitted, not signalled";
  Open(gate);
  EXPECT_TRUE(point.get()->satisfied);
}

TEST_F(SyncobjTest, T26_WaitsThatAreAttachedKeepTheirFenceWhenItIsResetOrReplaced) {
  Syncobj slot = Make();
  const Fence gate = Gate(slot.At());
  auto attached = StartWait({slot.At()}, Options(WaitMode::kAll, seconds(30)));
  ASSERT_TRUE(slot.Reset().ok());
  EXPECT_TRUE(IsPending(attached));
  ASSERT_TRUE(slot.Signal().ok());
  EXPECT_TRUE(slot.Wait(0, kPoll).ok());
  EXPECT_TRUE(IsPending(attached));
  Open(gate);
  EXPECT_TRUE(attached.get()->satisfied);
}

TEST_F(SyncobjTest, T26_WithoutSubmissionAWaitIsRefusedAtOnce) {
  Syncobj slot = Make();
  for (const WaitMode mode : {WaitMode::kAll, WaitMode::kAny}) {
    const absl::Status empty = Wait({slot.At()}, Options(mode, seconds(30))).status();
    EXPECT_TRUE(absl::IsInvalidArgument(empty));
    EXPECT_EQ(ErrorReason(empty), "SYNCOBJ_NOT_SUBMITTED");
  }
  ASSERT_TRUE(slot.Signal(4).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(slot.Wait(5))) << "larger than the newest";
  EXPECT_TRUE(slot.Wait(3, kPoll).ok()) << "the first that is not smaller";
  EXPECT_TRUE(slot.Wait(0, kPoll).ok()) << "0: no lookup";
  EXPECT_FALSE(Wait({slot.At(5)}, ForSubmit(milliseconds(1)))->satisfied) << "with the flag it is waited for";
  EXPECT_FALSE(Wait({slot.At(5)}, ForSubmit(kPoll))->satisfied);
  EXPECT_FALSE(Wait({slot.At(5)}, Available(milliseconds(1)))->satisfied);
}

TEST_F(SyncobjTest, T26_WaitAvailable) {
  Syncobj slot = Make();
  auto available = StartWait({slot.At(2)}, Available());
  const Fence first = Gate(slot.At(1));
  EXPECT_TRUE(IsPending(available));
  const Fence second = Gate(slot.At(2));
  EXPECT_TRUE(available.get()->satisfied) << "submitted, not signalled";
  EXPECT_TRUE(IsTimeout(slot.Wait(2, kPoll)));
  const absl::Status binary = Wait({slot.At()}, Available()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(binary)) << "for points only";
  EXPECT_EQ(ErrorReason(binary), "FIELD_NOT_ALLOWED");
  Open(first);
  Open(second);
}

TEST_F(SyncobjTest, T26_CountZero) {
  for (const WaitMode mode : {WaitMode::kAll, WaitMode::kAny}) EXPECT_TRUE(Wait({}, Options(mode))->satisfied);
  EXPECT_TRUE(absl::IsInvalidArgument(session_->ResetSyncobjs({})));
  EXPECT_TRUE(absl::IsInvalidArgument(session_->SignalSyncobjs({})));
  EXPECT_TRUE(absl::IsInvalidArgument(session_->QuerySyncobjs({}).status()));
}

TEST_F(SyncobjTest, T26_PollAndTimeout) {
  Syncobj slot = Make();
  const Fence gate = Gate(slot.At());
  EXPECT_TRUE(IsTimeout(slot.Wait(0, kPoll)));
  EXPECT_TRUE(IsTimeout(slot.Wait(0, milliseconds(20))));
  Open(gate, last_);
  EXPECT_TRUE(slot.Wait(0, kPoll).ok());
}

TEST_F(SyncobjTest, T26_UnknownHandles) {
  const uint64_t unknown = 77777;
  const SyncobjPoint point{unknown, 0};
  EXPECT_TRUE(absl::IsNotFound(Wait({point}, ForSubmit()).status()));
  EXPECT_TRUE(absl::IsNotFound(session_->ResetSyncobjs({&unknown, 1})));
  EXPECT_TRUE(absl::IsNotFound(session_->SignalSyncobjs({&point, 1})));
  EXPECT_TRUE(absl::IsNotFound(session_->QuerySyncobjs({&unknown, 1}).status()));
  EXPECT_TRUE(absl::IsNotFound(session_->TransferSyncobj(point, point)));
  Stubs stubs(service_.Channel());
  grpc::ClientContext context;
  v1::DestroySyncobjRequest request;
  v1::DestroySyncobjResponse response;
  request.set_session_id(session_->id());
  request.set_syncobj(unknown);
  EXPECT_EQ(stubs.syncobjs->DestroySyncobj(&context, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SyncobjTest, T26_FirstSignaled) {
  Syncobj slow = Make();
  Syncobj done = Make(/*signaled=*/true);
  const Fence gate = Gate(slow.At());
  EXPECT_EQ(Wait({slow.At(), done.At()}, Options(WaitMode::kAny))->first_signaled, 1u);
  EXPECT_EQ(Wait({done.At(), slow.At(), done.At()}, Options(WaitMode::kAny))->first_signaled, 0u);
  auto all = StartWait({slow.At(), done.At()}, Options(WaitMode::kAll, seconds(30)));
  Syncobj other = Make();
  const Fence other_gate = host_->Arm(seconds(60)).value();
  Submit(JobOf(*b_, {other_gate}, {other.At()}));
  auto any = StartWait({other.At(), slow.At()}, Options(WaitMode::kAny, seconds(30)));
  Open(gate);
  EXPECT_EQ(any.get()->first_signaled, 1u) << "the first that was signalled";
  EXPECT_EQ(all.get()->first_signaled, 1u) << "the first that was when it began";
  Open(other_gate);
}

TEST_F(SyncobjTest, T26_FailedFencesCountAsSignalled) {
  Syncobj slot = Make();
  const Fence gate = Gate(slot.At(1));
  EXPECT_TRUE(host_->Signal(gate, /*failed=*/true).ok());
  EXPECT_TRUE(slot.Wait(1).ok());
  EXPECT_EQ(slot.Query().value(), 1u);
  EXPECT_EQ(ErrorReason(session_->Wait(last_)), "JOB_DEPENDENCY_FAILED") << "its fence tells how it ended";
  // A job that waits for it sees the failure, unless it says that it does not count.
  Job job = JobOf(*b_, {}, {});
  job.waits_on_syncobjs = {slot.At(1)};
  EXPECT_EQ(ErrorReason(session_->Wait(Submit(job))), "JOB_DEPENDENCY_FAILED");
  job.on_error = OnError::kRun;
  EXPECT_TRUE(session_->Wait(Submit(job)).ok());
  job.on_error = OnError::kSkip;
  EXPECT_EQ(ErrorReason(session_->Wait(Submit(job))), "JOB_SKIPPED");
  // A later point does not carry the failure of those in front of it.
  ASSERT_TRUE(slot.Signal(2).ok());
  job.on_error = OnError::kFail;
  job.waits_on_syncobjs = {slot.At(2)};
  EXPECT_TRUE(session_->Wait(Submit(job)).ok());
}

TEST_F(SyncobjTest, T26_TransferToBinaryIsTheSameFence) {
  Syncobj from = Make();
  Syncobj to = Make(/*signaled=*/true);
  const Fence gate = Gate(from.At());
  ASSERT_TRUE(session_->TransferSyncobj(from.At(), to.At()).ok());
  ASSERT_TRUE(from.Reset().ok());
  EXPECT_TRUE(IsTimeout(to.Wait(0, kPoll)));
  EXPECT_EQ(to.Query(true).value(), 0u) << "binary";
  EXPECT_TRUE(host_->Signal(gate, /*failed=*/true).ok());
  EXPECT_TRUE(to.Wait().ok());
  Job job = JobOf(*b_, {}, {});
  job.waits_on_syncobjs = {to.At()};
  EXPECT_EQ(ErrorReason(session_->Wait(Submit(job))), "JOB_DEPENDENCY_FAILED") << "failure included";
}

TEST_F(SyncobjTest, T26_TransferToAPointIsTheMergeOfTheSource) {
  Syncobj from = Make();
  Syncobj to = Make();
  const Fence first = Gate(from.At(1));
  const Fence first_job = last_;
  const Fence second = host_->Arm(seconds(60)).value();
  const Fence second_job = Submit(JobOf(*b_, {second}, {from.At(2)}));
  ASSERT_TRUE(session_->TransferSyncobj(from.At(0), to.At(5)).ok());
  EXPECT_EQ(to.Query(true).value(), 5u);
  EXPECT_EQ(ErrorReason(session_->TransferSyncobj(from.At(0), to.At(0))), "CONTAINER_NOT_ALLOWED")
      << "a timeline is no payload";
  Open(first, first_job);
  EXPECT_TRUE(IsTimeout(to.Wait(5, kPoll)));
  Open(second, second_job);
  EXPECT_TRUE(to.Wait(5).ok());
  EXPECT_EQ(to.Query().value(), 5u);
}

TEST_F(SyncobjTest, T26_ATransferWaitsForSubmissionAtMost5Seconds) {
  Syncobj from = Make();
  Syncobj to = Make();
  EXPECT_EQ(ErrorReason(session_->TransferSyncobj(from.At(1), to.At())), "SYNCOBJ_NOT_SUBMITTED");
  EXPECT_TRUE(absl::IsInvalidArgument(session_->TransferSyncobj(from.At(1), to.At(), milliseconds(5001))));
  EXPECT_TRUE(IsTimeout(session_->TransferSyncobj(from.At(1), to.At(), milliseconds(1))));
  auto transfer = std::async(std::launch::async,
                             [&] { return session_->TransferSyncobj(from.At(1), to.At(), milliseconds(5000)); });
  while (service_.recorder().device().waiters == 0) std::this_thread::yield();
  const Fence gate = Gate(from.At(1));
  EXPECT_TRUE(transfer.get().ok());
  EXPECT_TRUE(IsTimeout(to.Wait(0, kPoll)));
  Open(gate);
  EXPECT_TRUE(to.Wait().ok());
}

TEST_F(SyncobjTest, T26_PointsOutOfOrderAreTaken) {
  Syncobj slot = Make();
  const Fence ten = Gate(slot.At(10));
  const Fence ten_job = last_;
  const Fence five = host_->Arm(seconds(60)).value();
  const Fence five_job = Submit(JobOf(*b_, {five}, {slot.At(5)}));
  EXPECT_EQ(slot.Query(true).value(), 10u);
  Open(ten, ten_job);
  EXPECT_TRUE(IsTimeout(slot.Wait(10, kPoll))) << "a wait for either is one for both";
  EXPECT_TRUE(IsTimeout(slot.Wait(5, kPoll)));
  EXPECT_EQ(slot.Query().value(), 0u) << "a new run of points";
  Open(five, five_job);
  EXPECT_TRUE(slot.Wait(10).ok());
  EXPECT_EQ(slot.Query().value(), 10u);
}

TEST_F(SyncobjTest, T26_QueryGivesTheHighestSignalledPoint) {
  Syncobj slot = Make(/*signaled=*/true);
  EXPECT_EQ(slot.Query().value(), 0u) << "0 for binary";
  const Fence one = Gate(slot.At(3));
  const Fence one_job = last_;
  const Fence two = Gate(slot.At(7));
  EXPECT_EQ(slot.Query().value(), 0u);
  EXPECT_EQ(slot.Query(/*last_submitted=*/true).value(), 7u);
  Open(one, one_job);
  EXPECT_EQ(slot.Query().value(), 3u);
  Open(two, last_);
  EXPECT_EQ(slot.Query().value(), 7u);
}

TEST_F(SyncobjTest, T26_DestroyDoesNotDisturbWaits) {
  std::optional<Syncobj> slot = Make();
  const Fence gate = Gate(slot->At());
  const SyncobjPoint point = slot->At();
  auto attached = StartWait({point}, Options(WaitMode::kAll, seconds(30)));
  slot.reset();
  EXPECT_TRUE(absl::IsNotFound(Wait({point}, Options(WaitMode::kAll)).status()));
  EXPECT_TRUE(IsPending(attached));
  Open(gate);
  EXPECT_TRUE(attached.get()->satisfied);
}

TEST_F(SyncobjTest, AClosedSessionAnswersWhoWaitsForSubmission) {
  Session adopted = client_->AdoptSession(session_->id()).value();
  Syncobj slot = Make();
  auto blocked = StartWait({slot.At()}, ForSubmit());
  Stubs stubs(service_.Channel());
  grpc::ClientContext context;
  v1::CloseSessionRequest request;
  v1::CloseSessionResponse response;
  request.set_session_id(session_->id());
  ASSERT_TRUE(stubs.sessions->CloseSession(&context, request, &response).ok());
  EXPECT_EQ(ErrorReason(blocked.get().status()), "SESSION_NOT_FOUND");
}

TEST_F(SyncobjTest, AClientThatLeavesLetsItsWaitGo) {
  Syncobj slot = Make();
  Stubs stubs(service_.Channel());
  grpc::ClientContext context;
  v1::WaitSyncobjsRequest request;
  v1::WaitSyncobjsResponse response;
  request.set_session_id(session_->id());
  request.add_syncobjs()->set_syncobj(slot.handle());
  request.set_wait_for_submit(true);
  request.set_timeout_ms(60'000);
  auto call =
      std::async(std::launch::async, [&] { return stubs.syncobjs->WaitSyncobjs(&context, request, &response); });
  while (service_.recorder().device().waiters == 0) std::this_thread::yield();
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  while (service_.recorder().device().waiters != 0) std::this_thread::yield();
}

// A spinner that the test ends: polls see the job and not what lay in the syncobj before.
TEST_F(SyncobjTest, T27_PollsFailUntilTheSpinnerEndsInEachRound) {
  Buffer buffer = session_->CreateBuffer(65536).value();
  ASSERT_TRUE(session_->Wait(vm_->Bind(buffer, kAt).value()).ok());
  BatchBuilder batch;
  batch.StoreDword(kAt, 1).WaitUntil(kAt + 64, Compare::kEqual, 1);
  ASSERT_TRUE(buffer.Write(kBatchOffset, *batch.Finish()).ok());
  const auto write = [&](uint64_t offset, uint32_t value) {
    ASSERT_TRUE(buffer.Write(offset, absl::MakeConstSpan(&value, 1)).ok());
  };
  for (const bool signaled : {false, true}) {
    Syncobj slot = Make(signaled);
    EXPECT_EQ(slot.Wait(0, kPoll).ok(), signaled);
    for (int round = 0; round < 4; ++round) {
      write(0, 0);
      write(64, 0);
      Job job = JobOf(*a_, {}, {slot.At()});
      job.batch_addresses = {kAt + kBatchOffset};
      const Fence fence = Submit(job);
      uint32_t started = 0;
      while (started == 0) ASSERT_TRUE(buffer.Read(0, {reinterpret_cast<std::byte*>(&started), 4}).ok());
      EXPECT_TRUE(IsTimeout(slot.Wait(0, kPoll))) << signaled << " " << round;
      EXPECT_TRUE(IsTimeout(slot.Wait(0, milliseconds(50)))) << signaled << " " << round;
      write(64, 1);
      EXPECT_TRUE(slot.Wait().ok()) << signaled << " " << round;
      EXPECT_TRUE(session_->Wait(fence).ok());
    }
  }
}

}  // namespace
}  // namespace xeq
