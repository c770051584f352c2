// Goal: handles lead to the things of their own session and kind, limits hold with things that are still being made or
// torn down, and a failure anywhere gives back what was taken. Method: a device that fails, or lets something happen in
// the middle of a creation, when it is told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/session/session_fixture.h"

namespace xeq::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kPage = hw::kPageBytes;
constexpr uint64_t kRegionBytes = 64 << 20;

using SessionObjectsTest = SessionTest;

TEST_F(SessionObjectsTest, HandlesOfOneKindAreNotOfAnother) {
  const uint64_t vm = Vm();
  const uint64_t queue = Queue(vm);
  const uint64_t buffer = Buffer();
  for (const uint64_t other : {vm, queue}) {
    EXPECT_EQ(ReasonOf(session_->FindBuffer(other).status()), "BUFFER_NOT_FOUND");
    EXPECT_EQ(ReasonOf(session_->DestroyBuffer(other)), "BUFFER_NOT_FOUND");
  }
  for (const uint64_t other : {vm, buffer}) {
    EXPECT_EQ(ReasonOf(session_->GetQueue(other).status()), "QUEUE_NOT_FOUND");
    EXPECT_EQ(ReasonOf(session_->DestroyQueue(other)), "QUEUE_NOT_FOUND");
  }
  for (const uint64_t other : {queue, buffer}) {
    EXPECT_EQ(ReasonOf(session_->DestroyVm(other)), "VM_NOT_FOUND");
    EXPECT_EQ(ReasonOf(session_->CreateQueue(SpecOf(other)).status()), "VM_NOT_FOUND");
  }
}

TEST_F(SessionObjectsTest, HandlesOfAnotherSessionAreUnknown) {
  const uint64_t vm = Vm();
  const uint64_t queue = Queue(vm);
  const uint64_t buffer = Buffer();
  const sched::Point fence = SubmitOne(queue);
  const std::shared_ptr<Session> other = NewSession();
  const uint64_t own_vm = other->CreateVm().value();
  EXPECT_EQ(ReasonOf(other->DestroyVm(vm)), "VM_NOT_FOUND");
  EXPECT_EQ(ReasonOf(other->CreateQueue(SpecOf(vm)).status()), "VM_NOT_FOUND");
  EXPECT_EQ(ReasonOf(other->FindBuffer(buffer).status()), "BUFFER_NOT_FOUND");
  EXPECT_EQ(ReasonOf(other->DestroyBuffer(buffer)), "BUFFER_NOT_FOUND");
  EXPECT_EQ(ReasonOf(other->GetQueue(queue).status()), "QUEUE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(other->DestroyQueue(queue)), "QUEUE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(other->Map(MapOf(own_vm, buffer)).status()), "BUFFER_NOT_FOUND");
  EXPECT_EQ(ReasonOf(other->Map(MapOf(vm)).status()), "VM_NOT_FOUND");
  sched::Point point;
  const JobSpec job = JobOf(queue);
  EXPECT_EQ(ReasonOf(other->Submit({&job, 1}, kNow, {&point, 1}, nullptr)), "QUEUE_NOT_FOUND");
  CountingWait wait({fence}, FenceWait::Mode::kAll);
  std::vector<FenceStatus> statuses;
  bool met = false;
  EXPECT_EQ(ReasonOf(other->FenceStatuses(wait, statuses, met)), "CONTEXT_NOT_FOUND");
  EXPECT_TRUE(session_->GetQueue(queue).ok()) << "nothing of it was touched";
}

TEST_F(SessionObjectsTest, ADestroyedHandleIsGoneAndNeverComesBack) {
  const uint64_t vm = Vm();
  EXPECT_TRUE(session_->DestroyVm(vm).ok());
  EXPECT_EQ(ReasonOf(session_->DestroyVm(vm)), "VM_NOT_FOUND");
  EXPECT_NE(Vm(), vm);
  const uint64_t buffer = Buffer();
  EXPECT_TRUE(session_->DestroyBuffer(buffer).ok());
  EXPECT_EQ(ReasonOf(session_->DestroyBuffer(buffer)), "BUFFER_NOT_FOUND");
  EXPECT_NE(Buffer(), buffer);
}

