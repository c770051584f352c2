// The last ends of fences of one session, for those who watch it.
#ifndef XEQ_SERVER_SESSION_EVENT_LOG_H_
#define XEQ_SERVER_SESSION_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/sched/job.h"

namespace xeq::session {

// The end of one fence.
struct Event {
  sched::Point point;
  sched::Result result;
  sched::StageTimes times;
};

// A ring of numbered events, the first with number 1. Owned by a session, behind its lock.
class EventLog {
 public:
  // Takes all its memory; the system backs it as it fills.
  explicit EventLog(size_t kept_max);

  void Append(const Event& event);
  // The number of the newest event, 0 when there was none.
  uint64_t last() const { return last_; }
  // The number of the oldest event that is kept; last() + 1 when none is.
  uint64_t oldest() const { return last_ - ring_.size() + 1; }
  // Whether all events after `number` are kept.
  bool CanReadAfter(uint64_t number) const { return number + 1 >= oldest() && number <= last_; }
  // Copies events from number + 1 on; returns how many. CanReadAfter(number).
  size_t ReadAfter(uint64_t number, absl::Span<Event> events) const;

 private:
  const size_t kept_max_;
  uint64_t last_ = 0;
  // Event n is at (n - 1) % kept_max_.
  std::vector<Event> ring_;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_EVENT_LOG_H_
