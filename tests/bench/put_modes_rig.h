// What the measurements of put modes run on: the production device loop, over a device whose jobs end as soon as a
// completion source of its own gets to them.
#ifndef XEQ_TESTS_BENCH_PUT_MODES_RIG_H_
#define XEQ_TESTS_BENCH_PUT_MODES_RIG_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "hw/mutex.h"
#include "server/sched/device_loop.h"

namespace xeq::bench {

// One completion source, which sleeps while nothing has ended, as an interrupt thread does.
class InstantDevice : public hw::Device {
 public:
  InstantDevice();
  ~InstantDevice() override { Stop(); }

  // When the last completions were handed to the listener.
  hw::Nanos completed_at() const { return completed_at_.load(); }

  const hw::DeviceInfo& info() const override { return info_; }
  absl::Status Start(Listener& listener) override;
  void Stop() override;
  void Submit(hw::Queue& queue, const hw::Submission& job) override;
  hw::Progress CheckProgress(hw::Queue&) override { return {}; }
  void Cancel(hw::Queue&, hw::JobStatus) override {}
  void SetProps(hw::Queue&, const hw::SchedProps&) override {}
  absl::Status Suspend(hw::Queue&) override { return absl::UnimplementedError("it never sleeps"); }
  void Resume(hw::Queue&) override {}
  hw::QueueSnapshot Look(hw::Queue&) override { return {}; }
  bool Bind(hw::BindOp&, const hw::Completion&) override { return true; }
  absl::StatusOr<std::unique_ptr<hw::Queue>> CreateQueue(const hw::QueueSpec&, std::shared_ptr<hw::Vm>) override;
  // Nobody asks for these.
  absl::StatusOr<std::shared_ptr<hw::Buffer>> CreateBuffer(const hw::BufferSpec&) override;
  uint64_t RegionUsedBytes(uint16_t) const override { return 0; }
  absl::StatusOr<std::shared_ptr<hw::Vm>> CreateVm(const hw::VmSpec&) override;
  absl::StatusOr<std::unique_ptr<hw::BindOp>> PrepareBind(std::shared_ptr<hw::Vm>, const hw::BindSpec&) override;
  absl::StatusOr<hw::MoveOp> PrepareMove(std::shared_ptr<hw::Buffer>, uint16_t) override;

 private:
  void Deliver();

  hw::DeviceInfo info_;
  Listener* listener_ = nullptr;
  hw::Mutex mutex_;
  hw::CondVar changed_;
  std::vector<hw::Completion> ended_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<hw::Nanos> completed_at_{0};
  std::thread source_;
};

// What became of the jobs of one measurement.
struct JobStamps {
  explicit JobStamps(size_t jobs) : release_ns(jobs) {}

  std::atomic<uint64_t> ended{0};
  std::atomic<uint64_t> released{0};
  std::atomic<uint64_t> peak_unreleased{0};
  // By a thread that did not make the job.
  std::atomic<uint64_t> released_elsewhere{0};
  // From the fence's end to the memory's return, by job.
  std::vector<int64_t> release_ns;
  std::atomic<uint64_t> longest_batch{0};
  std::atomic<int64_t> longest_batch_ns{0};
};

// Which of the four, and on how many queues.
struct Mode {
  sched::PutMode put_mode = sched::PutMode::kInline;
  bool bypass = true;
  size_t queues = 1;
};

// A loop with its queues. Jobs are submitted by the threads that call Submit, each for queues of its own.
class Rig : public sched::Observer, public std::enable_shared_from_this<Rig> {
 public:
  static std::shared_ptr<Rig> Make(const Mode& mode, JobStamps& stamps);
  // The loop is stopped and all memory is back.
  void Stop();

  InstantDevice& device() { return device_; }
  // One job on a queue.
  void Submit(size_t queue);
  // Until so many jobs have ended, or been released. Sleeps.
  void WaitForEnded(uint64_t jobs);
  void WaitForReleased(uint64_t jobs);

  // ---- Of jobs.
  void OnReleased(hw::Nanos ended_at, bool elsewhere);

  // ---- sched::Observer.
  void OnFinished(absl::Span<sched::Job* const> jobs) override;
  void OnBanned(sched::ContextId, const sched::Result&) override {}
  void OnSuspended(sched::ContextId, absl::Status) override {}
  void OnInactive(sched::ContextId) override {}

 private:
  Rig(const Mode& mode, JobStamps& stamps) : mode_(mode), stamps_(stamps) {}

  const Mode mode_;
  JobStamps& stamps_;
  InstantDevice device_;
  std::unique_ptr<sched::DeviceLoop> loop_;
  std::vector<sched::Ref<sched::Timeline>> queues_;
  std::vector<uint64_t> armed_;
  hw::Mutex mutex_;
  hw::CondVar changed_;
  // Of the releases that follow one OnFinished on the same thread.
  std::thread::id batch_thread_;
  uint64_t batch_ = 0;
  hw::Nanos batch_begin_ = 0;
};

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_PUT_MODES_RIG_H_
