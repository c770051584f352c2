// Tells a test which locks its threads hold and whether they sleep. Linking xeq_lock_checker puts it in front of the C
// library's mutexes, condition variables and blocking calls, so that it sees those of every library and the code under
// test stays as it is.
#ifndef XEQ_TESTS_FAKES_LOCK_CHECKER_H_
#define XEQ_TESTS_FAKES_LOCK_CHECKER_H_

#include <cstddef>

namespace xeq::fakes {

// Mutexes that the calling thread holds.
int LocksHeld();

// While it lives, its thread is on the way of a fence: sleeping there is counted. One a thread at a time.
class FencePath {
 public:
  FencePath();
  FencePath(const FencePath&) = delete;
  FencePath& operator=(const FencePath&) = delete;
  ~FencePath();

  // Calls of this thread since then that wait for another thread, the clock or a peer: condition variables, poll,
  // sleeps.
  size_t sleeps() const;
};

}  // namespace xeq::fakes

#endif  // XEQ_TESTS_FAKES_LOCK_CHECKER_H_
