#include "server/session/event_log.h"

#include <algorithm>

namespace xeq::session {

EventLog::EventLog(size_t kept_max) : kept_max_(kept_max) { ring_.reserve(kept_max); }

void EventLog::Append(const Event& event) {
  if (ring_.size() < kept_max_) {
    ring_.push_back(event);
  } else {
    ring_[last_ % kept_max_] = event;
  }
  ++last_;
}

size_t EventLog::ReadAfter(uint64_t number, absl::Span<Event> events) const {
  const size_t count = std::min<uint64_t>(events.size(), last_ - number);
  for (size_t i = 0; i < count; ++i) events[i] = ring_[(number + i) % kept_max_];
  return count;
}

}  // namespace xeq::session
