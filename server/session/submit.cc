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

// How many waits to take memory for. Nobody knows in front of the lock for how many fences a syncobj stands.
size_t WaitsOf(const InFences& waits, bool roomy) {
  constexpr size_t kFencesOfASyncobj = 4;
  const auto syncobjs = static_cast<size_t>(
      std::count_if(waits.begin(), waits.end(), [](const InFence& wait) { return wait.syncobj != 0; }));
  if (syncobjs == 0) return waits.size();
  return roomy ? kWaitsPerJobMax : std::min(kWaitsPerJobMax, waits.size() + syncobjs * (kFencesOfASyncobj - 1));
}

}  // namespace

absl::Status Session::CheckQuota(size_t jobs) const {
  const uint32_t max = options_.limits.jobs_in_flight_max;
  if (jobs_in_flight_ + jobs <= max) return absl::OkStatus();
  // More than there can ever be is not worth another try.
  return jobs > max ? LimitReached("jobs_in_flight_max", max, jobs_in_flight_)
                    : LimitReachedForNow("jobs_in_flight_max", max, jobs_in_flight_);
}

absl::Status Session::ResolveWaits(absl::Span<const InFence> waits, const Context& own,
                                   absl::Span<const sched::Point> earlier, std::optional<size_t> index,
                                   sched::Job& job) {
  const auto prefix = [&] { return index ? absl::StrCat("jobs[", *index, "].") : std::string(); };
  sched::Result failure;
  // Alternatives count as one wait, the one with the number `number` of the request.
  for (size_t first = 0, end = 0, number = 0; first < waits.size(); first = end, ++number) {
    end = first + 1;
    while (waits[first].any_of != 0 && end < waits.size() && waits[end].any_of == waits[first].any_of) ++end;
    if (waits[first].syncobj != 0) {
      absl::Status status = ResolveSyncobj(waits[first], own, prefix, number, job, failure);
      if (!status.ok()) return status;
      continue;
    }
    const size_t waits_before = job.waits().size();
    bool met = false;
    std::optional<sched::Result> failed;
    for (size_t i = first; i < end; ++i) {
      const InFence& wait = waits[i];
      if (wait.job && *wait.job >= earlier.size()) {
        return WaitNotEarlier(absl::StrCat(prefix(), "waits[", number, "].job"), *wait.job, earlier.size());
      }
      const sched::Point point = wait.job ? earlier[*wait.job] : wait.point;
      const absl::StatusOr<FenceStatus> status = fences_.Status(point, [&] {
        const std::string alternative = wait.any_of == 0 ? "fence." : absl::StrCat("any_of.fences[", i - first, "].");
        return absl::StrCat(prefix(), "waits[", number, "].", alternative);
      });
      if (!status.ok()) return status.status();
      if (status->state == FenceState::kPending && point.context != own.id) {
        sched::Wait added{fences_.Find(point.context)->timeline, point.seqno, wait.on_error, wait.any_of};
        if (absl::Status full = AddWait(job, std::move(added), prefix); !full.ok()) return full;
      } else if (point.context != own.id && sched::IsFailure(status->result.outcome)) {
        if (!failed) failed = status->result;
      } else {
        // It has ended; or the order of the queue meets it.
        met = true;
      }
    }
    const bool pending = job.waits().size() > waits_before;
    if (met) {
      job.DropWaitsFrom(waits_before);
    } else if (!pending && waits[first].on_error != sched::WaitErrorPolicy::kRun &&
               failure.outcome == sched::Outcome::kOk) {
      // The first one counts, as with the scheduler.
      const bool skip = waits[first].on_error == sched::WaitErrorPolicy::kSkip;
      failure = *failed;
      failure.outcome = skip ? sched::Outcome::kSkipped : sched::Outcome::kDependencyFailed;
    }
  }
  // It will not run whatever the others come to. Until it is posted the job is ours.
  job.result = failure;
  if (failure.outcome != sched::Outcome::kOk) job.DropWaitsFrom(0);
  return absl::OkStatus();
}

