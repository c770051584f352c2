// Sessions over a device loop that is not started: what they post stays in its inbox, and the test tells them what a
// scheduler would, one call at a time.
#ifndef XEQ_TESTS_UNIT_SERVER_SESSION_SESSION_FIXTURE_H_
#define XEQ_TESTS_UNIT_SERVER_SESSION_SESSION_FIXTURE_H_

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/sched/device_loop.h"
#include "server/session/session.h"
#include "tests/unit/server/session/fence_fixture.h"
#include "tests/unit/server/session/mapping_device.h"

namespace xeq::session {

// Remembers what it was told. One thread.
class NotingRecorder : public Recorder {
 public:
  void OnSessionOpened() override { ++sessions_opened; }
  void OnSessionClosed(CloseReason reason) override { sessions_closed.push_back(reason); }
  void OnQueueCreated(hw::EngineClass) override { ++queues_created; }
  void OnQueueBanned(hw::EngineClass) override { ++queues_banned; }
  void OnQueueClosed(hw::EngineClass, bool banned, CloseReason reason) override {
    queues_closed.emplace_back(banned, reason);
  }
  void OnJobsArmed(hw::EngineClass engine_class, uint32_t jobs) override { jobs_armed[engine_class] += jobs; }
  void OnSubmitted(uint32_t jobs) override { submitted.push_back(jobs); }
  void OnWaiters(int change) override { waiters += change; }
  void OnWatches(int change) override { watches += change; }

  int sessions_opened = 0;
  std::vector<CloseReason> sessions_closed;
  int queues_created = 0;
  int queues_banned = 0;
  std::vector<std::pair<bool, CloseReason>> queues_closed;
  std::map<hw::EngineClass, uint32_t> jobs_armed;
  std::vector<uint32_t> submitted;
  int waiters = 0;
  int watches = 0;
};

class SessionTest : public ::testing::Test {
 protected:
  static constexpr hw::Nanos kNow = 1'000;

  std::shared_ptr<Session> NewSession(const SessionLimits& limits = {}) {
    return std::make_shared<Session>(loop_, recorder_, SessionOptions{"tester", limits, hw::kNanosPerSecond}, kNow);
  }
  // The session that the words below speak of.
  void Open(const SessionLimits& limits) { session_ = NewSession(limits); }

  uint64_t Vm() {
    const absl::StatusOr<uint64_t> vm = session_->CreateVm();
    EXPECT_TRUE(vm.ok()) << vm.status();
    return vm.value_or(0);
  }
  uint64_t Queue(uint64_t vm) {
    const absl::StatusOr<QueueInfo> queue = session_->CreateQueue(SpecOf(vm));
    EXPECT_TRUE(queue.ok()) << queue.status();
    return queue.ok() ? queue->queue : 0;
  }
  uint64_t Queue() { return Queue(Vm()); }
  uint64_t Buffer(uint64_t size_bytes = hw::kPageBytes) {
    const absl::StatusOr<BufferInfo> buffer = session_->CreateBuffer(size_bytes, 0);
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    return buffer.ok() ? buffer->buffer : 0;
  }
  static QueueSpec SpecOf(uint64_t vm) {
    QueueSpec spec;
    spec.vm = vm;
    spec.engine_class = hw::EngineClass::kCopy;
    return spec;
  }

  static JobSpec JobOf(uint64_t queue, InFences waits = {}) {
    static constexpr std::array<uint64_t, 1> kBatch = {0x1000};
    return {queue, kBatch, std::move(waits)};
  }
  // A page at address 0, or what the test makes of it.
  static MapSpec MapOf(uint64_t vm, uint64_t buffer = 0) {
    MapSpec spec;
    spec.vm = vm;
    spec.size_bytes = hw::kPageBytes;
    spec.buffer = buffer;
    return spec;
  }
  static InFence At(sched::Point point) { return {point, std::nullopt, sched::WaitErrorPolicy::kFail, 0}; }
  static InFence Job(uint32_t index) { return {{}, index, sched::WaitErrorPolicy::kFail, 0}; }

  absl::StatusOr<std::vector<sched::Point>> Submit(const std::vector<JobSpec>& specs) {
    std::vector<sched::Point> points(specs.size());
    const absl::Status status = session_->Submit(specs, kNow, absl::MakeSpan(points), /*combined=*/nullptr);
    if (!status.ok()) return status;
    return points;
  }
  // One job that has to be taken.
  sched::Point SubmitOne(uint64_t queue, InFences waits = {}) {
    const absl::StatusOr<std::vector<sched::Point>> points = Submit({JobOf(queue, std::move(waits))});
    EXPECT_TRUE(points.ok()) << points.status();
    return points.ok() ? points->front() : sched::Point{};
  }

  // As the scheduler tells the end of a job.
  void End(const sched::Point& point, sched::Outcome outcome = sched::Outcome::kOk) {
    sched::QueueSpec spec;
    spec.context = point.context;
    const uint64_t batch = 0x1000;
    const auto job = sched::MakeRef<sched::Job>(sched::MakeRef<sched::Timeline>(spec, nullptr),
                                                absl::MakeConstSpan(&batch, 1), std::vector<sched::Wait>());
    job->Arm(point.seqno, kNow);
    if (outcome != sched::Outcome::kOk) job->result = {outcome, outcome, point, {}};
    sched::Job* const jobs[] = {job.get()};
    session_->OnFinished(jobs);
  }
  void Ban(uint64_t queue, const sched::Point& culprit) {
    session_->OnBanned(queue, {sched::Outcome::kCancelled, sched::Outcome::kHang, culprit, {}});
  }

  absl::StatusOr<FenceState> StateOf(const sched::Point& point) {
    const CountingWait wait({point}, FenceWait::Mode::kAll);
    std::vector<FenceStatus> statuses;
    bool met = false;
    const absl::Status status = session_->FenceStatuses(wait, statuses, met);
    if (!status.ok()) return status;
    return statuses.front().state;
  }

  MappingDevice device_;
  NotingRecorder recorder_;
  sched::DeviceLoop loop_{device_, nullptr, {.inbox_capacity = 16}};
  std::shared_ptr<Session> session_ = NewSession();
};

}  // namespace xeq::session

#endif  // XEQ_TESTS_UNIT_SERVER_SESSION_SESSION_FIXTURE_H_
