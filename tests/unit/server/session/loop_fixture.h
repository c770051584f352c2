// Sessions over a real device thread and a hand-cranked device, and those who wait and watch as clients do.
#ifndef XEQ_TESTS_UNIT_SERVER_SESSION_LOOP_FIXTURE_H_
#define XEQ_TESTS_UNIT_SERVER_SESSION_LOOP_FIXTURE_H_

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/metrics/recorder.h"
#include "server/sched/device_loop.h"
#include "server/session/session.h"
#include "tests/unit/server/session/fence_fixture.h"
#include "tests/unit/server/session/mapping_device.h"

namespace xeq::session {

inline constexpr hw::Nanos kPatience = 20 * hw::kNanosPerSecond;

// Whether `condition`, which no one can wait for, comes true.
template <typename Condition>
bool Eventually(Condition condition) {
  const hw::Nanos deadline = hw::MonotonicNow() + kPatience;
  while (!condition()) {
    if (hw::MonotonicNow() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// Can be waited for.
class BlockingWait : public FenceWait {
 public:
  using FenceWait::FenceWait;
  bool WaitUntilMet() {
    hw::MutexLock lock(mutex_);
    const hw::Nanos deadline = hw::MonotonicNow() + kPatience;
    while (told_ == 0) {
      if (!changed_.WaitUntil(mutex_, deadline)) return false;
    }
    return told_ == 1;
  }

 private:
  void OnMet() override {
    hw::MutexLock lock(mutex_);
    ++told_;
    changed_.NotifyAll();
  }
  hw::Mutex mutex_;
  hw::CondVar changed_;
  int told_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Reads when it is told, as a stream that is never slow.
class CollectingWatch : public Watch {
 public:
  explicit CollectingWatch(Session& session) : session_(session) {}

  // Everything up to the end of the session.
  std::vector<Event> WaitForAll() {
    OnEvents();
    EXPECT_TRUE(Eventually([this] {
      hw::MutexLock lock(mutex_);
      return finished_;
    }));
    hw::MutexLock lock(mutex_);
    return events_;
  }

 private:
  void OnEvents() override {
    // The first to find nothing leaves; whoever is told next goes on.
    hw::MutexLock lock(mutex_);
    for (;;) {
      Event events[4];
      const absl::StatusOr<WatchedEvents> read = session_.ReadEvents(*this, absl::MakeSpan(events));
      ASSERT_TRUE(read.ok()) << read.status();
      finished_ = finished_ || read->finished;
      if (read->count == 0) return;
      EXPECT_EQ(read->first_number, events_.size() + 1);
      events_.insert(events_.end(), events, events + read->count);
    }
  }
  Session& session_;
  hw::Mutex mutex_;
  std::vector<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

inline JobSpec JobOf(uint64_t queue, InFences waits = {}) {
  static constexpr std::array<uint64_t, 1> kBatch = {0x1000};
  return {queue, kBatch, std::move(waits)};
}
inline InFence At(sched::Point point, sched::WaitErrorPolicy on_error = sched::WaitErrorPolicy::kFail) {
  return {point, std::nullopt, on_error, 0};
}
inline InFence AtJob(uint32_t index, sched::WaitErrorPolicy on_error = sched::WaitErrorPolicy::kFail) {
  return {{}, index, on_error, 0};
}

inline absl::StatusOr<std::vector<sched::Point>> Submit(Session& session, const std::vector<JobSpec>& specs) {
  std::vector<sched::Point> points(specs.size());
  const absl::Status status = session.Submit(specs, hw::MonotonicNow(), absl::MakeSpan(points), /*combined=*/nullptr);
  if (!status.ok()) return status;
  return points;
}

inline absl::StatusOr<sched::Point> Map(Session& session, uint64_t vm, uint64_t buffer) {
  MapSpec spec;
  spec.vm = vm;
  spec.size_bytes = hw::kPageBytes;
  spec.buffer = buffer;
  return session.Map(spec);
}

inline uint64_t QueueOf(Session& session, uint64_t vm) {
  QueueSpec spec;
  spec.vm = vm;
  spec.engine_class = hw::EngineClass::kCopy;
  const absl::StatusOr<QueueInfo> queue = session.CreateQueue(spec);
  EXPECT_TRUE(queue.ok()) << queue.status();
  return queue.ok() ? queue->queue : 0;
}

class SessionLoopTest : public ::testing::Test {
 protected:
  SessionLoopTest() { EXPECT_TRUE(loop_->Start().ok()); }

  void Open(const SessionLimits& limits = {}) {
    session_ = std::make_shared<Session>(*loop_, recorder_, SessionOptions{"tester", limits, hw::kNanosPerSecond}, 0);
    recorder_.OnSessionOpened();
    vm_ = session_->CreateVm().value();
  }
  uint64_t Queue() { return QueueOf(*session_, vm_); }
  sched::Point SubmitOne(uint64_t queue, InFences waits = {}) {
    const absl::StatusOr<std::vector<sched::Point>> points = Submit(*session_, {JobOf(queue, std::move(waits))});
    EXPECT_TRUE(points.ok()) << points.status();
    return points.ok() ? points->front() : sched::Point{};
  }
  // How a point ended, once it has.
  sched::Result ResultOf(const sched::Point& point) {
    const auto wait = std::make_shared<BlockingWait>(std::vector<sched::Point>{point}, FenceWait::Mode::kAll);
    const absl::StatusOr<bool> met = session_->StartWait(*wait);
    EXPECT_TRUE(met.ok()) << met.status();
    if (!met.ok() || (!*met && !wait->WaitUntilMet())) {
      ADD_FAILURE() << point.context << ":" << point.seqno << " does not end";
      return {};
    }
    std::vector<FenceStatus> statuses;
    bool all = false;
    EXPECT_TRUE(session_->FenceStatuses(*wait, statuses, all).ok());
    return statuses.empty() ? sched::Result{} : statuses.front().result;
  }
  sched::Outcome OutcomeOf(const sched::Point& point) { return ResultOf(point).outcome; }
  // After this all that was told to the loop has been carried out.
  void ExpectNothingIsLeft() {
    loop_->Stop();
    EXPECT_EQ(device_.live_queues(), 0u);
    EXPECT_EQ(recorder_.device().sessions, 0);
    EXPECT_EQ(recorder_.device().waiters, 0);
    EXPECT_EQ(recorder_.device().watches, 0);
    const metrics::EngineCells& engine = recorder_.engine(hw::EngineClass::kCopy);
    EXPECT_EQ(engine.queues_usable, 0);
    EXPECT_EQ(engine.queues_banned, 0);
    uint64_t completed = 0;
    for (const metrics::Counter& outcome : engine.jobs_completed) completed += outcome;
    EXPECT_EQ(completed, engine.jobs_submitted);
  }

  MappingDevice device_;
  metrics::Recorder recorder_;
  std::unique_ptr<sched::DeviceLoop> loop_ =
      std::make_unique<sched::DeviceLoop>(device_, &recorder_, sched::DeviceLoopOptions{});
  std::shared_ptr<Session> session_;
  uint64_t vm_ = 0;
};

}  // namespace xeq::session

#endif  // XEQ_TESTS_UNIT_SERVER_SESSION_LOOP_FIXTURE_H_
