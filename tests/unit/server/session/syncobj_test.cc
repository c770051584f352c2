// Goal: a syncobj gives for each point what the kernel's gives, in and out of order, stays bounded, and waits are met
// by what they found and by nothing else. Method: payloads of points that are ended by hand, in every interesting
// order.
#include "server/session/syncobj.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "server/session/syncobj_wait.h"
#include "tests/unit/server/session/fence_fixture.h"

namespace xeq::session {
namespace {

using sched::Member;
using sched::Outcome;
using sched::Point;
using Kind = Syncobj::Found::Kind;
using Mode = FenceWait::Mode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CountingSyncobjWait : public SyncobjWait {
 public:
  using SyncobjWait::SyncobjWait;
  int met = 0;

 private:
  void OnMet() override { ++met; }
};

class SyncobjTest : public FenceTableTest {
 protected:
  static constexpr uint32_t kSyncobjsMax = 4;
  static constexpr uint64_t kA = 11, kB = 12, kC = 13;

  SyncobjTest() {
    for (const sched::ContextId id : {1, 2, 3}) AddContext(id, /*armed=*/1000);
    for (const uint64_t handle : {kA, kB, kC}) EXPECT_TRUE(syncobjs_->Create(handle, {}).ok());
  }

  sched::Ref<Payload> Of(sched::Members members) {
    absl::StatusOr<sched::Ref<Payload>> payload = Payload::Make(budget_);
    EXPECT_TRUE(payload.ok()) << payload.status();
    (*payload)->set_members(std::move(members));
    return *std::move(payload);
  }
  sched::Ref<Payload> Of(const Point& point) { return Of(sched::Members{{point}}); }
  sched::Ref<Payload> Stub() { return Of(sched::Members()); }
  bool Add(uint64_t point, sched::Ref<Payload> payload) { return slot_.Add(point, std::move(payload), table_); }
  uint64_t Signaled() { return slot_.SignaledPoint(table_); }
  // What a wait for the point would wait for.
  sched::Members Waits(uint64_t point) { return Unwrap(slot_.Find(point), table_); }
  static Member Counts(uint64_t context, uint64_t seqno) { return {{context, seqno}, true}; }
  static Member Order(uint64_t context, uint64_t seqno) { return {{context, seqno}, false}; }

  std::shared_ptr<CountingSyncobjWait> WaitFor(std::vector<SyncobjPoint> points, const SyncobjWaitOptions& options) {
    return std::make_shared<CountingSyncobjWait>(std::move(points), options);
  }
  // Starts a wait that is not met yet.
  std::shared_ptr<CountingSyncobjWait> StartFor(std::vector<SyncobjPoint> points,
                                                const SyncobjWaitOptions& options = {}) {
    auto wait = WaitFor(std::move(points), options);
    const absl::StatusOr<bool> met = syncobjs_->StartWait(*wait, /*keep=*/true);
    EXPECT_TRUE(met.ok()) << met.status();
    EXPECT_FALSE(met.ok() && *met);
    return wait;
  }
  void Tell(MetWaits& met) {
    while (std::shared_ptr<FenceWait> wait = met.TakeFirst()) met_.push_back(std::move(wait));
  }
  void Replace(uint64_t handle, sched::Ref<Payload> payload) {
    syncobjs_->Find(handle)->Replace(std::move(payload));
    Submitted(handle);
  }
  void AddTo(uint64_t handle, uint64_t point, sched::Ref<Payload> payload) {
    EXPECT_TRUE(syncobjs_->Find(handle)->Add(point, std::move(payload), table_));
    Submitted(handle);
  }
  void Submitted(uint64_t handle) {
    MetWaits met;
    syncobjs_->Submitted(*syncobjs_->Find(handle), met);
    Tell(met);
  }
  bool Met(const std::shared_ptr<CountingSyncobjWait>& wait) {
    return std::count(met_.begin(), met_.end(), wait) == 1 && SyncobjTable::ResultOf(*wait).met;
  }
  static std::optional<uint32_t> First(const std::shared_ptr<CountingSyncobjWait>& wait) {
    return SyncobjTable::ResultOf(*wait).first_signaled;
  }

