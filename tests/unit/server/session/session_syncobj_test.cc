// Goal: a Submit puts its fences into syncobjs wholly or not at all, and each job sees what lay there when its turn
// came. Method: sessions over a loop that does not run; what a job waits for shows in what doing the same with Transfer
// and Query gives, and in the seqnos.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/session/session_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;
using ::testing::ElementsAre;

class Waiting : public SyncobjWait {
 public:
  using SyncobjWait::SyncobjWait;
  int met = 0;

 private:
  void OnMet() override { ++met; }
};

class SessionSyncobjTest : public SessionTest {
 protected:
  void Begin(const SessionLimits& limits) {
    Open(limits);
    const uint64_t vm = Vm();
    a_ = Queue(vm);
    b_ = Queue(vm);
    s_ = Syncobj();
    t_ = Syncobj();
  }
  void SetUp() override { Begin({}); }

  uint64_t Syncobj(bool signaled = false) {
    const absl::StatusOr<uint64_t> syncobj = session_->CreateSyncobj(signaled);
    EXPECT_TRUE(syncobj.ok()) << syncobj.status();
    return syncobj.value_or(0);
  }
  static InFence On(uint64_t syncobj, uint64_t point = 0,
                    sched::WaitErrorPolicy on_error = sched::WaitErrorPolicy::kFail) {
    InFence wait;
    wait.point.seqno = point;
    wait.on_error = on_error;
    wait.syncobj = syncobj;
    return wait;
  }
  static JobSpec Signals(JobSpec job, std::vector<SyncobjPoint> points) {
    job.signals.assign(points.begin(), points.end());
    return job;
  }
  // kInvalidArgument: nothing was submitted.
  absl::StatusOr<bool> Poll(uint64_t syncobj, uint64_t point = 0) {
    Waiting wait({{syncobj, point}}, {});
    return session_->StartSyncobjWait(wait, /*keep=*/false);
  }
  uint64_t Query(uint64_t syncobj, bool last_submitted = false) {
    uint64_t point = 0;
    EXPECT_TRUE(session_->QuerySyncobjs({&syncobj, 1}, last_submitted, {&point, 1}).ok());
    return point;
  }

  uint64_t a_ = 0, b_ = 0, s_ = 0, t_ = 0;
};

TEST_F(SessionSyncobjTest, ASubmitPutsItsFencesAndTheirEndSignals) {
  ASSERT_TRUE(Submit({Signals(JobOf(a_), {{s_, 0}, {t_, 4}}), Signals(JobOf(b_), {{t_, 7}})}).ok());
  EXPECT_FALSE(Poll(s_).value());
  EXPECT_EQ(Query(t_, true), 7u);
  End({a_, 1});
  EXPECT_TRUE(Poll(s_).value());
  EXPECT_EQ(Query(t_), 4u);
  End({b_, 1}, Outcome::kHang);
  EXPECT_TRUE(Poll(t_, 7).value()) << "a failure is an end";
  EXPECT_EQ(Query(t_), 7u);
}

TEST_F(SessionSyncobjTest, T25_AJobSeesWhatEarlierOnesOfTheCallWillSignal) {
  EXPECT_TRUE(Submit({Signals(JobOf(a_), {{s_, 0}}), JobOf(b_, {On(s_)})}).ok());
  EXPECT_TRUE(Submit({Signals(JobOf(a_), {{t_, 5}}), JobOf(b_, {On(t_, 5)})}).ok());
  EXPECT_EQ(session_->GetQueue(b_)->last_armed_seqno, 2u);
}

TEST_F(SessionSyncobjTest, T25_ABackwardWaitIsRefusedWhereNothingWasThere) {
  const absl::Status status = Submit({JobOf(b_, {On(s_)}), Signals(JobOf(a_), {{s_, 0}})}).status();
  EXPECT_EQ(ReasonOf(status), "SYNCOBJ_NOT_SUBMITTED");
  EXPECT_EQ(MetadataOf(status, "field"), "jobs[0].waits[0].syncobj.point");
  EXPECT_EQ(Poll(s_).status().code(), absl::StatusCode::kInvalidArgument) << "and nothing is there now";
  ASSERT_TRUE(session_->SignalSyncobjs({{{s_, 0}}}).ok());
  EXPECT_TRUE(Submit({JobOf(b_, {On(s_)}), Signals(JobOf(a_), {{s_, 0}})}).ok());
}

