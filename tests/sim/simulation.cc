#include "tests/sim/simulation.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xeq::sim {
namespace {

using Kind = Step::Kind;
using sched::Job;
using sched::MakeRef;
using sched::Ref;
using sched::Timeline;
using sched::Wait;

// Distinct failures that a queue keeps; more than an episode has, so that none is forgotten.
constexpr size_t kCauses = 512;
constexpr size_t kRecent = 48;

int64_t live_queues = 0;
int64_t live_jobs = 0;

class CountedQueue : public hw::Queue {
 public:
  CountedQueue() { ++live_queues; }
  ~CountedQueue() override { --live_queues; }
};

class CountedJob : public Job {
 public:
  template <typename... Args>
  explicit CountedJob(Args&&... args) : Job(std::forward<Args>(args)...) {
    ++live_jobs;
  }
  ~CountedJob() override { --live_jobs; }
};

class NoBind : public hw::BindOp {};

Outcome OutcomeOf(hw::JobStatus status) {
  switch (status) {
    case hw::JobStatus::kOk:
      return Outcome::kOk;
    case hw::JobStatus::kPageFault:
      return Outcome::kPageFault;
    case hw::JobStatus::kHang:
      return Outcome::kHang;
    case hw::JobStatus::kInvalidCommand:
      return Outcome::kInvalidCommand;
    case hw::JobStatus::kCancelled:
      return Outcome::kCancelled;
    case hw::JobStatus::kDeviceLost:
      break;
  }
  return Outcome::kDeviceLost;
}

// Whether `other` makes `wait` needless: a later point of the same timeline, where the failure of the earlier one is
// nothing to the job, or the same point with a policy that is stricter, or as strict and named before.
bool MakesNeedless(const OracleWait& other, const OracleWait& wait, bool is_before) {
  constexpr WaitErrorPolicy kByStrictness[] = {WaitErrorPolicy::kRun, WaitErrorPolicy::kSkip, WaitErrorPolicy::kFail};
  const auto strictness = [&](const OracleWait& of) {
    return std::find(std::begin(kByStrictness), std::end(kByStrictness), of.on_error) - std::begin(kByStrictness);
  };
  if (other.alternatives || wait.alternatives || other.points[0].context != wait.points[0].context) return false;
  if (other.points[0].seqno > wait.points[0].seqno) return wait.on_error == WaitErrorPolicy::kRun;
  if (other.points[0].seqno < wait.points[0].seqno) return false;
  return strictness(other) > strictness(wait) || (strictness(other) == strictness(wait) && is_before);
}

void Fold(std::vector<OracleWait>& waits) {
  std::vector<OracleWait> kept;
  for (size_t i = 0; i < waits.size(); ++i) {
    bool needless = false;
    for (size_t k = 0; k < waits.size(); ++k) needless |= k != i && MakesNeedless(waits[k], waits[i], k < i);
    if (!needless) kept.push_back(waits[i]);
  }
  waits = std::move(kept);
}

std::string Name(ContextId context, uint64_t seqno) { return absl::StrCat("{", context, ", ", seqno, "}"); }

std::string Name(const Result& result) {
  return absl::StrCat("outcome ", static_cast<int>(result.outcome), " root ",
                      Name(result.root.context, result.root.seqno), " which was ",
                      static_cast<int>(result.root_outcome));
}

}  // namespace

Simulation::Simulation(const Shape& shape) : shape_(shape) {}
Simulation::~Simulation() = default;

void Simulation::Fail(const std::string& what) {
  if (error_.empty()) error_ = what;
}

std::string Simulation::Run(const Script& script, uint64_t* steps_done) {
  const int64_t queues_before = live_queues;
  const int64_t jobs_before = live_jobs;
  for (size_t i = 0; i < script.size() && error_.empty(); ++i, ++*steps_done) {
    Do(script[i]);
    // Often several things happen before the scheduler is asked what follows.
    const bool asks = script[i].c % 3 != 0 || i + 1 == script.size();
    asks ? Pump() : oracle_.Settle();
    if (!error_.empty()) return absl::StrCat("step ", i, " (", ToString(script[i]), "): ", error_);
  }
  WindUp();
  if (error_.empty() && live_queues != queues_before) Fail("a hardware queue was not given back");
  if (error_.empty() && live_jobs != jobs_before) Fail("a job was not given back");
  return error_.empty() ? "" : absl::StrCat("winding up: ", error_);
}

