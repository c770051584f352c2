// The lanes of a parallel queue: one context on each of its engines, and the joining of their ends. A job runs on all
// lanes at once and ends when all have ended; the set of lanes never changes, so that jobs end in their order.
#ifndef XEQ_HW_XE_GANG_H_
#define XEQ_HW_XE_GANG_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "hw/mutex.h"
#include "hw/types.h"
#include "hw/xe/context.h"

namespace xeq::hw::xe {

class HwEngine;

struct Lane {
  HwEngine* engine;
  Context* context;
};

// The ends of the lanes' jobs, on their way to one. Shared by the queue, its contexts and the ends of its jobs, which
// may be on their way when the queue is gone.
class Gang {
 public:
  void Add(Lane lane) ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls `act(lane)` for each lane of a queue that is still there.
  void ForEach(absl::FunctionRef<void(const Lane&)> act) ABSL_LOCKS_EXCLUDED(mutex_);
  // The queue goes: gives its contexts back.
  void Disband() ABSL_LOCKS_EXCLUDED(mutex_);

  // ---- Interrupt thread.
  // Takes the end of the lane's next job. True: the job has ended on all lanes, and `*joined` is its end: the first
  // failure, from the earliest start to the latest end, with the time on all engines.
  bool Join(uint32_t lane, const Completion& completion, Completion* joined);

 private:
  struct Slot {
    uint32_t ended = 0;
    Completion joined;
  };
  Mutex mutex_;
  std::vector<Lane> lanes_ ABSL_GUARDED_BY(mutex_);
  // Made before the first job, and never changed.
  uint32_t width_ = 0;
  // Jobs that each lane has ended.
  std::array<uint32_t, kBatchesPerJobMax> jobs_{};
  // Of the jobs that some lanes have ended.
  std::array<Slot, kJobsPerContextMax> slots_;
};

// One lane's end of a job. Of a queue with one lane it is the job's end.
struct LaneCompletion : Completion {
  std::shared_ptr<Gang> gang;
  uint32_t lane = 0;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_GANG_H_
