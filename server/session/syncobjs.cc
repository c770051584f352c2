// Syncobjs of a session: what is done to them, and how jobs wait for them.
#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/common/errors.h"
#include "server/session/session.h"

namespace xeq::session {

absl::StatusOr<Session::Signals> Session::MakeSignals(size_t count) const {
  Signals signals(count);
  for (PlannedSignal& signal : signals) {
    absl::StatusOr<sched::Ref<Payload>> payload = Payload::Make(payloads_);
    if (!payload.ok()) return payload.status();
    signal.payload = *std::move(payload);
  }
  return signals;
}

absl::Status Session::Put(const SyncobjPoint& point, FenceTable::Field field, PlannedSignal& signal) {
  Syncobj* syncobj = syncobjs_.Find(point.syncobj);
  if (syncobj == nullptr) return SyncobjNotFound(absl::StrCat(field(), "syncobj"), point.syncobj);
  signal.syncobj = syncobj;
  signal.before = syncobj->Save();
  if (point.point == 0) {
    syncobj->Replace(std::move(signal.payload));
  } else if (!syncobj->Add(point.point, std::move(signal.payload), fences_)) {
    return LimitReachedForNow("points_per_syncobj_max", kPointsPerSyncobjMax, syncobj->payloads());
  }
  return absl::OkStatus();
}

void Session::TakeBack(Signals& signals) {
  // The last first: several may have gone to one syncobj.
  for (auto signal = signals.rbegin(); signal != signals.rend(); ++signal) {
    if (signal->syncobj != nullptr) signal->syncobj->Restore(std::move(signal->before));
  }
}

void Session::Publish(const Signals& signals, MetWaits& met) {
  for (const PlannedSignal& signal : signals) syncobjs_.Submitted(*signal.syncobj, met);
}

absl::StatusOr<uint64_t> Session::CreateSyncobj(bool signaled) {
  absl::StatusOr<Signals> payload = MakeSignals(signaled ? 1 : 0);
  if (!payload.ok()) return payload.status();
  // Unique like the handles of everything else.
  const uint64_t handle = loop_.NewContext();
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  absl::Status status =
      syncobjs_.Create(handle, signaled ? std::move(payload->front().payload) : sched::Ref<Payload>());
  if (!status.ok()) return status;
  return handle;
}

absl::Status Session::DestroySyncobj(uint64_t syncobj) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  return syncobjs_.Destroy(syncobj) ? absl::OkStatus() : SyncobjUnknown("syncobj", syncobj);
}

absl::Status Session::ResetSyncobjs(absl::Span<const uint64_t> syncobjs) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  for (size_t i = 0; i < syncobjs.size(); ++i) {
    if (syncobjs_.Find(syncobjs[i]) == nullptr) {
      return SyncobjNotFound(absl::StrCat("syncobjs[", i, "]"), syncobjs[i]);
    }
  }
  for (const uint64_t syncobj : syncobjs) syncobjs_.Find(syncobj)->Replace({});
  return absl::OkStatus();
}

absl::Status Session::SignalSyncobjs(absl::Span<const SyncobjPoint> points) {
  absl::StatusOr<Signals> signals = MakeSignals(points.size());
  if (!signals.ok()) return signals.status();
  MetWaits met;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    absl::Cleanup refused = [&] { TakeBack(*signals); };
    for (size_t i = 0; i < points.size(); ++i) {
      const auto field = [&] { return absl::StrCat("points[", i, "]."); };
      // Without members: signalled.
      if (absl::Status status = Put(points[i], field, (*signals)[i]); !status.ok()) return status;
    }
    std::move(refused).Cancel();
    Publish(*signals, met);
  }
  Tell(met);
  return absl::OkStatus();
}

absl::Status Session::QuerySyncobjs(absl::Span<const uint64_t> syncobjs, bool last_submitted,
                                    absl::Span<uint64_t> points) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  for (size_t i = 0; i < syncobjs.size(); ++i) {
    const Syncobj* syncobj = syncobjs_.Find(syncobjs[i]);
    if (syncobj == nullptr) return SyncobjNotFound(absl::StrCat("syncobjs[", i, "]"), syncobjs[i]);
    points[i] = last_submitted ? syncobj->newest_point() : syncobj->SignaledPoint(fences_);
  }
  return absl::OkStatus();
}

