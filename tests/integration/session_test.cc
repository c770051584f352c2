// Goal: sessions, the device loop and a device agree on every fence: what was armed ends once, whoever waits or watches
// hears of it, and what a session had comes back when it is closed, in whatever order things happen. Method: a
// hand-cranked device under a real device thread, and threads that make, submit, destroy and close at once.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "server/session/session_manager.h"
#include "tests/unit/server/session/loop_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;
using sched::WaitErrorPolicy;

constexpr uint64_t kPage = hw::kPageBytes;

TEST_F(SessionLoopTest, AJobEndsAndItsWaitersHearOfIt) {
  Open();
  const uint64_t queue = Queue();
  const Point point = SubmitOne(queue);
  const auto wait = std::make_shared<BlockingWait>(std::vector<Point>{point}, FenceWait::Mode::kAny);
  EXPECT_FALSE(session_->StartWait(*wait).value());
  ASSERT_TRUE(device_.WaitForSubmitted(queue, 1));
  device_.Advance(queue, 1);
  EXPECT_TRUE(wait->WaitUntilMet());
  EXPECT_EQ(OutcomeOf(point), Outcome::kOk);
}

//  a:1 --> b:1 --> c:1 (runs all the same)
TEST_F(SessionLoopTest, AFailureTravelsThroughTheJobsOfOneCall) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const uint64_t c = Queue();
  ASSERT_TRUE(Submit(*session_, {JobOf(a), JobOf(b, {AtJob(0)}), JobOf(c, {AtJob(1, WaitErrorPolicy::kRun)})}).ok());
  ASSERT_TRUE(device_.WaitForSubmitted(a, 1));
  device_.Fail(a, hw::JobStatus::kPageFault);
  const sched::Result failed = ResultOf({b, 1});
  EXPECT_EQ(failed.outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(failed.root, (Point{a, 1}));
  EXPECT_EQ(failed.root_outcome, Outcome::kPageFault);
  ASSERT_TRUE(device_.WaitForSubmitted(c, 1));
  device_.Advance(c, 1);
  EXPECT_EQ(OutcomeOf({c, 1}), Outcome::kOk);
}

TEST_F(SessionLoopTest, OfSeveralFailedFencesTheFirstDecides) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const uint64_t c = Queue();
  const sched::Point first = SubmitOne(a);
  const sched::Point second = SubmitOne(b);
  ASSERT_TRUE(device_.WaitForSubmitted(a, 1));
  ASSERT_TRUE(device_.WaitForSubmitted(b, 1));
  device_.Fail(a, hw::JobStatus::kPageFault);
  device_.Fail(b, hw::JobStatus::kPageFault);
  EXPECT_EQ(OutcomeOf(first), Outcome::kPageFault);
  EXPECT_EQ(OutcomeOf(second), Outcome::kPageFault);
  const sched::Point job = SubmitOne(c, {At(first, WaitErrorPolicy::kFail), At(second, WaitErrorPolicy::kSkip)});
  EXPECT_EQ(OutcomeOf(job), Outcome::kDependencyFailed);
  EXPECT_EQ(ResultOf(job).root, first);
  session_->Close(CloseReason::kClient);
  ExpectNothingIsLeft();
}

TEST_F(SessionLoopTest, AFenceThatHasFailedFailsTheJobInItsTurn) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const Point culprit = SubmitOne(a);
  ASSERT_TRUE(device_.WaitForSubmitted(a, 1));
  device_.Fail(a, hw::JobStatus::kHang);
  EXPECT_EQ(OutcomeOf(culprit), Outcome::kHang);
  const Point ahead = SubmitOne(b);
  const Point failing = SubmitOne(b, {At(culprit)});
  const Point stubborn = SubmitOne(b, {At(culprit, WaitErrorPolicy::kRun)});
  ASSERT_TRUE(device_.WaitForSubmitted(b, 1));
  device_.Advance(b, 1);
  EXPECT_EQ(OutcomeOf(ahead), Outcome::kOk);
  const sched::Result failed = ResultOf(failing);
  EXPECT_EQ(failed.outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(failed.root, culprit);
  EXPECT_EQ(failed.root_outcome, Outcome::kHang);
  ASSERT_TRUE(device_.WaitForSubmitted(b, 2));
  device_.Advance(b, 1);
  EXPECT_EQ(OutcomeOf(stubborn), Outcome::kOk);
}

