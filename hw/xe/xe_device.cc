#include "hw/xe/xe_device.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
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
#include "hw/xe/vm.h"
#include "hw/yielding_thread.h"

namespace xeq::hw::xe {
namespace {

constexpr Nanos kTlbLimit = 4 * kNanosPerMilli;

// The scheduler's hold on the contexts of a queue.
class XeQueue : public Queue {
 public:
  ~XeQueue() override {
    for (const Lane& lane : gang.lanes) lane.engine->RemoveContext(lane.context);
  }

  // One lane for each batch of a job.
  Gang gang;
};

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
  void CancelGang(const Gang& gang);
  // Ended jobs to the listener.
  void Deliver(Listener& listener);

  const std::unique_ptr<pci::PciFunction> function_;
  const DeviceInfo info_;
  const std::shared_ptr<std::atomic<uint64_t>> used_bytes_ = std::make_shared<std::atomic<uint64_t>>(0);
  const int wake_fd_;
  Ggtt ggtt_;
  std::vector<std::unique_ptr<HwEngine>> engines_;
  std::atomic<bool> stop_{false};
  // Interrupt thread only.
  bool told_lost_ = false;
  std::vector<LaneCompletion> done_;
  std::vector<Completion> delivering_;
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
    engines_.push_back(std::make_unique<HwEngine>(*function_, place, *std::move(page), *std::move(mapping)));
    engines_.back()->Start();
  }
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
  auto queue = std::make_unique<XeQueue>();
  uint32_t logical = 0;
  for (const std::unique_ptr<HwEngine>& engine : engines_) {
    const regs::EnginePlace& place = engine->place();
    if (place.engine_class != engine_class) continue;
    if ((spec.logical_mask << queue->gang.lanes.size() >> logical++ & 1) == 0) continue;
    absl::StatusOr<std::unique_ptr<Lrc>> lrc =
        Lrc::Create(*function_, ggtt_, place, std::static_pointer_cast<XeVm>(vm));
    if (!lrc.ok()) return lrc.status();
    Context* context = engine->AddContext(spec.context, spec.props.priority, *std::move(lrc));
    if (spec.width > 1) context->gang = &queue->gang;
    context->lane = static_cast<uint32_t>(queue->gang.lanes.size());
    queue->gang.lanes.push_back({engine.get(), context});
    if (queue->gang.lanes.size() == spec.width) return queue;
  }
  return absl::NotFoundError(absl::StrCat("the device has not the engines of class ",
                                          std::string(EngineClassName(spec.engine_class)), " and mask ",
                                          spec.logical_mask, " for ", spec.width, " lanes"));
}

absl::StatusOr<std::unique_ptr<BindOp>> XeDevice::PrepareBind(std::shared_ptr<Vm> vm, const BindSpec& spec) {
  return static_cast<XeVm&>(*vm).Prepare(spec);
}

void XeDevice::Submit(Queue& queue, const Submission& job) {
  auto& xe_queue = static_cast<XeQueue&>(queue);
  bool look = false;
  for (size_t i = 0; i < xe_queue.gang.lanes.size(); ++i) {
    const Lane& lane = xe_queue.gang.lanes[i];
    look |= lane.engine->Submit(*lane.context, queue.owner, job.seqno, job.batches[i]);
  }
  if (look) WakeInterruptThread();
}

bool XeDevice::Bind(BindOp& op, const Completion&) {
  auto& xe_op = static_cast<XeBindOp&>(op);
  if (xe_op.vm().Apply(xe_op)) InvalidateTlbs();
  return true;
}

void XeDevice::SetProps(Queue&, const SchedProps&) {}

absl::Status XeDevice::Suspend(Queue&) { return absl::UnimplementedError("not in this driver yet"); }

void XeDevice::Resume(Queue&) {}

QueueSnapshot XeDevice::Look(Queue&) { return {}; }

Progress XeDevice::CheckProgress(Queue& queue) {
  auto& xe_queue = static_cast<XeQueue&>(queue);
  // The lane that has come furthest speaks for the job: none may run longer than the limit.
  Progress progress;
  for (const Lane& lane : xe_queue.gang.lanes) {
    const Progress of_lane = lane.engine->CheckProgress(*lane.context);
    progress.started |= of_lane.started;
    progress.gpu_time_ns = std::max(progress.gpu_time_ns, of_lane.gpu_time_ns);
  }
  return progress;
}

void XeDevice::Cancel(Queue& queue, JobStatus head_status) {
  auto& xe_queue = static_cast<XeQueue&>(queue);
  bool look = false;
  for (const Lane& lane : xe_queue.gang.lanes) look |= lane.engine->Cancel(*lane.context, head_status);
  if (look) WakeInterruptThread();
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
    bool contended = false;
    for (const std::unique_ptr<HwEngine>& engine : engines_) contended |= engine->IsContended();
    pollfd fds[] = {{function_->interrupt_fd(), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    const int timeout_ms = contended ? static_cast<int>(HwEngine::kTimeSlice / kNanosPerMilli) : -1;
    poll(fds, 2, timeout_ms);
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
    if (contended) {
      for (const std::unique_ptr<HwEngine>& engine : engines_) engine->Serve(0, now);
    }
    Deliver(listener);
  }
}

void XeDevice::CancelGang(const Gang& gang) {
  bool look = false;
  for (const Lane& lane : gang.lanes) look |= lane.engine->Cancel(*lane.context, JobStatus::kCancelled);
  if (look) WakeInterruptThread();
}

void XeDevice::Deliver(Listener& listener) {
  for (const std::unique_ptr<HwEngine>& engine : engines_) {
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
    if (engine->lost() && !std::exchange(told_lost_, true)) {
      listener.OnDeviceLost(absl::UnavailableError(absl::StrCat(info_.id, ": an engine cannot be reset")));
    }
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
