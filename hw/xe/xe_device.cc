#include "hw/xe/xe_device.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hw/regs/registers.h"
#include "hw/xe/buffer.h"
#include "hw/xe/gang.h"
#include "hw/xe/ggtt.h"
#include "hw/xe/hw_engine.h"
#include "hw/xe/interrupts.h"
#include "hw/xe/lrc.h"
#include "hw/xe/mmio.h"
#include "hw/xe/probe.h"
#include "hw/xe/suspend_join.h"
#include "hw/xe/vm.h"
#include "hw/yielding_thread.h"

namespace xeq::hw::xe {
namespace {

constexpr Nanos kTlbLimit = 4 * kNanosPerMilli;

// However little is under way, the interrupt thread looks at the engines after this time: an interrupt may be lost.
constexpr Nanos kLookPeriod = kNanosPerSecond;

// The scheduler's hold on the contexts of a queue.
class XeQueue : public Queue {
 public:
  explicit XeQueue(SuspendJoin& suspends) : suspends(suspends) {}
  ~XeQueue() override {
    suspends.Drop(context);
    if (gang != nullptr) {
      gang->Disband();
    } else {
      for (const Lane& lane : lanes) lane.engine->RemoveContext(lane.context);
    }
  }

  SuspendJoin& suspends;
  uint64_t context = 0;
  uint32_t flags = 0;
  uint16_t msix_vector = 0;
  // One for each batch of a job.
  std::vector<Lane> lanes;
  // Of a queue with several.
  std::shared_ptr<Gang> gang;
};

absl::Status SuspendStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return absl::OkStatus();
    case absl::StatusCode::kDeadlineExceeded:
      return absl::DeadlineExceededError("the queue would not leave its engine");
    default:
      return absl::AbortedError("the queue was resumed or cancelled");
  }
}

class XeDevice : public Device {
 public:
  XeDevice(std::unique_ptr<pci::PciFunction> function, const std::vector<regs::EnginePlace>& places, int wake_fd);
  ~XeDevice() override;

  // Makes the engines and brings them up.
  absl::Status StartEngines(const std::vector<regs::EnginePlace>& places);

  const DeviceInfo& info() const override { return info_; }
  absl::Status Start(Listener& listener) override;
  void Stop() override;
  absl::StatusOr<std::shared_ptr<Buffer>> CreateBuffer(const BufferSpec& spec) override;
  uint64_t RegionUsedBytes(uint16_t region) const override { return region == 0 ? used_bytes_->load() : 0; }
  absl::StatusOr<std::shared_ptr<Vm>> CreateVm(const VmSpec& spec) override;
  absl::StatusOr<std::unique_ptr<Queue>> CreateQueue(const QueueSpec& spec, std::shared_ptr<Vm> vm) override;
  absl::StatusOr<std::unique_ptr<BindOp>> PrepareBind(std::shared_ptr<Vm> vm, const BindSpec& spec) override;
  absl::StatusOr<MoveOp> PrepareMove(std::shared_ptr<Buffer> buffer, uint16_t region) override;
  bool Bind(BindOp& op, const Completion& end) override;
  void Submit(Queue& queue, const Submission& job) override;
  Progress CheckProgress(Queue& queue) override;
  void SetProps(Queue& queue, const SchedProps& props) override;
  absl::Status Suspend(Queue& queue) override;
  void Resume(Queue& queue) override;
  QueueSnapshot Look(Queue& queue) override;
  void Cancel(Queue& queue, JobStatus head_status) override;

 private:
  void InvalidateTlbs();
  void WakeInterruptThread();
  void RunInterruptThread(Listener& listener);
  // No lane runs without the others.
  void CancelGang(Gang& gang);
  // What `act(engine, context)` of each lane says: whether the interrupt thread should have a look.
  template <typename Act>
  void ForEachLane(const XeQueue& queue, Act act);
  // Ended jobs to the listener.
  void Deliver(Listener& listener);

  const std::unique_ptr<pci::PciFunction> function_;
  const DeviceInfo info_;
  const std::shared_ptr<std::atomic<uint64_t>> used_bytes_ = std::make_shared<std::atomic<uint64_t>>(0);
  const int wake_fd_;
  Ggtt ggtt_;
  // By hw class.
  std::array<Siblings, 6> siblings_;
  std::vector<std::unique_ptr<HwEngine>> engines_;
  SuspendJoin suspends_;
  std::atomic<bool> stop_{false};
  // Interrupt thread only.
  bool told_lost_ = false;
  std::vector<LaneCompletion> done_;
  std::vector<Completion> delivering_;
  std::vector<SuspendAnswer> answers_;
  std::vector<SuspendJoin::Answered> answered_;
  std::thread thread_;
};

