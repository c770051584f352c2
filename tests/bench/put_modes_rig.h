// What the measurements of put modes run on: the production device loop over an InstantDevice, and jobs that tell when,
// where and by whom their memory goes back.
#ifndef XEQ_TESTS_BENCH_PUT_MODES_RIG_H_
#define XEQ_TESTS_BENCH_PUT_MODES_RIG_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/sched/device_loop.h"
#include "tests/bench/put_modes_device.h"
#include "tests/bench/put_modes_gate.h"

namespace xeq::bench {

// Which of the four, and on how many queues.
struct Mode {
  sched::PutMode put_mode = sched::PutMode::kInline;
  bool bypass = true;
  size_t queues = 1;
};

// What is stamped; stamping costs time itself, so a measurement asks for no more than it needs.
enum class Look : uint8_t {
  // Jobs are counted when they end and when they are released, no more.
  kCounts,
  // When each job's memory goes back, and on which thread.
  kReleases,
  // How long the releases that follow one telling take together. Inline only.
  kBatches,
  // Each call to the allocator.
  kAllocator,
};

enum class FreeAt : uint8_t {
  // The thread that drops the last reference gives the memory to the allocator.
  kWhereReleased,
  // It hands the memory to the thread that took it, which gives it to the allocator before it takes more.
  kHome,
};

struct Watch {
  Look look = Look::kCounts;
  FreeAt free_at = FreeAt::kWhereReleased;
  // So many are stamped.
  size_t jobs = 0;
  size_t submitters = 1;
};

// Values from several threads; those beyond the room are dropped.
class Samples {
 public:
  explicit Samples(size_t room) : values_(room) {}
  void Add(int64_t value) {
    const size_t at = used_.fetch_add(1, std::memory_order_relaxed);
    if (at < values_.size()) values_[at] = value;
  }
  // When nobody adds any more.
  std::vector<double> values() const {
    return {values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(std::min(used_.load(), values_.size()))};
  }

 private:
  std::atomic<size_t> used_{0};
  std::vector<int64_t> values_;
};

struct Findings {
  explicit Findings(size_t room) : release_ns(room), batch_ns(room), batch_cpu_ns(room), take_ns(room), free_ns(room) {}

  // From the completion source's stamp to the memory's return, by job.
  Samples release_ns;
  std::atomic<uint64_t> peak_unreleased{0};
  std::array<std::atomic<uint64_t>, kRoles> released_by{};
  // Inline releases with no telling in between, and of one turn; the batch by the clock and by the thread's own.
  uint64_t batch_max = 0;
  uint64_t turn_max = 0;
  Samples batch_ns;
  Samples batch_cpu_ns;
  // Calls to the allocator, with what reading the clock costs.
  Samples take_ns;
  Samples free_ns;
};

// Memory on its way to the thread that took it.
struct alignas(64) Home {
  struct Block {
    Block* next;
  };
  std::atomic<Block*> returned{nullptr};
};

// A loop with its queues. Each submitting thread has queues of its own.
class Rig : public sched::Observer, public std::enable_shared_from_this<Rig> {
 public:
  // Every queue is known to the loop, and has done a job. Ends the process when it cannot.
  static std::shared_ptr<Rig> Make(const Mode& mode, const Watch& watch);
  // The loop is stopped and all memory is back.
  void Stop();

  InstantDevice& device() { return device_; }
  const Findings& findings() const { return findings_; }
  // One job on a queue, by a submitter (from 0 on).
  void Submit(size_t queue, size_t submitter);
  // Counted from Make on. Sleeps.
  void WaitForEnded(uint64_t jobs) { ended_.WaitFor(warm_ + jobs); }
  void WaitForReleased(uint64_t jobs) { released_.WaitFor(warm_ + jobs); }

  // ---- Of jobs.
  void* TakeMemory(size_t size);
  void GiveBack(void* memory, Home& home, hw::Nanos completed_at);

  // ---- sched::Observer.
  void OnFinished(absl::Span<sched::Job* const> jobs) override;
  void OnBanned(sched::ContextId, const sched::Result&) override {}
  void OnInactive(sched::ContextId) override {}

 private:
  Rig(const Mode& mode, const Watch& watch)
      : mode_(mode), watch_(watch), findings_(watch.jobs), homes_(watch.submitters) {}

  bool Looks(Look look) const { return watch_.look == look && warm_ != 0; }
  void Free(void* memory);
  void FreeReturned(Home& home);
  void StampBatch();

  const Mode mode_;
  const Watch watch_;
  Findings findings_;
  std::vector<Home> homes_;
  Gate ended_;
  Gate released_;
  // Jobs before the first that counts. Set while nothing is under way.
  uint64_t warm_ = 0;
  InstantDevice device_;
  std::unique_ptr<sched::DeviceLoop> loop_;
  std::vector<sched::Ref<sched::Timeline>> queues_;
  std::vector<uint64_t> armed_;

  // ---- The holder of the baton, who tells and then releases: the batch under way.
  uint64_t batch_left_ = 0;
  hw::Nanos batch_begin_ = 0;
  hw::Nanos batch_begin_cpu_ = 0;
  // The turn's time, which its jobs carry, and how many it has released.
  hw::Nanos turn_ = 0;
  uint64_t turn_releases_ = 0;
};

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_PUT_MODES_RIG_H_
