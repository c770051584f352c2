// How sessions tell what they do to whoever counts it. Declared here so that session knows nothing of metrics.
#ifndef XEQ_SERVER_SESSION_RECORDER_H_
#define XEQ_SERVER_SESSION_RECORDER_H_

#include <cstdint>

#include "hw/types.h"

namespace xeq::session {

// Why a session, or a queue, came to its end.
enum class CloseReason : uint8_t { kClient, kLeaseExpired, kShutdown };

// Called from any thread, OnWaiters with a session's lock held; takes no lock or memory. Does nothing by itself.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void OnSessionOpened() {}
  virtual void OnSessionClosed(CloseReason) {}
  virtual void OnQueueCreated(hw::EngineClass) {}
  virtual void OnQueueBanned(hw::EngineClass) {}
  virtual void OnQueueClosed(hw::EngineClass, bool /*banned*/, CloseReason) {}
  // `jobs` jobs were armed for queues of the class.
  virtual void OnJobsArmed(hw::EngineClass, uint32_t /*jobs*/) {}
  // One call armed `jobs` jobs.
  virtual void OnSubmitted(uint32_t /*jobs*/) {}
  // WaitFences calls and WatchFences streams that came (1) or went (-1).
  virtual void OnWaiters(int /*change*/) {}
  virtual void OnWatches(int /*change*/) {}
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_RECORDER_H_
