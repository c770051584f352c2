#include "server/sched/device_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hw/yielding_thread.h"

namespace xeq::sched {
namespace {

// Completions under way to the scheduler; beyond that their source waits.
constexpr size_t kCompletionsMax = 4096;
// Answers to Suspend under way to the observers; of more than that the source waits.
constexpr size_t kSuspendedMax = 256;
// Ended jobs told to an observer in one call.
constexpr size_t kToldMax = 256;
// Turns that a borrowed thread does before the device thread goes on.
constexpr int kBorrowedTurnsMax = 4;

}  // namespace

struct QueueMessage : Message {
  QueueMessage(Ref<Timeline> queue, std::shared_ptr<Observer> observer)
      : Message(Kind::kQueue), queue(std::move(queue)), observer(std::move(observer)) {}
  Ref<Timeline> queue;
  std::shared_ptr<Observer> observer;
};

struct ControlMessage : Message {
  ControlMessage(Kind kind, Ref<Timeline> queue) : Message(kind), queue(std::move(queue)) {}
  Ref<Timeline> queue;
  // Of kSignal.
  uint64_t seqno = 0;
  Outcome outcome = Outcome::kOk;
  // Of kProps.
  hw::SchedProps props;
};

Ticket::Ticket(Ticket&& other) noexcept : loop_(other.loop_), jobs_(std::exchange(other.jobs_, 0)) {}

Ticket::~Ticket() {
  if (jobs_ > 0) loop_->inbox_used_.fetch_sub(jobs_);
}

DeviceLoop::DeviceLoop(hw::Device& device, StageRecorder* recorder, const DeviceLoopOptions& options)
    : device_(device),
      recorder_(recorder),
      options_(options),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      timer_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  completions_.reserve(kCompletionsMax);
  suspended_.reserve(kSuspendedMax);
  telling_suspended_.reserve(kSuspendedMax);
  draining_.reserve(kCompletionsMax);
  told_.reserve(kToldMax);
  told_view_.reserve(kToldMax);
  // What is posted before Start waits for it.
  handed_over_.store(baton_.Ask());
}

DeviceLoop::~DeviceLoop() {
  Stop();
  if (wake_fd_ >= 0) close(wake_fd_);
  if (timer_fd_ >= 0) close(timer_fd_);
}

absl::Status DeviceLoop::Start() {
  if (wake_fd_ < 0 || timer_fd_ < 0) {
    return absl::ResourceExhaustedError("no file descriptor left for the device thread's eventfd and timerfd");
  }
  thread_ = std::thread([this] { RunThread(); });
  WakeThread();
  absl::Status status = device_.Start(*this);
  if (!status.ok()) Stop();
  return status;
}

void DeviceLoop::Stop() {
  stopping_.store(true);
  if (!thread_.joinable()) return;
  Run(/*bypass=*/false);
  thread_.join();
  {
    // The completion source may wait for room that nobody makes any more.
    hw::MutexLock lock(mutex_);
    accepts_completions_ = false;
  }
  has_room_.NotifyAll();
  device_.Stop();
}

// ---- From the threads of clients.

absl::StatusOr<Ticket> DeviceLoop::Reserve(size_t jobs) {
  const size_t used = inbox_used_.fetch_add(jobs);
  Ticket ticket(*this, jobs);
  // Asked behind the count: FollowStop looks at them the other way round.
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (used + jobs > options_.inbox_capacity) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the inbox is full: ", used, " jobs of at most ", options_.inbox_capacity, " are on their way"));
  }
  return ticket;
}

void DeviceLoop::Post(Ticket& ticket, Ref<Job> job) {
  --ticket.jobs_;
  inbox_.Push(job.release());
}

void DeviceLoop::Run(bool bypass) {
  if (!baton_.Ask()) return;
  if (bypass) {
    DoTurns(kBorrowedTurnsMax);
  } else {
    handed_over_.store(true);
    WakeThread();
  }
}

void DeviceLoop::PostControl(Message::Kind kind, Ref<Timeline> queue) {
  Post(std::make_unique<ControlMessage>(kind, std::move(queue)));
}

void DeviceLoop::Post(std::unique_ptr<ControlMessage> message) {
  inbox_.Push(message.release());
  Run(/*bypass=*/false);
}

absl::Status DeviceLoop::CheckOpen() const {
  if (stopping_.load()) return absl::UnavailableError("the service is shutting down");
  if (device_lost_.load()) return absl::UnavailableError("the device is lost");
  return absl::OkStatus();
}