TEST_F(SessionLoopTest, WhoHearsOfABanIsRefusedFromThenOn) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const Point culprit = SubmitOne(a);
  const Point behind = SubmitOne(a);
  ASSERT_TRUE(device_.WaitForSubmitted(a, 2));
  device_.Fail(a, hw::JobStatus::kHang);
  EXPECT_EQ(OutcomeOf(culprit), Outcome::kHang);
  EXPECT_EQ(ReasonOf(Submit(*session_, {JobOf(b), JobOf(a)}).status()), "QUEUE_BANNED");
  const sched::Result result = ResultOf(behind);
  EXPECT_EQ(result.outcome, Outcome::kCancelled);
  EXPECT_EQ(result.root, culprit);
  EXPECT_EQ(session_->GetQueue(b)->last_armed_seqno, 0u);
  session_->Close(CloseReason::kClient);
  ExpectNothingIsLeft();
}

TEST_F(SessionLoopTest, BufferBytesComeBackWithTheLastMapping) {
  Open({.buffer_bytes_max = kPage});
  const uint64_t buffer = session_->CreateBuffer(kPage, 0)->buffer;
  EXPECT_EQ(OutcomeOf(Map(*session_, vm_, buffer).value()), Outcome::kOk);
  EXPECT_TRUE(session_->DestroyBuffer(buffer).ok());
  EXPECT_EQ(device_.RegionUsedBytes(0), kPage);
  EXPECT_EQ(MetadataOf(session_->CreateBuffer(kPage, 0).status(), "limit"), "buffer_bytes_max");
  EXPECT_EQ(OutcomeOf(Map(*session_, vm_, /*buffer=*/0).value()), Outcome::kOk);
  EXPECT_EQ(device_.RegionUsedBytes(0), 0u);
  EXPECT_TRUE(session_->CreateBuffer(kPage, 0).ok());
}

TEST_F(SessionLoopTest, AVmGivesBackItsMappings) {
  Open({.buffer_bytes_max = kPage});
  const uint64_t buffer = session_->CreateBuffer(kPage, 0)->buffer;
  EXPECT_EQ(OutcomeOf(Map(*session_, vm_, buffer).value()), Outcome::kOk);
  EXPECT_TRUE(session_->DestroyBuffer(buffer).ok());
  EXPECT_TRUE(session_->DestroyVm(vm_).ok());
  EXPECT_TRUE(Eventually([this] { return session_->CreateBuffer(kPage, 0).ok(); }));
}

TEST_F(SessionLoopTest, CloseEndsWhatRunsWhatIsQueuedAndWhatWaits) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const uint64_t buffer = session_->CreateBuffer(kPage, 0)->buffer;
  const auto watch = std::make_shared<CollectingWatch>(*session_);
  ASSERT_TRUE(session_->StartWatch(watch, 0).ok());
  const Point running = SubmitOne(a);
  const Point waiting = SubmitOne(b, {At(running)});
  const Point queued = SubmitOne(b);
  MapSpec spec;
  spec.vm = vm_;
  spec.buffer = buffer;
  spec.waits = {At(queued)};
  const Point bind = session_->Map(spec).value();
  const std::vector<Point> all = {running, waiting, queued, bind};
  const auto wait = std::make_shared<BlockingWait>(all, FenceWait::Mode::kAll);
  EXPECT_FALSE(session_->StartWait(*wait).value());
  ASSERT_TRUE(device_.WaitForSubmitted(a, 1));
  session_->Close(CloseReason::kLeaseExpired);
  EXPECT_TRUE(wait->WaitUntilMet());
  EXPECT_EQ(OutcomeOf(running), Outcome::kCancelled);
  for (const Point& point : {waiting, queued, bind}) EXPECT_NE(OutcomeOf(point), Outcome::kOk);
  EXPECT_EQ(watch->WaitForAll().size(), 4u);
  EXPECT_EQ(device_.binds(), 0u);
  session_->StopWatch(*watch);
  // The loop lets go of the session without being stopped.
  const std::weak_ptr<Session> session = std::exchange(session_, nullptr);
  EXPECT_TRUE(Eventually([&] { return session.expired(); }));
  EXPECT_EQ(device_.RegionUsedBytes(0), 0u);
  ExpectNothingIsLeft();
}

