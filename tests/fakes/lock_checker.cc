#include "tests/fakes/lock_checker.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include <cassert>

namespace {

thread_local int held = 0;
thread_local bool in_fence_path = false;
thread_local size_t sleeps = 0;

// The C library's own.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void CountSleep() {
  if (in_fence_path) ++sleeps;
}

}  // namespace

// Their declarations are the C library's.
extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static auto* const next = Next<int(pthread_mutex_t*)>("pthread_mutex_lock");
  const int result = next(mutex);
  if (result == 0) ++held;
  return result;
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  static auto* const next = Next<int(pthread_mutex_t*)>("pthread_mutex_trylock");
  const int result = next(mutex);
  if (result == 0) ++held;
  return result;
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  static auto* const next = Next<int(pthread_mutex_t*)>("pthread_mutex_unlock");
  const int result = next(mutex);
  if (result == 0) --held;
  return result;
}

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  static auto* const next = Next<int(pthread_cond_t*, pthread_mutex_t*)>("pthread_cond_wait");
  CountSleep();
  return next(condition, mutex);
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  static auto* const next = Next<int(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
  CountSleep();
  return next(condition, mutex, until);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  static auto* const next =
      Next<int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*)>("pthread_cond_clockwait");
  CountSleep();
  return next(condition, mutex, clock, until);
}

int poll(pollfd* fds, nfds_t count, int timeout_ms) {
  static auto* const next = Next<int(pollfd*, nfds_t, int)>("poll");
  if (timeout_ms != 0) CountSleep();
  return next(fds, count, timeout_ms);
}

int nanosleep(const timespec* length, timespec* left) {
  static auto* const next = Next<int(const timespec*, timespec*)>("nanosleep");
  CountSleep();
  return next(length, left);
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* length, timespec* left) {
  static auto* const next = Next<int(clockid_t, int, const timespec*, timespec*)>("clock_nanosleep");
  CountSleep();
  return next(clock, flags, length, left);
}

}  // extern "C"

namespace xeq::fakes {

int LocksHeld() { return held; }

FencePath::FencePath() {
  assert(!in_fence_path);
  in_fence_path = true;
  ::sleeps = 0;
}

FencePath::~FencePath() { in_fence_path = false; }

size_t FencePath::sleeps() const { return ::sleeps; }

}  // namespace xeq::fakes
