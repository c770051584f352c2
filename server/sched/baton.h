// Lets many threads take turns at one piece of work without ever waiting for each other.
#ifndef XEQ_SERVER_SCHED_BATON_H_
#define XEQ_SERVER_SCHED_BATON_H_

#include <atomic>
#include <cstdint>

namespace xeq::sched {

// Who brings work asks for a turn. The first to ask holds the baton and does the turns of all who ask until it can put
// the baton down, which fails as long as somebody asked in the meantime. What was written before an Ask is seen by the
// turn that it asked for; what one holder wrote is seen by the next.
class Baton {
 public:
  // True: the caller holds the baton now. False: whoever holds it will do the turn.
  bool Ask() { return requests_.fetch_add(1) == 0; }
  // The holder, before a turn. What to put it down with.
  uint32_t seen() const { return requests_.load(); }
  // The holder, after a turn. False: somebody asked since `seen`, and there is a further turn to do.
  bool PutDown(uint32_t seen) { return requests_.compare_exchange_strong(seen, 0); }

 private:
  std::atomic<uint32_t> requests_{0};
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_BATON_H_
