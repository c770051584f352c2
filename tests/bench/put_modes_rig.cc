#include "tests/bench/put_modes_rig.h"

#include <utility>

#include "hw/clock.h"

namespace xeq::bench {
namespace {

class NoQueue : public hw::Queue {};

// Tells when it is let go, and by whom.
class StampedJob : public sched::Job {
 public:
  StampedJob(Rig& rig, sched::Ref<sched::Timeline> queue, absl::Span<const uint64_t> batches)
      : Job(std::move(queue), batches, {}), rig_(rig), made_by_(std::this_thread::get_id()) {}
  ~StampedJob() override { rig_.OnReleased(times.ended, made_by_ != std::this_thread::get_id()); }

 private:
  Rig& rig_;
  const std::thread::id made_by_;
};

template <typename T>
void RaiseTo(std::atomic<T>& highest, T value) {
  T seen = highest.load();
  while (seen < value && !highest.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace

InstantDevice::InstantDevice() { info_.jobs_per_queue_max = 64; }

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

void InstantDevice::Submit(hw::Queue& queue, const hw::Submission& job) {
  hw::Completion completion;
  completion.owner = queue.owner;
  completion.seqno = job.seqno;
  bool was_empty = false;
  {
    hw::MutexLock lock(mutex_);
    was_empty = ended_.empty();
    ended_.push_back(completion);
  }
  if (was_empty) changed_.NotifyAll();
}

void InstantDevice::Deliver() {
  std::vector<hw::Completion> ended;
  for (;;) {
    {
      hw::MutexLock lock(mutex_);
      while (ended_.empty() && !stop_) changed_.Wait(mutex_);
      if (ended_.empty()) return;
      ended.swap(ended_);
    }
    completed_at_.store(hw::MonotonicNow());
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
absl::StatusOr<std::shared_ptr<hw::Vm>> InstantDevice::CreateVm(const hw::VmSpec&) {
  return absl::UnimplementedError("no memory");
}
absl::StatusOr<hw::MoveOp> InstantDevice::PrepareMove(std::shared_ptr<hw::Buffer>, uint16_t) {
  return absl::UnimplementedError("no memory");
}
absl::StatusOr<std::unique_ptr<hw::BindOp>> InstantDevice::PrepareBind(std::shared_ptr<hw::Vm>, const hw::BindSpec&) {
  return absl::UnimplementedError("no memory");
}

std::shared_ptr<Rig> Rig::Make(const Mode& mode, JobStamps& stamps) {
  auto rig = std::shared_ptr<Rig>(new Rig(mode, stamps));
  rig->loop_ = std::make_unique<sched::DeviceLoop>(rig->device_, nullptr, sched::DeviceLoopOptions{});
  if (!rig->loop_->Start().ok()) return nullptr;
  for (size_t i = 0; i < mode.queues; ++i) {
    sched::QueueSpec spec;
    spec.context = rig->loop_->NewContext();
    spec.credits = 64;
    spec.put_mode = mode.put_mode;
    spec.bypass = mode.bypass;
    rig->queues_.push_back(sched::MakeRef<sched::Timeline>(spec, std::make_unique<NoQueue>()));
    if (!rig->loop_->PostQueue(rig->queues_.back(), rig).ok()) return nullptr;
  }
  rig->armed_.resize(mode.queues);
  return rig;
}

void Rig::Stop() {
  loop_->Stop();
  queues_.clear();
  loop_.reset();
}

void Rig::Submit(size_t queue) {
  static constexpr uint64_t kBatch[] = {0x1000};
  sched::Ref<StampedJob> job = sched::MakeRef<StampedJob>(*this, queues_[queue], absl::MakeConstSpan(kBatch));
  absl::StatusOr<sched::Ticket> ticket = loop_->Reserve(1);
  if (!ticket.ok()) return;
  job->Arm(++armed_[queue], hw::MonotonicNow());
  loop_->Post(*ticket, sched::Ref<sched::Job>::Adopt(job.release()));
  loop_->Run(mode_.bypass);
}

void Rig::WaitForEnded(uint64_t jobs) {
  hw::MutexLock lock(mutex_);
  while (stamps_.ended.load() < jobs) changed_.Wait(mutex_);
}

void Rig::WaitForReleased(uint64_t jobs) {
  while (stamps_.released.load() < jobs) std::this_thread::yield();
}

void Rig::OnFinished(absl::Span<sched::Job* const> jobs) {
  RaiseTo(stamps_.peak_unreleased, stamps_.ended.load() + jobs.size() - stamps_.released.load());
  batch_thread_ = std::this_thread::get_id();
  batch_ = 0;
  {
    hw::MutexLock lock(mutex_);
    stamps_.ended.fetch_add(jobs.size());
  }
  changed_.NotifyAll();
  batch_begin_ = hw::MonotonicNow();
}

void Rig::OnReleased(hw::Nanos ended_at, bool elsewhere) {
  const hw::Nanos now = hw::MonotonicNow();
  const uint64_t index = stamps_.released.fetch_add(1);
  if (index < stamps_.release_ns.size()) stamps_.release_ns[index] = now - ended_at;
  if (elsewhere) stamps_.released_elsewhere.fetch_add(1, std::memory_order_relaxed);
  if (mode_.put_mode != sched::PutMode::kInline) return;
  // Inline, the releases follow the telling on its thread, one loop at a time.
  RaiseTo(stamps_.longest_batch, ++batch_);
  RaiseTo(stamps_.longest_batch_ns, now - batch_begin_);
}

}  // namespace xeq::bench
