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
  // Everything ends, so that nothing holds anything when the scheduler goes.
  ~SchedulerHarness() {
    for (auto& [context, timeline] : timelines) scheduler.Close(*timeline, now);
    scheduler.OnDeviceLost(now);
    Pump();
  }

  void Queue(ContextId context, uint32_t credits = 1, hw::Priority priority = hw::Priority::kNormal,
             hw::Nanos job_timeout_ns = hw::kNever) {
    QueueSpec spec;
    spec.context = context;
    spec.credits = credits;
    spec.priority = priority;
    spec.job_timeout_ns = job_timeout_ns;
    AddQueue(spec, std::make_unique<FakeHwQueue>());
  }
  void HostTimeline(ContextId context) {
    QueueSpec spec;
    spec.context = context;
    spec.is_host = true;
    AddQueue(spec, nullptr);
  }
  void AddQueue(const QueueSpec& spec, std::unique_ptr<hw::Queue> hardware) {
    auto timeline = MakeRef<Timeline>(spec, std::move(hardware));
    timelines[spec.context] = timeline;
    scheduler.AddQueue(std::move(timeline));
  }
  Timeline& Of(ContextId context) { return *timelines.at(context); }

  Wait On(Point point, WaitErrorPolicy on_error = WaitErrorPolicy::kFail, uint16_t any_of = 0) {
    return Wait(timelines.at(point.context), point.seqno, on_error, any_of);
  }

  Point Submit(ContextId context, const std::vector<Point>& waits = {},
               WaitErrorPolicy on_error = WaitErrorPolicy::kFail) {
    std::vector<Wait> list;
    for (const Point& point : waits) list.push_back(On(point, on_error));
    return SubmitWith(context, std::move(list));
  }
  Point SubmitWith(ContextId context, std::vector<Wait> waits) {
    const std::vector<uint64_t> batches(Of(context).spec.width, 0x1000);
    return Add(MakeRef<Job>(timelines.at(context), batches, std::move(waits)));
  }
  // A pure synchronisation.
  Point SubmitSync(ContextId context, const std::vector<Point>& waits = {}) {
    std::vector<Wait> list;
    for (const Point& point : waits) list.push_back(On(point));
    return Add(MakeRef<Job>(timelines.at(context), absl::Span<const uint64_t>(), std::move(list)));
  }
  Point HostPoint(ContextId context, hw::Nanos expiry = hw::kNever) {
    return Add(MakeRef<Job>(timelines.at(context), expiry));
  }
  Point Add(Ref<Job> job) {
    const ContextId context = job->timeline().id();
    job->Arm(++armed_[context], now);
    const Point point = job->point();
    scheduler.Add(std::move(job), now);
    Pump();
    return point;
  }
  void Signal(Point point, Outcome outcome = Outcome::kOk) {
    scheduler.Signal(Of(point.context), point.seqno, outcome, now);
    Pump();
  }

  // The device ends the next job of the queue.
  void Complete(ContextId context, hw::JobStatus status = hw::JobStatus::kOk) {
    hw::Completion completion;
    completion.context = context;
    completion.owner = &Of(context);
    completion.seqno = device.at(context).front();
    completion.status = status;
    device[context].pop_front();
    scheduler.OnCompletion(completion, now);
    Pump();
  }

  void Suspended(ContextId context) {
    scheduler.OnSuspended(Of(context), now);
    Pump();
  }
  // Time passes in which nobody is found to hang.
  void Pass(hw::Nanos time) {
    now += time;
    scheduler.CheckTimeouts(now, [](Timeline&) { return Verdict{}; });
    Pump();
  }

  void Close(ContextId context) {
    scheduler.Close(Of(context), now);
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
    while (Timeline* timeline = scheduler.NextToSuspend()) suspends.push_back(timeline->id());
    while (Timeline* timeline = scheduler.NextToResume()) resumes.push_back(timeline->id());
    while (Timeline* timeline = scheduler.NextToCancel()) {
      cancels.emplace_back(timeline->id(), timeline->cancel_status);
    }
    while (const Ref<Job> job = scheduler.NextFinished()) {
      ended.push_back(job->point());
      results[{job->point().context, job->point().seqno}] = job->result;
    }
    while (Timeline* timeline = scheduler.NextBanned()) banned.push_back(timeline->id());
    while (const Ref<Timeline> timeline = scheduler.NextInactive()) inactive.push_back(timeline->id());
  }

  Result ResultOf(Point point) const { return results.at({point.context, point.seqno}); }

  Scheduler scheduler;
  hw::Nanos now = 1;
  std::map<ContextId, Ref<Timeline>> timelines;
  // Seqnos on the device, by queue.
  std::map<ContextId, std::deque<uint64_t>> device;
  std::vector<Point> started;
  std::vector<Point> ended;
  std::map<std::pair<ContextId, uint64_t>, Result> results;
  std::deque<std::pair<ContextId, hw::JobStatus>> cancels;
  // Long-running queues that were asked to leave their engines, and those that were let back.
  std::vector<ContextId> suspends;
  std::vector<ContextId> resumes;
  std::vector<ContextId> banned;
  std::vector<ContextId> inactive;

 private:
  std::map<ContextId, uint64_t> armed_;
};

inline void PrintTo(const Point& point, std::ostream* out) { *out << point.context << ":" << point.seqno; }

}  // namespace xeq::sched

#endif  // XEQ_TESTS_UNIT_SERVER_SCHED_SCHEDULER_FIXTURE_H_
