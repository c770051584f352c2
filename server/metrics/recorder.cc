#include "server/metrics/recorder.h"

namespace xeq::metrics {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

void Recorder::Record(const sched::Job& job, const sched::QueueSpec& queue) {
  const sched::StageTimes& times = job.times;
  (job.result.outcome == sched::Outcome::kOk ? device_.fences_ok : device_.fences_failed).fetch_add(1, kRelaxed);
  if (job.bind() != nullptr) {
    if (times.gpu_end != 0) device_.vm_bind.Add(times.gpu_end - times.gpu_start);
    return;
  }
  EngineCells& cells = engines_[Index(queue.engine_class)];
  cells.jobs_completed[static_cast<size_t>(job.result.outcome)].fetch_add(1, kRelaxed);
  cells.end_to_end.Add(times.ended - times.armed);
  if (times.ready != 0) cells.dependency_wait.Add(times.ready - times.armed);
  if (times.dispatched != 0) cells.queue_wait.Add(times.dispatched - times.ready);
  if (times.gpu_start != 0) cells.gpu_start_delay.Add(times.gpu_start - times.dispatched);
  // Of a job that was taken off the engine too, which has no end there.
  if (times.gpu_time > 0) cells.gpu_time_ns.fetch_add(static_cast<uint64_t>(times.gpu_time), kRelaxed);
  if (times.gpu_start == 0 || times.gpu_end == 0) return;
  cells.execution.Add(times.gpu_end - times.gpu_start);
  cells.signal_latency.Add(times.ended - times.gpu_end);
}

void Recorder::OnSessionOpened() { device_.sessions.fetch_add(1, kRelaxed); }

void Recorder::OnSessionClosed(session::CloseReason reason) {
  device_.sessions.fetch_sub(1, kRelaxed);
  if (reason == session::CloseReason::kLeaseExpired) device_.lease_expirations.fetch_add(1, kRelaxed);
}

void Recorder::OnQueueCreated(hw::EngineClass engine_class) {
  engines_[Index(engine_class)].queues_created.fetch_add(1, kRelaxed);
  engines_[Index(engine_class)].queues_usable.fetch_add(1, kRelaxed);
}

void Recorder::OnQueueBanned(hw::EngineClass engine_class) {
  engines_[Index(engine_class)].queues_usable.fetch_sub(1, kRelaxed);
  engines_[Index(engine_class)].queues_banned.fetch_add(1, kRelaxed);
}

void Recorder::OnQueueClosed(hw::EngineClass engine_class, bool banned, session::CloseReason reason) {
  EngineCells& cells = engines_[Index(engine_class)];
  (banned ? cells.queues_banned : cells.queues_usable).fetch_sub(1, kRelaxed);
  cells.queues_closed[static_cast<size_t>(reason)].fetch_add(1, kRelaxed);
}

void Recorder::OnJobsArmed(hw::EngineClass engine_class, uint32_t jobs) {
  engines_[Index(engine_class)].jobs_submitted.fetch_add(jobs, kRelaxed);
}

void Recorder::OnSubmitted(uint32_t jobs) { device_.submit_batch_jobs.Add(jobs); }

void Recorder::OnWaiters(int change) { device_.waiters.fetch_add(change, kRelaxed); }

void Recorder::OnWatches(int change) { device_.watches.fetch_add(change, kRelaxed); }

void Recorder::OnSubmitServed(hw::Nanos time_ns) { device_.submit_server.Add(time_ns); }

void Recorder::OnRejected(RejectReason reason, uint32_t jobs) {
  device_.jobs_rejected[static_cast<size_t>(reason)].fetch_add(jobs, kRelaxed);
}

void Recorder::OnNotified(hw::Nanos latency_ns) { device_.notify_latency.Add(latency_ns); }

void Recorder::OnTransfer(Direction direction, uint64_t bytes) {
  device_.transfer_bytes[static_cast<size_t>(direction)].fetch_add(bytes, kRelaxed);
}

void Recorder::SetDeviceState(DeviceState state) { device_.state.store(state, kRelaxed); }

}  // namespace xeq::metrics
