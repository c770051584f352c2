#include "tests/sim/oracle.h"

namespace xeq::sim {

void Oracle::Add(ContextId context, OracleJob job) {
  OracleQueue& queue = Of(context);
  job.seqno = ++queue.armed;
  queue.queued.push_back(std::move(job));
}

const Result* Oracle::FailureOf(const Point& point) const {
  const auto& failures = queues_.at(point.context).failures;
  auto found = failures.find(point.seqno);
  // A skipped job is no failure for those that wait for it.
  return found == failures.end() || found->second.outcome == Outcome::kSkipped ? nullptr : &found->second;
}

Oracle::Fate Oracle::FateOf(const OracleQueue& queue, const OracleJob& job, Result* why) const {
  if (queue.doomed) {
    *why = queue.doom;
    return Fate::kFails;
  }
  for (const OracleWait& wait : job.waits) {
    bool met = false;
    bool pending = false;
    const Result* first_failure = nullptr;
    for (const Point& point : wait.points) {
      if (!HasEnded(point)) {
        pending = true;
      } else if (const Result* failure = FailureOf(point)) {
        if (first_failure == nullptr) first_failure = failure;
      } else {
        met = true;
      }
    }
    if (met) continue;
    if (pending) return Fate::kWaits;
    if (wait.on_error == WaitErrorPolicy::kRun) continue;
    *why = *first_failure;
    why->outcome = wait.on_error == WaitErrorPolicy::kSkip ? Outcome::kSkipped : Outcome::kDependencyFailed;
    return Fate::kFails;
  }
  return Fate::kRuns;
}

bool Oracle::CanStart(const OracleQueue& queue) const {
  if (queue.queued.empty() || queue.state != OracleQueue::State::kUsable || queue.stopped || queue.host) return false;
  const OracleJob& head = queue.queued.front();
  Result why;
  if (head.sync || FateOf(queue, head, &why) != Fate::kRuns) return false;
  uint32_t used = 0;
  for (const OracleJob& job : queue.started) used += job.sync ? 0 : 1;
  return used < queue.credits;
}

void Oracle::End(ContextId context, OracleQueue& queue, std::deque<OracleJob>& from, Result result) {
  const Point point{context, from.front().seqno};
  from.pop_front();
  if (result.outcome != Outcome::kOk) {
    if (result.root.context == 0) result.root = point;
    queue.failures[point.seqno] = result;
  }
  queue.ended = point.seqno;
  ended[{context, point.seqno}] = result;
}

bool Oracle::SettleOne(ContextId context, OracleQueue& queue) {
  // A pure synchronisation ends when nothing is in front of it.
  if (!queue.started.empty() && queue.started.front().sync && !queue.host) {
    End(context, queue, queue.started, queue.doomed ? queue.doom : Result{});
    return true;
  }
  if (!queue.queued.empty()) {
    const OracleJob& head = queue.queued.front();
    Result why;
    const Fate fate = FateOf(queue, head, &why);
    if (fate == Fate::kFails && queue.started.empty()) {
      End(context, queue, queue.queued, why);
      return true;
    }
    if (fate == Fate::kRuns && (head.sync || queue.host)) {
      queue.started.push_back(head);
      queue.queued.pop_front();
      return true;
    }
    return false;
  }
  if (queue.one_job && queue.ended > 0 && queue.state == OracleQueue::State::kUsable) {
    queue.state = OracleQueue::State::kClosed;
  }
  if (queue.state == OracleQueue::State::kClosed && queue.started.empty()) {
    queue.state = OracleQueue::State::kInactive;
    inactive.insert(context);
  }
  return false;
}

void Oracle::Settle() {
  for (bool changed = true; changed;) {
    changed = false;
    for (auto& [context, queue] : queues_) {
      if (queue.state == OracleQueue::State::kInactive && queue.queued.empty()) continue;
      while (SettleOne(context, queue)) changed = true;
    }
  }
}

void Oracle::Start(ContextId context, hw::Nanos now) {
  OracleQueue& queue = Of(context);
  if (queue.started.empty()) queue.running_since = now;
  queue.started.push_back(queue.queued.front());
  queue.queued.pop_front();
}

void Oracle::Complete(ContextId context, Outcome status, hw::Nanos now) {
  OracleQueue& queue = Of(context);
  const Point point{context, queue.started.front().seqno};
  Result result;
  if (status != Outcome::kOk) result = {status, status, point, {}};
  // What the device dropped because of another job names that one.
  if (status == Outcome::kCancelled && queue.doomed && queue.doom.root.context != 0) {
    result = queue.doom;
    result.outcome = Outcome::kCancelled;
  }
  queue.running_since = now;
  queue.triggered = false;
  const bool guilty = status == Outcome::kPageFault || status == Outcome::kHang || status == Outcome::kInvalidCommand;
  if (guilty && !queue.doomed) {
    queue.doomed = true;
    queue.doom = result;
    queue.doom.outcome = Outcome::kCancelled;
    banned.insert(context);
  }
  End(context, queue, queue.started, result);
}

void Oracle::Signal(ContextId context, uint64_t seqno, Outcome outcome) {
  OracleQueue& queue = Of(context);
  while (!queue.started.empty() && queue.started.front().seqno <= seqno) {
    const Outcome own = queue.started.front().seqno == seqno ? outcome : Outcome::kOk;
    End(context, queue, queue.started, {own, own, {}, {}});
  }
}

void Oracle::Close(ContextId context) {
  OracleQueue& queue = Of(context);
  if (queue.state != OracleQueue::State::kUsable) return;
  queue.state = OracleQueue::State::kClosed;
  if (!queue.doomed) {
    queue.doomed = true;
    queue.doom = {Outcome::kCancelled, Outcome::kCancelled, {}, {}};
  }
  if (queue.host) {
    while (!queue.started.empty()) End(context, queue, queue.started, queue.doom);
  } else if (!queue.started.empty()) {
    Cancel(context, hw::JobStatus::kCancelled);
  }
}

void Oracle::Cancel(ContextId context, hw::JobStatus status) {
  OracleQueue& queue = Of(context);
  if (queue.cancelling) return;
  queue.cancelling = true;
  cancels[context] = status;
}

void Oracle::Condemn(ContextId context) {
  OracleQueue& queue = Of(context);
  if (!queue.doomed) {
    queue.doomed = true;
    queue.doom = {Outcome::kCancelled, Outcome::kHang, {context, queue.started.front().seqno}, {}};
    banned.insert(context);
  }
  Cancel(context, hw::JobStatus::kHang);
}

void Oracle::LoseDevice() {
  const Result lost = {Outcome::kDeviceLost, Outcome::kDeviceLost, {}, {}};
  for (auto& [context, queue] : queues_) {
    if (queue.state == OracleQueue::State::kInactive) continue;
    if (!queue.doomed) {
      queue.doomed = true;
      queue.doom = lost;
    }
    while (!queue.started.empty()) {
      const bool follows = queue.started.front().sync && !queue.host;
      End(context, queue, queue.started, follows ? queue.doom : lost);
    }
  }
}

void Oracle::Expire(hw::Nanos now) {
  const Result expired = {Outcome::kExpired, Outcome::kExpired, {}, {}};
  for (auto& [context, queue] : queues_) {
    while (queue.host && !queue.started.empty() && queue.started.front().expiry <= now) {
      End(context, queue, queue.started, expired);
    }
  }
}

std::set<ContextId> Oracle::Overdue(hw::Nanos now) const {
  std::set<ContextId> overdue;
  for (const auto& [context, queue] : queues_) {
    if (queue.host || queue.cancelling || queue.started.empty()) continue;
    const bool late = queue.timeout != hw::kNever && now - queue.running_since >= queue.timeout;
    if (late || queue.triggered) overdue.insert(context);
  }
  return overdue;
}

uint64_t Oracle::on_device() const {
  uint64_t sum = 0;
  for (const auto& [context, queue] : queues_) sum += queue.started.size();
  return sum;
}

}  // namespace xeq::sim
