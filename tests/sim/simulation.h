// The production scheduler under a virtual clock, with a device that is cranked by hand, next to the oracle.
#ifndef XEQ_TESTS_SIM_SIMULATION_H_
#define XEQ_TESTS_SIM_SIMULATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/sched/scheduler.h"
#include "tests/sim/oracle.h"
#include "tests/sim/script.h"

namespace xeq::sim {

// Runs one script. What the scheduler does is compared with what the oracle says after every step.
class Simulation {
 public:
  explicit Simulation(const Shape& shape);
  ~Simulation();

  // Empty, or what went wrong at which step. `steps_done` counts.
  std::string Run(const Script& script, uint64_t* steps_done);

 private:
  using Chosen = std::map<ContextId, sched::Ref<sched::Timeline>>;

  void Do(const Step& step);
  void AddQueue(const Step& step, bool host);
  void Submit(const Step& step);
  void Combine(const Step& step);
  void HostPoint(const Step& step);
  void Complete(ContextId context, hw::JobStatus status);
  void CarryOutCancel(ContextId context);
  void AdvanceTime(const Step& step);
  void Close(ContextId context);
  void LoseDevice();
  // Everything is closed and every job ends.
  void WindUp();

  // Any queue that the client has not closed; 0 when there is none.
  ContextId ChooseOpen(uint32_t number, bool host) const;
  // Any with jobs on the device that can end; 0 when there is none.
  ContextId ChooseRunning(uint32_t number);
  // Hands over what lost interrupts should have told.
  void FindLost();
  Point ChoosePoint(uint64_t number) const;

  // Takes all that the scheduler has to say and compares it.
  void Pump();
  void CheckStart(const sched::Job& job, std::map<ContextId, int>& starts);
  void CompareEnds();
  void CompareRest();
  void Fail(const std::string& what);

  const Shape shape_;
  sched::Scheduler scheduler_;
  Oracle oracle_;
  hw::Nanos now_ = 1;
  ContextId next_context_ = 1;
  // Held by their client.
  Chosen open_;
  // Held only so that completions can name them; let go when they are inactive.
  Chosen known_;
  // The last points that were armed, to wait for.
  std::vector<Point> recent_;
  // Of queues that the device was asked to take off, and that it has not.
  std::map<ContextId, hw::JobStatus> cancels_;
  // On the device behind a guilty job: ends cancelled.
  std::map<ContextId, bool> dead_;
  // Whose oldest job has ended without a word.
  std::set<ContextId> untold_;
  bool lost_ = false;
  std::string error_;
};

}  // namespace xeq::sim

#endif  // XEQ_TESTS_SIM_SIMULATION_H_