void Simulation::Do(const Step& step) {
  // Time goes on a little with everything.
  now_ += 1 + step.a % 3;
  const ContextId open = ChooseOpen(step.a, false);
  switch (step.kind) {
    case Kind::kAddQueue:
    case Kind::kAddHost:
      return AddQueue(step, step.kind == Kind::kAddHost);
    case Kind::kSubmit:
      return Submit(step);
    case Kind::kCombine:
      return Combine(step);
    case Kind::kHostPoint:
      return HostPoint(step);
    case Kind::kSignal:
      if (const ContextId host = ChooseOpen(step.a, true); host != 0 && oracle_.Of(host).armed > 0) {
        const uint64_t seqno = 1 + step.c % oracle_.Of(host).armed;
        const Outcome outcome = step.b % 4 == 0 ? Outcome::kHostError : Outcome::kOk;
        oracle_.Signal(host, seqno, outcome);
        scheduler_.Signal(*open_.at(host), seqno, outcome, now_);
      }
      return;
    case Kind::kComplete:
    case Kind::kFault:
      if (const ContextId running = ChooseRunning(step.a); running != 0) {
        const bool fault = step.kind == Kind::kFault && !dead_[running];
        const hw::JobStatus guilt = step.b % 2 == 0 ? hw::JobStatus::kPageFault : hw::JobStatus::kInvalidCommand;
        Complete(running, fault ? guilt : dead_[running] ? hw::JobStatus::kCancelled : hw::JobStatus::kOk);
      }
      return;
    case Kind::kLoseInterrupt:
      if (const ContextId running = ChooseRunning(step.a); running != 0 && !dead_[running]) untold_.insert(running);
      return;
    case Kind::kCarryOutCancel:
      if (!cancels_.empty()) CarryOutCancel(std::next(cancels_.begin(), step.a % cancels_.size())->first);
      return;
    case Kind::kAdvanceTime:
      return AdvanceTime(step);
    case Kind::kClose:
      if (step.b % 8 == 0) {
        if (const ContextId host = ChooseOpen(step.a, true); host != 0) Close(host);
      } else if (open != 0) {
        Close(open);
      }
      return;
    case Kind::kCloseClient:
      for (ContextId context = 1 + step.a % shape_.clients; context < next_context_; context += shape_.clients) {
        if (open_.count(context) > 0) Close(context);
      }
      return;
    case Kind::kStop:
      if (open == 0) return;
      oracle_.Of(open).stopped = true;
      return scheduler_.Stop(*open_.at(open));
    case Kind::kStart:
      if (open == 0) return;
      oracle_.Of(open).stopped = false;
      return scheduler_.Start(*open_.at(open), now_);
    case Kind::kTriggerTimeout:
      if (open == 0) return;
      oracle_.Of(open).triggered = !oracle_.Of(open).started.empty();
      return scheduler_.TriggerTimeout(*open_.at(open));
    case Kind::kLoseDevice:
      return LoseDevice();
  }
}

// ---- Steps.

void Simulation::AddQueue(const Step& step, bool host) {
  if (lost_ || open_.size() > shape_.queues_max) return;
  sched::QueueSpec spec;
  spec.context = next_context_++;
  spec.is_host = host;
  spec.causes_max = kCauses;
  spec.width = 1 + step.a % 3;
  spec.credits = 1 + step.b % 4;
  spec.priority = static_cast<hw::Priority>(step.c % 4);
  if (step.c % 5 == 0) spec.job_timeout_ns = 200;
  auto timeline = MakeRef<Timeline>(spec, host ? nullptr : std::make_unique<CountedQueue>());
  OracleQueue& queue = oracle_.queues()[spec.context];
  queue.credits = spec.credits;
  queue.priority = static_cast<int>(spec.priority);
  queue.timeout = spec.job_timeout_ns;
  queue.host = host;
  open_[spec.context] = timeline;
  known_[spec.context] = timeline;
  scheduler_.AddQueue(std::move(timeline));
}

