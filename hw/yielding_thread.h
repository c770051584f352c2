// How the service's own threads share a core with those that serve clients.
#ifndef XEQ_HW_YIELDING_THREAD_H_
#define XEQ_HW_YIELDING_THREAD_H_

#include <sched.h>

namespace xeq::hw {

// Where all cores are busy, the calling thread waits until whoever woke it has come to an end rather than interrupt it:
// SCHED_BATCH, sched(7). A thread that serves a client and is stopped between two locks of gRPC's makes gRPC's other
// threads run into them. On an idle core nothing changes.
inline void YieldToWakers() {
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace xeq::hw

#endif  // XEQ_HW_YIELDING_THREAD_H_
