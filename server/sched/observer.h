// How the scheduler tells the owners of queues what became of their jobs. Declared here so that sched knows nothing of
// sessions and metrics.
#ifndef XEQ_SERVER_SCHED_OBSERVER_H_
#define XEQ_SERVER_SCHED_OBSERVER_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/sched/job.h"

namespace xeq::sched {

// Called by whoever holds the loop's baton (a client's thread, the device's completion source, the device thread), with
// no lock held. Must not block on a client, and must not keep the jobs: they are freed when the call returns.
class Observer {
 public:
  virtual ~Observer() = default;
  // Jobs of this owner's queues that have ended since the last call, in the order in which they ended; of one context
  // without gaps. One call for a turn of the device loop.
  virtual void OnFinished(absl::Span<Job* const> jobs) = 0;
  // The queue was banned: `cause` is the result of the job that faulted or hung. Jobs armed later end with kCancelled.
  virtual void OnBanned(ContextId context, const Result& cause) = 0;
  // Answers DeviceLoop::PostSuspend: see hw::Device::Listener::OnSuspended, and hw::Device::Suspend for
  // FAILED_PRECONDITION.
  virtual void OnSuspended(ContextId context, absl::Status status) = 0;
  // A closed queue has left the device, and all its points have ended.
  virtual void OnInactive(ContextId context) = 0;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_OBSERVER_H_