absl::Status DeviceLoop::PostQueue(Ref<Timeline> queue, std::shared_ptr<Observer> observer) {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  inbox_.Push(new QueueMessage(std::move(queue), std::move(observer)));
  Run(/*bypass=*/false);
  return absl::OkStatus();
}

void DeviceLoop::PostClose(Ref<Timeline> queue) { PostControl(Message::Kind::kClose, std::move(queue)); }
void DeviceLoop::PostKill(Ref<Timeline> queue) { PostControl(Message::Kind::kKill, std::move(queue)); }
void DeviceLoop::PostStop(Ref<Timeline> queue) { PostControl(Message::Kind::kStop, std::move(queue)); }
void DeviceLoop::PostStart(Ref<Timeline> queue) { PostControl(Message::Kind::kStart, std::move(queue)); }
void DeviceLoop::PostTriggerTimeout(Ref<Timeline> queue) {
  PostControl(Message::Kind::kTriggerTimeout, std::move(queue));
}
void DeviceLoop::PostSignal(Ticket& ticket, Ref<Timeline> queue, uint64_t seqno, Outcome outcome) {
  --ticket.jobs_;
  auto message = std::make_unique<ControlMessage>(Message::Kind::kSignal, std::move(queue));
  message->seqno = seqno;
  message->outcome = outcome;
  Post(std::move(message));
}
void DeviceLoop::PostSuspend(Ref<Timeline> queue) { PostControl(Message::Kind::kSuspend, std::move(queue)); }
void DeviceLoop::PostResume(Ref<Timeline> queue) { PostControl(Message::Kind::kResume, std::move(queue)); }
void DeviceLoop::PostProps(Ref<Timeline> queue, const hw::SchedProps& props) {
  auto message = std::make_unique<ControlMessage>(Message::Kind::kProps, std::move(queue));
  message->props = props;
  Post(std::move(message));
}

// ---- From the device.

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
    Run(/*bypass=*/true);
  }
}

void DeviceLoop::OnSuspended(uint64_t context, void* owner, absl::Status status) {
  {
    hw::MutexLock lock(mutex_);
    while (suspended_.size() == kSuspendedMax && accepts_completions_) has_room_.Wait(mutex_);
    if (!accepts_completions_) return;
    suspended_.push_back({context, owner, std::move(status)});
  }
  Run(/*bypass=*/true);
}

void DeviceLoop::OnDeviceLost(absl::Status) {
  device_lost_.store(true);
  Run(/*bypass=*/true);
}

// ---- The device thread.

