// One who follows the event log of a session.
#ifndef XEQ_SERVER_SESSION_WATCH_H_
#define XEQ_SERVER_SESSION_WATCH_H_

#include <cstddef>
#include <cstdint>

namespace xeq::session {

// Made by the RPC edge, kept by the session from StartWatch to StopWatch.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  virtual ~Watch() = default;

 protected:
  // There may be something to read, after a read that found nothing. Any thread, with no lock held.
  virtual void OnEvents() = 0;

 private:
  friend class Session;
  // Guarded by the lock of the session. The last event that was read.
  uint64_t read_ = 0;
  // A read found nothing, and OnEvents has not been called since.
  bool idle_ = false;
};

// What a read gave.
struct WatchedEvents {
  size_t count = 0;
  // Of the first one.
  uint64_t first_number = 0;
  // The newest of the session.
  uint64_t last_event = 0;
  // The session is closed, all its fences have ended, and all its events have been read.
  bool finished = false;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_WATCH_H_