absl::Status Session::PlanJob(const JobSpec& spec, size_t index, absl::Span<sched::Point> points, Planned& planned) {
  const auto field = [&](absl::string_view name) { return absl::StrCat("jobs[", index, "].", name); };
  Queue* queue = queues_.Find(spec.queue);
  if (queue == nullptr) return QueueNotFound(field("queue"), spec.queue);
  if (absl::Status status = CheckRuns(spec.queue, *queue); !status.ok()) return status;
  const uint32_t width = queue->spec.width;
  if (!spec.batches.empty() && spec.batches.size() != width) {
    return FieldLengthOutOfRange(field("batch_addresses"), spec.batches.size(), width, width);
  }
  Context& context = *queue->context;
  if (context.timeline->spec.long_running && !spec.signals.empty()) {
    return FieldNotAllowed(field("signals"), "a job of a long-running VM may never end");
  }
  absl::Status status = ResolveWaits(spec.waits, context, points.first(index), index, *planned.job);
  if (!status.ok()) return status;
  planned.job->PutOn(context.timeline);
  planned.context = &context;
  planned.engine_class = queue->spec.engine_class;
  points[index] = {context.id, context.armed + ++context.planned};
  return absl::OkStatus();
}

sched::Point Session::ArmAndPost(sched::Ticket& ticket, sched::Ref<sched::Job> job, Context& context, hw::Nanos now) {
  job->Arm(++context.armed, now);
  ++jobs_in_flight_;
  loop_.Post(ticket, std::move(job));
  return {context.id, context.armed};
}

absl::Status Session::PlanCombined(absl::Span<const sched::Point> points, Planned& planned) {
  for (const sched::Point& point : points) {
    if (fences_.Find(point.context)->timeline->spec.long_running) {
      return FieldNotAllowed("combined_fence", "a job of a long-running VM may never end");
    }
  }
  sched::QueueSpec spec;
  spec.context = loop_.NewContext();
  spec.one_job = true;
  spec.causes_max = 1;
  absl::StatusOr<Context*> context = AddContext(std::move(spec), nullptr);
  if (!context.ok()) return context.status();
  planned.context = *context;
  uint16_t number = 0;
  for (const sched::Point& point : points) {
    // A number for each: no two are to be compared, and folded, since each one's failure counts.
    const auto& timeline = fences_.Find(point.context)->timeline;
    planned.job->AddWait({timeline, point.seqno, sched::WaitErrorPolicy::kFail, ++number});
  }
  planned.job->PutOn((*context)->timeline);
  return absl::OkStatus();
}

absl::Status Session::Submit(absl::Span<const JobSpec> specs, hw::Nanos now, absl::Span<sched::Point> points,
                             sched::Point* combined, uint64_t number) {
  SubmitAnswer answer;
  answer.number = number;
  if (number != 0) answer.points.resize(points.size());
  const absl::Status status = TrySubmit(specs, now, /*roomy=*/false, points, combined, answer);
  return absl::IsAborted(status) ? TrySubmit(specs, now, /*roomy=*/true, points, combined, answer) : status;
}

absl::StatusOr<bool> Session::AnswerAgain(uint64_t number, absl::Span<sched::Point> points,
                                          sched::Point* combined) const {
  if (number == 0) return false;
  if (submits_.IsForgotten(number)) return SubmitForgotten(number, submits_.oldest_kept());
  const SubmitAnswer* answer = submits_.Find(number);
  if (answer == nullptr) return false;
  if (answer->points.size() != points.size() || (answer->combined.context != 0) != (combined != nullptr)) {
    return SubmitNotTheSame(number);
  }
  std::copy(answer->points.begin(), answer->points.end(), points.begin());
  if (combined != nullptr) *combined = answer->combined;
  return true;
}

