// The way from the threads of clients to the device thread: a list that any thread pushes to without a lock.
#ifndef XEQ_SERVER_SCHED_INBOX_H_
#define XEQ_SERVER_SCHED_INBOX_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace xeq::sched {

// What travels. Carries its own link, so that pushing takes no memory.
struct Message {
  enum class Kind : uint8_t {
    kJob,
    kQueue,
    kClose,
    kStop,
    kStart,
    kTriggerTimeout,
    kSignal,
    kSuspend,
    kResume,
    kProps,
    kKill
  };
  explicit Message(Kind kind) : kind(kind) {}
  virtual ~Message() = default;
  // Gives up the inbox's share of it.
  virtual void Drop() { delete this; }

  const Kind kind;
  Message* next_message = nullptr;
};

// Many producers, one consumer. What one thread pushed is taken in the order in which it was pushed, and so is what
// several threads pushed under one lock of theirs.
class Inbox {
 public:
  Inbox() = default;
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() {
    for (Message* message = TakeAll(); message != nullptr;) std::exchange(message, message->next_message)->Drop();
  }

  // Any thread. Ownership goes to the inbox.
  void Push(Message* message) {
    message->next_message = newest_.load(std::memory_order_relaxed);
    while (!newest_.compare_exchange_weak(message->next_message, message, std::memory_order_release,
                                          std::memory_order_relaxed)) {
    }
  }

  // The consumer. The oldest message, linked to the later ones through `next_message`; the caller owns them.
  Message* TakeAll() {
    Message* newest = newest_.exchange(nullptr, std::memory_order_acquire);
    Message* oldest = nullptr;
    while (newest != nullptr) {
      Message* older = newest->next_message;
      newest->next_message = oldest;
      oldest = newest;
      newest = older;
    }
    return oldest;
  }

 private:
  std::atomic<Message*> newest_{nullptr};
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_INBOX_H_
