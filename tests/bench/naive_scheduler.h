// What one would write at first: a mutex, a hash map of fences and callbacks. A floor for the scheduler's figures.
#ifndef XEQ_TESTS_BENCH_NAIVE_SCHEDULER_H_
#define XEQ_TESTS_BENCH_NAIVE_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace xeq::bench {

// Queues in order, waits for fences of other queues; no failures, credits, priorities or teardown.
class NaiveScheduler {
 public:
  struct Job {
    uint32_t queue = 0;
    uint64_t seqno = 0;
    size_t waits_left = 0;
    std::function<void()> on_done;
  };

  explicit NaiveScheduler(size_t queues) : queues_(queues) {}

  // Each wait names a queue and a seqno.
  void Add(std::shared_ptr<Job> job, const std::vector<std::pair<uint32_t, uint64_t>>& waits) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [queue, seqno] : waits) {
      if (queues_[queue].ended >= seqno) continue;
      ++job->waits_left;
      waiters_[Key(queue, seqno)].push_back([this, job] {
        if (--job->waits_left == 0) Advance(job->queue);
      });
    }
    const uint32_t queue = job->queue;
    queues_[queue].jobs.push_back(std::move(job));
    Advance(queue);
  }
  // A job whose turn it is; null when there is none.
  std::shared_ptr<Job> NextToRun() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ready_.empty()) return nullptr;
    std::shared_ptr<Job> job = std::move(ready_.front());
    ready_.pop_front();
    return job;
  }
  void Complete(const Job& job) {
    std::lock_guard<std::mutex> lock(mutex_);
    Queue& queue = queues_[job.queue];
    queue.ended = job.seqno;
    queue.running = false;
    job.on_done();
    const auto found = waiters_.find(Key(job.queue, job.seqno));
    if (found != waiters_.end()) {
      const std::vector<std::function<void()>> callbacks = std::move(found->second);
      waiters_.erase(found);
      for (const auto& callback : callbacks) callback();
    }
    Advance(job.queue);
  }

 private:
  struct Queue {
    std::deque<std::shared_ptr<Job>> jobs;
    uint64_t ended = 0;
    bool running = false;
  };

  static uint64_t Key(uint32_t queue, uint64_t seqno) { return uint64_t{queue} << 40 | seqno; }
  void Advance(uint32_t index) {
    Queue& queue = queues_[index];
    if (queue.running || queue.jobs.empty() || queue.jobs.front()->waits_left > 0) return;
    queue.running = true;
    ready_.push_back(std::move(queue.jobs.front()));
    queue.jobs.pop_front();
  }

  std::mutex mutex_;
  std::vector<Queue> queues_;
  std::deque<std::shared_ptr<Job>> ready_;
  std::unordered_map<uint64_t, std::vector<std::function<void()>>> waiters_;
};

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_NAIVE_SCHEDULER_H_
