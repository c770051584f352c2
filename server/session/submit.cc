// The way of a job through a session: resolve every wait, take what is needed, arm, post.
#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/common/errors.h"
#include "server/session/session.h"

namespace xeq::session {
namespace {

constexpr uint64_t kVaLimit = uint64_t{1} << hw::kVaBits;

}  // namespace

// What is left of a job's in-fences.
struct Session::Resolved {
  // Those that have not ended.
  std::vector<sched::Wait> waits;
  // Not kOk: one of the others has failed, and so will the job in its turn.
  sched::Result failure;
};

absl::Status Session::CheckQuota(size_t jobs) const {
  const uint32_t max = options_.limits.jobs_in_flight_max;
  if (jobs_in_flight_ + jobs <= max) return absl::OkStatus();
  // More than there can ever be is not worth another try.
  return jobs > max ? LimitReached("jobs_in_flight_max", max, jobs_in_flight_)
                    : LimitReachedForNow("jobs_in_flight_max", max, jobs_in_flight_);
}

absl::StatusOr<Session::Resolved> Session::ResolveWaits(absl::Span<const InFence> waits, sched::ContextId own,
                                                        absl::Span<const sched::Point> earlier,
                                                        std::optional<size_t> job) {
  Resolved resolved;
  if (!waits.empty()) resolved.waits.reserve(waits.size());
  // Alternatives count as one wait, the one with the number `index` of the request.
  for (size_t first = 0, end = 0, index = 0; first < waits.size(); first = end, ++index) {
    end = first + 1;
    while (waits[first].any_of != 0 && end < waits.size() && waits[end].any_of == waits[first].any_of) ++end;
    const size_t pending_before = resolved.waits.size();
    bool met = false;
    std::optional<sched::Result> failure;
    for (size_t i = first; i < end; ++i) {
      const InFence& wait = waits[i];
      const auto field = [&](absl::string_view last) {
        return absl::StrCat(job ? absl::StrCat("jobs[", *job, "].") : "", "waits[", index, "].", last);
      };
      if (wait.job && *wait.job >= earlier.size()) return WaitNotEarlier(field("job"), *wait.job, earlier.size());
      const sched::Point point = wait.job ? earlier[*wait.job] : wait.point;
      const absl::StatusOr<FenceStatus> status =
          fences_.Status(point, [&] { return field(wait.any_of != 0 ? "any_of." : "fence."); });
      if (!status.ok()) return status.status();
      if (status->state == FenceState::kPending && point.context != own) {
        sched::Ref<sched::Timeline>& timeline = fences_.Find(point.context)->timeline;
        resolved.waits.emplace_back(timeline, point.seqno, wait.on_error, wait.any_of);
      } else if (point.context != own && sched::IsFailure(status->result.outcome)) {
        if (!failure) failure = status->result;
      } else {
        // It has ended; or the order of the queue meets it.
        met = true;
      }
    }
    const bool pending = resolved.waits.size() > pending_before;
    if (met) {
      resolved.waits.erase(resolved.waits.begin() + static_cast<std::ptrdiff_t>(pending_before), resolved.waits.end());
    } else if (!pending && waits[first].on_error != sched::WaitErrorPolicy::kRun &&
               resolved.failure.outcome == sched::Outcome::kOk) {
      // The first one counts, as with the scheduler.
      const bool skip = waits[first].on_error == sched::WaitErrorPolicy::kSkip;
      resolved.failure = *failure;
      resolved.failure.outcome = skip ? sched::Outcome::kSkipped : sched::Outcome::kDependencyFailed;
    }
  }
  // It will not run whatever the others come to.
  if (resolved.failure.outcome != sched::Outcome::kOk) resolved.waits.clear();
  return resolved;
}

absl::Status Session::PlanJob(const JobSpec& spec, absl::Span<sched::Point> points, Plan& plan) {
  const size_t index = plan.size();
  const auto field = [&](absl::string_view name) { return absl::StrCat("jobs[", index, "].", name); };
  Queue* queue = queues_.Find(spec.queue);
  if (queue == nullptr) return QueueNotFound(field("queue"), spec.queue);
  if (queue->culprit) return QueueBanned(spec.queue, queue->culprit->context, queue->culprit->seqno);
  const uint32_t width = queue->spec.width;
  if (!spec.batches.empty() && spec.batches.size() != width) {
    return FieldLengthOutOfRange(field("batch_addresses"), spec.batches.size(), width, width);
  }
  Context& context = *queue->context;
  absl::StatusOr<Resolved> resolved = ResolveWaits(spec.waits, context.id, points.first(index), index);
  if (!resolved.ok()) return resolved.status();
  auto job = sched::MakeRef<sched::Job>(context.timeline, spec.batches, std::move(resolved->waits));
  // Until it is posted the job is ours.
  job->result = resolved->failure;
  points[index] = {context.id, context.armed + ++context.planned};
  plan.push_back({std::move(job), &context, queue->spec.engine_class});
  return absl::OkStatus();
}

sched::Point Session::ArmAndPost(sched::Ticket& ticket, sched::Ref<sched::Job> job, Context& context, hw::Nanos now) {
  job->Arm(++context.armed, now);
  ++jobs_in_flight_;
  loop_.Post(ticket, std::move(job));
  return {context.id, context.armed};
}

absl::StatusOr<Session::Planned> Session::PlanCombined(absl::Span<const sched::Point> points) {
  sched::QueueSpec spec;
  spec.context = loop_.NewContext();
  spec.causes_max = 1;
  absl::StatusOr<Context*> context = AddContext(std::move(spec), nullptr);
  if (!context.ok()) return context.status();
  (*context)->closes_when_idle = true;
  std::vector<sched::Wait> waits;
  waits.reserve(points.size());
  // A number for each, so that a later point of a queue does not stand for an earlier one that failed.
  for (const sched::Point& point : points) {
    const auto alone = static_cast<uint16_t>(waits.size() + 1);
    waits.emplace_back(fences_.Find(point.context)->timeline, point.seqno, sched::WaitErrorPolicy::kFail, alone);
  }
  return Planned{
      sched::MakeRef<sched::Job>((*context)->timeline, absl::Span<const uint64_t>(), std::move(waits)), *context, {}};
}

absl::Status Session::Submit(absl::Span<const JobSpec> specs, hw::Nanos now, absl::Span<sched::Point> points,
                             sched::Point* combined) {
  std::array<uint32_t, hw::kEngineClassCount> armed{};
  bool bypass = false;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const size_t jobs = specs.size() + (combined != nullptr ? 1 : 0);
    if (absl::Status status = CheckQuota(jobs); !status.ok()) return status;
    Plan plan;
    plan.reserve(specs.size());
    const absl::Cleanup no_more_planned = [&] {
      for (Planned& planned : plan) planned.context->planned = 0;
    };
    for (const JobSpec& spec : specs) {
      if (absl::Status status = PlanJob(spec, points, plan); !status.ok()) return status;
    }
    absl::StatusOr<sched::Ticket> ticket = loop_.Reserve(jobs);
    if (!ticket.ok()) return FromReserve(ticket.status());
    absl::StatusOr<Planned> join = absl::CancelledError();
    if (combined != nullptr && !(join = PlanCombined(points)).ok()) return join.status();
    for (Planned& planned : plan) {
      ArmAndPost(*ticket, std::move(planned.job), *planned.context, now);
      ++armed[static_cast<size_t>(planned.engine_class)];
      bypass = bypass || planned.context->timeline->spec.bypass;
    }
    if (combined != nullptr) *combined = ArmAndPost(*ticket, std::move(join->job), *join->context, now);
  }
  loop_.Run(bypass);
  for (size_t i = 0; i < armed.size(); ++i) {
    if (armed[i] > 0) recorder_.OnJobsArmed(static_cast<hw::EngineClass>(i), armed[i]);
  }
  recorder_.OnSubmitted(static_cast<uint32_t>(specs.size()));
  return absl::OkStatus();
}