Point Simulation::ChoosePoint(uint64_t number) const {
  // Mostly new ones, which have not ended.
  const uint64_t span = number % 4 == 0 ? recent_.size() : std::min<uint64_t>(recent_.size(), 8);
  return recent_[recent_.size() - 1 - number / 4 % span];
}

void Simulation::Submit(const Step& step) {
  const ContextId context = ChooseOpen(step.a, false);
  if (context == 0) return;
  OracleJob expected;
  std::vector<Wait> waits;
  uint64_t dice = step.c;
  const uint32_t count = recent_.empty() ? 0 : step.b % 4;
  for (uint32_t i = 0; i < count; ++i, dice = dice * 6364136223846793005u + 1442695040888963407u) {
    OracleWait wait;
    wait.alternatives = dice / 3 % 5 == 0;
    wait.on_error = static_cast<WaitErrorPolicy>(dice % 3);
    // Every fifth wait is one of alternatives.
    const uint64_t count_points = wait.alternatives ? 2 + dice / 15 % 3 : 1;
    for (uint64_t k = 0; k < count_points; ++k) {
      const Point point = ChoosePoint((dice >> 20) + 7 * k);
      auto timeline = known_.find(point.context);
      if (timeline == known_.end() || point.context == context) continue;
      wait.points.push_back(point);
      waits.emplace_back(timeline->second, point.seqno, wait.on_error,
                         static_cast<uint16_t>(wait.alternatives ? i + 1 : 0));
    }
    if (!wait.points.empty()) expected.waits.push_back(std::move(wait));
  }
  Fold(expected.waits);
  expected.sync = step.a % 11 == 0;
  const std::vector<uint64_t> batches(expected.sync ? 0 : open_.at(context)->spec.width, 0x1000);
  auto job = MakeRef<CountedJob>(open_.at(context), absl::MakeConstSpan(batches), std::move(waits));
  oracle_.Add(context, std::move(expected));
  job->Arm(oracle_.Of(context).armed, now_);
  recent_.push_back(job->point());
  if (recent_.size() > kRecent) recent_.erase(recent_.begin());
  scheduler_.Add(Ref<Job>::Adopt(job.release()), now_);
}

// One fence over several, on a timeline of its own that goes by itself.
void Simulation::Combine(const Step& step) {
  if (lost_ || recent_.empty()) return;
  sched::QueueSpec spec;
  spec.context = next_context_++;
  spec.one_job = true;
  spec.causes_max = 1;
  auto timeline = MakeRef<Timeline>(spec, nullptr);
  oracle_.queues()[spec.context].one_job = true;
  known_[spec.context] = timeline;
  scheduler_.AddQueue(timeline);
  OracleJob expected;
  expected.sync = true;
  std::vector<Wait> waits;
  for (uint32_t i = 0; i < 1 + step.b % 5; ++i) {
    const Point point = ChoosePoint((step.c >> 8) + 5 * i);
    auto awaited = known_.find(point.context);
    if (awaited == known_.end()) continue;
    expected.waits.push_back({{point}, /*alternatives=*/true, WaitErrorPolicy::kFail});
    waits.emplace_back(awaited->second, point.seqno, WaitErrorPolicy::kFail, static_cast<uint16_t>(i + 1));
  }
  auto job = MakeRef<CountedJob>(std::move(timeline), absl::Span<const uint64_t>(), std::move(waits));
  oracle_.Add(spec.context, std::move(expected));
  job->Arm(1, now_);
  recent_.push_back(job->point());
  scheduler_.Add(Ref<Job>::Adopt(job.release()), now_);
}

void Simulation::HostPoint(const Step& step) {
  const ContextId context = ChooseOpen(step.a, true);
  if (context == 0) return;
  OracleJob expected;
  expected.sync = true;
  expected.expiry = now_ + 20 + static_cast<hw::Nanos>(step.c % 2000);
  auto job = MakeRef<CountedJob>(open_.at(context), expected.expiry);
  oracle_.Add(context, std::move(expected));
  job->Arm(oracle_.Of(context).armed, now_);
  recent_.push_back(job->point());
  scheduler_.Add(Ref<Job>::Adopt(job.release()), now_);
}

