// A device without hardware whose jobs end when the test says so.
//
//   device.WaitForSubmitted(context, 3);   // the loop has handed over three jobs
//   device.Advance(context, 2);            // the first two end with success
//   device.Fail(context, kPageFault);      // the third faults, and the queue takes no more
#ifndef XEQ_TESTS_FAKES_MANUAL_DEVICE_H_
#define XEQ_TESTS_FAKES_MANUAL_DEVICE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "hw/device.h"
#include "hw/mutex.h"

namespace xeq::fakes {

// Thread-safe. Completions are delivered by a thread of its own, as a real device's completion source does. Binds are
// counted. It keeps the rules of hw::Device: jobs of one queue end in order, a cancelled queue ends all that it has.
class ManualDevice : public hw::Device {
 public:
  ManualDevice();
  ~ManualDevice() override;

  // ---- For tests.
  // Ends up to `jobs` jobs of the queue with success; returns how many there were.
  int Advance(uint64_t context, int jobs);
  // The oldest job of the queue ends with `status`, those behind it with kCancelled.
  void Fail(uint64_t context, hw::JobStatus status);
  // The queue's oldest job counts as running for `gpu_time_ns` from now on.
  void SetProgress(uint64_t context, hw::Progress progress);
  // From now on every job ends as soon as it is submitted.
  void RunFreely();
  // From now on Cancel is ignored, as by a device that hangs for good.
  void IgnoreCancels();
  // From now on Suspend is not answered until AnswerSuspends.
  void HoldSuspends();
  void AnswerSuspends(absl::Status status);
  // From now on Bind answers later, when the test says so.
  void HoldBinds();
  void AnswerBinds();
  void Lose();
  // False when `count` jobs in all have not been submitted to the queue in ten seconds.
  bool WaitForSubmitted(uint64_t context, uint64_t count);
  uint64_t binds() const;
  uint64_t live_queues() const;

  // ---- hw::Device.
  const hw::DeviceInfo& info() const override { return info_; }
  absl::Status Start(Listener& listener) override;
  void Stop() override;
  absl::StatusOr<std::shared_ptr<hw::Buffer>> CreateBuffer(const hw::BufferSpec& spec) override;
  uint64_t RegionUsedBytes(uint16_t region) const override;
  absl::StatusOr<std::shared_ptr<hw::Vm>> CreateVm(const hw::VmSpec& spec) override;
  absl::StatusOr<std::unique_ptr<hw::Queue>> CreateQueue(const hw::QueueSpec& spec,
                                                         std::shared_ptr<hw::Vm> vm) override;
  absl::StatusOr<std::unique_ptr<hw::BindOp>> PrepareBind(std::shared_ptr<hw::Vm> vm,
                                                          const hw::BindSpec& spec) override;
  absl::StatusOr<hw::MoveOp> PrepareMove(std::shared_ptr<hw::Buffer> buffer, uint16_t region) override;
  bool Bind(hw::BindOp& op, const hw::Completion& end) override;
  void Submit(hw::Queue& queue, const hw::Submission& job) override;
  hw::Progress CheckProgress(hw::Queue& queue) override;
  void SetProps(hw::Queue& queue, const hw::SchedProps& props) override;
  absl::Status Suspend(hw::Queue& queue) override;
  void Resume(hw::Queue& queue) override;
  void Cancel(hw::Queue& queue, hw::JobStatus head_status) override;
  hw::QueueSnapshot Look(hw::Queue& queue) override;

 private:
  class ManualQueue;
  struct State {
    std::deque<uint64_t> running;
    void* owner = nullptr;
    uint64_t submitted = 0;
    hw::Progress progress;
    hw::QueueState state = hw::QueueState::kRunning;
    hw::SchedProps props;
    uint32_t flags = 0;
  };
  struct Answer {
    uint64_t context;
    void* owner;
    absl::Status status;
  };

  void End(uint64_t context, hw::JobStatus status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A pending suspend gets its answer.
  void Answered(uint64_t context, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver();

  hw::DeviceInfo info_;
  mutable hw::Mutex mutex_;
  hw::CondVar changed_;
  absl::flat_hash_map<uint64_t, State> queues_ ABSL_GUARDED_BY(mutex_);
  std::vector<hw::Completion> ended_ ABSL_GUARDED_BY(mutex_);
  bool run_freely_ ABSL_GUARDED_BY(mutex_) = false;
  bool ignore_cancels_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_suspends_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_binds_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<hw::Completion> held_binds_ ABSL_GUARDED_BY(mutex_);
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t binds_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t live_queues_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Listener* listener_ = nullptr;
  std::thread source_;
};

}  // namespace xeq::fakes

#endif  // XEQ_TESTS_FAKES_MANUAL_DEVICE_H_
