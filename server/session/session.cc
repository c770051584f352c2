#include "server/session/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/common/errors.h"

namespace xeq::session {

Session::Session(sched::DeviceLoop& loop, Recorder& recorder, SessionOptions options, hw::Nanos now)
    : loop_(loop),
      recorder_(recorder),
      options_(std::move(options)),
      lease_(options_.lease_ns, now),
      buffer_bytes_(std::make_shared<std::atomic<uint64_t>>(0)),
      payloads_(std::make_shared<PayloadBudget>(options_.limits.syncobj_payloads_max)),
      vms_("vms_max", options_.limits.vms_max),
      buffers_("buffers_max", options_.limits.buffers_max),
      queues_("queues_max", options_.limits.queues_max),
      fences_(options_.limits.waiters_max, kTombstonesMax),
      syncobjs_(fences_, options_.limits.syncobjs_max),
      events_(options_.limits.events_kept_max) {
  watches_.reserve(options_.limits.watches_max);
}

absl::Status Session::CheckOpen() const { return closed_ ? SessionNotFound() : absl::OkStatus(); }

absl::Status Session::CheckClosing(absl::string_view limit, uint32_t max) const {
  // Makes room by itself, as the device lets go of what was destroyed.
  const uint32_t closing_max = options_.limits.queues_max + options_.limits.vms_max;
  return fences_.closing() < closing_max ? absl::OkStatus() : LimitReachedForNow(limit, max, fences_.closing());
}

absl::StatusOr<Context*> Session::AddContext(sched::QueueSpec spec, std::unique_ptr<hw::Queue> hardware) {
  Context& context = fences_.Add(sched::MakeRef<sched::Timeline>(std::move(spec), std::move(hardware)));
  // With the lock held, as every post that orders what follows on the context; takes no lock and does not wait.
  if (absl::Status status = loop_.PostQueue(context.timeline, shared_from_this()); !status.ok()) {
    fences_.Remove(context.id);
    return FromDevice(status);
  }
  return &context;
}

void Session::CloseContext(Context& context) {
  loop_.PostClose(context.timeline);
  fences_.Close(context);
}

absl::StatusOr<uint64_t> Session::CreateVm() {
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    if (absl::Status status = CheckClosing("vms_max", options_.limits.vms_max); !status.ok()) return status;
    if (absl::Status status = vms_.Reserve(); !status.ok()) return status;
  }
  absl::StatusOr<std::shared_ptr<hw::Vm>> vm = loop_.device().CreateVm({});
  sched::QueueSpec timeline;
  timeline.context = loop_.NewContext();

  hw::MutexLock lock(mutex_);
  absl::Status status = vm.ok() ? CheckOpen() : FromDevice(vm.status());
  absl::StatusOr<Context*> context = status.ok() ? AddContext(std::move(timeline), nullptr) : status;
  if (!context.ok()) {
    vms_.GiveBack();
    return context.status();
  }
  vms_.Insert((*context)->id, {*std::move(vm), *context});
  return (*context)->id;
}

absl::Status Session::DestroyVm(uint64_t handle) {
  std::optional<Vm> vm;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    if (vms_.Find(handle) == nullptr) return VmNotFound("vm", handle);
    uint64_t user = 0;
    for (const auto& [queue, entry] : queues_) {
      if (entry.spec.vm == handle && (user == 0 || queue < user)) user = queue;
    }
    if (user != 0) return VmInUse(handle, user);
    vm = vms_.Remove(handle);
    CloseContext(*vm->context);
  }
  return absl::OkStatus();
}