TEST_F(SessionSyncobjTest, T25_AnInvalidOperationAnywhereChangesNothing) {
  ASSERT_TRUE(Submit({Signals(JobOf(a_), {{s_, 0}, {t_, 3}})}).ok());
  const auto good = [&] {
    return std::vector<JobSpec>{Signals(JobOf(a_), {{s_, 0}, {t_, 4}}), Signals(JobOf(b_), {{s_, 9}, {t_, 0}}),
                                Signals(JobOf(a_), {{t_, 2}, {s_, 0}})};
  };
  for (size_t job = 0; job < 3; ++job) {
    for (int spoil = 0; spoil < 4; ++spoil) {
      std::vector<JobSpec> jobs = good();
      if (spoil == 0) jobs[job].waits = {On(999)};
      if (spoil == 1) jobs[job].waits = {On(s_, 99)};
      if (spoil == 2) jobs[job].signals.insert(jobs[job].signals.begin(), {999, 0});
      if (spoil == 3) jobs[job].signals.push_back({999, 1});
      EXPECT_FALSE(Submit(jobs).ok()) << job << " " << spoil;
      EXPECT_EQ(Query(s_, true), 0u);
      EXPECT_EQ(Query(t_, true), 3u);
      EXPECT_FALSE(Poll(s_).value()) << "the fence of the first call";
      EXPECT_EQ(session_->GetQueue(a_)->last_armed_seqno, 1u);
    }
  }
  EXPECT_THAT(Submit(good()).value(), ElementsAre(Point{a_, 2}, Point{b_, 1}, Point{a_, 3}));
  End({a_, 1});
  EXPECT_FALSE(Poll(s_).value());
}

TEST_F(SessionSyncobjTest, AFullInboxTakesTheFencesBack) {
  std::vector<JobSpec> jobs(17, Signals(JobOf(a_), {{s_, 0}}));
  EXPECT_EQ(ReasonOf(Submit(jobs).status()), "INBOX_FULL");
  EXPECT_EQ(ReasonOf(Poll(s_).status()), "SYNCOBJ_NOT_SUBMITTED");
}

TEST_F(SessionSyncobjTest, PayloadsAreBoundedAndGivenBack) {
  Begin({.syncobj_payloads_max = 2});
  EXPECT_TRUE(Submit({Signals(JobOf(a_), {{t_, 1}, {t_, 2}})}).ok());
  const absl::Status full = Submit({Signals(JobOf(a_), {{s_, 0}})}).status();
  EXPECT_EQ(MetadataOf(full, "limit"), "syncobj_payloads_max");
  EXPECT_TRUE(DetailsOf(full)->retry_after_ms.has_value());
  EXPECT_EQ(ReasonOf(session_->CreateSyncobj(true).status()), "LIMIT_REACHED");
  EXPECT_EQ(session_->GetQueue(a_)->last_armed_seqno, 1u);
  ASSERT_TRUE(session_->ResetSyncobjs({{t_}}).ok());
  EXPECT_TRUE(Submit({Signals(JobOf(a_), {{s_, 0}, {s_, 0}})}).ok());
}

TEST_F(SessionSyncobjTest, SyncobjsAreBounded) {
  Open({.syncobjs_max = 2});
  s_ = Syncobj();
  Syncobj();
  EXPECT_EQ(MetadataOf(session_->CreateSyncobj(false).status(), "limit"), "syncobjs_max");
  ASSERT_TRUE(session_->DestroySyncobj(s_).ok());
  Syncobj();
  EXPECT_EQ(ReasonOf(session_->DestroySyncobj(s_)), "SYNCOBJ_UNKNOWN");
}

TEST_F(SessionSyncobjTest, PointsOfASyncobjAreBounded) {
  for (uint64_t point = 1; point <= kPointsPerSyncobjMax - 1; ++point) {
    ASSERT_TRUE(session_->SignalSyncobjs({{{t_, point}}}).ok());
  }
  EXPECT_TRUE(Submit({Signals(JobOf(a_), {{t_, 1000}})}).ok()) << "what is signalled is let go";
  for (uint64_t point = 1; point <= kPointsPerSyncobjMax - 1; ++point) {
    ASSERT_TRUE(session_->SignalSyncobjs({{{s_, point}}}).ok());
    ASSERT_TRUE(session_->TransferSyncobj({t_, 1000}, {s_, point}).ok()) << "one that is not";
    if (point == 128) break;
  }
  absl::Status full;
  uint64_t point = 1000;
  while (full.ok()) full = session_->TransferSyncobj({t_, 1000}, {s_, ++point});
  EXPECT_EQ(MetadataOf(full, "limit"), "points_per_syncobj_max");
  EXPECT_EQ(Query(s_, true), point - 1);
}

