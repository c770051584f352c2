// Goal: a Submit arms all of its jobs or none, refuses with the path of the field that is wrong, and its jobs may wait
// for each other. Method: a loop that is not started; that nothing was armed shows in the next seqno, in the quota and
// in what may be waited for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/session/session_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr uint64_t kPage = hw::kPageBytes;

class SessionSubmitTest : public SessionTest {
 protected:
  // Sessions of which nothing is in flight, and which have two queues.
  void OpenWithQueues(const SessionLimits& limits) {
    Open(limits);
    vm_ = Vm();
    a_ = Queue(vm_);
    b_ = Queue(vm_);
  }
  void SetUp() override { OpenWithQueues({}); }

  // That of a Submit which has to be refused.
  absl::Status Refusal(const std::vector<JobSpec>& specs) {
    const absl::Status status = Submit(specs).status();
    EXPECT_FALSE(status.ok());
    return status;
  }

  uint64_t vm_ = 0;
  uint64_t a_ = 0;
  uint64_t b_ = 0;
};

TEST_F(SessionSubmitTest, FencesAreTheNextPointsOfTheirQueues) {
  EXPECT_THAT(Submit({JobOf(a_), JobOf(b_), JobOf(a_)}).value(), ElementsAre(Point{a_, 1}, Point{b_, 1}, Point{a_, 2}));
  EXPECT_THAT(Submit({JobOf(b_), JobOf(a_)}).value(), ElementsAre(Point{b_, 2}, Point{a_, 3}));
  EXPECT_THAT(recorder_.submitted, ElementsAre(3, 2));
  EXPECT_THAT(recorder_.jobs_armed, ElementsAre(Pair(hw::EngineClass::kCopy, 5)));
}

TEST_F(SessionSubmitTest, ABadWaitInTheLastJobArmsNothing) {
  OpenWithQueues({.jobs_in_flight_max = 3});
  const absl::Status status = Refusal({JobOf(a_), JobOf(b_), JobOf(a_, {At({b_, 1}), At({b_, 2})})});
  EXPECT_EQ(ReasonOf(status), "FENCE_NEVER_ARMED");
  EXPECT_EQ(MetadataOf(status, "field"), "jobs[2].waits[1].fence.seqno");
  EXPECT_EQ(session_->GetQueue(a_)->last_armed_seqno, 0u);
  EXPECT_EQ(ReasonOf(StateOf({a_, 1}).status()), "FENCE_NEVER_ARMED");
  EXPECT_EQ(ReasonOf(Refusal({JobOf(b_, {At({a_, 1})})})), "FENCE_NEVER_ARMED") << "nothing is planned any more";
  EXPECT_THAT(recorder_.submitted, IsEmpty());
  EXPECT_THAT(Submit({JobOf(a_), JobOf(a_), JobOf(b_)}).value(), ElementsAre(Point{a_, 1}, Point{a_, 2}, Point{b_, 1}));
}

TEST_F(SessionSubmitTest, AWaitForAnUnknownContextNamesItsField) {
  const absl::Status status = Refusal({JobOf(a_), JobOf(b_, {At({999, 1})})});
  EXPECT_EQ(ReasonOf(status), "CONTEXT_NOT_FOUND");
  EXPECT_EQ(MetadataOf(status, "field"), "jobs[1].waits[0].fence.context");
}

TEST_F(SessionSubmitTest, AnUnknownQueueInTheLastJobArmsNothing) {
  const absl::Status status = Refusal({JobOf(a_), JobOf(vm_)});
  EXPECT_EQ(ReasonOf(status), "QUEUE_NOT_FOUND");
  EXPECT_EQ(MetadataOf(status, "field"), "jobs[1].queue");
  EXPECT_EQ(SubmitOne(a_), (Point{a_, 1}));
}

TEST_F(SessionSubmitTest, AJobHasOneBatchOrNone) {
  const std::vector<uint64_t> two = {0x1000, 0x2000};
  const absl::Status status = Refusal({JobOf(a_), {a_, two, {}}});
  EXPECT_EQ(ReasonOf(status), "FIELD_LENGTH_OUT_OF_RANGE");
  EXPECT_EQ(MetadataOf(status, "field"), "jobs[1].batch_addresses");
  EXPECT_EQ(SubmitOne(a_), (Point{a_, 1}));
  EXPECT_TRUE(Submit({{a_, {}, {}}}).ok()) << "a pure synchronisation";
}

TEST_F(SessionSubmitTest, JobsMayWaitForEarlierJobsOfTheCall) {
  EXPECT_TRUE(Submit({JobOf(a_), JobOf(b_, {Job(0)}), JobOf(a_, {Job(0), Job(1)})}).ok());
  // By the names that their fences are going to have, too.
  EXPECT_TRUE(Submit({JobOf(a_), JobOf(b_, {At({a_, 3})})}).ok());
}