XeDevice::XeDevice(std::unique_ptr<pci::PciFunction> function, const std::vector<regs::EnginePlace>& places,
                   int wake_fd)
    : function_(std::move(function)), info_(DescribeDevice(*function_, places)), wake_fd_(wake_fd), ggtt_(*function_) {}

XeDevice::~XeDevice() {
  Stop();
  DisableInterrupts(*function_);
  engines_.clear();
  close(wake_fd_);
}

absl::Status XeDevice::StartEngines(const std::vector<regs::EnginePlace>& places) {
  for (const regs::EnginePlace& place : places) {
    absl::StatusOr<std::unique_ptr<pci::DmaMemory>> page = function_->AllocateDma(kPageBytes);
    if (!page.ok()) return page.status();
    absl::StatusOr<GgttMapping> mapping = ggtt_.Map(**page);
    if (!mapping.ok()) return mapping.status();
    absl::StatusOr<std::shared_ptr<XeVm>> empty = XeVm::Create(*function_);
    if (!empty.ok()) return empty.status();
    absl::StatusOr<std::unique_ptr<Lrc>> idle = Lrc::Create(*function_, ggtt_, place, *std::move(empty));
    if (!idle.ok()) return idle.status();
    engines_.push_back(std::make_unique<HwEngine>(*function_, place, *std::move(page), *std::move(mapping),
                                                  *std::move(idle),
                                                  siblings_[static_cast<size_t>(place.engine_class)]));
  }
  for (const std::unique_ptr<HwEngine>& engine : engines_) engine->Start();
  return absl::OkStatus();
}

absl::Status XeDevice::Start(Listener& listener) {
  EnableInterrupts(*function_);
  thread_ = std::thread([this, &listener] { RunInterruptThread(listener); });
  return absl::OkStatus();
}

void XeDevice::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  WakeInterruptThread();
  thread_.join();
}

absl::StatusOr<std::shared_ptr<Buffer>> XeDevice::CreateBuffer(const BufferSpec& spec) {
  if (spec.region != 0) return absl::InvalidArgumentError(absl::StrCat("there is no memory region ", spec.region));
  if (spec.size_bytes == 0) return absl::InvalidArgumentError("the size of a buffer is at least 1 byte");
  absl::StatusOr<std::unique_ptr<pci::DmaMemory>> memory = function_->AllocateDma(spec.size_bytes);
  if (!memory.ok()) return memory.status();
  return std::make_shared<XeBuffer>(*std::move(memory), used_bytes_);
}

absl::StatusOr<std::shared_ptr<Vm>> XeDevice::CreateVm(const VmSpec&) { return XeVm::Create(*function_); }

absl::StatusOr<MoveOp> XeDevice::PrepareMove(std::shared_ptr<Buffer>, uint16_t) {
  return absl::UnimplementedError("the device has only one region");
}

absl::StatusOr<std::unique_ptr<Queue>> XeDevice::CreateQueue(const QueueSpec& spec, std::shared_ptr<Vm> vm) {
  const regs::HwClass engine_class = ToHwClass(spec.engine_class);
  auto queue = std::make_unique<XeQueue>(suspends_);
  queue->context = spec.context;
  queue->flags = spec.flags;
  queue->msix_vector = spec.msix_vector;
  if (spec.width > 1) queue->gang = std::make_shared<Gang>();
  const std::vector<HwEngine*>& engines = siblings_[static_cast<size_t>(engine_class)].engines;
  for (uint32_t lane = 0; lane < spec.width; ++lane) {
    const uint32_t mask = spec.logical_mask << lane;
    const auto first = static_cast<size_t>(std::countr_zero(mask));
    if (mask == 0 || static_cast<size_t>(std::bit_width(mask)) > engines.size()) break;
    HwEngine& engine = *engines[first];
    absl::StatusOr<std::unique_ptr<Lrc>> lrc =
        Lrc::Create(*function_, ggtt_, engine.place(), std::static_pointer_cast<XeVm>(vm));
    if (!lrc.ok()) return lrc.status();
    // Lanes keep their engines: two of them must never meet on one.
    const uint32_t own = spec.width > 1 ? 1u << first : mask;
    Context* context = engine.AddContext(spec.context, spec.props, *std::move(lrc), own);
    context->gang = queue->gang;
    context->lane = lane;
    queue->lanes.push_back({&engine, context});
    if (queue->gang != nullptr) queue->gang->Add({&engine, context});
  }
  if (queue->lanes.size() == spec.width) return queue;
  return absl::NotFoundError(absl::StrCat("the device has not the engines of class ",
                                          std::string(EngineClassName(spec.engine_class)), " and mask ",
                                          spec.logical_mask, " for ", spec.width, " lanes"));
}

