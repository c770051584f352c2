// How long a session lives without hearing from its client.
#ifndef XEQ_SERVER_SESSION_LEASE_H_
#define XEQ_SERVER_SESSION_LEASE_H_

#include <atomic>

#include "hw/clock.h"

namespace xeq::session {

// Renewed by calls, held by streams. Any thread.
class Lease {
 public:
  Lease(hw::Nanos length_ns, hw::Nanos now) : length_ns_(length_ns), renewed_(now) {}

  hw::Nanos length_ns() const { return length_ns_; }
  void Renew(hw::Nanos now) { renewed_.store(now, std::memory_order_relaxed); }
  // Does not run out between Hold and Release.
  void Hold() { holds_.fetch_add(1, std::memory_order_relaxed); }
  void Release(hw::Nanos now) {
    Renew(now);
    // After the renewal, so that no one sees the old time without a hold.
    holds_.fetch_sub(1, std::memory_order_release);
  }
  bool HasRunOut(hw::Nanos now) const {
    return holds_.load(std::memory_order_acquire) == 0 && now - renewed_.load(std::memory_order_relaxed) >= length_ns_;
  }

 private:
  const hw::Nanos length_ns_;
  std::atomic<hw::Nanos> renewed_;
  std::atomic<int> holds_{0};
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_LEASE_H_
