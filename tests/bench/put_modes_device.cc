#include "tests/bench/put_modes_device.h"

#include <utility>

namespace xeq::bench {
namespace {

// No measurement has more jobs under way.
constexpr size_t kEndedMax = 16'384;

}  // namespace

InstantDevice::InstantDevice() {
  info_.jobs_per_queue_max = 64;
  ended_.reserve(kEndedMax);
}

absl::Status InstantDevice::Start(Listener& listener) {
  listener_ = &listener;
  source_ = std::thread([this] { Deliver(); });
  return absl::OkStatus();
}

void InstantDevice::Stop() {
  {
    hw::MutexLock lock(mutex_);
    stop_ = true;
  }
  changed_.NotifyAll();
  if (source_.joinable()) source_.join();
}

void InstantDevice::Submit(hw::Queue& queue, uint64_t seqno, absl::Span<const uint64_t>) {
  hw::Completion completion;
  completion.owner = queue.owner;
  completion.seqno = seqno;
  bool was_empty = false;
  {
    hw::MutexLock lock(mutex_);
    was_empty = ended_.empty();
    ended_.push_back(completion);
  }
  if (was_empty) changed_.NotifyAll();
}

void InstantDevice::Deliver() {
  current_role = Role::kCompletionSource;
  std::vector<hw::Completion> ended;
  ended.reserve(kEndedMax);
  for (;;) {
    {
      hw::MutexLock lock(mutex_);
      while (ended_.empty() && !stop_) changed_.Wait(mutex_);
      if (ended_.empty()) return;
      ended.swap(ended_);
    }
    const hw::Nanos now = hw::MonotonicNow();
    for (hw::Completion& completion : ended) completion.gpu_end_ns = now;
    completed_at_.store(now);
    listener_->OnCompletions(ended);
    ended.clear();
  }
}

absl::StatusOr<std::unique_ptr<hw::Queue>> InstantDevice::CreateQueue(const hw::QueueSpec&, std::shared_ptr<hw::Vm>) {
  return std::make_unique<NoQueue>();
}
absl::StatusOr<std::shared_ptr<hw::Buffer>> InstantDevice::CreateBuffer(const hw::BufferSpec&) {
  return absl::UnimplementedError("no memory");
}
absl::StatusOr<std::shared_ptr<hw::Vm>> InstantDevice::CreateVm() { return absl::UnimplementedError("no memory"); }
absl::StatusOr<std::unique_ptr<hw::BindOp>> InstantDevice::PrepareBind(std::shared_ptr<hw::Vm>, const hw::BindSpec&) {
  return absl::UnimplementedError("no memory");
}

}  // namespace xeq::bench
