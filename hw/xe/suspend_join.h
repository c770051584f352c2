// Suspends that are under way: which queue's lanes have answered, and who is told.
#ifndef XEQ_HW_XE_SUSPEND_JOIN_H_
#define XEQ_HW_XE_SUSPEND_JOIN_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "hw/mutex.h"
#include "hw/xe/siblings.h"

namespace xeq::hw::xe {

// Thread-safe. A queue has at most one suspend under way.
class SuspendJoin {
 public:
  struct Answered {
    // As given to Begin.
    uint64_t context = 0;
    void* owner = nullptr;
    absl::StatusCode code = absl::StatusCode::kOk;
  };

  // False: one is under way already.
  bool Begin(uint64_t context, void* owner, uint32_t lanes) ABSL_LOCKS_EXCLUDED(mutex_);
  // One lane has answered. A queue that is not suspended any more is passed over.
  void Answer(const SuspendAnswer& answer) ABSL_LOCKS_EXCLUDED(mutex_);
  // The queue was resumed or cancelled before all lanes had answered. True: that is its answer.
  bool Abort(uint64_t context) ABSL_LOCKS_EXCLUDED(mutex_);
  // Nobody is to be told: the queue is gone, or its suspend was refused.
  void Drop(uint64_t context) ABSL_LOCKS_EXCLUDED(mutex_);
  // Exchanges the answers for an empty vector.
  void TakeAnswered(std::vector<Answered>& answered) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Pending : Answered {
    uint32_t lanes_left = 0;
  };
  std::vector<Pending>::iterator Find(uint64_t context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  std::vector<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  std::vector<Answered> answered_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_SUSPEND_JOIN_H_
