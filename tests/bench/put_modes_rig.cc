#include "tests/bench/put_modes_rig.h"

#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

#include "hw/clock.h"

namespace xeq::bench {
namespace {

// Knows whose memory it is made of.
class BenchJob final : public sched::Job {
 public:
  BenchJob(Rig& rig, Home& home, sched::Ref<sched::Timeline> queue, absl::Span<const uint64_t> batches)
      : Job(std::move(queue), batches, {}), rig_(rig), home_(home) {}

  static void* operator new(size_t size, Rig& rig) { return rig.TakeMemory(size); }
  // Takes apart what the language would do in one: the end of the object, and the way of its memory.
  static void operator delete(BenchJob* job, std::destroying_delete_t) {
    Rig& rig = job->rig_;
    Home& home = job->home_;
    const hw::Nanos completed_at = job->times.gpu_end;
    job->~BenchJob();
    rig.GiveBack(job, home, completed_at);
  }

 private:
  Rig& rig_;
  Home& home_;
};

template <typename T>
void RaiseTo(std::atomic<T>& highest, T value) {
  T seen = highest.load();
  while (seen < value && !highest.compare_exchange_weak(seen, value)) {
  }
}

hw::Nanos ThreadCpuNow() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * hw::kNanosPerSecond + now.tv_nsec;
}

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "bench_put_modes: %s\n", status.ToString().c_str());
  std::exit(1);
}

}  // namespace

std::shared_ptr<Rig> Rig::Make(const Mode& mode, const Watch& watch) {
  auto rig = std::shared_ptr<Rig>(new Rig(mode, watch));
  rig->loop_ = std::make_unique<sched::DeviceLoop>(rig->device_, nullptr, sched::DeviceLoopOptions{});
  if (const absl::Status started = rig->loop_->Start(); !started.ok()) Fail(started);
  rig->armed_.resize(mode.queues);
  for (size_t i = 0; i < mode.queues; ++i) {
    sched::QueueSpec spec;
    spec.context = rig->loop_->NewContext();
    spec.credits = 64;
    spec.put_mode = mode.put_mode;
    spec.bypass = mode.bypass;
    rig->queues_.push_back(sched::MakeRef<sched::Timeline>(spec, std::make_unique<NoQueue>()));
    if (const absl::Status posted = rig->loop_->PostQueue(rig->queues_.back(), rig); !posted.ok()) Fail(posted);
    rig->Submit(i, 0);
  }
  rig->released_.WaitFor(mode.queues);
  rig->warm_ = mode.queues;
  return rig;
}

void Rig::Stop() {
  loop_->Stop();
  queues_.clear();
  loop_.reset();
  for (Home& home : homes_) FreeReturned(home);
}

void Rig::Submit(size_t queue, size_t submitter) {
  static constexpr uint64_t kBatch[] = {0x1000};
  Home& home = homes_[submitter];
  if (watch_.free_at == FreeAt::kHome) FreeReturned(home);
  auto job =
      sched::Ref<sched::Job>::Adopt(new (*this) BenchJob(*this, home, queues_[queue], absl::MakeConstSpan(kBatch)));
  absl::StatusOr<sched::Ticket> ticket = loop_->Reserve(1);
  if (!ticket.ok()) Fail(ticket.status());
  job->Arm(++armed_[queue], hw::MonotonicNow());
  loop_->Post(*ticket, std::move(job));
  loop_->Run(mode_.bypass);
}

void* Rig::TakeMemory(size_t size) {
  if (!Looks(Look::kAllocator)) return ::operator new(size);
  const hw::Nanos begin = hw::MonotonicNow();
  void* memory = ::operator new(size);
  findings_.take_ns.Add(hw::MonotonicNow() - begin);
  return memory;
}

void Rig::Free(void* memory) {
  if (!Looks(Look::kAllocator)) return ::operator delete(memory);
  const hw::Nanos begin = hw::MonotonicNow();
  ::operator delete(memory);
  findings_.free_ns.Add(hw::MonotonicNow() - begin);
}

void Rig::FreeReturned(Home& home) {
  for (Home::Block* block = home.returned.exchange(nullptr, std::memory_order_acquire); block != nullptr;) {
    Free(std::exchange(block, block->next));
  }
}

void Rig::GiveBack(void* memory, Home& home, hw::Nanos completed_at) {
  if (watch_.free_at == FreeAt::kWhereReleased) {
    Free(memory);
  } else {
    auto* block = new (memory) Home::Block{home.returned.load(std::memory_order_relaxed)};
    while (!home.returned.compare_exchange_weak(block->next, block, std::memory_order_release,
                                                std::memory_order_relaxed)) {
    }
  }
  if (Looks(Look::kReleases)) {
    findings_.release_ns.Add(hw::MonotonicNow() - completed_at);
    findings_.released_by[static_cast<size_t>(current_role)].fetch_add(1, std::memory_order_relaxed);
  }
  if (Looks(Look::kBatches) && --batch_left_ == 0) StampBatch();
  // Last: whoever waits for it may look at the findings.
  released_.Add(1);
}

void Rig::OnFinished(absl::Span<sched::Job* const> jobs) {
  if (Looks(Look::kReleases)) {
    RaiseTo(findings_.peak_unreleased, ended_.count() + jobs.size() - released_.count());
  }
  if (Looks(Look::kBatches)) {
    if (std::exchange(turn_, jobs.front()->times.ended) != jobs.front()->times.ended) turn_releases_ = 0;
    turn_releases_ += jobs.size();
    findings_.turn_max = std::max(findings_.turn_max, turn_releases_);
    findings_.batch_max = std::max<uint64_t>(findings_.batch_max, jobs.size());
    batch_left_ = jobs.size();
  }
  ended_.Add(jobs.size());
  if (!Looks(Look::kBatches)) return;
  batch_begin_ = hw::MonotonicNow();
  batch_begin_cpu_ = ThreadCpuNow();
}

void Rig::StampBatch() {
  // The releases of a batch are made by the thread that told it.
  findings_.batch_cpu_ns.Add(ThreadCpuNow() - batch_begin_cpu_);
  findings_.batch_ns.Add(hw::MonotonicNow() - batch_begin_);
}

}  // namespace xeq::bench
