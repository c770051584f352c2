// A device whose jobs end as soon as its completion source gets to them.
#ifndef XEQ_TESTS_BENCH_PUT_MODES_DEVICE_H_
#define XEQ_TESTS_BENCH_PUT_MODES_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "hw/device.h"
#include "hw/mutex.h"

namespace xeq::bench {

// Which thread something happens on.
enum class Role : uint8_t {
  // The device loop's own, which says nothing of itself.
  kDeviceThread,
  kCompletionSource,
  kSubmitter,
};
inline constexpr size_t kRoles = 3;
// The calling thread's.
inline thread_local Role current_role = Role::kDeviceThread;

class NoQueue : public hw::Queue {};

// The completion source sleeps on a futex while nothing has ended, as an interrupt thread does, and hands over all that
// has ended since in one call.
class InstantDevice : public hw::Device {
 public:
  InstantDevice();
  ~InstantDevice() override { Stop(); }

  // When the source was about to hand over the last completions.
  hw::Nanos completed_at() const { return completed_at_.load(); }

  const hw::DeviceInfo& info() const override { return info_; }
  absl::Status Start(Listener& listener) override;
  void Stop() override;
  void Submit(hw::Queue& queue, uint64_t seqno, absl::Span<const uint64_t> batches) override;
  hw::Progress CheckProgress(hw::Queue&) override { return {}; }
  void Cancel(hw::Queue&, hw::JobStatus) override {}
  void Bind(hw::BindOp&) override {}
  absl::StatusOr<std::unique_ptr<hw::Queue>> CreateQueue(const hw::QueueSpec&, std::shared_ptr<hw::Vm>) override;
  // Nobody asks for these.
  absl::StatusOr<std::shared_ptr<hw::Buffer>> CreateBuffer(const hw::BufferSpec&) override;
  uint64_t RegionUsedBytes(uint16_t) const override { return 0; }
  absl::StatusOr<std::shared_ptr<hw::Vm>> CreateVm() override;
  absl::StatusOr<std::unique_ptr<hw::BindOp>> PrepareBind(std::shared_ptr<hw::Vm>, const hw::BindSpec&) override;

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

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_PUT_MODES_DEVICE_H_
