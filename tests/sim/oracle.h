// What the scheduler has to do, worked out from its rules alone and in the simplest way: after each step every queue is
// looked at again, until nothing changes. Shares no code with the scheduler but the words for points and results.
#ifndef XEQ_TESTS_SIM_ORACLE_H_
#define XEQ_TESTS_SIM_ORACLE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "hw/clock.h"
#include "hw/types.h"
#include "server/sched/fence.h"

namespace xeq::sim {

using sched::ContextId;
using sched::Outcome;
using sched::Point;
using sched::Result;
using sched::WaitErrorPolicy;

struct OracleWait {
  // One, or alternatives.
  std::vector<Point> points;
  bool alternatives = false;
  WaitErrorPolicy on_error = WaitErrorPolicy::kFail;
};

struct OracleJob {
  uint64_t seqno = 0;
  bool sync = false;
  hw::Nanos expiry = hw::kNever;
  std::vector<OracleWait> waits;
};

struct OracleQueue {
  uint32_t credits = 1;
  int priority = 0;
  hw::Nanos timeout = hw::kNever;
  bool host = false;
  // Closes when its first job has ended.
  bool one_job = false;

  enum class State { kUsable, kClosed, kInactive };
  State state = State::kUsable;
  bool stopped = false;
  bool triggered = false;
  bool doomed = false;
  Result doom;
  // Asked to be taken off the device.
  bool cancelling = false;
  hw::Nanos running_since = 0;
  // Neither ended nor started; and those that are on the device, or go with them.
  std::deque<OracleJob> queued;
  std::deque<OracleJob> started;
  uint64_t armed = 0;
  uint64_t ended = 0;
  std::map<uint64_t, Result> failures;
};

class Oracle {
 public:
  OracleQueue& Of(ContextId context) { return queues_.at(context); }
  std::map<ContextId, OracleQueue>& queues() { return queues_; }

  // ---- The inputs. Each is followed by Settle.
  void Add(ContextId context, OracleJob job);
  void Start(ContextId context, hw::Nanos now);
  // The front of `started` ends.
  void Complete(ContextId context, Outcome status, hw::Nanos now);
  void Signal(ContextId context, uint64_t seqno, Outcome outcome);
  void Close(ContextId context);
  void LoseDevice();
  void Expire(hw::Nanos now);
  // What the watchdog has to ask about.
  std::set<ContextId> Overdue(hw::Nanos now) const;
  void Cancel(ContextId context, hw::JobStatus status);
  // The oldest job hangs: its queue is banned and taken off.
  void Condemn(ContextId context);
  void Settle();

  // ---- What must follow.
  // The queue's head may run now.
  bool CanStart(const OracleQueue& queue) const;
  uint64_t on_device() const;

  // Since they were last cleared.
  std::map<std::pair<ContextId, uint64_t>, Result> ended;
  std::map<ContextId, hw::JobStatus> cancels;
  std::set<ContextId> banned;
  std::set<ContextId> inactive;

 private:
  enum class Fate { kRuns, kWaits, kFails };
  Fate FateOf(const OracleQueue& queue, const OracleJob& job, Result* why) const;
  const Result* FailureOf(const Point& point) const;
  bool HasEnded(const Point& point) const { return queues_.at(point.context).ended >= point.seqno; }
  void End(ContextId context, OracleQueue& queue, std::deque<OracleJob>& from, Result result);
  bool SettleOne(ContextId context, OracleQueue& queue);

  std::map<ContextId, OracleQueue> queues_;
};

}  // namespace xeq::sim

#endif  // XEQ_TESTS_SIM_ORACLE_H_