absl::StatusOr<BufferInfo> Session::CreateBuffer(uint64_t size_bytes, uint32_t region_id) {
  const std::vector<hw::MemoryRegion>& regions = loop_.device().info().regions;
  const auto region =
      std::find_if(regions.begin(), regions.end(), [&](const hw::MemoryRegion& r) { return r.id == region_id; });
  if (region == regions.end()) return FieldUnknownValue("region", region_id);
  if (size_bytes == 0 || size_bytes > region->size_bytes) {
    return FieldOutOfRange("size", size_bytes, 1, region->size_bytes);
  }
  size_bytes = (size_bytes + region->page_bytes - 1) / region->page_bytes * region->page_bytes;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const uint64_t used = buffer_bytes_->load();
    const uint64_t max = options_.limits.buffer_bytes_max;
    if (used > max || size_bytes > max - used) return LimitReached("buffer_bytes_max", max, used);
    if (absl::Status status = buffers_.Reserve(); !status.ok()) return status;
    buffer_bytes_->fetch_add(size_bytes);
  }
  auto buffer = loop_.device().CreateBuffer({.size_bytes = size_bytes, .region = region->id});
  if (!buffer.ok()) {
    buffer_bytes_->fetch_sub(size_bytes);
    hw::MutexLock lock(mutex_);
    buffers_.GiveBack();
    return FromDevice(buffer.status());
  }
  // Counts until the last owner lets go, which may be a mapping long after the handle is gone.
  std::shared_ptr<hw::Buffer> counted(
      buffer->get(), [owned = *buffer, bytes = buffer_bytes_, size_bytes](auto*) { bytes->fetch_sub(size_bytes); });
  const uint64_t handle = loop_.NewContext();
  hw::MutexLock lock(mutex_);
  if (closed_) {
    buffers_.GiveBack();
    return SessionNotFound();
  }
  buffers_.Insert(handle, std::move(counted));
  return BufferInfo{handle, size_bytes};
}

absl::Status Session::DestroyBuffer(uint64_t handle) {
  // Freed after the lock is.
  std::optional<std::shared_ptr<hw::Buffer>> buffer;
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  buffer = buffers_.Remove(handle);
  return buffer ? absl::OkStatus() : BufferNotFound("buffer", handle);
}

absl::StatusOr<std::shared_ptr<hw::Buffer>> Session::FindBuffer(uint64_t handle) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  auto* buffer = buffers_.Find(handle);
  if (buffer == nullptr) return BufferNotFound("buffer", handle);
  return *buffer;
}

absl::StatusOr<uint16_t> Session::ChooseEngine(const QueueSpec& spec) const {
  for (const hw::EngineInfo& engine : loop_.device().info().engines) {
    if (engine.engine_class != spec.engine_class) continue;
    if (!spec.engine_instance || *spec.engine_instance == engine.instance) return engine.instance;
  }
  const std::string_view name = hw::EngineClassName(spec.engine_class);
  return EngineNotFound({name.data(), name.size()}, spec.engine_instance);
}

uint32_t Session::EnginesFrom(hw::EngineClass engine_class, uint16_t instance) const {
  const std::vector<hw::EngineInfo>& engines = loop_.device().info().engines;
  const auto count = std::count_if(engines.begin(), engines.end(), [&](const hw::EngineInfo& engine) {
    return engine.engine_class == engine_class && engine.instance >= instance;
  });
  return static_cast<uint32_t>(std::min<size_t>(static_cast<size_t>(count), hw::kBatchesPerJobMax));
}