absl::Status Session::TrySubmit(absl::Span<const JobSpec> specs, hw::Nanos now, bool roomy,
                                absl::Span<sched::Point> points, sched::Point* combined, SubmitAnswer& answer) {
  const size_t jobs = specs.size() + (combined != nullptr ? 1 : 0);
  // All memory is taken in front of the lock, on which the ends of jobs wait.
  Plan plan(jobs);
  size_t signal_count = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    plan[i].job = sched::MakeRef<sched::Job>(specs[i].batches, WaitsOf(specs[i].waits, roomy));
    if (specs[i].user_fence.address != 0) plan[i].job->SetUserFence(specs[i].user_fence);
    signal_count += specs[i].signals.size();
  }
  absl::StatusOr<Signals> signals = MakeSignals(signal_count);
  if (!signals.ok()) return signals.status();
  if (combined != nullptr) plan.back().job = sched::MakeRef<sched::Job>(absl::Span<const uint64_t>(), specs.size());
  std::array<uint32_t, hw::kEngineClassCount> armed{};
  bool bypass = false;
  MetWaits met;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const absl::StatusOr<bool> again = AnswerAgain(answer.number, points, combined);
    if (!again.ok() || *again) return again.status();
    if (absl::Status status = CheckQuota(jobs); !status.ok()) return status;
    const absl::Cleanup no_more_planned = [&] {
      for (Planned& planned : plan) {
        if (planned.context != nullptr) planned.context->planned = 0;
      }
    };
    absl::Cleanup not_armed = [&] { TakeBack(*signals); };
    auto signal = signals->begin();
    for (size_t i = 0; i < specs.size(); ++i) {
      if (absl::Status status = PlanJob(specs[i], i, points, plan[i]); !status.ok()) return status;
      for (size_t s = 0; s < specs[i].signals.size(); ++s, ++signal) {
        const auto field = [&] { return absl::StrCat("jobs[", i, "].signals[", s, "]."); };
        signal->payload->set_members({{points[i]}});
        if (absl::Status status = Put(specs[i].signals[s], field, *signal); !status.ok()) return status;
      }
    }
    absl::StatusOr<sched::Ticket> ticket = loop_.Reserve(jobs);
    if (!ticket.ok()) return FromReserve(ticket.status());
    if (combined != nullptr) {
      if (absl::Status status = PlanCombined(points, plan.back()); !status.ok()) return status;
    }
    std::move(not_armed).Cancel();
    for (Planned& planned : plan) {
      const sched::Point point = ArmAndPost(*ticket, std::move(planned.job), *planned.context, now);
      if (planned.context->timeline->spec.one_job) {
        *combined = point;
        continue;
      }
      ++armed[static_cast<size_t>(planned.engine_class)];
      bypass = bypass || planned.context->timeline->spec.bypass;
    }
    Publish(*signals, met);
    if (answer.number != 0) {
      std::copy(points.begin(), points.end(), answer.points.begin());
      if (combined != nullptr) answer.combined = *combined;
      submits_.Keep(answer);
    }
  }
  loop_.Run(bypass);
  Tell(met);
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
  auto job = sched::MakeRef<sched::Job>(*std::move(op), WaitsOf(spec.waits, /*roomy=*/true));

  sched::Point point;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const Vm* vm = vms_.Find(spec.vm);
    if (vm == nullptr) return VmNotFound("vm", spec.vm);
    if (absl::Status status = CheckQuota(1); !status.ok()) return status;
    absl::Status status = ResolveWaits(spec.waits, *vm->context, {}, std::nullopt, *job);
    if (!status.ok()) return status;
    job->PutOn(vm->context->timeline);
    absl::StatusOr<sched::Ticket> ticket = loop_.Reserve(1);
    if (!ticket.ok()) return FromReserve(ticket.status());
    point = ArmAndPost(*ticket, std::move(job), *vm->context, hw::MonotonicNow());
  }
  loop_.Run(/*bypass=*/false);
  return point;
}

}  // namespace xeq::session
