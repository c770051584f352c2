#include "server/sched/device_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hw/yielding_thread.h"

namespace xeq::sched {
namespace {

// Completions under way to the device thread; beyond that their source waits.
constexpr size_t kCompletionsMax = 4096;
// Ended jobs told to an observer in one call.
constexpr size_t kToldMax = 256;

struct QueueMessage : Message {
  explicit QueueMessage(QueueSpec queue) : Message(Kind::kQueue), queue(std::move(queue)) {}
  QueueSpec queue;
};

struct ContextMessage : Message {
  ContextMessage(Kind kind, ContextId context) : Message(kind), context(context) {}
  const ContextId context;
};

}  // namespace

Ticket::Ticket(Ticket&& other) noexcept : loop_(other.loop_), jobs_(std::exchange(other.jobs_, 0)) {}

Ticket::~Ticket() {
  if (jobs_ > 0) loop_->inbox_used_.fetch_sub(jobs_, std::memory_order_relaxed);
}

DeviceLoop::DeviceLoop(hw::Device& device, StageRecorder* recorder, const DeviceLoopOptions& options)
    : device_(device), recorder_(recorder), options_(options), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  completions_.reserve(kCompletionsMax);
  draining_.reserve(kCompletionsMax);
  told_.reserve(kToldMax);
  told_view_.reserve(kToldMax);
}

DeviceLoop::~DeviceLoop() {
  Stop();
  if (wake_fd_ >= 0) close(wake_fd_);
}

absl::Status DeviceLoop::Start() {
  if (wake_fd_ < 0) return absl::ResourceExhaustedError("no file descriptor left for the device thread's eventfd");
  if (absl::Status status = device_.Start(*this); !status.ok()) return status;
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void DeviceLoop::Stop() {
  stopping_.store(true);
  if (!thread_.joinable()) return;
  Wake();
  thread_.join();
  {
    // The completion source may wait for room that nobody makes any more.
    hw::MutexLock lock(mutex_);
    accepts_completions_ = false;
  }
  has_room_.NotifyAll();
  device_.Stop();
}

absl::StatusOr<Ticket> DeviceLoop::Reserve(size_t jobs) {
  if (stopping_.load()) return absl::UnavailableError("the service is shutting down");
  if (device_lost_.load()) return absl::UnavailableError("the device is lost");
  const size_t used = inbox_used_.fetch_add(jobs, std::memory_order_relaxed);
  Ticket ticket(*this, jobs);
  if (used + jobs > options_.inbox_capacity) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the inbox is full: ", used, " jobs of at most ", options_.inbox_capacity, " are on their way"));
  }
  return ticket;
}

void DeviceLoop::Post(Ticket& ticket, std::unique_ptr<Job> job) {
  --ticket.jobs_;
  inbox_.Push(std::move(job));
}

absl::Status DeviceLoop::PostQueue(QueueSpec queue) {
  if (stopping_.load()) return absl::UnavailableError("the service is shutting down");
  inbox_.Push(std::make_unique<QueueMessage>(std::move(queue)));
  Wake();
  return absl::OkStatus();
}

void DeviceLoop::PostClose(ContextId context) {
  inbox_.Push(std::make_unique<ContextMessage>(Message::Kind::kClose, context));
  Wake();
}

void DeviceLoop::PostForget(ContextId context) {
  inbox_.Push(std::make_unique<ContextMessage>(Message::Kind::kForget, context));
  Wake();
}