absl::StatusOr<std::unique_ptr<BindOp>> XeDevice::PrepareBind(std::shared_ptr<Vm> vm, const BindSpec& spec) {
  return static_cast<XeVm&>(*vm).Prepare(spec);
}

template <typename Act>
void XeDevice::ForEachLane(const XeQueue& queue, Act act) {
  bool look = false;
  for (const Lane& lane : queue.lanes) look |= act(*lane.engine, *lane.context);
  if (look) WakeInterruptThread();
}

void XeDevice::Submit(Queue& queue, const Submission& job) {
  auto& xe_queue = static_cast<XeQueue&>(queue);
  bool look = false;
  for (size_t i = 0; i < xe_queue.lanes.size(); ++i) {
    const Lane& lane = xe_queue.lanes[i];
    // One lane tells of all of them.
    const UserFence fence = i + 1 == xe_queue.lanes.size() ? job.user_fence : UserFence{};
    look |= lane.engine->Submit(*lane.context, queue.owner, job.seqno, job.batches[i], fence);
  }
  if (look) WakeInterruptThread();
}

bool XeDevice::Bind(BindOp& op, const Completion&) {
  auto& xe_op = static_cast<XeBindOp&>(op);
  if (xe_op.vm().Apply(xe_op)) InvalidateTlbs();
  return true;
}

Progress XeDevice::CheckProgress(Queue& queue) {
  const auto& xe_queue = static_cast<const XeQueue&>(queue);
  // Of the lanes that are at the oldest job the one that has come furthest speaks for it: none may run longer than the
  // limit. Counts of jobs wrap.
  Progress progress;
  uint32_t oldest = 0;
  for (size_t i = 0; i < xe_queue.lanes.size(); ++i) {
    uint32_t jobs = 0;
    const Progress of_lane = xe_queue.lanes[i].engine->CheckProgress(*xe_queue.lanes[i].context, &jobs);
    const auto ahead = static_cast<int32_t>(jobs - oldest);
    if (i > 0 && ahead > 0) continue;
    if (i == 0 || ahead < 0) progress = {};
    oldest = jobs;
    progress.started |= of_lane.started;
    progress.gpu_time_ns = std::max(progress.gpu_time_ns, of_lane.gpu_time_ns);
  }
  return progress;
}

void XeDevice::SetProps(Queue& queue, const SchedProps& props) {
  ForEachLane(static_cast<XeQueue&>(queue),
              [&](HwEngine& engine, Context& context) { return engine.SetProps(context, props); });
}

absl::Status XeDevice::Suspend(Queue& queue) {
  auto& xe_queue = static_cast<XeQueue&>(queue);
  if (!suspends_.Begin(xe_queue.context, queue.owner, static_cast<uint32_t>(xe_queue.lanes.size()))) {
    return absl::OkStatus();
  }
  absl::Status refused;
  ForEachLane(xe_queue, [&](HwEngine& engine, Context& context) {
    const absl::StatusOr<bool> look = engine.Suspend(context);
    refused.Update(look.status());
    return look.ok() && *look;
  });
  if (!refused.ok()) suspends_.Drop(xe_queue.context);
  return refused;
}

void XeDevice::Resume(Queue& queue) {
  auto& xe_queue = static_cast<XeQueue&>(queue);
  if (suspends_.Abort(xe_queue.context)) WakeInterruptThread();
  ForEachLane(xe_queue, [&](HwEngine& engine, Context& context) { return engine.Resume(context); });
}

void XeDevice::Cancel(Queue& queue, JobStatus head_status) {
  auto& xe_queue = static_cast<XeQueue&>(queue);
  if (suspends_.Abort(xe_queue.context)) WakeInterruptThread();
  ForEachLane(xe_queue, [&](HwEngine& engine, Context& context) { return engine.Cancel(context, head_status); });
}

QueueSnapshot XeDevice::Look(Queue& queue) {
  const auto& xe_queue = static_cast<const XeQueue&>(queue);
  const Lane& first = xe_queue.lanes.front();
  QueueSnapshot snapshot = first.engine->Look(*first.context, static_cast<uint32_t>(xe_queue.lanes.size()));
  snapshot.flags = xe_queue.flags;
  snapshot.msix_vector = xe_queue.msix_vector;
  return snapshot;
}

