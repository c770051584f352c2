// The words in which scheduler tests are written: queues by small numbers, jobs by {queue, seqno}, a device that is
// cranked by hand.
#ifndef XEQ_TESTS_UNIT_SERVER_SCHED_SCHEDULER_FIXTURE_H_
#define XEQ_TESTS_UNIT_SERVER_SCHED_SCHEDULER_FIXTURE_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hw/device.h"
#include "server/sched/scheduler.h"

namespace xeq::sched {

// A hardware queue without hardware.
class FakeHwQueue : public hw::Queue {};

// A page-table change that changes nothing.
class FakeBind : public hw::BindOp {};

class SchedulerHarness {
 public:
  void Queue(ContextId context, uint32_t credits = 1, hw::Priority priority = hw::Priority::kNormal,
             hw::Nanos job_timeout_ns = hw::kNever) {
    QueueSpec spec;
    spec.context = context;
    spec.hw = std::make_unique<FakeHwQueue>();
    spec.credits = credits;
    spec.priority = priority;
    spec.job_timeout_ns = job_timeout_ns;
    scheduler.AddQueue(std::move(spec));
  }

  Point Submit(ContextId context, const std::vector<Point>& waits = {},
               WaitErrorPolicy on_error = WaitErrorPolicy::kFail) {
    std::vector<Wait> list;
    for (const Point& point : waits) list.push_back({.point = point, .on_error = on_error});
    const uint64_t batch = 0x1000;
    auto job = std::make_unique<Job>(absl::MakeConstSpan(&batch, 1), std::move(list));
    const Point point{context, ++armed_[context]};
    job->Arm(point, now);
    scheduler.Add(std::move(job), now);
    Pump();
    return point;
  }

  // The device ends the next job of the queue.
  void Complete(ContextId context, hw::JobStatus status = hw::JobStatus::kOk) {
    hw::Completion completion;
    completion.context = context;
    completion.seqno = device.at(context).front();
    completion.status = status;
    device[context].pop_front();
    scheduler.OnCompletion(completion, now);
    Pump();
  }

  void Close(ContextId context) {
    scheduler.Close(context, now);
    Pump();
  }

  // The device carries out what the scheduler asked it to cancel.
  void CarryOutCancels() {
    while (!cancels.empty()) {
      auto [context, status] = cancels.front();
      cancels.pop_front();
      for (bool first = true; !device[context].empty(); first = false) {
        Complete(context, first ? status : hw::JobStatus::kCancelled);
      }
    }
  }

  // Takes every output, as the device loop does after each input.
  void Pump() {
    while (Job* job = scheduler.NextToRun(now)) {
      started.push_back(job->point());
      device[job->point().context].push_back(job->point().seqno);
    }
    while (Timeline* timeline = scheduler.NextToCancel()) {
      cancels.emplace_back(timeline->spec.context, timeline->cancel_status);
    }
    while (auto job = scheduler.NextFinished()) {
      ended.push_back(job->point());
      results[{job->point().context, job->point().seqno}] = job->result;
    }
    while (Timeline* timeline = scheduler.NextBanned()) banned.push_back(timeline->spec.context);
    while (Timeline* timeline = scheduler.NextInactive()) inactive.push_back(timeline->spec.context);
  }

  Result ResultOf(Point point) const { return results.at({point.context, point.seqno}); }

  Scheduler scheduler;
  hw::Nanos now = 1;
  // Seqnos on the device, by queue.
  std::map<ContextId, std::deque<uint64_t>> device;
  std::vector<Point> started;
  std::vector<Point> ended;
  std::map<std::pair<ContextId, uint64_t>, Result> results;
  std::deque<std::pair<ContextId, hw::JobStatus>> cancels;
  std::vector<ContextId> banned;
  std::vector<ContextId> inactive;

 private:
  std::map<ContextId, uint64_t> armed_;
};

inline void PrintTo(const Point& point, std::ostream* out) { *out << point.context << ":" << point.seqno; }

}  // namespace xeq::sched

#endif  // XEQ_TESTS_UNIT_SERVER_SCHED_SCHEDULER_FIXTURE_H_
