// An intrusive first-in-first-out list of jobs: no allocation, whoever holds the list owns the jobs.
#ifndef XEQ_SERVER_SCHED_JOB_LIST_H_
#define XEQ_SERVER_SCHED_JOB_LIST_H_

#include <cstddef>
#include <memory>

#include "server/sched/job.h"

namespace xeq::sched {

// Move-free: lists stay where they are, jobs go from one to the next. Device thread only.
class JobList {
 public:
  JobList() = default;
  JobList(const JobList&) = delete;
  JobList& operator=(const JobList&) = delete;
  ~JobList() {
    while (!empty()) PopFront();
  }

  bool empty() const { return head_ == nullptr; }
  size_t size() const { return size_; }
  // Null when empty.
  Job* front() const { return head_; }

  void PushBack(std::unique_ptr<Job> job) {
    Job* raw = job.release();
    raw->next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = raw;
    tail_ = raw;
    ++size_;
  }

  // The list is not empty.
  std::unique_ptr<Job> PopFront() {
    std::unique_ptr<Job> job(head_);
    head_ = job->next;
    if (head_ == nullptr) tail_ = nullptr;
    job->next = nullptr;
    --size_;
    return job;
  }

 private:
  Job* head_ = nullptr;
  Job* tail_ = nullptr;
  size_t size_ = 0;
};

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_JOB_LIST_H_
