// A count that one thread raises and another waits for, where the waiting is rare.
#ifndef XEQ_TESTS_BENCH_PUT_MODES_GATE_H_
#define XEQ_TESTS_BENCH_PUT_MODES_GATE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "hw/mutex.h"

namespace xeq::bench {

// Thread-safe. Raising takes no lock unless somebody waits for what has been reached; waiting sleeps.
class Gate {
 public:
  uint64_t count() const { return count_.load(); }

  void Add(uint64_t more) {
    // The count before the mark here, the mark before the count in WaitFor: one of the two sees the other.
    if (count_.fetch_add(more) + more < wanted_.load()) return;
    {
      hw::MutexLock lock(mutex_);
      wanted_.store(kNobody);
    }
    changed_.NotifyAll();
  }

  void WaitFor(uint64_t target) {
    if (count_.load() >= target) return;
    hw::MutexLock lock(mutex_);
    for (;;) {
      wanted_.store(std::min(wanted_.load(), target));
      if (count_.load() >= target) return;
      changed_.Wait(mutex_);
    }
  }

 private:
  static constexpr uint64_t kNobody = std::numeric_limits<uint64_t>::max();

  std::atomic<uint64_t> count_{0};
  // The least that somebody waits for.
  std::atomic<uint64_t> wanted_{kNobody};
  hw::Mutex mutex_;
  hw::CondVar changed_;
};

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_PUT_MODES_GATE_H_