void DeviceLoop::RunThread() {
  hw::YieldToWakers();
  while (!done_.load()) {
    pollfd waited[] = {{wake_fd_, POLLIN, 0}, {timer_fd_, POLLIN, 0}};
    poll(waited, 2, -1);
    uint64_t count = 0;
    if ((waited[0].revents & POLLIN) != 0) {
      [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof(count));
    }
    const bool timer = (waited[1].revents & POLLIN) != 0;
    if (timer) {
      [[maybe_unused]] const ssize_t got = read(timer_fd_, &count, sizeof(count));
    }
    if (handed_over_.exchange(false) || (timer && baton_.Ask())) DoTurns(std::numeric_limits<int>::max());
    for (Message* put = puts_.TakeAll(); put != nullptr;) {
      std::exchange(put, put->next_message)->Drop();
      deferred_puts_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

void DeviceLoop::WakeThread() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

// ---- Turns.

void DeviceLoop::DoTurns(int turns_max) {
  for (int turns = 1;; ++turns) {
    const uint32_t seen = baton_.seen();
    Turn(hw::MonotonicNow());
    if (baton_.PutDown(seen)) return;
    if (turns < turns_max || done_.load()) continue;
    handed_over_.store(true);
    WakeThread();
    return;
  }
}

void DeviceLoop::Turn(hw::Nanos now) {
  DrainInbox(now);
  DrainCompletions(now);
  TellSuspended(now);
  FollowStop(now);
  if (device_lost_.load() && !told_device_lost_) {
    told_device_lost_ = true;
    scheduler_.OnDeviceLost(now);
  }
  // Before the device is fed: a host fence that expires may be what a job waits for.
  CheckTimeouts(now);
  FeedDevice(now);
  SwitchGroups(now);
  while (Timeline* timeline = scheduler_.NextToCancel()) {
    device_.Cancel(*timeline->live()->hardware(), timeline->cancel_status);
  }
  TellOwners();
  SetTimer(now);
  if (give_up_ != hw::kNever && scheduler_.jobs() == 0 && !done_.exchange(true)) WakeThread();
  if (std::exchange(has_deferred_, false)) WakeThread();
}

void DeviceLoop::DrainInbox(hw::Nanos now) {
  size_t places = 0;
  for (Message* next = inbox_.TakeAll(); next != nullptr;) {
    Message* message = std::exchange(next, next->next_message);
    if (message->kind == Message::Kind::kJob) {
      ++places;
      scheduler_.Add(Ref<Job>::Adopt(static_cast<Job*>(message)), now);
      continue;
    }
    if (message->kind == Message::Kind::kQueue) {
      auto& added = static_cast<QueueMessage&>(*message);
      added.queue->observer = std::move(added.observer);
      scheduler_.AddQueue(std::move(added.queue));
      message->Drop();
      continue;
    }
    if (message->kind == Message::Kind::kSignal) ++places;
    Obey(std::unique_ptr<ControlMessage>(static_cast<ControlMessage*>(message)), now);
  }
  if (places > 0) inbox_used_.fetch_sub(places);
}

void DeviceLoop::Obey(std::unique_ptr<ControlMessage> message, hw::Nanos now) {
  Timeline& queue = *message->queue;
  // Null when the queue is gone from the device.
  hw::Queue* hardware = queue.live() == nullptr ? nullptr : queue.live()->hardware();
  switch (message->kind) {
    case Message::Kind::kClose:
      return scheduler_.Close(queue, now);
    case Message::Kind::kKill:
      return scheduler_.Kill(queue, now);
    case Message::Kind::kStop:
      return scheduler_.Stop(queue);
    case Message::Kind::kStart:
      return scheduler_.Start(queue, now);
    case Message::Kind::kTriggerTimeout:
      return scheduler_.TriggerTimeout(queue);
    case Message::Kind::kSignal:
      return scheduler_.Signal(queue, message->seqno, message->outcome, now);
    case Message::Kind::kSuspend:
      return Suspend(std::move(message), hardware);
    case Message::Kind::kResume:
      queue.client_suspended = false;
      // Else its group lets it back.
      if (hardware != nullptr && !queue.group_suspending && !queue.group_suspended) device_.Resume(*hardware);
      return;
    case Message::Kind::kProps:
      queue.priority = message->props.priority;
      if (hardware != nullptr) device_.SetProps(*hardware, message->props);
      return;
    case Message::Kind::kJob:
    case Message::Kind::kQueue:
      return;
  }
}

void DeviceLoop::Suspend(std::unique_ptr<ControlMessage> message, hw::Queue* hardware) {
  Timeline& queue = *message->queue;
  if (hardware == nullptr) return;
  hardware->owner = &queue;
  if (absl::Status status = device_.Suspend(*hardware); !status.ok()) {
    if (queue.observer) queue.observer->OnSuspended(queue.id(), std::move(status));
    return;
  }
  queue.client_suspending = queue.client_suspended = true;
  Await(std::move(message->queue));
}

void DeviceLoop::Await(Ref<Timeline> queue) {
  if (std::find_if(suspending_.begin(), suspending_.end(),
                   [&](const Ref<Timeline>& other) { return other.get() == queue.get(); }) == suspending_.end()) {
    suspending_.push_back(std::move(queue));
  }
}

void DeviceLoop::TellSuspended(hw::Nanos now) {
  {
    hw::MutexLock lock(mutex_);
    if (suspended_.empty()) return;
    telling_suspended_.swap(suspended_);
  }
  has_room_.NotifyAll();
  for (Suspended& answer : telling_suspended_) {
    const auto found = std::find_if(suspending_.begin(), suspending_.end(), [&](const Ref<Timeline>& queue) {
      return queue.get() == answer.owner && queue->id() == answer.context;
    });
    // It was closed meanwhile.
    if (found == suspending_.end()) continue;
    const Ref<Timeline> queue = std::move(*found);
    suspending_.erase(found);
    scheduler_.OnSuspended(*queue, now);
    if (std::exchange(queue->client_suspending, false) && queue->observer) {
      queue->observer->OnSuspended(answer.context, std::move(answer.status));
    }
  }
  telling_suspended_.clear();
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

void DeviceLoop::FollowStop(hw::Nanos now) {
  if (!stopping_.load()) return;
  // A ticket that is still out may become a job, which has to end too; a later one is refused.
  if (give_up_ == hw::kNever && inbox_used_.load() == 0) {
    give_up_ = now + options_.stop_timeout_ns;
    scheduler_.CloseAll(now);
  }
  if (now >= give_up_) device_lost_.store(true);
}

void DeviceLoop::FeedDevice(hw::Nanos now) {
  while (Job* job = scheduler_.NextToRun(now)) {
    Timeline& queue = job->timeline();
    if (job->bind() == nullptr) {
      device_.Submit(*queue.live()->hardware(), {job->seqno(), job->batches(), job->user_fence()});
      continue;
    }
    hw::Completion completion;
    completion.context = queue.id();
    completion.owner = &queue;
    completion.seqno = job->seqno();
    completion.gpu_start_ns = hw::MonotonicNow();
    if (!device_.Bind(*job->bind(), completion)) continue;
    completion.gpu_end_ns = hw::MonotonicNow();
    scheduler_.OnCompletion(completion, completion.gpu_end_ns);
  }
}

void DeviceLoop::SwitchGroups(hw::Nanos now) {
  bool more = false;
  while (Timeline* timeline = scheduler_.NextToSuspend()) {
    hw::Queue* hardware = timeline->live() == nullptr ? nullptr : timeline->live()->hardware();
    if (hardware != nullptr && device_.Suspend(*hardware).ok()) {
      Await(Ref<Timeline>::Share(timeline));
    } else {
      scheduler_.OnSuspended(*timeline, now);
      more = true;
    }
  }
  while (Timeline* timeline = scheduler_.NextToResume()) {
    hw::Queue* hardware = timeline->live() == nullptr ? nullptr : timeline->live()->hardware();
    if (hardware != nullptr && !timeline->client_suspended) device_.Resume(*hardware);
  }
  if (more) FeedDevice(now);
}

void DeviceLoop::CheckTimeouts(hw::Nanos now) {
  if (now < next_check_ || !scheduler_.needs_time()) return;
  next_check_ = now + options_.watchdog_period_ns;
  scheduler_.CheckTimeouts(now, [this](Timeline& timeline) {
    const hw::Progress progress = device_.CheckProgress(*timeline.live()->hardware());
    return Judge(progress, timeline.spec.job_timeout_ns, device_lost_.load());
  });
}

void DeviceLoop::SetTimer(hw::Nanos now) {
  if (now >= timer_at_) timer_at_ = hw::kNever;
  const bool needs_time = scheduler_.needs_time() || (stopping_.load() && !done_.load());
  if (!needs_time || timer_at_ != hw::kNever) return;
  timer_at_ = now + options_.watchdog_period_ns;
  itimerspec when{};
  when.it_value.tv_sec = timer_at_ / hw::kNanosPerSecond;
  when.it_value.tv_nsec = timer_at_ % hw::kNanosPerSecond;
  timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr);
}

void DeviceLoop::TellOwners() {
  // A ban is told before the ends that follow from it, so that an owner refuses work as soon as it may know why.
  while (Timeline* timeline = scheduler_.NextBanned()) {
    if (timeline->observer) timeline->observer->OnBanned(timeline->id(), timeline->doom);
  }
  while (Ref<Job> job = scheduler_.NextFinished()) {
    const Timeline& queue = job->timeline();
    if (recorder_ != nullptr) recorder_->Record(*job, queue.spec);
    const bool other_owner = !told_.empty() && told_.back()->timeline().observer != queue.observer;
    if (other_owner || told_.size() == kToldMax) FlushTold();
    told_view_.push_back(job.get());
    told_.push_back(std::move(job));
  }
  FlushTold();
  while (const Ref<Timeline> timeline = scheduler_.NextInactive()) {
    // The hardware's memory and ids go back before the owner hears of it.
    timeline->HideHardware();
    timeline->state.emplace<InactiveQueue>(nullptr);
    std::erase_if(suspending_, [&](const Ref<Timeline>& queue) { return queue.get() == timeline.get(); });
    const std::shared_ptr<Observer> observer = std::move(timeline->observer);
    if (observer) observer->OnInactive(timeline->id());
  }
}

void DeviceLoop::FlushTold() {
  if (told_.empty()) return;
  if (Observer* observer = told_.front()->timeline().observer.get()) observer->OnFinished(told_view_);
  told_view_.clear();
  // Signalled first, then let go.
  for (Ref<Job>& job : told_) Put(std::move(job));
  told_.clear();
}

void DeviceLoop::Put(Ref<Job> job) {
  job->DropWaits();
  if (job->timeline().spec.put_mode == PutMode::kInline) return;
  if (deferred_puts_.load(std::memory_order_relaxed) >= options_.deferred_puts_max) return;
  deferred_puts_.fetch_add(1, std::memory_order_relaxed);
  puts_.Push(job.release());
  has_deferred_ = true;
}

}  // namespace xeq::sched
