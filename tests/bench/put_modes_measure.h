// The measurements N1 to N8, one round of each.
#ifndef XEQ_TESTS_BENCH_PUT_MODES_MEASURE_H_
#define XEQ_TESTS_BENCH_PUT_MODES_MEASURE_H_

#include <cstddef>

#include "tests/bench/put_modes_report.h"
#include "tests/bench/put_modes_rig.h"

namespace xeq::bench {

// Jobs that have not ended at one time, where memory is no limit.
inline constexpr size_t kWindow = 4096;
// Jobs whose memory is not back, where it is (N7).
inline constexpr size_t kPool = 64;

// N1 and N2: what a job costs, with nothing stamped.
void MeasureCost(const Mode& mode, size_t jobs, Report& report);
// N3: one job at a time.
void MeasureWaiter(const Mode& mode, size_t jobs, Report& report);
// N4: when memory comes back, and who brings it.
void MeasureReleases(const Mode& mode, size_t jobs, Report& report);
// N5: how long releases hold the completion path up.
void MeasureBatches(const Mode& mode, size_t jobs, Report& report);
// N6: a second of 16 clients, each a thread that submits a job 60 times a second. `mode.queues` is not looked at.
void MeasureIdle(Mode mode, Report& report);
// N7: memory for few jobs.
void MeasurePool(const Mode& mode, size_t jobs, Report& report);
// N8: two submitters; memory is freed where it is released, or where it was taken.
void MeasureAllocator(const Mode& mode, size_t jobs, Report& report);

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_PUT_MODES_MEASURE_H_
