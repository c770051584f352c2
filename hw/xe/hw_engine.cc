#include "hw/xe/hw_engine.h"

#include <algorithm>
#include <utility>

namespace xeq::hw::xe {
namespace {

// Whether `seqno` is at or behind `point`, on a circle of 2^32.
bool HasPassed(uint32_t seqno, uint32_t point) { return static_cast<int32_t>(seqno - point) >= 0; }

}  // namespace

HwEngine::HwEngine(pci::PciFunction& function, const regs::EnginePlace& place,
                   std::unique_ptr<pci::DmaMemory> status_page, GgttMapping status_mapping)
    : function_(function),
      place_(place),
      status_page_(std::move(status_page)),
      status_mapping_(std::move(status_mapping)) {}

HwEngine::~HwEngine() {
  MutexLock lock(mutex_);
  // Nothing may touch the contexts' memory when it is freed.
  Reset();
}

void HwEngine::Start() {
  MutexLock lock(mutex_);
  Enable();
}

Context* HwEngine::AddContext(uint64_t id, Priority priority, std::unique_ptr<Lrc> lrc) {
  auto context = std::make_unique<Context>(id, priority, std::move(lrc));
  Context* raw = context.get();
  MutexLock lock(mutex_);
  contexts_.push_back(std::move(context));
  // So that no job's end needs memory: each context's jobs may be here once, and once more in the interrupt thread's
  // hands.
  done_.reserve(contexts_.size() * kJobsPerContextMax);
  return raw;
}

void HwEngine::RemoveContext(Context* context) {
  MutexLock lock(mutex_);
  context->dead = true;
  if (context->in_ports) {
    context->orphaned = true;
  } else {
    FreeContext(context);
  }
}

void HwEngine::FreeContext(Context* context) {
  if (context->waiting) ListOf(context).Remove(context);
  std::erase_if(contexts_, [&](const std::unique_ptr<Context>& other) { return other.get() == context; });
}

bool HwEngine::Submit(Context& context, void* owner, uint64_t seqno, uint64_t batch) {
  MutexLock lock(mutex_);
  context.owner = owner;
  context.job(context.job_end) = {seqno, 0};
  RingJob& job = context.job(context.job_end++);
  if (context.dead || lost_) {
    EndJobs(context, lost_ ? JobStatus::kDeviceLost : JobStatus::kCancelled, {});
    return true;
  }
  job.hw_seqno = context.lrc->Emit(batch);
  const bool was_contended = Contended();
  if (!context.in_ports && !context.waiting) Enqueue(&context, /*at_front=*/false);
  Dequeue(/*rotate=*/false);
  return !was_contended && Contended();
}

Progress HwEngine::CheckProgress(Context& context) {
  MutexLock lock(mutex_);
  if (!context.has_jobs()) return {};
  const RingJob& job = context.job(context.job_first);
  if (!HasPassed(context.lrc->start_seqno(), job.hw_seqno)) return {};
  uint32_t ticks = context.lrc->stored_context_timestamp();
  // The live clock, if it is this context's before and after it is read.
  const auto is_on_engine = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const uint64_t running = static_cast<uint64_t>(Read(regs::kExeclistStatusHi)) << 32;
    return context.in_ports && (running >> regs::kDescriptorIdShift & regs::kContextIdMask) == context.hw_id;
  };
  if (is_on_engine()) {
    const uint32_t live = Read(regs::kCtxTimestamp);
    ticks = is_on_engine() ? live : context.lrc->stored_context_timestamp();
  }
  const uint32_t used = ticks - context.lrc->Timestamps(job.hw_seqno).start_context;
  // Left the engine and came back between the looks: nothing to blame it for yet.
  if (static_cast<int32_t>(used) < 0) return {true, 0};
  return {true, TicksToNanos(used)};
}

bool HwEngine::IsContended() {
  MutexLock lock(mutex_);
  return Contended();
}

void HwEngine::TakeDone(std::vector<LaneCompletion>& done) {
  MutexLock lock(mutex_);
  done.reserve(done_.capacity());
  done.swap(done_);
}

bool HwEngine::lost() {
  MutexLock lock(mutex_);
  return lost_;
}

LaneCompletion HwEngine::Begin(const Context& context, const RingJob& job) {
  LaneCompletion completion;
  completion.context = context.id;
  completion.owner = context.owner;
  completion.seqno = job.seqno;
  completion.gang = context.gang;
  completion.lane = context.lane;
  return completion;
}

LaneCompletion HwEngine::Describe(const Context& context, const RingJob& job, JobStatus status) {
  LaneCompletion completion = Begin(context, job);
  completion.status = status;
  if (!HasPassed(context.lrc->start_seqno(), job.hw_seqno)) return completion;
  UpdateAnchor();
  const JobTimestamps times = context.lrc->Timestamps(job.hw_seqno);
  completion.gpu_start_ns = anchor_.ToTime(times.start);
  if (!HasPassed(context.lrc->seqno(), job.hw_seqno)) {
    // Taken off while it ran, or between two turns.
    const uint32_t left = context.stopped_timestamp.value_or(context.lrc->stored_context_timestamp());
    const auto used = static_cast<int32_t>(left - times.start_context);
    if (used > 0) completion.gpu_time_ns = TicksToNanos(static_cast<uint32_t>(used));
    return completion;
  }
  completion.gpu_end_ns = anchor_.ToTime(times.end);
  completion.gpu_time_ns = TicksToNanos(times.end_context - times.start_context);
  return completion;
}

void HwEngine::UpdateAnchor() {
  // The crystals of the two clocks drift apart by some 50 us in this time; the low dword wraps in 223 s.
  constexpr Nanos kPeriod = kNanosPerSecond;
  Nanos before = MonotonicNow();
  if (anchor_.time != 0 && before - anchor_.time < kPeriod) return;
  // The closest of a few looks.
  Nanos closest = kNever;
  for (int i = 0; i < 4; ++i) {
    const uint32_t ticks = Read(regs::kRingTimestamp);
    const Nanos after = MonotonicNow();
    if (after - before < closest) {
      closest = after - before;
      anchor_ = {ticks, before + closest / 2};
    }
    before = after;
  }
}

void HwEngine::Retire(Context& context) {
  if (!context.has_jobs()) return;
  const uint32_t seqno = context.lrc->seqno();
  while (context.has_jobs() && HasPassed(seqno, context.job(context.job_first).hw_seqno)) {
    done_.push_back(Describe(context, context.job(context.job_first++), JobStatus::kOk));
  }
}

void HwEngine::EndJobs(Context& context, JobStatus status, const FaultInfo& fault) {
  context.dead = true;
  Retire(context);
  for (bool head = true; context.has_jobs(); head = false) {
    const RingJob& job = context.job(context.job_first++);
    LaneCompletion completion = Begin(context, job);
    completion.status = status;
    if (head && status != JobStatus::kDeviceLost) completion = Describe(context, job, status);
    if (head) {
      completion.fault = fault;
    } else if (status != JobStatus::kDeviceLost) {
      completion.status = JobStatus::kCancelled;
    }
    done_.push_back(completion);
  }
}

}  // namespace xeq::hw::xe