  const std::shared_ptr<PayloadBudget> budget_ = std::make_shared<PayloadBudget>(2000);
  Syncobj slot_;
  std::unique_ptr<SyncobjTable> syncobjs_ = std::make_unique<SyncobjTable>(table_, kSyncobjsMax);
};

TEST_F(SyncobjTest, HoldsAPayloadOrNothing) {
  EXPECT_EQ(slot_.Find(0).kind, Kind::kNone);
  slot_.Replace(Stub());
  EXPECT_EQ(slot_.Find(0).kind, Kind::kPayload);
  EXPECT_THAT(Waits(0), IsEmpty());
  slot_.Replace(Of({1, 7}));
  EXPECT_THAT(Waits(0), ElementsAre(Counts(1, 7)));
  EXPECT_EQ(slot_.Find(1).kind, Kind::kNone) << "a binary one has no points";
  EXPECT_EQ(slot_.newest_point(), 0u);
  EXPECT_EQ(Signaled(), 0u);
  slot_.Replace({});
  EXPECT_EQ(slot_.Find(0).kind, Kind::kNone);
  EXPECT_EQ(budget_->used, 0u);
}

TEST_F(SyncobjTest, PointsInOrder) {
  EXPECT_TRUE(Add(5, Of({1, 1})));
  EXPECT_TRUE(Add(10, Of({2, 1})));
  EXPECT_EQ(slot_.newest_point(), 10u);
  EXPECT_EQ(slot_.Find(11).kind, Kind::kNone);
  EXPECT_THAT(Waits(10), ElementsAre(Order(1, 1), Counts(2, 1)));
  EXPECT_THAT(Waits(7), ElementsAre(Order(1, 1), Counts(2, 1))) << "the first that is not smaller";
  EXPECT_THAT(Waits(5), ElementsAre(Counts(1, 1)));
  EXPECT_THAT(Waits(1), ElementsAre(Counts(1, 1)));
  EXPECT_THAT(Waits(0), ElementsAre(Order(1, 1), Counts(2, 1))) << "0: everything";
  EXPECT_EQ(Signaled(), 0u);
  End(2);
  EXPECT_EQ(Signaled(), 0u) << "a point is signalled when those in front of it are";
  End(1);
  EXPECT_EQ(Signaled(), 10u);
}

TEST_F(SyncobjTest, SignalledPointsAreCounted) {
  for (uint64_t point = 1; point <= 5; ++point) EXPECT_TRUE(Add(10 * point, Of({1, point})));
  for (uint64_t point = 1; point <= 5; ++point) {
    End(1);
    EXPECT_EQ(Signaled(), 10 * point);
  }
}

TEST_F(SyncobjTest, APointOutOfOrderBeginsANewRun) {
  EXPECT_TRUE(Add(10, Of({1, 1})));
  EXPECT_TRUE(Add(5, Of({2, 1})));
  EXPECT_EQ(slot_.newest_point(), 10u) << "it never goes back";
  // Whoever waits for either waits for both.
  EXPECT_THAT(Waits(5), ElementsAre(Counts(1, 1), Counts(2, 1)));
  EXPECT_THAT(Waits(10), ElementsAre(Counts(1, 1), Counts(2, 1))) << "a failure of either is one of both";
  End(1);
  EXPECT_EQ(Signaled(), 0u) << "nothing of the new run";
  EXPECT_TRUE(Add(12, Of({3, 1})));
  EXPECT_THAT(Waits(11), ElementsAre(Order(2, 1), Counts(3, 1)));
  EXPECT_THAT(Waits(10), ElementsAre(Counts(2, 1)));
  End(2);
  EXPECT_EQ(Signaled(), 10u);
  End(3);
  EXPECT_EQ(Signaled(), 12u);
}

TEST_F(SyncobjTest, OfTwoPayloadsOfOnePointBothFailuresCount) {
  EXPECT_TRUE(Add(10, Of({1, 1})));
  EXPECT_TRUE(Add(10, Of({2, 1})));
  EXPECT_TRUE(Add(12, Of({3, 1})));
  Fail(1, Outcome::kHang);
  End(2);
  EXPECT_THAT(Waits(10), ElementsAre(Counts(1, 1)));
  EXPECT_THAT(Waits(12), ElementsAre(Counts(3, 1))) << "and is not that of the next";
}

TEST_F(SyncobjTest, ABinaryPayloadLiesInFrontOfTheFirstPoint) {
  slot_.Replace(Of({1, 1}));
  EXPECT_TRUE(Add(3, Of({2, 1})));
  EXPECT_THAT(Waits(3), ElementsAre(Order(1, 1), Counts(2, 1)));
  End(2);
  EXPECT_EQ(Signaled(), 0u);
  End(1);
  EXPECT_EQ(Signaled(), 3u);
  slot_.Replace(Of({3, 1}));
  EXPECT_FALSE(slot_.is_timeline());
  EXPECT_EQ(slot_.Find(3).kind, Kind::kNone);
}

TEST_F(SyncobjTest, SignalledPointsAreLetGoAndStaySignalled) {
  for (uint64_t point = 1; point <= 500; ++point) {
    ASSERT_TRUE(Add(point, Of({1, point})));
    End(1);
  }
  EXPECT_LE(slot_.payloads(), 32u);
  EXPECT_EQ(budget_->used, slot_.payloads());
  EXPECT_EQ(Signaled(), 500u);
  EXPECT_EQ(slot_.Find(1).kind, Kind::kSignaled);
  EXPECT_THAT(Waits(499), IsEmpty());
}

TEST_F(SyncobjTest, APointLetGoInTheMiddleIsNotTakenForAnotherOnesFailure) {
  EXPECT_TRUE(Add(1, Of({1, 1})));
  EXPECT_TRUE(Add(2, Of({2, 1})));
  for (uint64_t point = 3; point <= 16; ++point) EXPECT_TRUE(Add(point, Of({3, point})));
  End(2);
  EXPECT_TRUE(Add(17, Of({3, 17}))) << "lets 2 go";
  EXPECT_EQ(slot_.payloads(), 16u);
  EXPECT_THAT(Waits(2), ElementsAre(Order(1, 1))) << "in front of it, and not its own";
  Fail(1, Outcome::kHang);
  EXPECT_THAT(Waits(2), IsEmpty());
  EXPECT_THAT(Waits(1), ElementsAre(Counts(1, 1))) << "the failure of the point itself stays";
}

TEST_F(SyncobjTest, FailedPointsAreKeptUpToABound) {
  constexpr uint64_t kCount = 200;
  for (uint64_t point = 1; point <= kCount; ++point) {
    ASSERT_TRUE(Add(point, Of({1, point})));
    Fail(1, Outcome::kHang);
  }
  EXPECT_LE(slot_.payloads(), 2 * (kFailedPointsKeptMax + 1));
  EXPECT_TRUE(slot_.Find(1).forgotten);
  EXPECT_THAT(Waits(kCount), ElementsAre(Counts(1, kCount)));
  EXPECT_FALSE(slot_.Find(kCount).forgotten);
  EXPECT_FALSE(slot_.Find(kCount - kFailedPointsKeptMax).forgotten);
  EXPECT_EQ(Signaled(), kCount) << "a failure is an end";
}

TEST_F(SyncobjTest, PointsThatAreNotSignalledAreBounded) {
  for (uint64_t point = 1; point <= kPointsPerSyncobjMax; ++point) ASSERT_TRUE(Add(point, Of({1, point})));
  EXPECT_FALSE(Add(kPointsPerSyncobjMax + 1, Of({1, kPointsPerSyncobjMax + 1})));
  EXPECT_EQ(slot_.newest_point(), kPointsPerSyncobjMax) << "it is as it was";
  End(1);
  EXPECT_TRUE(Add(kPointsPerSyncobjMax + 1, Of({1, kPointsPerSyncobjMax + 1})));
  EXPECT_FALSE(Add(kPointsPerSyncobjMax + 2, Stub()));
}

TEST_F(SyncobjTest, PayloadsAreBoundedWhereverTheyAreHeld) {
  const auto two = std::make_shared<PayloadBudget>(2);
  sched::Ref<Payload> held = Payload::Make(two).value();
  slot_.Replace(Payload::Make(two).value());
  const absl::Status refused = Payload::Make(two).status();
  EXPECT_EQ(MetadataOf(refused, "limit"), "syncobj_payloads_max");
  EXPECT_EQ(two->used, 2u);
  slot_.Replace({});
  EXPECT_TRUE(Payload::Make(two).ok());
}

TEST_F(SyncobjTest, RestoreTakesBackInReverse) {
  EXPECT_TRUE(Add(1, Of({1, 1})));
  const Syncobj::State first = slot_.Save();
  EXPECT_TRUE(Add(2, Of({2, 1})));
  Syncobj::State second = slot_.Save();
  slot_.Replace(Of({3, 1}));
  slot_.Restore(std::move(second));
  EXPECT_EQ(slot_.newest_point(), 2u);
  slot_.Restore(first);
  EXPECT_EQ(slot_.newest_point(), 1u);
  EXPECT_THAT(Waits(1), ElementsAre(Counts(1, 1)));
}

TEST_F(SyncobjTest, ALongChainIsFreedWithoutRecursion) {
  for (uint64_t point = 1; point <= kPointsPerSyncobjMax; ++point) ASSERT_TRUE(Add(point, Of({1, point})));
  slot_.Replace({});
  EXPECT_EQ(budget_->used, 0u);
}

TEST_F(SyncobjTest, HandlesAreBounded) {
  EXPECT_TRUE(syncobjs_->Create(14, {}).ok());
  const absl::Status full = syncobjs_->Create(15, {});
  EXPECT_EQ(MetadataOf(full, "limit"), "syncobjs_max");
  EXPECT_TRUE(syncobjs_->Destroy(14));
  EXPECT_FALSE(syncobjs_->Destroy(14));
  EXPECT_TRUE(syncobjs_->Create(15, {}).ok());
}

// ---- Waits.

TEST_F(SyncobjTest, WithoutSubmissionAWaitIsRefused) {
  for (const Mode mode : {Mode::kAll, Mode::kAny}) {
    AddTo(kA, 3, Of({1, 1}));
    const auto wait = WaitFor({{kA, 3}, {kB, 0}}, {mode, false, false});
    const absl::Status empty = syncobjs_->StartWait(*wait, true).status();
    EXPECT_EQ(ReasonOf(empty), "SYNCOBJ_NOT_SUBMITTED");
    EXPECT_EQ(MetadataOf(empty, "field"), "syncobjs[1].point");
    const auto later = WaitFor({{kA, 4}}, {mode, false, false});
    const absl::Status unsubmitted = syncobjs_->StartWait(*later, true).status();
    EXPECT_EQ(ReasonOf(unsubmitted), "SYNCOBJ_NOT_SUBMITTED");
    EXPECT_EQ(MetadataOf(unsubmitted, "newest_point"), "3");
  }
  const auto unknown = WaitFor({{kA, 0}, {99, 0}}, {});
  EXPECT_EQ(ReasonOf(syncobjs_->StartWait(*unknown, true).status()), "SYNCOBJ_NOT_FOUND");
  EXPECT_EQ(table_.waiters(), 0u);
}

TEST_F(SyncobjTest, CountZeroIsMet) {
  for (const Mode mode : {Mode::kAll, Mode::kAny}) {
    const auto wait = WaitFor({}, {mode, false, false});
    EXPECT_TRUE(syncobjs_->StartWait(*wait, true).value());
    EXPECT_FALSE(First(wait).has_value());
  }
}

TEST_F(SyncobjTest, AllAndAny) {
  Replace(kA, Of({1, 1}));
  Replace(kB, Of({2, 1}));
  const auto all = StartFor({{kA, 0}, {kB, 0}});
  const auto any = StartFor({{kA, 0}, {kB, 0}}, {Mode::kAny, false, false});
  Fail(2, Outcome::kHang);
  EXPECT_TRUE(Met(any)) << "a failure is an end";
  EXPECT_EQ(First(any), 1u);
  EXPECT_FALSE(Met(all));
  End(1);
  EXPECT_TRUE(Met(all));
  EXPECT_FALSE(First(all).has_value()) << "none had come when it began";
  EXPECT_EQ(table_.waiters(), 0u);
}

TEST_F(SyncobjTest, FirstOfAllIsTheOneThatHadComeWhenItBegan) {
  Replace(kA, Of({1, 1}));
  Replace(kB, Stub());
  const auto all = StartFor({{kA, 0}, {kB, 0}});
  EXPECT_EQ(First(all), 1u);
  End(1);
  EXPECT_TRUE(Met(all));
  EXPECT_EQ(First(all), 1u);
}

TEST_F(SyncobjTest, APointWaitsForAllInFrontOfItInAnyOrder) {
  AddTo(kA, 1, Of({1, 1}));
  AddTo(kA, 2, Of({2, 1}));
  AddTo(kA, 3, Of(sched::Members{{{1, 2}}, {{3, 1}}}));
  const auto wait = StartFor({{kA, 3}});
  const auto two = StartFor({{kA, 2}});
  End(3);
  End(1);
  EXPECT_FALSE(Met(two));
  End(2);
  EXPECT_TRUE(Met(two));
  EXPECT_FALSE(Met(wait));
  End(1);
  EXPECT_TRUE(Met(wait));
}

TEST_F(SyncobjTest, BlockedWaitsLookAgainAtEachReplacement) {
  const auto binary = StartFor({{kA, 0}}, {Mode::kAll, true, false});
  const auto point = StartFor({{kA, 5}}, {Mode::kAll, true, false});
  Replace(kA, Of({1, 1}));
  EXPECT_FALSE(Met(binary));
  AddTo(kA, 4, Stub());
  AddTo(kA, 6, Stub());
  End(1);
  EXPECT_TRUE(Met(binary));
  EXPECT_TRUE(Met(point)) << "behind what lay in front of it";
}

TEST_F(SyncobjTest, AttachedWaitsKeepTheirFence) {
  const auto submitted_later = StartFor({{kA, 0}}, {Mode::kAll, true, false});
  Replace(kA, Of({1, 1}));
  const auto attached = StartFor({{kA, 0}});
  Replace(kA, Stub());
  Replace(kA, {});
  EXPECT_FALSE(Met(submitted_later));
  EXPECT_FALSE(Met(attached));
  EXPECT_EQ(budget_->used, 1u) << "held by the waits";
  End(1);
  EXPECT_TRUE(Met(submitted_later));
  EXPECT_TRUE(Met(attached));
  EXPECT_EQ(budget_->used, 0u);
}

TEST_F(SyncobjTest, AvailableIsMetBySubmission) {
  const auto wait = StartFor({{kA, 2}}, {Mode::kAll, false, true});
  AddTo(kA, 1, Of({1, 1}));
  EXPECT_FALSE(Met(wait));
  AddTo(kA, 2, Of({1, 2}));
  EXPECT_TRUE(Met(wait));
  EXPECT_TRUE(syncobjs_->StartWait(*WaitFor({{kA, 2}}, {Mode::kAll, false, true}), true).value());
}

TEST_F(SyncobjTest, OneWaitMayBeBlockedOnOneSyncobjSeveralTimes) {
  const auto any = StartFor({{kA, 1}, {kA, 2}, {kB, 0}}, {Mode::kAny, true, false});
  const auto all = StartFor({{kA, 1}, {kA, 2}}, {Mode::kAll, true, false});
  AddTo(kA, 2, Stub());
  EXPECT_TRUE(Met(any));
  EXPECT_EQ(First(any), 0u);
  EXPECT_TRUE(Met(all));
  Replace(kB, Stub());
  EXPECT_EQ(met_.size(), 2u) << "told once";
}

TEST_F(SyncobjTest, DestroyDoesNotDisturbWaits) {
  Replace(kA, Of({1, 1}));
  const auto attached = StartFor({{kA, 0}});
  const auto blocked = StartFor({{kB, 0}}, {Mode::kAll, true, false});
  EXPECT_TRUE(syncobjs_->Destroy(kA));
  EXPECT_TRUE(syncobjs_->Destroy(kB));
  End(1);
  EXPECT_TRUE(Met(attached));
  EXPECT_FALSE(Met(blocked));
  EXPECT_TRUE(table_.CancelWait(*blocked));
  EXPECT_EQ(table_.waiters(), 0u);
}

TEST_F(SyncobjTest, CloseGivesUpWhatIsBlockedAndNothingElse) {
  Replace(kA, Of({1, 1}));
  const auto attached = StartFor({{kA, 0}});
  const auto blocked = StartFor({{kA, 0}, {kB, 0}}, {Mode::kAll, true, false});
  const auto orphan = StartFor({{kC, 1}}, {Mode::kAny, true, false});
  EXPECT_TRUE(syncobjs_->Destroy(kC));
  MetWaits met;
  syncobjs_->Close(met);
  Tell(met);
  EXPECT_TRUE(SyncobjTable::ResultOf(*blocked).given_up);
  EXPECT_TRUE(SyncobjTable::ResultOf(*orphan).given_up);
  EXPECT_FALSE(SyncobjTable::ResultOf(*blocked).met);
  EXPECT_EQ(table_.waiters(), 1u);
  End(1);
  EXPECT_TRUE(Met(attached));
}

TEST_F(SyncobjTest, PollIsNotKeptAndCancelledIsMet) {
  Replace(kA, Of({1, 1}));
  const auto poll = WaitFor({{kA, 0}}, {});
  EXPECT_FALSE(syncobjs_->StartWait(*poll, /*keep=*/false).value());
  EXPECT_EQ(table_.waiters(), 0u);
  EXPECT_FALSE(SyncobjTable::ResultOf(*poll).met);
  const auto cancelled = WaitFor({{kA, 0}}, {});
  EXPECT_FALSE(table_.CancelWait(*cancelled));
  EXPECT_TRUE(syncobjs_->StartWait(*cancelled, true).value());
  EXPECT_FALSE(SyncobjTable::ResultOf(*cancelled).met);
}

TEST_F(SyncobjTest, WaitersAreBounded) {
  Replace(kA, Of({1, 1}));
  std::vector<std::shared_ptr<CountingSyncobjWait>> waits;
  for (uint32_t i = 0; i < kWaitersMax; ++i) waits.push_back(StartFor({{kA, 0}}));
  const auto refused = WaitFor({{kA, 0}}, {});
  EXPECT_EQ(MetadataOf(syncobjs_->StartWait(*refused, true).status(), "limit"), "waiters_max");
  EXPECT_FALSE(syncobjs_->StartWait(*refused, false).value()) << "a poll is no waiter";
  for (const auto& wait : waits) EXPECT_TRUE(table_.CancelWait(*wait));
  EXPECT_EQ(budget_->used, 1u);
  End(1);
  EXPECT_THAT(met_, IsEmpty());
}

}  // namespace
}  // namespace xeq::session