TEST_F(SessionObjectsTest, EachKindHasItsOwnLimit) {
  Open({.vms_max = 1, .buffers_max = 1, .queues_max = 1});
  const uint64_t vm = Vm();
  const uint64_t queue = Queue(vm);
  const uint64_t buffer = Buffer();
  EXPECT_EQ(MetadataOf(session_->CreateVm().status(), "limit"), "vms_max");
  EXPECT_EQ(MetadataOf(session_->CreateQueue(SpecOf(vm)).status(), "limit"), "queues_max");
  EXPECT_EQ(MetadataOf(session_->CreateBuffer(kPage, 0).status(), "limit"), "buffers_max");
  EXPECT_TRUE(session_->DestroyQueue(queue).ok());
  EXPECT_TRUE(session_->DestroyBuffer(buffer).ok());
  Queue(vm);
  Buffer();
}

// What was destroyed has no handle, but the device may be busy with it: clients must not outrun it.
TEST_F(SessionObjectsTest, WhatTheDeviceStillHasIsLimitedToo) {
  Open({.vms_max = 1, .queues_max = 1});
  std::vector<uint64_t> gone;
  for (int i = 0; i < 2; ++i) {
    gone.push_back(Vm());
    EXPECT_TRUE(session_->DestroyVm(gone.back()).ok());
  }
  const absl::Status full = session_->CreateVm().status();
  EXPECT_EQ(MetadataOf(full, "limit"), "vms_max");
  EXPECT_TRUE(DetailsOf(full)->retry_after_ms.has_value());
  session_->OnInactive(gone[1]);
  Queue(Vm());
}

TEST_F(SessionObjectsTest, AVmWithQueuesIsInUseAndNamesTheFirst) {
  const uint64_t vm = Vm();
  const uint64_t first = Queue(vm);
  const uint64_t second = Queue(vm);
  const absl::Status in_use = session_->DestroyVm(vm);
  EXPECT_EQ(ReasonOf(in_use), "VM_IN_USE");
  EXPECT_EQ(MetadataOf(in_use, "queue"), absl::StrCat(std::min(first, second)));
  EXPECT_TRUE(session_->DestroyQueue(first).ok());
  EXPECT_EQ(ReasonOf(session_->DestroyVm(vm)), "VM_IN_USE");
  EXPECT_TRUE(session_->DestroyQueue(second).ok());
  EXPECT_TRUE(session_->DestroyVm(vm).ok());
}

TEST_F(SessionObjectsTest, BuffersAreRoundedUpToPages) {
  const absl::StatusOr<BufferInfo> buffer = session_->CreateBuffer(kPage + 1, 0);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(buffer->size_bytes, 2 * kPage);
  EXPECT_EQ((*session_->FindBuffer(buffer->buffer))->size_bytes(), 2 * kPage);
}

TEST_F(SessionObjectsTest, BuffersOfNoSizeTooMuchOrNowhereAreRefused) {
  EXPECT_EQ(MetadataOf(session_->CreateBuffer(0, 0).status(), "field"), "size");
  const absl::Status too_large = session_->CreateBuffer(kRegionBytes + 1, 0).status();
  EXPECT_EQ(ReasonOf(too_large), "FIELD_OUT_OF_RANGE");
  EXPECT_EQ(MetadataOf(too_large, "max"), absl::StrCat(kRegionBytes));
  EXPECT_EQ(ReasonOf(session_->CreateBuffer(UINT64_MAX, 0).status()), "FIELD_OUT_OF_RANGE");
  EXPECT_EQ(MetadataOf(session_->CreateBuffer(kPage, 3).status(), "field"), "region");
}