absl::StatusOr<sched::Point> Session::Map(const MapSpec& spec) {
  std::shared_ptr<hw::Vm> hw_vm;
  hw::BindSpec bind{spec.address, spec.size_bytes, nullptr, spec.offset};
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const Vm* vm = vms_.Find(spec.vm);
    if (vm == nullptr) return VmNotFound("vm", spec.vm);
    hw_vm = vm->hw;
    if (spec.buffer != 0) {
      const std::shared_ptr<hw::Buffer>* buffer = buffers_.Find(spec.buffer);
      if (buffer == nullptr) return BufferNotFound("buffer", spec.buffer);
      bind.buffer = *buffer;
    }
    // Before memory is taken; asked again when the job is armed.
    if (absl::Status status = CheckQuota(1); !status.ok()) return status;
  }
  if (bind.buffer != nullptr) {
    const uint64_t bytes = bind.buffer->size_bytes();
    if (bind.size_bytes == 0 && bind.offset < bytes) bind.size_bytes = bytes - bind.offset;
    if (bind.offset >= bytes || bind.size_bytes > bytes - bind.offset) {
      return RangeOutsideBuffer("size", bind.offset, bind.size_bytes, bytes);
    }
  }
  if (bind.address >= kVaLimit || bind.size_bytes > kVaLimit - bind.address) {
    return RangeOutsideVm("address", bind.address, bind.size_bytes, kVaLimit);
  }
  auto op = loop_.device().PrepareBind(std::move(hw_vm), bind);
  if (!op.ok()) return FromDevice(op.status());

  sched::Point point;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const Vm* vm = vms_.Find(spec.vm);
    if (vm == nullptr) return VmNotFound("vm", spec.vm);
    if (absl::Status status = CheckQuota(1); !status.ok()) return status;
    absl::StatusOr<Resolved> resolved = ResolveWaits(spec.waits, vm->context->id, {}, std::nullopt);
    if (!resolved.ok()) return resolved.status();
    auto job = sched::MakeRef<sched::Job>(vm->context->timeline, *std::move(op), std::move(resolved->waits));
    job->result = resolved->failure;
    absl::StatusOr<sched::Ticket> ticket = loop_.Reserve(1);
    if (!ticket.ok()) return FromReserve(ticket.status());
    point = ArmAndPost(*ticket, std::move(job), *vm->context, hw::MonotonicNow());
  }
  loop_.Run(/*bypass=*/false);
  return point;
}

}  // namespace xeq::session
