// Counts what the service does. Published by the Collector.
#ifndef XEQ_SERVER_METRICS_RECORDER_H_
#define XEQ_SERVER_METRICS_RECORDER_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "hw/clock.h"
#include "hw/types.h"
#include "server/metrics/histogram.h"
#include "server/sched/device_loop.h"
#include "server/session/recorder.h"

namespace xeq::metrics {

inline constexpr size_t kCloseReasonCount = 3;

// Why jobs of a Submit were refused.
enum class RejectReason : uint8_t { kQuota, kInboxFull, kBanned, kInvalid, kNotFound, kUnavailable };
inline constexpr size_t kRejectReasonCount = 6;

enum class DeviceState : uint8_t { kReady, kDraining, kLost };
inline constexpr size_t kDeviceStateCount = 3;

enum class Direction : uint8_t { kUpload, kDownload };
inline constexpr size_t kDirectionCount = 2;

using Counter = std::atomic<uint64_t>;
using Gauge = std::atomic<int64_t>;

// What is counted for each engine class. On cache lines of its own.
struct alignas(64) EngineCells {
  Gauge queues_usable{0};
  Gauge queues_banned{0};
  Counter queues_created{0};
  std::array<Counter, kCloseReasonCount> queues_closed{};
  Counter jobs_submitted{0};
  std::array<Counter, sched::kOutcomeCount> jobs_completed{};
  Counter gpu_time_ns{0};
  Histogram dependency_wait{Buckets::kGpu};
  Histogram queue_wait{Buckets::kGpu};
  Histogram gpu_start_delay{Buckets::kGpu};
  Histogram execution{Buckets::kGpu};
  Histogram end_to_end{Buckets::kGpu};
  Histogram signal_latency{Buckets::kHost};
};

// What is counted for the device as a whole.
struct alignas(64) DeviceCells {
  Gauge sessions{0};
  Counter lease_expirations{0};
  Gauge waiters{0};
  Gauge watches{0};
  Counter fences_ok{0};
  Counter fences_failed{0};
  std::array<Counter, kRejectReasonCount> jobs_rejected{};
  std::array<Counter, kDirectionCount> transfer_bytes{};
  std::atomic<DeviceState> state{DeviceState::kReady};
  Histogram submit_batch_jobs{Buckets::kCount};
  Histogram submit_server{Buckets::kHost};
  Histogram vm_bind{Buckets::kHost};
  Histogram notify_latency{Buckets::kHost};
};

// Any thread. Relaxed atomics only: no lock, no memory.
class Recorder : public sched::StageRecorder, public session::Recorder {
 public:
  // ---- sched::StageRecorder.
  void Record(const sched::Job& job, const sched::QueueSpec& queue) override;

  // ---- session::Recorder.
  void OnSessionOpened() override;
  void OnSessionClosed(session::CloseReason reason) override;
  void OnQueueCreated(hw::EngineClass engine_class) override;
  void OnQueueBanned(hw::EngineClass engine_class) override;
  void OnQueueClosed(hw::EngineClass engine_class, bool banned, session::CloseReason reason) override;
  void OnJobsArmed(hw::EngineClass engine_class, uint32_t jobs) override;
  void OnSubmitted(uint32_t jobs) override;
  void OnWaiters(int change) override;
  void OnWatches(int change) override;

  // ---- The RPC edge.
  void OnSubmitServed(hw::Nanos time_ns);
  void OnRejected(RejectReason reason, uint32_t jobs);
  void OnNotified(hw::Nanos latency_ns);
  void OnTransfer(Direction direction, uint64_t bytes);
  void SetDeviceState(DeviceState state);

  const EngineCells& engine(hw::EngineClass engine_class) const { return engines_[Index(engine_class)]; }
  const DeviceCells& device() const { return device_; }

 private:
  static size_t Index(hw::EngineClass engine_class) { return static_cast<size_t>(engine_class); }

  std::array<EngineCells, hw::kEngineClassCount> engines_;
  DeviceCells device_;
};

}  // namespace xeq::metrics

#endif  // XEQ_SERVER_METRICS_RECORDER_H_