TEST_F(SessionSubmitTest, JobsMayNotWaitForThemselvesOrLaterOnes) {
  for (const uint32_t index : {1u, 2u, UINT32_MAX}) {
    const absl::Status status = Refusal({JobOf(a_), JobOf(b_, {Job(0), Job(index)}), JobOf(a_)});
    EXPECT_EQ(ReasonOf(status), "WAIT_NOT_EARLIER");
    EXPECT_EQ(MetadataOf(status, "field"), "jobs[1].waits[1].job");
    EXPECT_EQ(MetadataOf(status, "value"), absl::StrCat(index));
    EXPECT_EQ(MetadataOf(status, "job"), "1");
  }
  EXPECT_EQ(ReasonOf(Refusal({JobOf(a_, {At({a_, 1})})})), "FENCE_NEVER_ARMED") << "its own fence";
  EXPECT_EQ(SubmitOne(a_), (Point{a_, 1}));
}

TEST_F(SessionSubmitTest, ForgottenPointsCannotBeWaitedFor) {
  // Failures with gaps between them, one more than are kept. What is posted stays in the inbox, so it has to be larger.
  sched::DeviceLoop roomy(device_, nullptr, {});
  session_ = std::make_shared<Session>(roomy, recorder_, SessionOptions{}, kNow);
  const uint64_t vm = Vm();
  const uint64_t failing = Queue(vm);
  const uint64_t other = Queue(vm);
  for (size_t i = 0; i <= Context::kRangesMax; ++i) {
    End(SubmitOne(failing), Outcome::kDependencyFailed);
    End(SubmitOne(failing));
  }
  const absl::Status status = Refusal({JobOf(other), JobOf(other, {At({failing, 1})})});
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(status), "FENCE_FORGOTTEN");
  EXPECT_EQ(MetadataOf(status, "field"), "jobs[1].waits[0].fence.seqno");
  EXPECT_EQ(SubmitOne(other, {At({failing, 3})}), (Point{other, 1}));
}

TEST_F(SessionSubmitTest, JobsInFlightAreLimitedAndEndsMakeRoom) {
  OpenWithQueues({.jobs_in_flight_max = 2});
  const absl::Status never = Refusal({JobOf(a_), JobOf(a_), JobOf(a_)});
  EXPECT_EQ(MetadataOf(never, "limit"), "jobs_in_flight_max");
  EXPECT_FALSE(DetailsOf(never)->retry_after_ms.has_value()) << "more than there can ever be";
  EXPECT_TRUE(Submit({JobOf(a_), JobOf(b_)}).ok());
  const absl::Status for_now = Refusal({JobOf(a_)});
  EXPECT_EQ(MetadataOf(for_now, "used"), "2");
  EXPECT_TRUE(DetailsOf(for_now)->retry_after_ms.has_value());
  EXPECT_EQ(ReasonOf(session_->Map(MapOf(vm_)).status()), "LIMIT_REACHED") << "binds are jobs too";
  End({a_, 1});
  const absl::Status both = Refusal({JobOf(a_), JobOf(a_)});
  EXPECT_TRUE(DetailsOf(both)->retry_after_ms.has_value()) << "as many as there can ever be";
  EXPECT_EQ(SubmitOne(a_), (Point{a_, 2}));
}

TEST_F(SessionSubmitTest, ABannedQueueTakesNothingAndNamesItsCulprit) {
  const Point culprit = SubmitOne(a_);
  Ban(a_, culprit);
  const absl::Status status = Refusal({JobOf(b_), JobOf(a_)});
  EXPECT_EQ(ReasonOf(status), "QUEUE_BANNED");
  EXPECT_EQ(MetadataOf(status, "context"), absl::StrCat(a_));
  EXPECT_EQ(MetadataOf(status, "seqno"), "1");
  EXPECT_EQ(session_->GetQueue(a_)->standing, QueueStanding::kBanned);
  EXPECT_EQ(session_->GetQueue(b_)->standing, QueueStanding::kUsable);
  EXPECT_EQ(recorder_.queues_banned, 1);
  EXPECT_EQ(SubmitOne(b_), (Point{b_, 1}));
  EXPECT_TRUE(session_->DestroyQueue(a_).ok());
  EXPECT_THAT(recorder_.queues_closed, ElementsAre(Pair(true, CloseReason::kClient)));
}

TEST_F(SessionSubmitTest, ABanOfAQueueWithoutHandleIsNotCounted) {
  SubmitOne(a_);
  EXPECT_TRUE(session_->DestroyQueue(a_).ok());
  Ban(a_, {a_, 1});
  EXPECT_EQ(recorder_.queues_banned, 0);
  EXPECT_THAT(recorder_.queues_closed, ElementsAre(Pair(false, CloseReason::kClient)));
}

