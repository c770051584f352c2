#include "tests/fakes/manual_device.h"

#include <cstring>
#include <utility>

namespace xeq::fakes {
namespace {

constexpr uint64_t kRegionBytes = 64 << 20;

class ManualBuffer : public hw::Buffer {
 public:
  explicit ManualBuffer(uint64_t size_bytes) : bytes_(size_bytes) {}
  uint64_t size_bytes() const override { return bytes_.size(); }
  absl::Status Write(uint64_t offset, absl::Span<const std::byte> data) override {
    if (!Fits(offset, data.size())) return absl::InvalidArgumentError("outside the buffer");
    std::memcpy(bytes_.data() + offset, data.data(), data.size());
    return absl::OkStatus();
  }
  absl::Status Read(uint64_t offset, absl::Span<std::byte> data) const override {
    if (!Fits(offset, data.size())) return absl::InvalidArgumentError("outside the buffer");
    std::memcpy(data.data(), bytes_.data() + offset, data.size());
    return absl::OkStatus();
  }
  uint16_t region() const override { return 0; }

 private:
  bool Fits(uint64_t offset, uint64_t size) const { return offset <= bytes_.size() && size <= bytes_.size() - offset; }
  std::vector<std::byte> bytes_;
};

class ManualVm : public hw::Vm {};
class ManualBind : public hw::BindOp {};

}  // namespace

class ManualDevice::ManualQueue : public hw::Queue {
 public:
  ManualQueue(ManualDevice& device, uint64_t context) : device_(device), context(context) {
    hw::MutexLock lock(device_.mutex_);
    ++device_.live_queues_;
  }
  ~ManualQueue() override {
    hw::MutexLock lock(device_.mutex_);
    --device_.live_queues_;
  }

 private:
  ManualDevice& device_;

