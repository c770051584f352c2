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
  absl::StatusOr<std::shared_ptr<hw::Vm>> CreateVm() override;
  absl::StatusOr<std::unique_ptr<hw::Queue>> CreateQueue(const hw::QueueSpec& spec,
                                                         std::shared_ptr<hw::Vm> vm) override;
  absl::StatusOr<std::unique_ptr<hw::BindOp>> PrepareBind(std::shared_ptr<hw::Vm> vm,
                                                          const hw::BindSpec& spec) override;
  void Submit(hw::Queue& queue, uint64_t seqno, absl::Span<const uint64_t> batches) override;
  void Bind(hw::BindOp& op) override;
  hw::Progress CheckProgress(hw::Queue& queue) override;
  void Cancel(hw::Queue& queue, hw::JobStatus head_status) override;

 private:
  class ManualQueue;
  struct State {
    std::deque<uint64_t> running;
    void* owner = nullptr;
    uint64_t submitted = 0;
    hw::Progress progress;
  };

  void End(uint64_t context, hw::JobStatus status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver();

  hw::DeviceInfo info_;
  mutable hw::Mutex mutex_;
  hw::CondVar changed_;
  absl::flat_hash_map<uint64_t, State> queues_ ABSL_GUARDED_BY(mutex_);
  std::vector<hw::Completion> ended_ ABSL_GUARDED_BY(mutex_);
  bool run_freely_ ABSL_GUARDED_BY(mutex_) = false;
  bool ignore_cancels_ ABSL_GUARDED_BY(mutex_) = false;
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
