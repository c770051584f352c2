// Engines in virtual time: each runs one job at a time, in the order in which the scheduler hands them over, and each
// job takes as long as the test says. What a scenario calls a second passes in microseconds.
#ifndef XEQ_TESTS_SCENARIOS_VIRTUAL_ENGINE_H_
#define XEQ_TESTS_SCENARIOS_VIRTUAL_ENGINE_H_

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "tests/unit/server/sched/scheduler_fixture.h"

namespace xeq::sched {

class VirtualTime : public SchedulerHarness {
 public:
  // Queues run on the engine with their number modulo `engines`, unless they are moved.
  explicit VirtualTime(size_t engines = 1) : engines_(engines) {}

  // Of the queue's next jobs. A job without one never ends by itself.
  void SetDuration(ContextId context, hw::Nanos duration) { duration_[context] = duration; }

  // The queue's jobs go to this engine from now on. It has none on the device.
  void MoveTo(ContextId context, size_t engine) { engine_of_[context] = engine; }
  size_t EngineOf(ContextId context) const {
    const auto moved = engine_of_.find(context);
    return moved == engine_of_.end() ? context % engines_.size() : moved->second;
  }

  // Lets time pass up to `deadline`, or until nothing is left to run.
  void RunUntil(hw::Nanos deadline) {
    for (;;) {
      TakeStarted();
      size_t next = engines_.size();
      for (size_t i = 0; i < engines_.size(); ++i) {
        if (engines_[i].queue.empty()) continue;
        if (next == engines_.size() || engines_[i].end < engines_[next].end) next = i;
      }
      if (next == engines_.size() || engines_[next].end > deadline) break;
      Engine& engine = engines_[next];
      const Point done = engine.queue.front();
      now = std::max(now, engine.end);
      engine.queue.pop_front();
      ended_at[{done.context, done.seqno}] = now;
      Begin(engine, now);
      Complete(done.context);
    }
    if (deadline != hw::kNever) now = std::max(now, deadline);
  }

  // When each job was handed to an engine's queue, and when it ended there.
  std::map<std::pair<ContextId, uint64_t>, hw::Nanos> started_at;
  std::map<std::pair<ContextId, uint64_t>, hw::Nanos> ended_at;

 private:
  struct Engine {
    // The front runs.
    std::deque<Point> queue;
    hw::Nanos end = hw::kNever;
  };

  void Begin(Engine& engine, hw::Nanos at) {
    if (engine.queue.empty()) return;
    auto duration = duration_.find(engine.queue.front().context);
    engine.end = duration == duration_.end() ? hw::kNever : at + duration->second;
  }
  void TakeStarted() {
    for (; taken_ < started.size(); ++taken_) {
      const Point point = started[taken_];
      Engine& engine = engines_[EngineOf(point.context)];
      started_at[{point.context, point.seqno}] = now;
      engine.queue.push_back(point);
      if (engine.queue.size() == 1) Begin(engine, now);
    }
  }

  std::vector<Engine> engines_;
  std::map<ContextId, hw::Nanos> duration_;
  std::map<ContextId, size_t> engine_of_;
  size_t taken_ = 0;
};

}  // namespace xeq::sched

#endif  // XEQ_TESTS_SCENARIOS_VIRTUAL_ENGINE_H_
