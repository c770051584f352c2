#include "hw/xe/hw_engine.h"

#include <algorithm>
#include <utility>

namespace xeq::hw::xe {
namespace {

// Whether `seqno` is at or behind `point`, on a circle of 2^32.
bool HasPassed(uint32_t seqno, uint32_t point) { return static_cast<int32_t>(seqno - point) >= 0; }

}  // namespace

HwEngine::HwEngine(pci::PciFunction& function, const regs::EnginePlace& place,
                   std::unique_ptr<pci::DmaMemory> status_page, GgttMapping status_mapping, std::unique_ptr<Lrc> idle,
                   Siblings& siblings)
    : function_(function),
      place_(place),
      siblings_(siblings),
      logical_(static_cast<uint32_t>(siblings.engines.size())),
      status_page_(std::move(status_page)),
      status_mapping_(std::move(status_mapping)),
      idle_(0, SchedProps{}, std::move(idle)) {
  siblings_.engines.push_back(this);
}

HwEngine::~HwEngine() {
  MutexLock lock(siblings_.mutex);
  // Nothing may touch the contexts' memory when it is freed.
  Reset();
}

void HwEngine::Start() {
  MutexLock lock(siblings_.mutex);
  Enable();
}

Context* HwEngine::AddContext(uint64_t id, const SchedProps& props, std::unique_ptr<Lrc> lrc, uint32_t mask) {
  auto context = std::make_unique<Context>(id, props, std::move(lrc));
  Context* raw = context.get();
  raw->home = this;
  raw->mask = mask;
  MutexLock lock(siblings_.mutex);
  siblings_.contexts.push_back(std::move(context));
  // So that no job's end needs memory: each context's jobs may be here once, and once more in the interrupt thread's
  // hands.
  siblings_.done.reserve(siblings_.contexts.size() * kJobsPerContextMax);
  siblings_.answers.reserve(siblings_.contexts.size());
  return raw;
}

void HwEngine::RemoveContext(Context* context) {
  MutexLock lock(siblings_.mutex);
  HwEngine& home = HomeOf(*context);
  home.siblings_.mutex.AssertHeld();
  home.RemoveHere(context);
}

void HwEngine::RemoveHere(Context* context) {
  if (!context->machine.dead()) context->machine.MoveTo(QueueState::kKilled);
  if (context->in_ports) {
    context->orphaned = true;
  } else {
    FreeContext(context);
  }
}

void HwEngine::FreeContext(Context* context) {
  if (context->waiting) ListOf(context).Remove(context);
  std::erase_if(siblings_.contexts, [&](const std::unique_ptr<Context>& other) { return other.get() == context; });
}

bool HwEngine::Submit(Context& context, void* owner, uint64_t seqno, uint64_t batch, const UserFence& user_fence) {
  MutexLock lock(siblings_.mutex);
  context.owner = owner;
  // Until it is in the ring, a seqno that is not reached.
  context.job(context.job_end++) = {seqno, context.lrc->next_seqno() + (1u << 30), context.lrc->write_offset()};
  HwEngine& home = HomeOf(context);
  home.siblings_.mutex.AssertHeld();
  return home.SubmitHere(context, batch, user_fence);
}

bool HwEngine::SubmitHere(Context& context, uint64_t batch, const UserFence& user_fence) {
  // Its jobs end when the engine has left it.
  if (context.cancelling) return false;
  if (context.machine.dead() || lost_) {
    EndJobs(context, lost_ ? JobStatus::kDeviceLost : JobStatus::kCancelled, {});
    return true;
  }
  context.job(context.job_end - 1).hw_seqno = context.lrc->Emit(batch, user_fence);
  const bool runs = context.machine.state() == QueueState::kRunning;
  if (runs && !context.in_ports && !context.waiting) Enqueue(&context, /*at_front=*/false);
  Dequeue(/*rotate=*/false);
  return NeedsEarlierLook();
}

bool HwEngine::SetProps(Context& context, const SchedProps& props) {
  MutexLock lock(siblings_.mutex);
  HwEngine& home = HomeOf(context);
  home.siblings_.mutex.AssertHeld();
  return home.SetPropsHere(context, props);
}

bool HwEngine::SetPropsHere(Context& context, const SchedProps& props) {
  if (context.machine.dead()) return false;
  const bool waiting = context.waiting;
  if (waiting) ListOf(&context).Remove(&context);
  context.props = props;
  if (waiting) Enqueue(&context, /*at_front=*/false);
  Dequeue(/*rotate=*/false);
  return NeedsEarlierLook();
}

absl::StatusOr<bool> HwEngine::Suspend(Context& context) {
  MutexLock lock(siblings_.mutex);
  HwEngine& home = HomeOf(context);
  home.siblings_.mutex.AssertHeld();
  return home.SuspendHere(context);
}

absl::StatusOr<bool> HwEngine::SuspendHere(Context& context) {
  if (context.machine.dead()) return absl::FailedPreconditionError("the queue is stopped for good");
  if (context.machine.state() == QueueState::kSuspendPending) return false;
  if (context.machine.state() == QueueState::kSuspended) {
    siblings_.answers.push_back({context.id, absl::StatusCode::kOk});
    return true;
  }
  context.machine.MoveTo(QueueState::kSuspendPending);
  if (context.waiting) ListOf(&context).Remove(&context);
  if (!context.in_ports) {
    Suspended(context);
    return true;
  }
  Dequeue(/*rotate=*/false);
  return NeedsEarlierLook();
}

bool HwEngine::Resume(Context& context) {
  MutexLock lock(siblings_.mutex);
  HwEngine& home = HomeOf(context);
  home.siblings_.mutex.AssertHeld();
  return home.ResumeHere(context);
}

bool HwEngine::ResumeHere(Context& context) {
  const QueueState state = context.machine.state();
  if (state != QueueState::kSuspendPending && state != QueueState::kSuspended) return false;
  context.machine.MoveTo(QueueState::kRunning);
  if (!context.in_ports && !context.waiting && context.has_jobs()) Enqueue(&context, /*at_front=*/false);
  Dequeue(/*rotate=*/false);
  return NeedsEarlierLook();
}

void HwEngine::Suspended(Context& context) {
  context.machine.MoveTo(QueueState::kSuspended);
  siblings_.answers.push_back({context.id, absl::StatusCode::kOk});
}

void HwEngine::Stop(Context& context, QueueState state) {
  if (context.machine.dead()) return;
  const bool would_not = context.machine.state() == QueueState::kSuspendPending && state == QueueState::kBanned;
  if (would_not) siblings_.answers.push_back({context.id, absl::StatusCode::kDeadlineExceeded});
  context.machine.MoveTo(state);
}

uint32_t HwEngine::ContextTicks(const Context& context) const {
  // The live clock, if it is this context's before and after it is read.
  const auto is_on_engine = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const uint64_t running = static_cast<uint64_t>(Read(regs::kExeclistStatusHi)) << 32;
    return context.in_ports && (running >> regs::kDescriptorIdShift & regs::kContextIdMask) == context.hw_id;
  };
  if (is_on_engine()) {
    const uint32_t live = Read(regs::kCtxTimestamp);
    if (is_on_engine()) return live;
  }
  return context.lrc->stored_context_timestamp();
}

