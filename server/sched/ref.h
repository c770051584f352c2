// Counted references to jobs and timelines: the count is in the object, the last reference deletes it.
#ifndef XEQ_SERVER_SCHED_REF_H_
#define XEQ_SERVER_SCHED_REF_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace xeq::sched {

// Base of what is counted. Begins with one reference, which MakeRef hands out.
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  void AddReference() { references_.fetch_add(1, std::memory_order_relaxed); }
  // True: that was the last one.
  bool DropReference() {
    // Whoever holds the only reference need not tell anybody.
    return references_.load(std::memory_order_acquire) == 1 || references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

 protected:
  ~Counted() = default;

 private:
  std::atomic<uint32_t> references_{1};
};

// One reference. The references of an object may be on many threads; one Ref belongs to one.
template <typename T>
class Ref {
 public:
  Ref() = default;
  // Takes over a reference that exists, such as one that `release` gave out.
  static Ref Adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  // A further reference to an object that somebody holds.
  static Ref Share(T* object) {
    object->AddReference();
    return Adopt(object);
  }
  Ref(const Ref& other) : object_(other.object_) {
    if (object_ != nullptr) object_->AddReference();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { reset(); }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  [[nodiscard]] T* release() { return std::exchange(object_, nullptr); }
  void reset() {
    T* object = std::exchange(object_, nullptr);
    if (object != nullptr && object->DropReference()) delete object;
  }

 private:
  T* object_ = nullptr;
};

template <typename T, typename... Args>
Ref<T> MakeRef(Args&&... args) {
  return Ref<T>::Adopt(new T(std::forward<Args>(args)...));
}

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_REF_H_