absl::StatusOr<QueueInfo> Session::CreateQueue(const QueueSpec& spec) {
  const absl::StatusOr<uint16_t> instance = ChooseEngine(spec);
  if (!instance.ok()) return instance.status();
  const uint32_t width_max = EnginesFrom(spec.engine_class, *instance);
  if (spec.width > width_max) return FieldOutOfRange("width", spec.width, 1, width_max);
  std::shared_ptr<hw::Vm> vm;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const Vm* found = vms_.Find(spec.vm);
    if (found == nullptr) return VmNotFound("vm", spec.vm);
    vm = found->hw;
    if (absl::Status status = CheckClosing("queues_max", options_.limits.queues_max); !status.ok()) return status;
    if (absl::Status status = queues_.Reserve(); !status.ok()) return status;
  }
  hw::QueueSpec hw_spec;
  hw_spec.context = loop_.NewContext();
  hw_spec.engine_class = spec.engine_class;
  hw_spec.logical_mask = 1u << *hw::LogicalInstance(loop_.device().info(), spec.engine_class, *instance);
  hw_spec.width = spec.width;
  hw_spec.props.priority = spec.priority;
  auto hw_queue = loop_.device().CreateQueue(hw_spec, std::move(vm));
  QueueInfo info;
  {
    hw::MutexLock lock(mutex_);
    absl::Status status = hw_queue.ok() ? CheckOpen() : FromDevice(hw_queue.status());
    if (status.ok() && vms_.Find(spec.vm) == nullptr) status = VmNotFound("vm", spec.vm);
    sched::QueueSpec timeline;
    timeline.context = hw_spec.context;
    timeline.engine_class = spec.engine_class;
    timeline.priority = spec.priority;
    timeline.job_timeout_ns = spec.job_timeout_ms * hw::kNanosPerMilli;
    timeline.width = spec.width;
    timeline.bypass = spec.bypass;
    timeline.put_mode = spec.put_mode;
    timeline.credits = loop_.device().info().jobs_per_queue_max;
    absl::StatusOr<Context*> context = status.ok() ? AddContext(std::move(timeline), *std::move(hw_queue)) : status;
    if (!context.ok()) {
      queues_.GiveBack();
      return context.status();
    }
    Queue queue{spec, *context, {}};
    queue.spec.engine_instance = *instance;
    info = Describe(hw_spec.context, queues_.Insert(hw_spec.context, std::move(queue)));
  }
  recorder_.OnQueueCreated(spec.engine_class);
  return info;
}

QueueInfo Session::Describe(uint64_t handle, const Queue& queue) const {
  return {handle,
          queue.spec.vm,
          queue.spec.engine_class,
          *queue.spec.engine_instance,
          queue.spec.priority,
          queue.spec.job_timeout_ms,
          queue.spec.width,
          queue.spec.bypass,
          queue.spec.put_mode,
          queue.culprit.has_value(),
          queue.context->armed,
          queue.context->results.ended(),
          options_.client_name};
}

absl::StatusOr<QueueInfo> Session::GetQueue(uint64_t handle) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const Queue* queue = queues_.Find(handle);
  if (queue == nullptr) return QueueNotFound("queue", handle);
  return Describe(handle, *queue);
}

std::vector<QueueInfo> Session::ListQueues(uint64_t after) {
  std::vector<QueueInfo> list;
  hw::MutexLock lock(mutex_);
  for (const auto& [handle, queue] : queues_) {
    if (handle > after) list.push_back(Describe(handle, queue));
  }
  return list;
}

absl::Status Session::DestroyQueue(uint64_t handle) {
  std::optional<Queue> queue;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    queue = queues_.Remove(handle);
    if (!queue) return QueueNotFound("queue", handle);
    CloseContext(*queue->context);
  }
  recorder_.OnQueueClosed(queue->spec.engine_class, queue->culprit.has_value(), CloseReason::kClient);
  return absl::OkStatus();
}

void Session::Close(CloseReason reason) {
  // Taken out under the lock, freed after it.
  absl::flat_hash_map<uint64_t, Vm> vms;
  absl::flat_hash_map<uint64_t, std::shared_ptr<hw::Buffer>> buffers;
  absl::flat_hash_map<uint64_t, Queue> queues;
  Watches watches;
  MetWaits given_up;
  {
    hw::MutexLock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    vms = vms_.RemoveAll();
    buffers = buffers_.RemoveAll();
    queues = queues_.RemoveAll();
    for (const auto& [handle, queue] : queues) CloseContext(*queue.context);
    for (const auto& [handle, vm] : vms) CloseContext(*vm.context);
    for (const auto& [handle, context] : host_timelines_) CloseContext(*context);
    host_timelines_.clear();
    syncobjs_.Close(given_up);
    TakeIdleWatches(watches);
  }
  for (const auto& [handle, queue] : queues) {
    recorder_.OnQueueClosed(queue.spec.engine_class, queue.culprit.has_value(), reason);
  }
  Tell(given_up);
  Tell(watches);
  recorder_.OnSessionClosed(reason);
}

}  // namespace xeq::session
