// Counts what a test program takes from the heap. Linking xeq_counting_allocator replaces the global operators new and
// delete.
#ifndef XEQ_TESTS_FAKES_COUNTING_ALLOCATOR_H_
#define XEQ_TESTS_FAKES_COUNTING_ALLOCATOR_H_

#include <cstddef>

namespace xeq::fakes {

// Calls of operator new so far, of all threads.
size_t Allocations();
// Those of them that were made with a lock held: where xeq_lock_checker is linked too.
size_t AllocationsInLock();

}  // namespace xeq::fakes

#endif  // XEQ_TESTS_FAKES_COUNTING_ALLOCATOR_H_