TEST_F(SessionSubmitTest, AFullInboxArmsNothing) {
  const std::vector<JobSpec> too_many(17, JobOf(a_));
  const absl::Status status = Refusal(too_many);
  EXPECT_EQ(ReasonOf(status), "INBOX_FULL");
  EXPECT_TRUE(DetailsOf(status)->retry_after_ms.has_value());
  EXPECT_EQ(SubmitOne(a_), (Point{a_, 1}));
  EXPECT_TRUE(Submit(std::vector<JobSpec>(15, JobOf(b_))).ok()) << "the refused call kept no room";
}

TEST_F(SessionSubmitTest, AStoppedLoopArmsNothing) {
  loop_.Stop();
  EXPECT_EQ(ReasonOf(Refusal({JobOf(a_)})), "DEVICE_UNAVAILABLE");
  EXPECT_EQ(ReasonOf(session_->Map(MapOf(vm_)).status()), "DEVICE_UNAVAILABLE");
  EXPECT_EQ(session_->GetQueue(a_)->last_armed_seqno, 0u);
}

TEST_F(SessionSubmitTest, MapArmsAPointOfItsVm) {
  const uint64_t buffer = Buffer(4 * kPage);
  MapSpec spec = MapOf(vm_, buffer);
  spec.address = 8 * kPage;
  spec.size_bytes = 0;
  spec.offset = kPage;
  EXPECT_EQ(session_->Map(spec).value(), (Point{vm_, 1}));
  EXPECT_EQ(session_->Map(MapOf(vm_)).value(), (Point{vm_, 2}));
  const std::vector<hw::BindSpec> prepared = device_.prepared();
  ASSERT_EQ(prepared.size(), 2u);
  EXPECT_EQ(prepared[0].address, 8 * kPage);
  EXPECT_EQ(prepared[0].size_bytes, 3 * kPage) << "to the end of the buffer";
  EXPECT_EQ(prepared[0].offset, kPage);
  // Jobs wait for it as for any fence.
  EXPECT_EQ(SubmitOne(a_, {At({vm_, 2})}), (Point{a_, 1}));
}

TEST_F(SessionSubmitTest, MapRefusesRangesOutsideTheBufferAndTheVm) {
  const uint64_t buffer = Buffer(4 * kPage);
  for (const auto& [offset, size] : std::vector<std::pair<uint64_t, uint64_t>>{
           {kPage, 4 * kPage}, {4 * kPage, 0}, {4 * kPage, kPage}, {kPage, UINT64_MAX}, {UINT64_MAX - 1, 4}}) {
    MapSpec spec = MapOf(vm_, buffer);
    spec.offset = offset;
    spec.size_bytes = size;
    EXPECT_EQ(ReasonOf(session_->Map(spec).status()), "RANGE_OUTSIDE_BUFFER") << offset << " " << size;
  }
  constexpr uint64_t kLimit = uint64_t{1} << hw::kVaBits;
  for (const auto& [address, size] : std::vector<std::pair<uint64_t, uint64_t>>{
           {kLimit, kPage}, {kLimit - kPage, 2 * kPage}, {kPage, UINT64_MAX}, {UINT64_MAX, 2}}) {
    MapSpec spec = MapOf(vm_);
    spec.address = address;
    spec.size_bytes = size;
    EXPECT_EQ(ReasonOf(session_->Map(spec).status()), "RANGE_OUTSIDE_VM") << address << " " << size;
  }
  MapSpec last = MapOf(vm_);
  last.address = kLimit - kPage;
  EXPECT_EQ(session_->Map(last).value(), (Point{vm_, 1})) << "nothing was armed by the others";
}

TEST_F(SessionSubmitTest, MapRefusesBadWaitsAndArmsNothing) {
  MapSpec spec = MapOf(vm_);
  spec.waits = {At({a_, 1})};
  EXPECT_EQ(MetadataOf(session_->Map(spec).status(), "field"), "waits[0].fence.seqno");
  spec.waits = {Job(0)};
  EXPECT_EQ(MetadataOf(session_->Map(spec).status(), "field"), "waits[0].job");
  EXPECT_EQ(session_->Map(MapOf(vm_)).value(), (Point{vm_, 1}));
}

TEST_F(SessionSubmitTest, MapRefusesWhatTheDeviceDoes) {
  device_.fail_next = absl::InvalidArgumentError("odd");
  EXPECT_EQ(ReasonOf(session_->Map(MapOf(vm_)).status()), "DEVICE_REFUSED");
  device_.fail_next = absl::ResourceExhaustedError("full");
  EXPECT_EQ(ReasonOf(session_->Map(MapOf(vm_)).status()), "DEVICE_MEMORY_EXHAUSTED");
  EXPECT_EQ(session_->Map(MapOf(vm_)).value(), (Point{vm_, 1}));
}

