// The whole device, driver and model: copies next to memcpy, and the latency of an empty job next to that of as many
// wakes of threads as it needs.
#include <benchmark/benchmark.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "hw/clock.h"
#include "hw/device_factory.h"
#include "hw/regs/commands.h"
#include "tests/bench/affinity.h"
#include "tests/bench/statistics.h"

namespace xeq::hw {
namespace {

constexpr uint64_t kCode = 0x10'0000'0000;
constexpr uint64_t kFrom = 0x20'0000'0000;
constexpr uint64_t kTo = 0x30'0000'0000;
// As libxeq's copies: long ranges are blocks of rows of this size.
constexpr uint64_t kRowBytes = 32 << 10;

// Lets one thread wait for the end of a job.
class WaitingListener : public Device::Listener {
 public:
  void OnCompletions(absl::Span<const Completion> completions) override {
    called_ns_.store(MonotonicNow(), std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    ended_ += completions.size();
    for (const Completion& completion : completions) ok_ = ok_ && completion.status == JobStatus::kOk;
    changed_.notify_one();
  }
  void OnSuspended(uint64_t, void*, absl::Status) override {}
  void OnDeviceLost(absl::Status) override {}

  // Until so many jobs have ended since the beginning. False: one of them failed.
  bool Wait(uint64_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ >= count; });
    return ok_;
  }
  Nanos called_ns() const { return called_ns_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t ended_ = 0;
  bool ok_ = true;
  std::atomic<Nanos> called_ns_{0};
};

// A device with one VM and one queue of the copy engine.
class Rig {
 public:
  Rig() : device_(OpenDevice("model").value()) {
    device_->Start(listener_).IgnoreError();
    vm_ = device_->CreateVm({}).value();
    queue_ = device_->CreateQueue({.context = 1, .engine_class = EngineClass::kCopy}, vm_).value();
    code_ = Map(kCode, kPageBytes);
  }
  ~Rig() {
    device_->Stop();
    queue_.reset();
  }

  std::shared_ptr<Buffer> Map(uint64_t address, uint64_t bytes) {
    auto buffer = device_->CreateBuffer({bytes, 0}).value();
    auto op = device_->PrepareBind(vm_, {address, bytes, buffer, 0}).value();
    device_->Bind(*op, {});
    return buffer;
  }
  void SetBatch(std::vector<uint32_t> batch) {
    batch.push_back(regs::kBatchBufferEnd);
    code_->Write(0, {reinterpret_cast<const std::byte*>(batch.data()), batch.size() * 4}).IgnoreError();
  }
  // Submits the batch and blocks until it has ended.
  bool Run() {
    device_->Submit(*queue_, {.seqno = ++jobs_, .batches = {&kCode, 1}});
    return listener_.Wait(jobs_);
  }
  WaitingListener& listener() { return listener_; }