TEST_F(SessionSyncobjTest, ASyncobjThatStandsForManyFencesNeedsMoreMemoryAndGetsIt) {
  Begin({.queues_max = 128, .jobs_in_flight_max = 1000});
  // Only a large inbox takes so many queues that nobody serves.
  sched::DeviceLoop roomy(device_, nullptr, {});
  session_ = std::make_shared<Session>(roomy, recorder_, SessionOptions{"", {.queues_max = 128}, 1}, kNow);
  const uint64_t vm = Vm();
  const uint64_t own = Queue(vm);
  s_ = Syncobj();
  t_ = Syncobj();
  for (uint64_t i = 1; i <= kWaitsPerJobMax; ++i) {
    ASSERT_TRUE(Submit({Signals(JobOf(Queue(vm)), {{s_, i}})}).ok());
  }
  EXPECT_EQ(SubmitOne(own, {On(s_, kWaitsPerJobMax)}), (Point{own, 1}));
  EXPECT_TRUE(session_->TransferSyncobj({s_, 0}, {t_, 1}).ok()) << "as many fences as a payload may have";
  ASSERT_TRUE(Submit({Signals(JobOf(Queue(vm)), {{s_, 65}})}).ok());
  const absl::Status many = Submit({JobOf(own, {On(s_, 65)})}).status();
  EXPECT_EQ(ReasonOf(many), "FIELD_LENGTH_OUT_OF_RANGE");
  EXPECT_EQ(MetadataOf(many, "field"), "jobs[0].waits");
  EXPECT_EQ(MetadataOf(session_->TransferSyncobj({s_, 0}, {t_, 2}), "limit"), "fences_per_payload_max");
  EXPECT_EQ(session_->GetQueue(own)->last_armed_seqno, 1u);
}

TEST_F(SessionSyncobjTest, TransferIsTheSamePayloadOrTheMergeOfAPoint) {
  ASSERT_TRUE(Submit({Signals(JobOf(a_), {{s_, 0}}), Signals(JobOf(b_), {{t_, 1}})}).ok());
  const uint64_t copy = Syncobj();
  ASSERT_TRUE(session_->TransferSyncobj({s_, 0}, {copy, 0}).ok());
  ASSERT_TRUE(session_->TransferSyncobj({s_, 0}, {t_, 2}).ok());
  ASSERT_TRUE(session_->ResetSyncobjs({{s_}}).ok());
  EXPECT_FALSE(Poll(copy).value());
  const absl::Status chain = session_->TransferSyncobj({t_, 0}, {copy, 0});
  EXPECT_EQ(ReasonOf(chain), "CONTAINER_NOT_ALLOWED");
  EXPECT_EQ(MetadataOf(session_->TransferSyncobj({s_, 0}, {copy, 0}), "field"), "source.point");
  EXPECT_EQ(MetadataOf(session_->TransferSyncobj({999, 0}, {copy, 0}), "field"), "source.syncobj");
  EXPECT_EQ(MetadataOf(session_->TransferSyncobj({t_, 1}, {999, 0}), "field"), "destination.syncobj");
  const uint64_t merged = Syncobj();
  ASSERT_TRUE(session_->TransferSyncobj({t_, 2}, {merged, 0}).ok());
  End({a_, 1});
  EXPECT_TRUE(Poll(copy).value());
  EXPECT_FALSE(Poll(t_, 2).value()) << "its first point has not ended";
  EXPECT_FALSE(Poll(merged).value());
  End({b_, 1});
  EXPECT_TRUE(Poll(t_, 2).value());
  EXPECT_TRUE(Poll(merged).value());
}

TEST_F(SessionSyncobjTest, CloseAnswersWhoWaitsForASubmission) {
  const auto wait = std::make_shared<Waiting>(std::vector<SyncobjPoint>{{s_, 0}},
                                              SyncobjWaitOptions{FenceWait::Mode::kAll, true, false});
  EXPECT_FALSE(session_->StartSyncobjWait(*wait, true).value());
  EXPECT_EQ(recorder_.waiters, 1);
  session_->Close(CloseReason::kClient);
  EXPECT_EQ(wait->met, 1);
  EXPECT_EQ(recorder_.waiters, 0);
  EXPECT_EQ(ReasonOf(session_->ResultOf(*wait).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->CreateSyncobj(false).status()), "SESSION_NOT_FOUND");
}

TEST_F(SessionSyncobjTest, ForgottenFailuresAreRefusedUnlessTheyDoNotCount) {
  sched::DeviceLoop roomy(device_, nullptr, {});
  session_ = std::make_shared<Session>(roomy, recorder_, SessionOptions{}, kNow);
  const uint64_t vm = Vm();
  a_ = Queue(vm);
  b_ = Queue(vm);
  t_ = Syncobj();
  for (uint64_t point = 1; point <= 200; ++point) {
    ASSERT_TRUE(Submit({Signals(JobOf(a_), {{t_, point}})}).ok());
    End({a_, point}, Outcome::kHang);
  }
  const absl::Status forgotten = Submit({JobOf(b_, {On(t_, 1)})}).status();
  EXPECT_EQ(ReasonOf(forgotten), "SYNCOBJ_POINT_FORGOTTEN");
  EXPECT_EQ(forgotten.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(SubmitOne(b_, {On(t_, 1, sched::WaitErrorPolicy::kRun)}), (Point{b_, 1}));
  EXPECT_EQ(SubmitOne(b_, {On(t_, 200)}), (Point{b_, 2}));
}

}  // namespace
}  // namespace xeq::session