TEST_F(SessionObjectsTest, BufferBytesCountUntilTheLastOwnerLetsGo) {
  Open({.buffer_bytes_max = 3 * kPage});
  const uint64_t buffer = Buffer(2 * kPage - 1);
  const absl::Status full = session_->CreateBuffer(kPage + 1, 0).status();
  EXPECT_EQ(MetadataOf(full, "limit"), "buffer_bytes_max");
  EXPECT_EQ(MetadataOf(full, "used"), absl::StrCat(2 * kPage));
  std::shared_ptr<hw::Buffer> mapping = session_->FindBuffer(buffer).value();
  EXPECT_TRUE(session_->DestroyBuffer(buffer).ok());
  EXPECT_FALSE(session_->CreateBuffer(2 * kPage, 0).ok());
  EXPECT_EQ(device_.RegionUsedBytes(0), 2 * kPage);
  mapping.reset();
  EXPECT_EQ(device_.RegionUsedBytes(0), 0u);
  Buffer(3 * kPage);
}

TEST_F(SessionObjectsTest, ABufferMayOutliveItsSession) {
  std::shared_ptr<hw::Buffer> mapping = session_->FindBuffer(Buffer()).value();
  session_->Close(CloseReason::kClient);
  session_.reset();
  EXPECT_EQ(device_.RegionUsedBytes(0), kPage);
  mapping.reset();
  EXPECT_EQ(device_.RegionUsedBytes(0), 0u);
}

TEST_F(SessionObjectsTest, WhatTheDeviceRefusesCostsNothing) {
  Open({.vms_max = 1, .buffers_max = 1, .buffer_bytes_max = kPage, .queues_max = 1});
  device_.fail_next = absl::ResourceExhaustedError("no pages");
  EXPECT_EQ(ReasonOf(session_->CreateVm().status()), "DEVICE_MEMORY_EXHAUSTED");
  const uint64_t vm = Vm();
  device_.fail_next = absl::UnavailableError("lost");
  EXPECT_EQ(ReasonOf(session_->CreateQueue(SpecOf(vm)).status()), "DEVICE_UNAVAILABLE");
  Queue(vm);
  device_.fail_next = absl::ResourceExhaustedError("no pages");
  EXPECT_EQ(ReasonOf(session_->CreateBuffer(kPage, 0).status()), "DEVICE_MEMORY_EXHAUSTED");
  Buffer();
  EXPECT_EQ(recorder_.queues_created, 1);
}

TEST_F(SessionObjectsTest, NothingIsMadeOnceTheLoopHasStopped) {
  Open({.vms_max = 2, .queues_max = 1});
  const uint64_t vm = Vm();
  loop_.Stop();
  EXPECT_EQ(ReasonOf(session_->CreateVm().status()), "DEVICE_UNAVAILABLE");
  EXPECT_EQ(ReasonOf(session_->CreateQueue(SpecOf(vm)).status()), "DEVICE_UNAVAILABLE");
  EXPECT_EQ(device_.live_queues(), 0u);
  EXPECT_EQ(ReasonOf(session_->CreateQueue(SpecOf(vm)).status()), "DEVICE_UNAVAILABLE") << "its place came back";
  EXPECT_THAT(session_->ListQueues(0), IsEmpty());
}

