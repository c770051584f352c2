// The way from the threads of clients to the device thread: a list that any thread pushes to without a lock.
#ifndef XEQ_SERVER_SCHED_INBOX_H_
#define XEQ_SERVER_SCHED_INBOX_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace xeq::sched {

// What travels. Carries its own link, so that pushing takes no memory.
struct Message {
  enum class Kind : uint8_t { kJob, kQueue, kClose, kForget };
  explicit Message(Kind kind) : kind(kind) {}
  virtual ~Message() = default;

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
    for (Message* message = TakeAll(); message != nullptr;) delete std::exchange(message, message->next_message);
  }

  // Any thread. Ownership goes to the inbox.
  void Push(std::unique_ptr<Message> message) {
    Message* raw = message.release();
    raw->next_message = newest_.load(std::memory_order_relaxed);
    // Sequentially consistent, so that a producer that then finds the consumer awake can rely on being seen: see
    // DeviceLoop::Wake.
    while (!newest_.compare_exchange_weak(raw->next_message, raw)) {
    }
  }

  // Device thread. The oldest message, linked to the later ones through `next_message`; the caller owns them.
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

  bool empty() const { return newest_.load() == nullptr; }

 private:
  std::atomic<Message*> newest_{nullptr};
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_INBOX_H_