ContextId Simulation::ChooseOpen(uint32_t number, bool host) const {
  // From the chosen place on, the next of the kind.
  if (open_.empty()) return 0;
  auto at = std::next(open_.begin(), number % open_.size());
  for (size_t i = 0; i < open_.size(); ++i) {
    if (at->second->spec.is_host == host) return at->first;
    if (++at == open_.end()) at = open_.begin();
  }
  return 0;
}

ContextId Simulation::ChooseRunning(uint32_t number) {
  std::vector<ContextId> running;
  for (const auto& [context, timeline] : known_) {
    const OracleQueue& queue = oracle_.Of(context);
    if (!queue.host && !queue.started.empty() && untold_.count(context) == 0) running.push_back(context);
  }
  return running.empty() ? 0 : running[number % running.size()];
}

void Simulation::Complete(ContextId context, hw::JobStatus status) {
  hw::Completion completion;
  completion.context = context;
  completion.owner = known_.at(context).get();
  completion.seqno = oracle_.Of(context).started.front().seqno;
  completion.status = status;
  // A device drops what is behind a guilty job.
  if (status != hw::JobStatus::kOk) dead_[context] = true;
  oracle_.Complete(context, OutcomeOf(status), now_);
  scheduler_.OnCompletion(completion, now_);
}

void Simulation::CarryOutCancel(ContextId context) {
  hw::JobStatus status = cancels_.at(context);
  cancels_.erase(context);
  if (dead_[context]) status = hw::JobStatus::kCancelled;
  // The one that had ended by itself.
  if (untold_.erase(context) > 0 && !oracle_.Of(context).started.empty()) {
    Complete(context, hw::JobStatus::kOk);
    Pump();
    status = hw::JobStatus::kCancelled;
  }
  while (error_.empty() && !oracle_.Of(context).started.empty()) {
    Complete(context, std::exchange(status, hw::JobStatus::kCancelled));
    Pump();
  }
}

void Simulation::FindLost() {
  for (const ContextId context : std::exchange(untold_, {})) {
    if (oracle_.Of(context).started.empty()) continue;
    Complete(context, hw::JobStatus::kOk);
    oracle_.Settle();
  }
}

void Simulation::AdvanceTime(const Step& step) {
  // The device looks for what it was not told.
  if (step.b % 2 == 0) FindLost();
  now_ += static_cast<hw::Nanos>(step.c % 300);
  const std::set<ContextId> overdue = oracle_.Overdue(now_);
  std::set<ContextId> asked;
  std::vector<std::pair<ContextId, hw::JobStatus>> hangs;
  scheduler_.CheckTimeouts(now_, [&](Timeline& timeline) {
    asked.insert(timeline.id());
    OracleQueue& queue = oracle_.Of(timeline.id());
    const bool triggered = std::exchange(queue.triggered, false);
    const bool guilty = (step.a + timeline.id()) % 3 == 0;
    const auto used = static_cast<hw::Nanos>(step.b % 150);
    if (guilty || triggered) {
      oracle_.Condemn(timeline.id());
    } else {
      queue.running_since = now_ - used;
    }
    return guilty ? sched::Verdict{sched::Verdict::Kind::kReset, 0}
                  : sched::Verdict{sched::Verdict::Kind::kNoHang, used};
  });
  oracle_.Expire(now_);
  if (asked != overdue) Fail("the watchdog did not ask about those who are overdue, or about others");
}

void Simulation::Close(ContextId context) {
  oracle_.Close(context);
  oracle_.Settle();
  const Ref<Timeline> timeline = open_.at(context);
  open_.erase(context);
  scheduler_.Close(*timeline, now_);
}

void Simulation::LoseDevice() {
  lost_ = true;
  cancels_.clear();
  untold_.clear();
  oracle_.LoseDevice();
  scheduler_.OnDeviceLost(now_);
}

void Simulation::WindUp() {
  while (error_.empty() && !open_.empty()) {
    Close(open_.begin()->first);
    Pump();
  }
  while (error_.empty() && !cancels_.empty()) CarryOutCancel(cancels_.begin()->first);
  FindLost();
  Pump();
  for (ContextId context = 0; error_.empty() && (context = ChooseRunning(0)) != 0; Pump()) {
    Complete(context, hw::JobStatus::kCancelled);
  }
  if (!error_.empty()) return;
  if (scheduler_.jobs() != 0 || scheduler_.jobs_on_device() != 0) Fail("jobs are left");
  if (!known_.empty()) Fail("a closed queue did not become inactive");
  for (const auto& [context, queue] : oracle_.queues()) {
    if (queue.ended != queue.armed) Fail(absl::StrCat("a fence of ", context, " has not ended"));
  }
}

