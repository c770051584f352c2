#include "hw/xe/gang.h"

#include <algorithm>

#include "hw/xe/hw_engine.h"

namespace xeq::hw::xe {
namespace {

// Of two ends, the one that tells more: a lane that was cancelled because another failed is not the cause.
int Weight(JobStatus status) {
  switch (status) {
    case JobStatus::kOk:
      return 0;
    case JobStatus::kCancelled:
      return 1;
    case JobStatus::kDeviceLost:
      return 2;
    case JobStatus::kInvalidCommand:
    case JobStatus::kPageFault:
    case JobStatus::kHang:
      break;
  }
  return 3;
}

}  // namespace

void Gang::Add(Lane lane) {
  MutexLock lock(mutex_);
  lanes_.push_back(lane);
  ++width_;
}

void Gang::ForEach(absl::FunctionRef<void(const Lane&)> act) {
  MutexLock lock(mutex_);
  for (const Lane& lane : lanes_) act(lane);
}

void Gang::Disband() {
  MutexLock lock(mutex_);
  for (const Lane& lane : lanes_) lane.engine->RemoveContext(lane.context);
  lanes_.clear();
}

bool Gang::Join(uint32_t lane, const Completion& completion, Completion* joined) {
  Slot& slot = slots_[jobs_[lane]++ % kJobsPerContextMax];
  Completion& all = slot.joined;
  if (slot.ended++ == 0) {
    all = completion;
  } else {
    if (Weight(completion.status) > Weight(all.status)) {
      all.status = completion.status;
      all.fault = completion.fault;
    }
    // 0 where a lane did not get that far.
    if (completion.gpu_start_ns != 0 && (all.gpu_start_ns == 0 || completion.gpu_start_ns < all.gpu_start_ns)) {
      all.gpu_start_ns = completion.gpu_start_ns;
    }
    all.gpu_end_ns = std::max(all.gpu_end_ns, completion.gpu_end_ns);
    all.gpu_time_ns += completion.gpu_time_ns;
  }
  if (slot.ended < width_) return false;
  slot.ended = 0;
  *joined = all;
  return true;
}

}  // namespace xeq::hw::xe