TEST_F(SessionSubmitTest, AVmThatIsDestroyedMeanwhileIsNotMapped) {
  const uint64_t vm = Vm();
  device_.during_next = [&] { EXPECT_TRUE(session_->DestroyVm(vm).ok()); };
  EXPECT_EQ(ReasonOf(session_->Map(MapOf(vm)).status()), "VM_NOT_FOUND");
}

TEST_F(SessionSubmitTest, RoomThatIsTakenMeanwhileIsAskedForAgain) {
  OpenWithQueues({.jobs_in_flight_max = 1});
  device_.during_next = [&] { SubmitOne(a_); };
  EXPECT_EQ(ReasonOf(session_->Map(MapOf(vm_)).status()), "LIMIT_REACHED");
  EXPECT_EQ(ReasonOf(StateOf({vm_, 1}).status()), "FENCE_NEVER_ARMED");
}

// ---- Numbered calls.

class SubmitNumberTest : public SessionSubmitTest {
 protected:
  absl::Status SubmitNumbered(uint64_t number, const std::vector<JobSpec>& specs, sched::Point* combined = nullptr) {
    points_.assign(specs.size(), {});
    return session_->Submit(specs, 1, absl::MakeSpan(points_), combined, number);
  }
  std::vector<Point> points_;
};

TEST_F(SubmitNumberTest, ARepeatedNumberGivesTheSameAnswerAndSubmitsNothing) {
  Point combined;
  ASSERT_TRUE(SubmitNumbered(7, {JobOf(a_), JobOf(b_)}, &combined).ok());
  EXPECT_THAT(points_, ElementsAre(Point{a_, 1}, Point{b_, 1}));
  Point again;
  ASSERT_TRUE(SubmitNumbered(7, {JobOf(a_), JobOf(b_)}, &again).ok());
  EXPECT_THAT(points_, ElementsAre(Point{a_, 1}, Point{b_, 1}));
  EXPECT_EQ(again, combined);
  EXPECT_EQ(session_->GetQueue(a_)->last_armed_seqno, 1u);
  EXPECT_THAT(recorder_.submitted, ElementsAre(2));
}

TEST_F(SubmitNumberTest, ARefusedNumberMayBeUsedAgain) {
  EXPECT_FALSE(SubmitNumbered(1, {JobOf(a_, {At({b_, 1})})}).ok());
  ASSERT_TRUE(SubmitNumbered(1, {JobOf(a_)}).ok());
  EXPECT_THAT(points_, ElementsAre(Point{a_, 1}));
}

TEST_F(SubmitNumberTest, ANumberThatWasUsedForOtherJobsIsRefused) {
  ASSERT_TRUE(SubmitNumbered(1, {JobOf(a_)}).ok());
  EXPECT_EQ(ReasonOf(SubmitNumbered(1, {JobOf(a_), JobOf(a_)})), "SUBMIT_NOT_THE_SAME");
  Point combined;
  EXPECT_EQ(ReasonOf(SubmitNumbered(1, {JobOf(a_)}, &combined)), "SUBMIT_NOT_THE_SAME");
}

TEST_F(SubmitNumberTest, AnswersAreKeptUpToTheBound) {
  ASSERT_TRUE(SubmitNumbered(1, {JobOf(a_)}).ok());
  for (uint64_t number = 2; number <= SubmitLog::kKept; ++number) ASSERT_TRUE(SubmitNumbered(number, {}).ok());
  ASSERT_TRUE(SubmitNumbered(1, {JobOf(a_)}).ok());
  EXPECT_THAT(points_, ElementsAre(Point{a_, 1})) << "the oldest that is kept";
  ASSERT_TRUE(SubmitNumbered(SubmitLog::kKept + 1, {JobOf(a_)}).ok());
  const absl::Status forgotten = SubmitNumbered(1, {JobOf(a_)});
  EXPECT_EQ(forgotten.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(forgotten), "SUBMIT_FORGOTTEN");
  EXPECT_EQ(MetadataOf(forgotten, "oldest_kept"), "2");
  EXPECT_EQ(session_->GetQueue(a_)->last_armed_seqno, 2u);
}

TEST_F(SubmitNumberTest, CallsThatOvertakeEachOtherAreAllNew) {
  ASSERT_TRUE(SubmitNumbered(2, {JobOf(a_)}).ok());
  ASSERT_TRUE(SubmitNumbered(1, {JobOf(a_)}).ok());
  EXPECT_THAT(points_, ElementsAre(Point{a_, 2}));
}

}  // namespace
}  // namespace xeq::session
