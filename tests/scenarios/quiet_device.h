// A device that takes no memory and looks at how it is called.
#ifndef XEQ_TESTS_SCENARIOS_QUIET_DEVICE_H_
#define XEQ_TESTS_SCENARIOS_QUIET_DEVICE_H_

#include <atomic>
#include <cstdint>

#include "tests/fakes/manual_device.h"

namespace xeq::sched {

// One job at a time; its end is told by the thread that calls CompleteLast.
class QuietDevice : public fakes::ManualDevice {
 public:
  // What runs at the beginning of each Submit.
  explicit QuietDevice(void (*on_submit)() = [] {}) : on_submit_(on_submit) {}

  absl::Status Start(Listener& listener) override {
    listener_ = &listener;
    return absl::OkStatus();
  }
  void Stop() override {}
  void Submit(hw::Queue& queue, const hw::Submission& job) override {
    on_submit_();
    last_.owner = queue.owner;
    last_.seqno = job.seqno;
    submitted = job.seqno;
  }
  void CompleteLast() { listener_->OnCompletions({&last_, 1}); }

  std::atomic<uint64_t> submitted{0};

 private:
  void (*const on_submit_)();
  Listener* listener_ = nullptr;
  hw::Completion last_;
};

class NoHwQueue : public hw::Queue {};

}  // namespace xeq::sched

#endif  // XEQ_TESTS_SCENARIOS_QUIET_DEVICE_H_