 private:
  WaitingListener listener_;
  std::unique_ptr<Device> device_;
  std::shared_ptr<Vm> vm_;
  std::unique_ptr<Queue> queue_;
  std::shared_ptr<Buffer> code_;
  uint64_t jobs_ = 0;
};

std::vector<uint32_t> FastCopy(uint64_t bytes) {
  const auto rows = static_cast<uint32_t>(bytes / kRowBytes);
  return {regs::Blit(regs::BlitOpcode::kFastCopy, regs::kFastCopyDwords),
          regs::kFastCopyDepth32 | static_cast<uint32_t>(kRowBytes),
          0,
          rows << 16 | static_cast<uint32_t>(kRowBytes / 4),
          static_cast<uint32_t>(kTo),
          static_cast<uint32_t>(kTo >> 32),
          0,
          static_cast<uint32_t>(kRowBytes),
          static_cast<uint32_t>(kFrom),
          static_cast<uint32_t>(kFrom >> 32)};
}

// One job with one XY_FAST_COPY_BLT, from Submit until the waiting thread runs again; behind each, a memcpy of as many
// bytes. The ratio is the median of those of neighbours.
void BM_FastCopy(benchmark::State& state) {
  const auto bytes = static_cast<uint64_t>(state.range(0)) << 20;
  Rig rig;
  const auto from = rig.Map(kFrom, bytes);
  const auto to = rig.Map(kTo, bytes);
  std::vector<std::byte> source(bytes, std::byte{0x5a});
  std::vector<std::byte> copy(bytes);
  from->Write(0, source).IgnoreError();
  rig.SetBatch(FastCopy(bytes));
  // Touches every page.
  bool ok = rig.Run();
  std::vector<double> memcpy_seconds;
  std::vector<double> ratios;
  for (auto _ : state) {
    const Nanos begin = MonotonicNow();
    ok = rig.Run() && ok;
    const Nanos middle = MonotonicNow();
    std::memcpy(copy.data(), source.data(), bytes);
    benchmark::DoNotOptimize(copy.data());
    benchmark::ClobberMemory();
    const Nanos end = MonotonicNow();
    state.SetIterationTime(static_cast<double>(middle - begin) / 1e9);
    memcpy_seconds.push_back(static_cast<double>(end - middle) / 1e9);
    ratios.push_back(static_cast<double>(end - middle) / static_cast<double>(middle - begin));
  }
  std::vector<std::byte> result(bytes);
  if (!ok || !to->Read(0, absl::MakeSpan(result)).ok() || result != source) state.SkipWithError("the copy differs");
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
  state.counters["memcpy_GB/s"] = static_cast<double>(bytes) / 1e9 / bench::Median(memcpy_seconds);
  state.counters["x_memcpy"] = bench::Median(ratios);
}
BENCHMARK(BM_FastCopy)->ArgName("MiB")->Arg(1)->Arg(16)->Arg(64)->UseManualTime()->Unit(benchmark::kMillisecond);

// A thread that is woken, and wakes back.
class Echo {
 public:
  Echo() : thread_([this] { Serve(); }) {}
  ~Echo() {
    Pass(kStop);
    thread_.join();
  }
  void Ping() {
    Pass(kThere);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ball_ == kHere; });
  }

 private:
  enum Ball { kHere, kThere, kStop };
  void Pass(Ball ball) {
    std::lock_guard lock(mutex_);
    ball_ = ball;
    changed_.notify_all();
  }
  void Serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ball_ != kHere; });
      if (ball_ == kStop) return;
      ball_ = kHere;
      changed_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  Ball ball_ = kHere;
  std::thread thread_;
};

// From Submit until the listener is called (`heard`), and until the thread that waits for it runs again. An empty job
// takes three wakes: engine, completion source, waiter. The floor, measured in turns with it, is one and a half round
// trips of the same kind between two threads.
void BM_EmptyJob(benchmark::State& state) {
  const cpu_set_t cpus = bench::CurrentCpus();
  if (state.range(0) != 0) bench::SetCpus(0, bench::OneOf(cpus));
  std::vector<double> heard;
  std::vector<double> waited;
  std::vector<double> floor;
  {
    // Made here, so that their threads are where this one is.
    Rig rig;
    Echo echo;
    rig.SetBatch({});
    bool ok = rig.Run();
    for (auto _ : state) {
      const Nanos begin = MonotonicNow();
      ok = rig.Run() && ok;
      const Nanos middle = MonotonicNow();
      echo.Ping();
      const Nanos end = MonotonicNow();
      state.SetIterationTime(static_cast<double>(middle - begin) / 1e9);
      heard.push_back(static_cast<double>(rig.listener().called_ns() - begin) / 1e3);
      waited.push_back(static_cast<double>(middle - begin) / 1e3);
      floor.push_back(static_cast<double>(end - middle) / 1e3 * 1.5);
    }
    if (!ok) state.SkipWithError("a job failed");
  }
  bench::SetCpus(0, cpus);
  state.counters["heard_p50_us"] = bench::Median(heard);
  state.counters["p50_us"] = bench::Median(waited);
  state.counters["p99_us"] = bench::Quantile(waited, 0.99);
  state.counters["x_floor_p50"] = bench::Median(waited) / bench::Median(floor);
}
BENCHMARK(BM_EmptyJob)->ArgName("pinned")->Arg(1)->Arg(0)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace xeq::hw

BENCHMARK_MAIN();