void XeDevice::InvalidateTlbs() {
  // One write for each engine, then the waits, so that they overlap.
  for (const std::unique_ptr<HwEngine>& engine : engines_) {
    function_->Write32({engine->place().tlb_invalidate}, 1u << engine->place().instance);
  }
  for (const std::unique_ptr<HwEngine>& engine : engines_) {
    WaitForBits(*function_, {engine->place().tlb_invalidate}, 1u << engine->place().instance, false, kTlbLimit);
  }
}

void XeDevice::WakeInterruptThread() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void XeDevice::RunInterruptThread(Listener& listener) {
  YieldToWakers();
  while (!stop_.load()) {
    Nanos look = MonotonicNow() + kLookPeriod;
    for (const std::unique_ptr<HwEngine>& engine : engines_) look = std::min(look, engine->NextLook());
    const Nanos left = std::max<Nanos>(look - MonotonicNow(), 0);
    const timespec timeout{left / kNanosPerSecond, left % kNanosPerSecond};
    pollfd fds[] = {{function_->interrupt_fd(), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    ppoll(fds, 2, &timeout, nullptr);
    uint64_t count = 0;
    if ((fds[1].revents & POLLIN) != 0) {
      [[maybe_unused]] const ssize_t size = read(wake_fd_, &count, sizeof(count));
    }
    const Nanos now = MonotonicNow();
    if ((fds[0].revents & POLLIN) != 0) {
      [[maybe_unused]] const ssize_t size = read(function_->interrupt_fd(), &count, sizeof(count));
      TakeInterrupts(*function_, [&](regs::HwClass engine_class, uint32_t instance, uint32_t vector_bits) {
        for (const std::unique_ptr<HwEngine>& engine : engines_) {
          const regs::EnginePlace& place = engine->place();
          if (place.engine_class == engine_class && place.instance == instance) engine->Serve(vector_bits, now);
        }
      });
    }
    if (now >= look) {
      for (const std::unique_ptr<HwEngine>& engine : engines_) engine->Serve(0, now);
    }
    Deliver(listener);
  }
}

void XeDevice::CancelGang(Gang& gang) {
  bool look = false;
  gang.ForEach([&](const Lane& lane) { look |= lane.engine->Cancel(*lane.context, JobStatus::kCancelled); });
  if (look) WakeInterruptThread();
}

void XeDevice::Deliver(Listener& listener) {
  const bool lost = std::any_of(engines_.begin(), engines_.end(), [](const auto& engine) { return engine->lost(); });
  for (const std::unique_ptr<HwEngine>& engine : engines_) {
    // Every job is told of before the loss is.
    if (lost) engine->GiveUp();
    engine->TakeDone(done_);
    for (const LaneCompletion& lane : done_) {
      Completion joined = static_cast<const Completion&>(lane);
      // The others would wait for it, or work in vain.
      if (lane.gang != nullptr && lane.status != JobStatus::kOk) CancelGang(*lane.gang);
      if (lane.gang == nullptr || lane.gang->Join(lane.lane, lane, &joined)) delivering_.push_back(joined);
    }
    done_.clear();
    if (!delivering_.empty()) listener.OnCompletions(delivering_);
    delivering_.clear();
    engine->TakeAnswers(answers_);
    for (const SuspendAnswer& answer : answers_) suspends_.Answer(answer);
    answers_.clear();
  }
  suspends_.TakeAnswered(answered_);
  for (const SuspendJoin::Answered& answer : answered_) {
    listener.OnSuspended(answer.context, answer.owner, SuspendStatus(answer.code));
  }
  answered_.clear();
  if (lost && !std::exchange(told_lost_, true)) {
    listener.OnDeviceLost(absl::UnavailableError(absl::StrCat(info_.id, ": an engine cannot be reset")));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> CreateXeDevice(std::unique_ptr<pci::PciFunction> function) {
  if (absl::Status status = CheckDevice(*function); !status.ok()) return status;
  const std::vector<regs::EnginePlace> places = FindEngines(*function);
  if (absl::Status status = Wake(*function, places); !status.ok()) return status;
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return absl::ResourceExhaustedError("no file descriptor left for the driver's eventfd");
  auto device = std::make_unique<XeDevice>(std::move(function), places, wake_fd);
  if (absl::Status status = device->StartEngines(places); !status.ok()) return status;
  return device;
}

}  // namespace xeq::hw::xe
