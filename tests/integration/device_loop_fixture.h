// A device loop over a hand-cranked device, in each combination of bypass and put mode, and an observer that can be
// waited for.
#ifndef XEQ_TESTS_INTEGRATION_DEVICE_LOOP_FIXTURE_H_
#define XEQ_TESTS_INTEGRATION_DEVICE_LOOP_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/sched/device_loop.h"
#include "tests/fakes/manual_device.h"

namespace xeq::sched {

class RecordingObserver : public Observer {
 public:
  void OnFinished(absl::Span<Job* const> jobs) override {
    hw::MutexLock lock(mutex_);
    for (const Job* job : jobs) {
      ended_.push_back(job->point());
      outcomes_.push_back(job->result.outcome);
    }
    changed_.NotifyAll();
  }
  void OnBanned(ContextId context, const Result&) override {
    hw::MutexLock lock(mutex_);
    banned_.push_back(context);
  }
  void OnSuspended(ContextId context, absl::Status status) override {
    hw::MutexLock lock(mutex_);
    suspended_.emplace_back(context, std::move(status));
    changed_.NotifyAll();
  }
  void OnInactive(ContextId context) override {
    hw::MutexLock lock(mutex_);
    inactive_.push_back(context);
    changed_.NotifyAll();
  }

  bool WaitForEnded(size_t count) {
    hw::MutexLock lock(mutex_);
    const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
    while (ended_.size() < count) {
      if (!changed_.WaitUntil(mutex_, deadline)) return false;
    }
    return true;
  }
  // The answers so far, as soon as there are `count`.
  std::vector<std::pair<ContextId, absl::Status>> WaitForSuspended(size_t count) {
    hw::MutexLock lock(mutex_);
    const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
    while (suspended_.size() < count && changed_.WaitUntil(mutex_, deadline)) {
    }
    return suspended_;
  }
  bool WaitForInactive(size_t count) {
    hw::MutexLock lock(mutex_);
    const hw::Nanos deadline = hw::MonotonicNow() + 20 * hw::kNanosPerSecond;
    while (inactive_.size() < count) {
      if (!changed_.WaitUntil(mutex_, deadline)) return false;
    }
    return true;
  }
  std::vector<Point> ended() {
    hw::MutexLock lock(mutex_);
    return ended_;
  }
  std::vector<Outcome> outcomes() {
    hw::MutexLock lock(mutex_);
    return outcomes_;
  }
  std::vector<ContextId> banned() {
    hw::MutexLock lock(mutex_);
    return banned_;
  }

 private:
  hw::Mutex mutex_;
  hw::CondVar changed_;
  std::vector<Point> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<Outcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<ContextId> banned_ ABSL_GUARDED_BY(mutex_);
  std::vector<ContextId> inactive_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<ContextId, absl::Status>> suspended_ ABSL_GUARDED_BY(mutex_);
};

class DeviceLoopTest : public ::testing::TestWithParam<int> {
 protected:
  void StartLoop(const DeviceLoopOptions& options = {}) {
    loop_ = std::make_unique<DeviceLoop>(device_, nullptr, options);
    ASSERT_TRUE(loop_->Start().ok());
  }

  ContextId Queue(uint32_t credits = 64, hw::Nanos job_timeout_ns = hw::kNever) {
    QueueSpec spec;
    spec.context = loop_->NewContext();
    spec.credits = credits;
    spec.job_timeout_ns = job_timeout_ns;
    spec.put_mode = put_mode_;
    timelines_[spec.context] = MakeRef<Timeline>(spec, device_.CreateQueue({.context = spec.context}, nullptr).value());
    EXPECT_TRUE(loop_->PostQueue(timelines_[spec.context], observer_).ok());
    return spec.context;
  }

  void Submit(Point point, std::vector<Point> waits = {}) {
    auto ticket = loop_->Reserve(1);
    ASSERT_TRUE(ticket.ok()) << ticket.status();
    const uint64_t batch = 0x1000;
    std::vector<Wait> list;
    for (const Point& wait : waits) list.emplace_back(timelines_[wait.context], wait.seqno);
    auto job = MakeRef<Job>(timelines_[point.context], absl::MakeConstSpan(&batch, 1), std::move(list));
    job->Arm(point.seqno, hw::MonotonicNow());
    loop_->Post(*ticket, std::move(job));
    loop_->Run(bypass_);
  }

  fakes::ManualDevice device_;
  std::shared_ptr<RecordingObserver> observer_ = std::make_shared<RecordingObserver>();
  std::unique_ptr<DeviceLoop> loop_;
  std::map<ContextId, Ref<Timeline>> timelines_;
  const bool bypass_ = (GetParam() & 1) != 0;
  const PutMode put_mode_ = (GetParam() & 2) != 0 ? PutMode::kDeferred : PutMode::kInline;
};

// The name of a combination.
inline std::string ModeName(const ::testing::TestParamInfo<int>& info) {
  return std::string((info.param & 1) != 0 ? "Bypass" : "DeviceThread") +
         ((info.param & 2) != 0 ? "DeferredPut" : "InlinePut");
}

inline void PrintTo(const Point& point, std::ostream* out) { *out << point.context << ":" << point.seqno; }

}  // namespace xeq::sched

#endif  // XEQ_TESTS_INTEGRATION_DEVICE_LOOP_FIXTURE_H_