TEST_F(SessionObjectsTest, ASessionThatIsClosedMeanwhileKeepsNothing) {
  const auto close = [this] { session_->Close(CloseReason::kClient); };
  device_.during_next = close;
  EXPECT_EQ(ReasonOf(session_->CreateVm().status()), "SESSION_NOT_FOUND");
  Open({});
  device_.during_next = close;
  EXPECT_EQ(ReasonOf(session_->CreateBuffer(kPage, 0).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(device_.RegionUsedBytes(0), 0u);
  Open({});
  const uint64_t vm = Vm();
  device_.during_next = close;
  EXPECT_EQ(ReasonOf(session_->CreateQueue(SpecOf(vm)).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(device_.live_queues(), 0u);
  EXPECT_EQ(recorder_.queues_created, 0);
}

TEST_F(SessionObjectsTest, AVmThatIsDestroyedMeanwhileTakesNoQueue) {
  Open({.vms_max = 2, .queues_max = 1});
  const uint64_t vm = Vm();
  device_.during_next = [&] { EXPECT_TRUE(session_->DestroyVm(vm).ok()); };
  EXPECT_EQ(ReasonOf(session_->CreateQueue(SpecOf(vm)).status()), "VM_NOT_FOUND");
  EXPECT_EQ(device_.live_queues(), 0u);
  Queue(Vm());
}

TEST_F(SessionObjectsTest, QueuesNeedAnEngineOfTheDevice) {
  QueueSpec spec = SpecOf(Vm());
  spec.engine_class = hw::EngineClass::kRender;
  EXPECT_EQ(MetadataOf(session_->CreateQueue(spec).status(), "engine_class"), "rcs");
  spec.engine_class = hw::EngineClass::kCopy;
  spec.engine_instance = 1;
  EXPECT_EQ(MetadataOf(session_->CreateQueue(spec).status(), "engine_instance"), "1");
  spec.engine_instance = 0;
  EXPECT_TRUE(session_->CreateQueue(spec).ok());
}

TEST_F(SessionObjectsTest, AQueueTellsWhatItWasMadeOfAndHowFarItIs) {
  QueueSpec spec = SpecOf(Vm());
  spec.props.priority = hw::Priority::kHigh;
  spec.job_timeout_ms = 1'234;
  const uint64_t queue = session_->CreateQueue(spec)->queue;
  SubmitOne(queue);
  SubmitOne(queue);
  End({queue, 1});
  const absl::StatusOr<QueueInfo> info = session_->GetQueue(queue);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->queue, queue);
  EXPECT_EQ(info->spec.vm, spec.vm);
  EXPECT_EQ(info->spec.engine_class, hw::EngineClass::kCopy);
  EXPECT_EQ(info->spec.engine_instance, 0u);
  EXPECT_EQ(info->spec.props.priority, hw::Priority::kHigh);
  EXPECT_EQ(info->spec.job_timeout_ms, 1'234u);
  EXPECT_EQ(info->standing, QueueStanding::kUsable);
  EXPECT_EQ(info->last_fence->point, (sched::Point{queue, 2}));
  EXPECT_EQ(info->last_fence->state, FenceState::kPending);
  EXPECT_EQ(info->last_armed_seqno, 2u);
  EXPECT_EQ(info->last_ended_seqno, 1u);
  EXPECT_EQ(info->client_name, "tester");
}

TEST_F(SessionObjectsTest, QueuesAreListedFromAHandleOn) {
  const uint64_t vm = Vm();
  const uint64_t first = Queue(vm);
  const uint64_t second = Queue(vm);
  const auto handles = [this](uint64_t after) {
    std::vector<uint64_t> list;
    for (const QueueInfo& queue : session_->ListQueues(after)) list.push_back(queue.queue);
    return list;
  };
  EXPECT_THAT(handles(0), UnorderedElementsAre(first, second));
  EXPECT_THAT(handles(first), ElementsAre(second));
  EXPECT_THAT(handles(second), IsEmpty());
}

TEST_F(SessionObjectsTest, AClosedSessionHasNothing) {
  const uint64_t vm = Vm();
  const uint64_t queue = Queue(vm);
  const uint64_t buffer = Buffer();
  Ban(queue, {queue, 1});
  Queue(vm);
  session_->Close(CloseReason::kLeaseExpired);
  session_->Close(CloseReason::kClient);
  EXPECT_EQ(ReasonOf(session_->CreateVm().status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->DestroyVm(vm)), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->CreateBuffer(kPage, 0).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->FindBuffer(buffer).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->DestroyBuffer(buffer)), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->CreateQueue(SpecOf(vm)).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->GetQueue(queue).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->DestroyQueue(queue)), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(session_->Map(MapOf(vm)).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Submit({JobOf(queue)}).status()), "SESSION_NOT_FOUND");
  EXPECT_THAT(session_->ListQueues(0), IsEmpty());
  EXPECT_EQ(device_.RegionUsedBytes(0), 0u);
  EXPECT_THAT(recorder_.sessions_closed, ElementsAre(CloseReason::kLeaseExpired)) << "told once";
  EXPECT_THAT(recorder_.queues_closed,
              UnorderedElementsAre(Pair(true, CloseReason::kLeaseExpired), Pair(false, CloseReason::kLeaseExpired)));
}

}  // namespace
}  // namespace xeq::session