 public:
  const uint64_t context;
};

ManualDevice::ManualDevice() {
  info_.id = "0000:00:02.0";
  info_.name = "hand-cranked";
  info_.backend = "manual";
  info_.submission = "manual";
  info_.vendor_id = 0x8086;
  info_.device_id = 0x9a49;
  info_.engines = {{hw::EngineClass::kCopy, 0, "bcs0"}};
  info_.regions = {{0, hw::MemoryKind::kSystem, kRegionBytes, hw::kPageBytes}};
  info_.timestamp_frequency_hz = 19'200'000;
  info_.jobs_per_queue_max = 64;
}

ManualDevice::~ManualDevice() { Stop(); }

int ManualDevice::Advance(uint64_t context, int jobs) {
  hw::MutexLock lock(mutex_);
  int ended = 0;
  for (; ended < jobs && !queues_[context].running.empty(); ++ended) End(context, hw::JobStatus::kOk);
  return ended;
}

void ManualDevice::Fail(uint64_t context, hw::JobStatus status) {
  hw::MutexLock lock(mutex_);
  while (!queues_[context].running.empty()) End(context, std::exchange(status, hw::JobStatus::kCancelled));
}

void ManualDevice::SetProgress(uint64_t context, hw::Progress progress) {
  hw::MutexLock lock(mutex_);
  queues_[context].progress = progress;
}

void ManualDevice::RunFreely() {
  hw::MutexLock lock(mutex_);
  run_freely_ = true;
  for (auto& [context, state] : queues_) {
    while (!state.running.empty()) End(context, hw::JobStatus::kOk);
  }
}

void ManualDevice::IgnoreCancels() {
  hw::MutexLock lock(mutex_);
  ignore_cancels_ = true;
}

void ManualDevice::Lose() {
  hw::MutexLock lock(mutex_);
  for (auto& [context, state] : queues_) {
    while (!state.running.empty()) End(context, hw::JobStatus::kDeviceLost);
  }
  lost_ = true;
  changed_.NotifyAll();
}

bool ManualDevice::WaitForSubmitted(uint64_t context, uint64_t count) {
  hw::MutexLock lock(mutex_);
  const hw::Nanos deadline = hw::MonotonicNow() + 10 * hw::kNanosPerSecond;
  while (queues_[context].submitted < count) {
    if (!changed_.WaitUntil(mutex_, deadline)) return false;
  }
  return true;
}

uint64_t ManualDevice::binds() const {
  hw::MutexLock lock(mutex_);
  return binds_;
}

uint64_t ManualDevice::live_queues() const {
  hw::MutexLock lock(mutex_);
  return live_queues_;
}

absl::Status ManualDevice::Start(Listener& listener) {
  listener_ = &listener;
  source_ = std::thread([this] { Deliver(); });
  return absl::OkStatus();
}

void ManualDevice::Stop() {
  {
    hw::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (source_.joinable()) source_.join();
}

absl::StatusOr<std::shared_ptr<hw::Buffer>> ManualDevice::CreateBuffer(const hw::BufferSpec& spec) {
  if (spec.region != 0 || spec.size_bytes == 0) return absl::InvalidArgumentError("no such buffer");
  hw::MutexLock lock(mutex_);
  if (spec.size_bytes > kRegionBytes - used_bytes_) return absl::ResourceExhaustedError("the region is full");
  used_bytes_ += spec.size_bytes;
  return std::shared_ptr<hw::Buffer>(new ManualBuffer(spec.size_bytes), [this](hw::Buffer* buffer) {
    hw::MutexLock lock(mutex_);
    used_bytes_ -= buffer->size_bytes();
    delete buffer;
  });
}

uint64_t ManualDevice::RegionUsedBytes(uint16_t) const {
  hw::MutexLock lock(mutex_);
  return used_bytes_;
}

absl::StatusOr<std::shared_ptr<hw::Vm>> ManualDevice::CreateVm(const hw::VmSpec&) {
  return std::make_shared<ManualVm>();
}

absl::StatusOr<std::unique_ptr<hw::Queue>> ManualDevice::CreateQueue(const hw::QueueSpec& spec,
                                                                     std::shared_ptr<hw::Vm>) {
  {
    hw::MutexLock lock(mutex_);
    queues_[spec.context].props = spec.props;
    queues_[spec.context].flags = spec.flags;
  }
  return std::make_unique<ManualQueue>(*this, spec.context);
}

absl::StatusOr<std::unique_ptr<hw::BindOp>> ManualDevice::PrepareBind(std::shared_ptr<hw::Vm>, const hw::BindSpec&) {
  return std::make_unique<ManualBind>();
}

absl::StatusOr<hw::MoveOp> ManualDevice::PrepareMove(std::shared_ptr<hw::Buffer>, uint16_t) {
  return absl::UnimplementedError("the device has one region");
}

void ManualDevice::Submit(hw::Queue& queue, const hw::Submission& job) {
  const uint64_t context = static_cast<ManualQueue&>(queue).context;
  hw::MutexLock lock(mutex_);
  State& state = queues_[context];
  state.owner = queue.owner;
  ++state.submitted;
  changed_.NotifyAll();
  state.running.push_back(job.seqno);
  if (lost_) {
    End(context, hw::JobStatus::kDeviceLost);
  } else if (run_freely_ && state.state == hw::QueueState::kRunning) {
    End(context, hw::JobStatus::kOk);
  }
}

bool ManualDevice::Bind(hw::BindOp&, const hw::Completion& end) {
  hw::MutexLock lock(mutex_);
  ++binds_;
  if (hold_binds_) held_binds_.push_back(end);
  return !hold_binds_;
}

void ManualDevice::HoldBinds() {
  hw::MutexLock lock(mutex_);
  hold_binds_ = true;
}

void ManualDevice::AnswerBinds() {
  hw::MutexLock lock(mutex_);
  ended_.insert(ended_.end(), held_binds_.begin(), held_binds_.end());
  held_binds_.clear();
  changed_.NotifyAll();
}

void ManualDevice::SetProps(hw::Queue& queue, const hw::SchedProps& props) {
  hw::MutexLock lock(mutex_);
  queues_[static_cast<ManualQueue&>(queue).context].props = props;
}

absl::Status ManualDevice::Suspend(hw::Queue& queue) {
  const uint64_t context = static_cast<ManualQueue&>(queue).context;
  hw::MutexLock lock(mutex_);
  State& state = queues_[context];
  state.owner = queue.owner;
  if (state.state >= hw::QueueState::kKilled) return absl::FailedPreconditionError("the queue is dead");
  state.state = hw::QueueState::kSuspendPending;
  if (!hold_suspends_) Answered(context, absl::OkStatus());
  return absl::OkStatus();
}

void ManualDevice::Resume(hw::Queue& queue) {
  const uint64_t context = static_cast<ManualQueue&>(queue).context;
  hw::MutexLock lock(mutex_);
  State& state = queues_[context];
  if (state.state == hw::QueueState::kSuspendPending) Answered(context, absl::AbortedError("resumed"));
  if (state.state == hw::QueueState::kSuspended) state.state = hw::QueueState::kRunning;
  while (run_freely_ && !state.running.empty()) End(context, hw::JobStatus::kOk);
}

void ManualDevice::Answered(uint64_t context, absl::Status status) {
  State& state = queues_[context];
  if (state.state == hw::QueueState::kSuspendPending) {
    state.state = absl::IsDeadlineExceeded(status) ? hw::QueueState::kBanned : hw::QueueState::kSuspended;
  }
  answers_.push_back({context, state.owner, std::move(status)});
  changed_.NotifyAll();
}

void ManualDevice::HoldSuspends() {
  hw::MutexLock lock(mutex_);
  hold_suspends_ = true;
}

void ManualDevice::AnswerSuspends(absl::Status status) {
  hw::MutexLock lock(mutex_);
  for (auto& [context, state] : queues_) {
    if (state.state == hw::QueueState::kSuspendPending) Answered(context, status);
  }
}

hw::QueueSnapshot ManualDevice::Look(hw::Queue& queue) {
  hw::MutexLock lock(mutex_);
  const State& state = queues_[static_cast<ManualQueue&>(queue).context];
  hw::QueueSnapshot snapshot;
  snapshot.state = state.state;
  snapshot.props = state.props;
  snapshot.flags = state.flags;
  snapshot.jobs = static_cast<uint32_t>(state.running.size());
  snapshot.jobs_max = info_.jobs_per_queue_max;
  snapshot.next_hw_seqno = static_cast<uint32_t>(state.submitted + 1);
  snapshot.hw_seqno = static_cast<uint32_t>(state.submitted - state.running.size());
  return snapshot;
}

hw::Progress ManualDevice::CheckProgress(hw::Queue& queue) {
  hw::MutexLock lock(mutex_);
  return queues_[static_cast<ManualQueue&>(queue).context].progress;
}

void ManualDevice::Cancel(hw::Queue& queue, hw::JobStatus head_status) {
  {
    hw::MutexLock lock(mutex_);
    if (ignore_cancels_) return;
    const uint64_t context = static_cast<ManualQueue&>(queue).context;
    State& state = queues_[context];
    if (state.state == hw::QueueState::kSuspendPending) Answered(context, absl::AbortedError("cancelled"));
    state.state = head_status == hw::JobStatus::kCancelled ? hw::QueueState::kKilled : hw::QueueState::kBanned;
  }
  Fail(static_cast<ManualQueue&>(queue).context, head_status);
}

void ManualDevice::End(uint64_t context, hw::JobStatus status) {
  State& state = queues_[context];
  hw::Completion completion;
  completion.context = context;
  completion.owner = state.owner;
  completion.seqno = state.running.front();
  completion.status = status;
  state.running.pop_front();
  ended_.push_back(completion);
  changed_.NotifyAll();
}

void ManualDevice::Deliver() {
  bool told_lost = false;
  for (;;) {
    std::vector<hw::Completion> ended;
    std::vector<Answer> answers;
    bool lost = false;
    {
      hw::MutexLock lock(mutex_);
      while (ended_.empty() && answers_.empty() && !stopping_ && (!lost_ || told_lost)) changed_.Wait(mutex_);
      if (stopping_) return;
      ended.swap(ended_);
      answers.swap(answers_);
      lost = lost_ && !told_lost;
    }
    if (!ended.empty()) listener_->OnCompletions(ended);
    for (const Answer& answer : answers) listener_->OnSuspended(answer.context, answer.owner, answer.status);
    if (lost) {
      told_lost = true;
      listener_->OnDeviceLost(absl::UnavailableError("lost by the test"));
    }
  }
}

}  // namespace xeq::fakes