absl::Status Session::TransferSyncobj(const SyncobjPoint& from, const SyncobjPoint& to) {
  absl::StatusOr<Signals> signals = MakeSignals(1);
  if (!signals.ok()) return signals.status();
  PlannedSignal& signal = signals->front();
  MetWaits met;
  {
    hw::MutexLock lock(mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    Syncobj* source = syncobjs_.Find(from.syncobj);
    if (source == nullptr) return SyncobjNotFound("source.syncobj", from.syncobj);
    const Syncobj::Found found = source->Find(from.point);
    if (found.kind == Syncobj::Found::Kind::kNone) {
      return SyncobjNotSubmitted("source.point", from.syncobj, from.point, source->newest_point());
    }
    if (found.forgotten) return SyncobjPointForgotten("source.point", from.syncobj, from.point);
    const bool whole_timeline = from.point == 0 && source->is_timeline();
    if (to.point == 0) {
      const sched::FenceShape shape = whole_timeline ? sched::FenceShape::kChain : sched::FenceShape::kFence;
      const absl::Status allowed = sched::CheckMayHold(sched::Place::kBinarySyncobj, shape);
      if (!allowed.ok()) return ContainerNotAllowed("source.point", allowed.message());
    }
    if (to.point == 0 && !source->is_timeline()) {
      // The very same payload.
      signal.payload = sched::Ref<Payload>::Share(found.payload);
    } else {
      sched::Members members = Unwrap(found, fences_);
      if (members.size() > kFencesPerPayloadMax) {
        return LimitReachedForNow("fences_per_payload_max", kFencesPerPayloadMax, members.size());
      }
      signal.payload->set_members(std::move(members));
    }
    absl::Cleanup refused = [&] { TakeBack(*signals); };
    const auto field = [] { return std::string("destination."); };
    if (absl::Status status = Put(to, field, signal); !status.ok()) return status;
    std::move(refused).Cancel();
    Publish(*signals, met);
  }
  Tell(met);
  return absl::OkStatus();
}

absl::StatusOr<bool> Session::StartSyncobjWait(SyncobjWait& wait, bool keep) {
  hw::MutexLock lock(mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  absl::StatusOr<bool> met = syncobjs_.StartWait(wait, keep);
  // Under the lock, so that it is counted before the end that takes it off the count.
  if (met.ok() && !*met && keep) recorder_.OnWaiters(1);
  return met;
}

absl::StatusOr<SyncobjWaitResult> Session::ResultOf(const SyncobjWait& wait) {
  hw::MutexLock lock(mutex_);
  const SyncobjWaitResult result = SyncobjTable::ResultOf(wait);
  if (result.given_up) return SessionNotFound();
  return result;
}

absl::Status Session::AddWait(sched::Job& job, sched::Wait wait, FenceTable::Field prefix) {
  if (wait.timeline->spec.long_running) {
    return FieldNotAllowed(absl::StrCat(prefix(), "waits"),
                           "a job of a long-running VM may never end, and nothing may wait for it");
  }
  if (job.waits_room() == 0) {
    if (job.waits().size() < kWaitsPerJobMax) return absl::AbortedError("more memory for waits");
    return FieldLengthOutOfRange(absl::StrCat(prefix(), "waits"), job.waits().size() + 1, 0, kWaitsPerJobMax);
  }
  job.AddWait(std::move(wait));
  return absl::OkStatus();
}

absl::Status Session::AwaitMember(const sched::Point& point, sched::WaitErrorPolicy policy, FenceTable::Field prefix,
                                  sched::Job& job) {
  const auto& timeline = fences_.Find(point.context)->timeline;
  if (policy == sched::WaitErrorPolicy::kRun) {
    // Whatever else waits for the order of that context waits for both.
    const auto same = std::find_if(job.waits().begin(), job.waits().end(), [&](const sched::Wait& other) {
      return other.timeline.get() == timeline.get() && other.on_error == policy && other.any_of == 0;
    });
    if (same != job.waits().end()) {
      same->seqno = std::max(same->seqno, point.seqno);
      return absl::OkStatus();
    }
  }
  return AddWait(job, {timeline, point.seqno, policy, 0}, prefix);
}

absl::Status Session::ResolveSyncobj(const InFence& wait, const Context& own, FenceTable::Field prefix, size_t number,
                                     sched::Job& job, sched::Result& failure) {
  const auto field = [&](absl::string_view name) {
    return absl::StrCat(prefix(), "waits[", number, "].syncobj.", name);
  };
  const uint64_t point = wait.point.seqno;
  const Syncobj* syncobj = syncobjs_.Find(wait.syncobj);
  if (syncobj == nullptr) return SyncobjNotFound(field("syncobj"), wait.syncobj);
  const Syncobj::Found found = syncobj->Find(point);
  if (found.kind == Syncobj::Found::Kind::kNone) {
    return SyncobjNotSubmitted(field("point"), wait.syncobj, point, syncobj->newest_point());
  }
  const bool may_fail = wait.on_error != sched::WaitErrorPolicy::kRun;
  if (found.forgotten && may_fail) return SyncobjPointForgotten(field("point"), wait.syncobj, point);
  for (Payload* payload = found.payload; payload != nullptr; payload = payload->previous()) {
    for (const sched::Member& member : payload->members()) {
      // The order of the queue meets it.
      if (member.point.context == own.id) continue;
      const bool counts = may_fail && member.failure_counts && found.Counts(*payload);
      if (!fences_.HasEnded(member.point)) {
        const sched::WaitErrorPolicy policy = counts ? wait.on_error : sched::WaitErrorPolicy::kRun;
        if (absl::Status status = AwaitMember(member.point, policy, prefix, job); !status.ok()) return status;
      } else if (counts && fences_.StateOf(member.point) == sched::MemberState::kFailed) {
        const absl::StatusOr<FenceStatus> status = fences_.Status(member.point, [] { return std::string(); });
        if (!status.ok()) return SyncobjPointForgotten(field("point"), wait.syncobj, point);
        if (failure.outcome != sched::Outcome::kOk) continue;
        const bool skip = wait.on_error == sched::WaitErrorPolicy::kSkip;
        failure = status->result;
        failure.outcome = skip ? sched::Outcome::kSkipped : sched::Outcome::kDependencyFailed;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace xeq::session