//  a:1 <-- b:2, which the scheduler looks at when a is long gone
TEST_F(SessionLoopTest, AJobMayWaitForAQueueThatIsGoneByItsTurn) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const Point awaited = SubmitOne(a);
  SubmitOne(b);
  const Point waits = SubmitOne(b, {At(awaited)});
  ASSERT_TRUE(device_.WaitForSubmitted(a, 1));
  ASSERT_TRUE(device_.WaitForSubmitted(b, 1));
  EXPECT_TRUE(session_->DestroyQueue(a).ok());
  EXPECT_EQ(OutcomeOf(awaited), Outcome::kCancelled);
  ASSERT_TRUE(Eventually([this] { return device_.live_queues() == 1; }));
  // Several trips through the loop, so that whatever it was told of `a` has come to it.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(OutcomeOf(Map(*session_, vm_, 0).value()), Outcome::kOk);
  device_.Advance(b, 1);
  const sched::Result result = ResultOf(waits);
  EXPECT_EQ(result.outcome, Outcome::kDependencyFailed);
  EXPECT_EQ(result.root, awaited);
  EXPECT_EQ(result.root_outcome, Outcome::kCancelled);
  // Then the loop lets go of `a` as well, or it would keep the session for good.
  session_->Close(CloseReason::kClient);
  const std::weak_ptr<Session> session = std::exchange(session_, nullptr);
  EXPECT_TRUE(Eventually([&] { return session.expired(); }));
  ExpectNothingIsLeft();
}

TEST_F(SessionLoopTest, ALostDeviceEndsEveryFenceAndRefusesMore) {
  Open();
  const uint64_t a = Queue();
  const uint64_t b = Queue();
  const Point running = SubmitOne(a);
  const Point waiting = SubmitOne(b, {At(running)});
  ASSERT_TRUE(device_.WaitForSubmitted(a, 1));
  device_.Lose();
  EXPECT_EQ(OutcomeOf(running), Outcome::kDeviceLost);
  EXPECT_NE(OutcomeOf(waiting), Outcome::kOk);
  EXPECT_TRUE(Eventually([this] { return loop_->device_lost(); }));
  EXPECT_EQ(ReasonOf(Submit(*session_, {JobOf(a)}).status()), "DEVICE_UNAVAILABLE");
  session_->Close(CloseReason::kShutdown);
  ExpectNothingIsLeft();
}

// Stop closes the queues that are open; their owner may destroy them while it waits for the others.
TEST_F(SessionLoopTest, HandlesMayBeDestroyedWhileTheLoopStops) {
  Open();
  const uint64_t idle = Queue();
  const uint64_t busy = Queue();
  const Point running = SubmitOne(busy);
  ASSERT_TRUE(device_.WaitForSubmitted(busy, 1));
  device_.IgnoreCancels();
  std::thread stopper([this] { loop_->Stop(); });
  ASSERT_TRUE(Eventually([this] { return device_.live_queues() == 1; }));
  EXPECT_TRUE(session_->DestroyQueue(idle).ok());
  session_->Close(CloseReason::kShutdown);
  device_.RunFreely();
  stopper.join();
  EXPECT_EQ(OutcomeOf(running), Outcome::kOk);
  ExpectNothingIsLeft();
}

TEST_F(SessionLoopTest, StopRacesWithSubmitAndEveryArmedFenceEnds) {
  constexpr int kRounds = 30;
  constexpr int kThreads = 3;
  for (int round = 0; round < kRounds; ++round) {
    fakes::ManualDevice device;
    device.RunFreely();
    sched::DeviceLoop loop(device, nullptr, {});
    ASSERT_TRUE(loop.Start().ok());
    const auto session = std::make_shared<Session>(loop, recorder_, SessionOptions{}, 0);
    const uint64_t vm = session->CreateVm().value();
    std::vector<uint64_t> queues;
    for (int i = 0; i < kThreads; ++i) queues.push_back(QueueOf(*session, vm));
    std::atomic<int> running{0};
    std::vector<std::thread> threads;
    for (const uint64_t queue : queues) {
      threads.emplace_back([&, queue] {
        ++running;
        while (Submit(*session, {JobOf(queue), JobOf(queue)}).ok()) {
        }
      });
    }
    ASSERT_TRUE(Eventually([&] { return running == kThreads; }));
    loop.Stop();
    for (std::thread& thread : threads) thread.join();
    for (const QueueInfo& queue : session->ListQueues(0)) ASSERT_EQ(queue.last_ended_seqno, queue.last_armed_seqno);
  }
}