// ---- What follows.

void Simulation::CheckStart(const Job& job, std::map<ContextId, int>& starts) {
  const ContextId context = job.point().context;
  OracleQueue& queue = oracle_.Of(context);
  if (!oracle_.CanStart(queue) || queue.queued.front().seqno != job.seqno()) {
    return Fail(absl::StrCat(Name(context, job.seqno()), " was started, and must not be"));
  }
  for (auto& [other_context, other] : oracle_.queues()) {
    if (!oracle_.CanStart(other) || other_context == context) continue;
    if (other.priority > queue.priority) Fail(absl::StrCat(context, " was started before ", other_context));
    if (other.priority == queue.priority && starts[other_context] < starts[context]) {
      Fail(absl::StrCat(context, " was started again before ", other_context, " had its turn"));
    }
  }
  ++starts[context];
  oracle_.Start(context, now_);
  oracle_.Settle();
}

void Simulation::Pump() {
  oracle_.Settle();
  std::map<ContextId, int> starts;
  while (Job* job = scheduler_.NextToRun(now_)) {
    CheckStart(*job, starts);
    if (!error_.empty()) return;
  }
  for (const auto& [context, queue] : oracle_.queues()) {
    if (oracle_.CanStart(queue)) Fail(absl::StrCat("the head of ", context, " can run and was not started"));
  }
  CompareEnds();
  CompareRest();
}

void Simulation::CompareEnds() {
  std::map<ContextId, uint64_t> last;
  while (const Ref<Job> job = scheduler_.NextFinished()) {
    const Point point = job->point();
    auto expected = oracle_.ended.find({point.context, point.seqno});
    if (expected == oracle_.ended.end()) {
      return Fail(absl::StrCat(Name(point.context, point.seqno), " ended, and must not"));
    }
    const Result& got = job->result;
    const Result& want = expected->second;
    if (got.outcome != want.outcome || !(got.root == want.root) || got.root_outcome != want.root_outcome) {
      return Fail(absl::StrCat(Name(point.context, point.seqno), " ended with ", Name(got), ", not ", Name(want)));
    }
    uint64_t& before = last[point.context];
    if (before != 0 && point.seqno != before + 1) Fail(absl::StrCat("points of ", point.context, " end out of order"));
    before = point.seqno;
    oracle_.ended.erase(expected);
  }
  for (const auto& [point, result] : oracle_.ended) Fail(absl::StrCat(Name(point.first, point.second), " did not end"));
}

void Simulation::CompareRest() {
  while (Timeline* timeline = scheduler_.NextToCancel()) {
    auto expected = oracle_.cancels.find(timeline->id());
    if (expected == oracle_.cancels.end() || expected->second != timeline->cancel_status) {
      return Fail(absl::StrCat(timeline->id(), " is to be cancelled for no reason, or for the wrong one"));
    }
    oracle_.cancels.erase(expected);
    cancels_[timeline->id()] = timeline->cancel_status;
  }
  for (const auto& [context, status] : oracle_.cancels) {
    if (!oracle_.Of(context).started.empty()) Fail(absl::StrCat(context, " is not cancelled"));
  }
  oracle_.cancels.clear();
  while (Timeline* timeline = scheduler_.NextBanned()) {
    if (oracle_.banned.erase(timeline->id()) == 0) Fail(absl::StrCat(timeline->id(), " was banned for no reason"));
  }
  if (!oracle_.banned.empty()) Fail("a guilty queue was not banned");
  while (const Ref<Timeline> timeline = scheduler_.NextInactive()) {
    if (oracle_.inactive.erase(timeline->id()) == 0) Fail(absl::StrCat(timeline->id(), " became inactive too early"));
    known_.erase(timeline->id());
    cancels_.erase(timeline->id());
  }
  if (!oracle_.inactive.empty()) Fail("a queue did not become inactive");
  if (scheduler_.jobs_on_device() != oracle_.on_device()) Fail("jobs_on_device is wrong");
}

}  // namespace xeq::sim
