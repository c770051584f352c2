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

absl::StatusOr<uint64_t> Session::CreateVm(bool long_running) {
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    if (absl::Status status = CheckClosing("vms_max", options_.limits.vms_max); !status.ok()) return status;
    if (absl::Status status = vms_.Reserve(); !status.ok()) return status;
  }
  absl::StatusOr<std::shared_ptr<hw::Vm>> vm = loop_.device().CreateVm({.long_running = long_running});
  sched::QueueSpec timeline;
  timeline.context = loop_.NewContext();

  hw::MutexLock lock(mutex_);
  absl::Status status = vm.ok() ? CheckOpen() : FromDevice(vm.status());
  absl::StatusOr<Context*> context = status.ok() ? AddContext(std::move(timeline), nullptr) : status;
  if (!context.ok()) {
    vms_.GiveBack();
    return context.status();
  }
  vms_.Insert((*context)->id, {*std::move(vm), *context, long_running});
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

void Session::Close(CloseReason reason) {
  // Taken out under the lock, freed after it.
  absl::flat_hash_map<uint64_t, Vm> vms;
  absl::flat_hash_map<uint64_t, std::shared_ptr<hw::Buffer>> buffers;
  absl::flat_hash_map<uint64_t, Queue> queues;
  Watches watches;
  SuspendWaits suspends;
  MetWaits given_up;
  {
    hw::MutexLock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    vms = vms_.RemoveAll();
    buffers = buffers_.RemoveAll();
    queues = queues_.RemoveAll();
    for (auto& [handle, queue] : queues) {
      CloseContext(*queue.context);
      suspends.insert(suspends.end(), queue.suspends.begin(), queue.suspends.end());
    }
    for (const auto& [handle, vm] : vms) CloseContext(*vm.context);
    for (const auto& [handle, context] : host_timelines_) CloseContext(*context);
    host_timelines_.clear();
    syncobjs_.Close(given_up);
    TakeIdleWatches(watches);
  }
  for (const auto& [handle, queue] : queues) {
    recorder_.OnQueueClosed(queue.spec.engine_class, queue.ban.has_value(), reason);
  }
  Tell(given_up);
  Tell(watches);
  for (const std::shared_ptr<SuspendWait>& wait : suspends) wait->OnAnswered(SessionNotFound());
  recorder_.OnSessionClosed(reason);
}

}  // namespace xeq::session
