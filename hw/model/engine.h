// One engine: its registers, its execlist ports, and the thread that runs its contexts.
#ifndef XEQ_HW_MODEL_ENGINE_H_
#define XEQ_HW_MODEL_ENGINE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "hw/clock.h"
#include "hw/model/command_streamer.h"
#include "hw/model/context_image.h"
#include "hw/model/faults.h"
#include "hw/model/interrupts.h"
#include "hw/mutex.h"
#include "hw/regs/engines.h"

namespace xeq::hw::model {

// Ticks of the timestamps: a crystal of 19.2 MHz, as RPM_CONFIG0 says.
uint64_t TimestampTicks(Nanos now);

// Thread-safe. The thread sleeps while no context is loaded; one that waits for a semaphore looks now and then. Work is
// done in slices under the lock, so that a write of a register finds the engine between two commands.
class Engine : private EnginePort {
 public:
  // References outlive it.
  Engine(const regs::EnginePlace& place, const Ggtt& ggtt, const DmaArena& memory, Interrupts& interrupts,
         Faults& faults);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() override;

  const regs::EnginePlace& place() const { return place_; }
  // Offsets from the engine's base.
  uint32_t Read(uint32_t offset) ABSL_LOCKS_EXCLUDED(mutex_);
  void Write(uint32_t offset, uint32_t value) ABSL_LOCKS_EXCLUDED(mutex_);
  // By GDRST: drops every context without storing it.
  void Reset() ABSL_LOCKS_EXCLUDED(mutex_);
  // When it returns, no access to memory that began before is under way.
  void Quiesce() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr size_t kPorts = 2;
  using Ports = std::array<uint64_t, kPorts>;

  // Holds the lock, and keeps the engine's thread from taking it again first.
  class ABSL_SCOPED_LOCKABLE Knock;

  // ---- EnginePort, from within a slice.
  uint32_t ReadRegister(uint32_t offset) override;
  void WriteRegister(uint32_t offset, uint32_t value) override;
  uint64_t Timestamp() override { return TimestampTicks(MonotonicNow()); }
  void Interrupt(uint32_t vector_bits) override ABSL_NO_THREAD_SAFETY_ANALYSIS { raised_ |= vector_bits; }
  uint32_t StatusPage() override { return Load(regs::kHwsPga) & ~0xfffu; }
  uint32_t ContextStatusPage() override ABSL_NO_THREAD_SAFETY_ANALYSIS { return Lrca(running_[0]); }

  // Whether a register of BAR0 is the engine's own.
  bool IsMine(uint32_t offset) const {
    return offset >= place_.base && offset - place_.base < regs::kEngineWindowBytes;
  }
  static uint32_t Lrca(uint64_t descriptor) { return static_cast<uint32_t>(descriptor & regs::kDescriptorLrcaMask); }
  static uint64_t ContextId(uint64_t descriptor);
  static bool Valid(uint64_t descriptor) { return (descriptor & regs::kDescriptorValid) != 0; }
  uint32_t Load(uint32_t offset) const { return registers_[offset / 4].load(std::memory_order_relaxed); }
  void Store(uint32_t offset, uint32_t value) { registers_[offset / 4].store(value, std::memory_order_relaxed); }

  void RunThread() ABSL_LOCKS_EXCLUDED(mutex_);
  bool CanRun() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunSlice() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the streamer's stop means for the ports.
  void AfterSlice(CommandStreamer::Stop stop, bool switches) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The list that LOAD handed over becomes the one that runs.
  void TakeSubmission() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LoadContext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SaveContext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CompleteContext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Halt(const StreamerFault& fault) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An entry of the context status buffer, and its interrupt.
  void WriteStatus(uint64_t away, uint64_t to, bool new_queue, regs::SwitchDetail detail)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ShowState() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t ContextTimestamp() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t ReadLocked(uint32_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteLocked(uint32_t offset, uint32_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const regs::EnginePlace place_;
  const Ggtt& ggtt_;
  Interrupts& interrupts_;
  Faults& faults_;

  std::array<std::atomic<uint32_t>, regs::kEngineWindowBytes / 4> registers_{};
  // Threads that wait for the lock.
  std::atomic<int> knocking_{0};

  Mutex mutex_;
  // There is work, or the state changed.
  CondVar changed_;
  // Nobody knocks any more.
  CondVar quiet_;
  CommandStreamer streamer_ ABSL_GUARDED_BY(mutex_);
  // The execution queue; the front runs.
  Ports running_ ABSL_GUARDED_BY(mutex_){};
  // The submit queue, when LOAD was written and not acted on.
  Ports submitted_ ABSL_GUARDED_BY(mutex_){};
  bool load_pending_ ABSL_GUARDED_BY(mutex_) = false;
  // After a fault, until a reset.
  bool halted_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  // Vector bits of this slice, told at its end: one message for all that a short job has to say.
  uint32_t raised_ ABSL_GUARDED_BY(mutex_) = 0;
  // TimestampTicks when the running context's CTX_TIMESTAMP was 0.
  uint64_t timestamp_zero_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of a semaphore that is not met: the next look at it, and the time between looks.
  Nanos next_look_ ABSL_GUARDED_BY(mutex_) = 0;
  Nanos look_period_ ABSL_GUARDED_BY(mutex_) = 0;

  std::thread thread_;
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_ENGINE_H_
