// Which processors a process may run on.
#ifndef XEQ_TESTS_BENCH_AFFINITY_H_
#define XEQ_TESTS_BENCH_AFFINITY_H_

#include <sched.h>
#include <sys/types.h>

namespace xeq::bench {

// Those of the calling thread.
cpu_set_t CurrentCpus();
// Only the last of `cpus`: the first is where most interrupts go.
cpu_set_t OneOf(const cpu_set_t& cpus);
// All threads that the process has; new ones inherit. `pid` 0: the caller.
void SetCpus(pid_t pid, const cpu_set_t& cpus);

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_AFFINITY_H_
