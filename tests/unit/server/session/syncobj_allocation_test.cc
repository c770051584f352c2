// Goal: what a Submit does to syncobjs and to those who wait for them takes no memory, so that nothing can fail once
// its jobs are armed and nobody waits for an allocator under the session's lock. Method: the global allocator counts.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "server/session/syncobj.h"
#include "server/session/syncobj_wait.h"
#include "tests/fakes/counting_allocator.h"

namespace xeq::session {
namespace {

class QuietWait : public SyncobjWait {
 public:
  using SyncobjWait::SyncobjWait;

 private:
  void OnMet() override {}
};

TEST(SyncobjAllocationTest, NothingIsAllocatedBetweenThePayloadAndTheEndOfItsWaits) {
  constexpr uint64_t kPoints = 200;
  constexpr uint64_t kSyncobj = 7;
  FenceTable fences(/*waiters_max=*/kPoints, /*tombstones_max=*/1);
  for (const sched::ContextId id : {1, 2}) {
    sched::QueueSpec spec;
    spec.context = id;
    fences.Add(sched::MakeRef<sched::Timeline>(spec, nullptr)).armed = kPoints;
  }
  SyncobjTable syncobjs(fences, /*syncobjs_max=*/1);
  ASSERT_TRUE(syncobjs.Create(kSyncobj, {}).ok());
  const auto budget = std::make_shared<PayloadBudget>(2 * kPoints);
  std::vector<sched::Ref<Payload>> payloads;
  std::vector<std::shared_ptr<QuietWait>> waits;
  for (uint64_t point = 1; point <= kPoints; ++point) {
    payloads.push_back(Payload::Make(budget).value());
    waits.push_back(std::make_shared<QuietWait>(
        std::vector<SyncobjPoint>{{kSyncobj, point}},
        SyncobjWaitOptions{FenceWait::Mode::kAll, /*for_submit=*/true, /*available=*/false}));
  }
  const size_t before = fakes::Allocations();
  ASSERT_GT(before, 2 * kPoints) << "the counter counts";
  size_t met_waits = 0;
  MetWaits met;
  Syncobj& syncobj = *syncobjs.Find(kSyncobj);
  for (const auto& wait : waits) ASSERT_FALSE(syncobjs.StartWait(*wait, /*keep=*/true).value());
  for (uint64_t point = 1; point <= kPoints; ++point) {
    sched::Ref<Payload>& payload = payloads[point - 1];
    payload->set_members({{{1 + point % 2, (point + 1) / 2}}});
    const Syncobj::State state = syncobj.Save();
    ASSERT_TRUE(syncobj.Add(point, std::move(payload), fences));
    syncobjs.Submitted(syncobj, met);
    ASSERT_EQ(syncobj.Find(point).kind, Syncobj::Found::Kind::kPayload);
  }
  for (uint64_t seqno = 1; seqno <= kPoints / 2; ++seqno) {
    for (const sched::ContextId id : {2, 1}) {
      fences.End({id, seqno}, {}, met);
      while (met.TakeFirst() != nullptr) ++met_waits;
    }
  }
  EXPECT_EQ(syncobj.SignaledPoint(fences), kPoints);
  EXPECT_EQ(fakes::Allocations(), before);
  EXPECT_EQ(met_waits, kPoints);
}

}  // namespace
}  // namespace xeq::session