TEST_F(SessionLoopTest, ThreadsThatMakeSubmitAndDestroyLoseNoFence) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 40;
  Open({.queues_max = kThreads * kRounds});
  device_.RunFreely();
  const auto watch = std::make_shared<CollectingWatch>(*session_);
  ASSERT_TRUE(session_->StartWatch(watch, 0).ok());
  hw::Mutex mutex;
  std::vector<Point> armed;
  std::vector<std::shared_ptr<BlockingWait>> waits;
  const auto work = [&] {
    for (int round = 0; round < kRounds; ++round) {
      InFences in;
      {
        hw::MutexLock lock(mutex);
        if (!armed.empty()) in = {At(armed.back()), At(armed[armed.size() / 2], WaitErrorPolicy::kRun)};
      }
      const uint64_t queue = Queue();
      const auto points = Submit(*session_, {JobOf(queue), JobOf(queue, in), JobOf(queue, {AtJob(1)})});
      ASSERT_TRUE(points.ok()) << points.status();
      const auto mode = round % 2 == 0 ? FenceWait::Mode::kAll : FenceWait::Mode::kAny;
      auto wait = std::make_shared<BlockingWait>(*points, mode);
      const absl::StatusOr<bool> met = session_->StartWait(*wait);
      ASSERT_TRUE(met.ok()) << met.status();
      // Some are overtaken by the end of their queue.
      EXPECT_TRUE(session_->DestroyQueue(queue).ok());
      hw::MutexLock lock(mutex);
      armed.insert(armed.end(), points->begin(), points->end());
      if (!*met) waits.push_back(std::move(wait));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  for (const auto& wait : waits) EXPECT_TRUE(wait->WaitUntilMet());
  session_->Close(CloseReason::kClient);
  std::map<std::pair<uint64_t, uint64_t>, int> ends;
  for (const Event& event : watch->WaitForAll()) ++ends[{event.point.context, event.point.seqno}];
  EXPECT_EQ(ends.size(), armed.size());
  for (const Point& point : armed) EXPECT_EQ((ends[{point.context, point.seqno}]), 1);
  session_->StopWatch(*watch);
  ExpectNothingIsLeft();
}

TEST_F(SessionLoopTest, SessionsThatComeAndGoLeaveNothing) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 40;
  device_.RunFreely();
  SessionManager manager(*loop_, recorder_, {.sessions_max = 1'000, .limits = {}});
  const auto work = [&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      const OpenedSession opened = manager.Open("tester", /*lease_ns=*/1, /*now=*/0).value();
      Session& session = *opened.session;
      // From here on any call may find the session closed by the other thread's sweep.
      const uint64_t vm = session.CreateVm().value_or(0);
      const absl::StatusOr<BufferInfo> buffer = session.CreateBuffer(kPage, 0);
      if (buffer.ok()) (void)Map(session, vm, buffer->buffer);
      QueueSpec spec;
      spec.vm = vm;
      spec.engine_class = hw::EngineClass::kCopy;
      const absl::StatusOr<QueueInfo> queue = session.CreateQueue(spec);
      if (queue.ok()) {
        const auto points = Submit(session, {JobOf(queue->queue, {At({vm, 1})}), JobOf(queue->queue)});
        EXPECT_TRUE(points.ok() || ReasonOf(points.status()) == "SESSION_NOT_FOUND") << points.status();
      }
      if (thread == 0) manager.Sweep(/*now=*/1);
      if (round % 3 == 0) (void)manager.Close(opened.id);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  manager.Drain();
  ExpectNothingIsLeft();
  loop_.reset();
  EXPECT_EQ(device_.RegionUsedBytes(0), 0u);
}

}  // namespace
}  // namespace xeq::session
