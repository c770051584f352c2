// An intrusive first-in-first-out list of jobs: no allocation; the list holds a reference to each.
#ifndef XEQ_SERVER_SCHED_JOB_LIST_H_
#define XEQ_SERVER_SCHED_JOB_LIST_H_

#include <cstddef>
#include <utility>

#include "server/sched/job.h"

namespace xeq::sched {

// A job is in one list at a time.
class JobList {
 public:
  JobList() = default;
  JobList(JobList&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)), tail_(std::exchange(other.tail_, nullptr)) {}
  JobList& operator=(JobList&&) = delete;
  ~JobList() {
    while (!empty()) PopFront();
  }

  bool empty() const { return head_ == nullptr; }
  // Null when empty.
  Job* front() const { return head_; }

  void PushBack(Ref<Job> job) {
    Job* raw = job.release();
    raw->next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = raw;
    tail_ = raw;
  }

  // The list is not empty.
  Ref<Job> PopFront() {
    Job* job = head_;
    head_ = job->next;
    // By the time it is looked at it should have come.
    Prefetch(head_);
    if (head_ == nullptr) tail_ = nullptr;
    job->next = nullptr;
    return Ref<Job>::Adopt(job);
  }

 private:
  static void Prefetch(const Job* job) {
    const char* const bytes = reinterpret_cast<const char*>(job);
    for (size_t line = 0; line < sizeof(Job); line += 64) __builtin_prefetch(bytes + line, 1);
  }

  Job* head_ = nullptr;
  Job* tail_ = nullptr;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_JOB_LIST_H_
