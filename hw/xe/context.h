// One queue's context on its engine, and the jobs in its ring.
#ifndef XEQ_HW_XE_CONTEXT_H_
#define XEQ_HW_XE_CONTEXT_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "hw/types.h"
#include "hw/xe/lrc.h"
#include "hw/xe/queue_state_machine.h"

namespace xeq::hw::xe {

class Gang;
class HwEngine;

// A job in the ring.
struct RingJob {
  // As given to Device::Submit.
  uint64_t seqno = 0;
  // In the context's status page.
  uint32_t hw_seqno = 0;
  // Byte of the ring at which it begins.
  uint32_t ring_begin = 0;
};

// Everything is guarded by the lock of the engine, which owns it.
struct Context {
  Context(uint64_t id, const SchedProps& props, std::unique_ptr<Lrc> lrc) : id(id), props(props), lrc(std::move(lrc)) {}

  // The oldest job in the ring is at job_first % kJobsPerContextMax.
  RingJob& job(uint32_t index) { return jobs[index % kJobsPerContextMax]; }
  bool has_jobs() const { return job_first != job_end; }

  // As given to Device::CreateQueue.
  const uint64_t id;
  // Queue::owner, since the first job.
  void* owner = nullptr;
  // Of a parallel queue, and which of its lanes this is.
  std::shared_ptr<Gang> gang;
  uint32_t lane = 0;
  SchedProps props;
  const std::unique_ptr<Lrc> lrc;
  // The engine that it is on, or waits for; and all that it may run on, by logical instance.
  HwEngine* home = nullptr;
  uint32_t mask = 0;
  // It runs on whichever is free.
  bool is_virtual() const { return (mask & (mask - 1)) != 0; }

  std::array<RingJob, kJobsPerContextMax> jobs;
  uint32_t job_first = 0;
  uint32_t job_end = 0;

  // In the running list or in the one that was handed over.
  bool in_ports = false;
  // On the list of those who wait for a port.
  bool waiting = false;
  // Only a running one is given to the engine.
  QueueStateMachine machine;
  // A cancelled context that the engine has not left: what its jobs end with then.
  bool cancelling = false;
  JobStatus cancel_status = JobStatus::kCancelled;
  FaultInfo cancel_fault;
  // CTX_TIMESTAMP when the engine was stopped under it: what its oldest job is charged until.
  std::optional<uint32_t> stopped_timestamp;
  // CTX_TIMESTAMP, summed up over its wraps, and as it was seen last.
  uint64_t run_ticks = 0;
  uint32_t seen_ticks = 0;
  // The queue is gone; freed when the engine has left it.
  bool orphaned = false;
  // Bits 47:37 of its descriptor while it is in the ports.
  uint32_t hw_id = 0;
  // The tail that the engine was last given.
  uint32_t submitted_tail = 0;
  bool ever_submitted = false;

  Context* next_waiting = nullptr;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_CONTEXT_H_