void HwEngine::AddRunTicks(Context& context, uint32_t ticks) {
  const uint32_t more = ticks - context.seen_ticks;
  // Left the engine and came back between two looks: the image was older than the register.
  if (static_cast<int32_t>(more) < 0) return;
  context.run_ticks += more;
  context.seen_ticks = ticks;
}

Progress HwEngine::CheckProgress(Context& context, uint32_t* jobs_ended) {
  MutexLock lock(siblings_.mutex);
  *jobs_ended = context.job_first;
  HwEngine& home = HomeOf(context);
  home.siblings_.mutex.AssertHeld();
  return home.CheckProgressHere(context);
}

Progress HwEngine::CheckProgressHere(Context& context) {
  if (!context.has_jobs()) return {};
  const RingJob& job = context.job(context.job_first);
  if (!HasPassed(context.lrc->start_seqno(), job.hw_seqno)) return {};
  const uint32_t used = ContextTicks(context) - context.lrc->Timestamps(job.hw_seqno).start_context;
  // Left the engine and came back between the looks: nothing to blame it for yet.
  if (static_cast<int32_t>(used) < 0) return {true, 0};
  return {true, TicksToNanos(used)};
}

QueueSnapshot HwEngine::Look(Context& context, uint32_t width) {
  MutexLock lock(siblings_.mutex);
  HwEngine& home = HomeOf(context);
  home.siblings_.mutex.AssertHeld();
  home.AddRunTicks(context, home.ContextTicks(context));
  QueueSnapshot snapshot;
  snapshot.state = context.machine.state();
  snapshot.props = context.props;
  snapshot.jobs = context.job_end - context.job_first;
  snapshot.jobs_max = kJobsPerContextMax;
  snapshot.ring_bytes = Lrc::ring_bytes();
  if (context.has_jobs()) {
    const uint32_t begin = context.job(context.job_first).ring_begin;
    snapshot.ring_bytes_used = (context.lrc->write_offset() + Lrc::ring_bytes() - begin) % Lrc::ring_bytes();
  }
  snapshot.next_hw_seqno = context.lrc->next_seqno();
  snapshot.hw_seqno = context.lrc->seqno();
  snapshot.run_ticks = context.run_ticks * width;
  return snapshot;
}

Nanos HwEngine::NextLook() {
  MutexLock lock(siblings_.mutex);
  promised_look_ = ComputeNextLook();
  return promised_look_;
}

Nanos HwEngine::ComputeNextLook() const {
  if (has_pending_) return preempt_by_;
  if (active_[0] == nullptr || !Contended()) return kNever;
  return active_since_ + active_[0]->props.timeslice_us * kNanosPerMicro;
}

void HwEngine::TakeDone(std::vector<LaneCompletion>& done) {
  MutexLock lock(siblings_.mutex);
  done.reserve(siblings_.done.capacity());
  done.swap(siblings_.done);
}

void HwEngine::TakeAnswers(std::vector<SuspendAnswer>& answers) {
  MutexLock lock(siblings_.mutex);
  answers.reserve(siblings_.answers.capacity());
  answers.swap(siblings_.answers);
}

void HwEngine::GiveUp() {
  MutexLock lock(siblings_.mutex);
  if (!lost_) Lose();
}

bool HwEngine::lost() {
  MutexLock lock(siblings_.mutex);
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
  if (HasPassed(seqno, context.job(context.job_first).hw_seqno)) AddRunTicks(context, ContextTicks(context));
  while (context.has_jobs() && HasPassed(seqno, context.job(context.job_first).hw_seqno)) {
    siblings_.done.push_back(Describe(context, context.job(context.job_first++), JobStatus::kOk));
  }
}

void HwEngine::EndJobs(Context& context, JobStatus status, const FaultInfo& fault) {
  Stop(context, status == JobStatus::kDeviceLost  ? QueueState::kLost
                : status == JobStatus::kCancelled ? QueueState::kKilled
                                                  : QueueState::kBanned);
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
    siblings_.done.push_back(completion);
  }
}

}  // namespace xeq::hw::xe