void DeviceLoop::Wake() {
  // Either this sees that the thread is about to sleep, or the thread, which says so before it looks for input, sees
  // what was pushed: both are sequentially consistent.
  if (!sleeping_.load() || !sleeping_.exchange(false)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void DeviceLoop::OnCompletions(absl::Span<const hw::Completion> completions) {
  while (!completions.empty()) {
    {
      hw::MutexLock lock(mutex_);
      while (completions_.size() == kCompletionsMax && accepts_completions_) has_room_.Wait(mutex_);
      if (!accepts_completions_) return;
      const size_t room = std::min(completions.size(), kCompletionsMax - completions_.size());
      completions_.insert(completions_.end(), completions.begin(), completions.begin() + room);
      completions.remove_prefix(room);
    }
    Wake();
  }
}

void DeviceLoop::OnDeviceLost(absl::Status) {
  device_lost_.store(true);
  Wake();
}

void DeviceLoop::Run() {
  hw::YieldToWakers();
  hw::Nanos give_up = hw::kNever;
  for (;;) {
    const hw::Nanos now = hw::MonotonicNow();
    const bool stopping = stopping_.load();
    Turn(now);
    if (stopping && give_up == hw::kNever) {
      give_up = now + options_.stop_timeout_ns;
      scheduler_.CloseAll(now);
      Turn(now);
    }
    if (now >= give_up && !told_device_lost_) {
      device_lost_.store(true);
      Turn(now);
    }
    // A ticket that is still out may become a job, which has to end too.
    if (stopping && scheduler_.jobs() == 0 && (inbox_used_.load() == 0 || now >= give_up)) return;
    Sleep();
  }
}

void DeviceLoop::Turn(hw::Nanos now) {
  DrainInbox(now);
  DrainCompletions(now);
  if (device_lost_.load() && !told_device_lost_) {
    told_device_lost_ = true;
    scheduler_.OnDeviceLost(now);
  }
  FeedDevice(now);
  CheckTimeouts(now);
  while (Timeline* timeline = scheduler_.NextToCancel()) {
    device_.Cancel(*timeline->spec.hw, timeline->cancel_status);
  }
  TellOwners();
}

void DeviceLoop::DrainInbox(hw::Nanos now) {
  size_t jobs = 0;
  for (Message* next = inbox_.TakeAll(); next != nullptr;) {
    std::unique_ptr<Message> message(std::exchange(next, next->next_message));
    switch (message->kind) {
      case Message::Kind::kJob:
        ++jobs;
        scheduler_.Add(std::unique_ptr<Job>(static_cast<Job*>(message.release())), now);
        break;
      case Message::Kind::kQueue:
        scheduler_.AddQueue(std::move(static_cast<QueueMessage*>(message.get())->queue));
        break;
      case Message::Kind::kClose:
        scheduler_.Close(static_cast<ContextMessage*>(message.get())->context, now);
        break;
      case Message::Kind::kForget:
        scheduler_.Forget(static_cast<ContextMessage*>(message.get())->context);
        break;
    }
  }
  if (jobs > 0) inbox_used_.fetch_sub(jobs, std::memory_order_relaxed);
}

void DeviceLoop::DrainCompletions(hw::Nanos now) {
  {
    hw::MutexLock lock(mutex_);
    draining_.swap(completions_);
  }
  if (draining_.size() == kCompletionsMax) has_room_.NotifyAll();
  if (!told_device_lost_) {
    for (const hw::Completion& completion : draining_) scheduler_.OnCompletion(completion, now);
  }
  draining_.clear();
}

void DeviceLoop::FeedDevice(hw::Nanos now) {
  while (Job* job = scheduler_.NextToRun(now)) {
    if (job->bind() == nullptr) {
      device_.Submit(*job->timeline->spec.hw, job->point().seqno, job->batches());
      continue;
    }
    hw::Completion completion;
    completion.context = job->point().context;
    completion.seqno = job->point().seqno;
    completion.gpu_start_ns = hw::MonotonicNow();
    device_.Bind(*job->bind());
    completion.gpu_end_ns = hw::MonotonicNow();
    scheduler_.OnCompletion(completion, completion.gpu_end_ns);
  }
}

void DeviceLoop::CheckTimeouts(hw::Nanos now) {
  if (now < next_check_ || scheduler_.jobs_on_device() == 0) return;
  next_check_ = now + options_.watchdog_period_ns;
  scheduler_.CheckTimeouts(now, [this](Timeline& timeline) { return device_.CheckProgress(*timeline.spec.hw); });
}

void DeviceLoop::TellOwners() {
  // A ban is told before the ends that follow from it, so that an owner refuses work as soon as it may know why.
  while (Timeline* timeline = scheduler_.NextBanned()) {
    if (timeline->spec.observer) timeline->spec.observer->OnBanned(timeline->spec.context, timeline->doom);
  }
  while (std::unique_ptr<Job> job = scheduler_.NextFinished()) {
    if (recorder_ != nullptr) recorder_->Record(*job, job->timeline->spec);
    const bool other_owner = !told_.empty() && told_.back()->timeline->spec.observer != job->timeline->spec.observer;
    if (other_owner || told_.size() == kToldMax) FlushTold();
    told_view_.push_back(job.get());
    told_.push_back(std::move(job));
  }
  FlushTold();
  while (Timeline* timeline = scheduler_.NextInactive()) {
    timeline->spec.hw.reset();
    // A copy: the owner may let go of the timeline in the call.
    const std::shared_ptr<Observer> observer = timeline->spec.observer;
    if (observer) observer->OnInactive(timeline->spec.context);
  }
}

void DeviceLoop::FlushTold() {
  if (told_.empty()) return;
  if (Observer* observer = told_.front()->timeline->spec.observer.get()) observer->OnFinished(told_view_);
  told_view_.clear();
  told_.clear();
}

bool DeviceLoop::HasInput() {
  if (!inbox_.empty()) return true;
  if (device_lost_.load() && !told_device_lost_) return true;
  hw::MutexLock lock(mutex_);
  return !completions_.empty();
}

void DeviceLoop::Sleep() {
  const bool was_stopping = stopping_.load();
  sleeping_.store(true);
  if (HasInput() || stopping_.load() != was_stopping) {
    sleeping_.store(false);
    return;
  }
  // The watchdog needs a look now and then while anything runs, and Stop's time limit too.
  const bool ticks = scheduler_.jobs_on_device() > 0 || was_stopping;
  const int timeout_ms = ticks ? static_cast<int>(options_.watchdog_period_ns / hw::kNanosPerMilli) + 1 : -1;
  pollfd waited{wake_fd_, POLLIN, 0};
  poll(&waited, 1, timeout_ms);
  sleeping_.store(false);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof(count));
}

}  // namespace xeq::sched
