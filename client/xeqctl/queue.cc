// xeqctl queue: makes a queue, looks at one, and does to it what the API can.
#include "client/xeqctl/queue.h"

#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "xeq/error.h"

namespace xeq::ctl {
namespace {

using nlohmann::json;

const std::map<std::string, EngineClass> kClasses = {{"render", EngineClass::kRender},
                                                     {"copy", EngineClass::kCopy},
                                                     {"video-decode", EngineClass::kVideoDecode},
                                                     {"video-enhance", EngineClass::kVideoEnhance},
                                                     {"compute", EngineClass::kCompute}};
const std::map<std::string, QueuePriority> kPriorities = {
    {"low", QueuePriority::kLow}, {"normal", QueuePriority::kNormal}, {"high", QueuePriority::kHigh}};

std::string LastFence(const QueueInfo& queue) {
  if (!queue.last_fence) return "none";
  const FenceStatus& last = *queue.last_fence;
  const char* state = last.state == FenceState::kPending    ? "pending"
                      : last.state == FenceState::kSignaled ? "signaled"
                                                            : "failed";
  return absl::StrCat(last.fence.context, ":", last.fence.seqno, " ", state);
}

void Print(const QueueInfo& queue) {
  const auto line = [](const char* name, const std::string& value) { std::printf("%-16s %s\n", name, value.c_str()); };
  line("queue", absl::StrCat(queue.queue, " \"", queue.name, "\" of ", queue.client_name));
  line("state", QueueStateName(queue.state));
  if (!queue.ban.ok()) {
    line("banned for", absl::StrCat(ErrorReason(queue.ban), ": ", std::string(queue.ban.message())));
    for (const auto& [key, value] : ErrorMetadata(queue.ban)) line("", absl::StrCat(key, " ", value));
  }
  line("vm", absl::StrCat(queue.vm));
  line("engines", absl::StrCat(EngineClassName(queue.engine_class), " ", absl::StrJoin(queue.placements, ","),
                               ", width ", queue.width));
  line("priority", PriorityName(queue.priority));
  line("timeslice", absl::StrCat(queue.timeslice_us, " us"));
  line("preempt timeout", absl::StrCat(queue.preempt_timeout_us, " us"));
  line("job timeout", absl::StrCat(queue.job_timeout_ms, " ms"));
  line("interrupt", absl::StrCat("vector ", queue.msix_vector));
  line("options", absl::StrCat(queue.bypass ? "bypass" : "no bypass", queue.deferred_put ? ", deferred put" : "",
                               queue.low_latency ? ", low latency" : ""));
  line("fences",
       absl::StrCat(queue.last_armed_seqno, " armed, ", queue.last_ended_seqno, " ended, last ", LastFence(queue)));
  if (!queue.use) return;
  const QueueUse& use = *queue.use;
  line("ring", absl::StrCat(use.jobs, " of ", use.jobs_max, " jobs, ", use.ring_bytes_used, " of ", use.ring_bytes,
                            " bytes", use.is_idle ? ", idle" : "", use.ring_full ? ", full" : ""));
  line("hardware seqno", absl::StrCat(use.hw_seqno, " done, ", use.next_hw_seqno, " next"));
  line("run time", absl::StrCat(use.run_ns, " ns, ", use.run_ticks, " ticks"));
}

int Show(const Global& global, const absl::StatusOr<QueueInfo>& queue) {
  if (!queue.ok()) return Fail(global, queue.status());
  if (global.json) {
    std::printf("%s\n", ToJson(*queue).c_str());
  } else {
    Print(*queue);
  }
  return kExitOk;
}

// In a session of its own, which lasts until standard input ends.
int CreateAndHold(const Global& global, Client& client, const QueueCommand& command) {
  absl::StatusOr<Session> session = client.OpenSession();
  if (!session.ok()) return Fail(global, session.status());
  // Holds the lease.
  absl::StatusOr<Watch> watch = session->WatchFences();
  absl::StatusOr<Vm> vm = watch.ok() ? session->CreateVm() : watch.status();
  if (!vm.ok()) return Fail(global, vm.status());
  absl::StatusOr<Queue> queue = session->CreateQueue(*vm, command.engine_class, command.options);
  if (!queue.ok()) return Fail(global, queue.status());
  if (global.json) {
    std::printf("%s\n",
                json({{"session", session->id()}, {"vm", vm->handle()}, {"queue", queue->handle()}}).dump().c_str());
  } else {
    std::printf("session %" PRIu64 " vm %" PRIu64 " queue %" PRIu64 "; until standard input ends\n", session->id(),
                vm->handle(), queue->handle());
  }
  std::fflush(stdout);
  while (std::cin.get() != std::char_traits<char>::eof()) {
  }
  return kExitOk;
}

int Create(const Global& global, const QueueCommand& command) {
  absl::StatusOr<Client> client = Connect(global);
  if (!client.ok()) return Fail(global, client.status());
  if (command.session == 0) return CreateAndHold(global, *client, command);
  absl::StatusOr<Session> session = client->AdoptSession(command.session);
  if (!session.ok()) return Fail(global, session.status());
  absl::StatusOr<Queue> queue = session->CreateQueue(command.vm, command.engine_class, command.options);
  if (!queue.ok()) return Fail(global, queue.status());
  return Show(global, session->GetQueue(std::move(*queue).Release()));
}

// Does `act` to the queue that the command names, and shows it afterwards.
template <typename Act>
int Do(const Global& global, const QueueCommand& command, Act act) {
  absl::StatusOr<Client> client = Connect(global);
  if (!client.ok()) return Fail(global, client.status());
  absl::StatusOr<Session> session = client->AdoptSession(command.session);
  if (!session.ok()) return Fail(global, session.status());
  if (absl::Status status = act(*session); !status.ok()) return Fail(global, status);
  return Show(global, session->GetQueue(command.queue));
}

}  // namespace

void AddQueueCommand(CLI::App& app, const Global& global, QueueCommand& command, int& status) {
  CLI::App* queue = app.add_subcommand("queue", "Make a queue, look at one, change, suspend, resume or kill it");
  queue->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, auto act) {
    CLI::App* sub = queue->add_subcommand(name, help);
    sub->add_option("--session", command.session, "The id of the session that it belongs to")->required();
    sub->add_option("queue", command.queue, "Its handle")->required();
    sub->callback([&, act] { status = Do(global, command, [&](Session& session) { return act(session); }); });
    return sub;
  };
  add("show", "Show its properties, state and use of the device", [](Session&) { return absl::OkStatus(); });
  add("resume", "Let it run again", [&](Session& session) { return session.ResumeQueue(command.queue); });
  add("kill", "Stop it for good; its fences end with an error",
      [&](Session& session) { return session.KillQueue(command.queue); });
  add("suspend", "Take it off its engine",
      [&](Session& session) { return session.SuspendQueue(command.queue, global.timeout()); });
  CLI::App* set = add("set", "Change its properties",
                      [&](Session& session) { return session.SetQueueProperties(command.queue, command.properties); });
  set->add_option("--priority", command.properties.priority, "low, normal or high")
      ->transform(CLI::CheckedTransformer(kPriorities));
  set->add_option("--timeslice-us", command.properties.timeslice_us, "How long a job may keep its equals waiting");
  set->add_option("--preempt-timeout-us", command.properties.preempt_timeout_us, "How long it may take to leave");

  CLI::App* create = queue->add_subcommand("create", "Make one; without --session in a session of its own");
  create->add_option("--session", command.session, "The id of the session that it is to belong to");
  create->add_option("--vm", command.vm, "The VM's handle, with --session")->needs("--session");
  create->add_option("--class", command.engine_class, "render, copy, video-decode, video-enhance or compute")
      ->required()
      ->transform(CLI::CheckedTransformer(kClasses));
  QueueOptions& options = command.options;
  create->add_option("--placements", options.placements, "Engine instances, lane by lane for each placement")
      ->delimiter(',');
  create->add_option("--width", options.width, "Engines that a job runs on at the same time");
  create->add_option("--priority", options.priority, "low, normal or high")
      ->transform(CLI::CheckedTransformer(kPriorities));
  create->add_option("--timeslice-us", options.timeslice_us, "How long a job may keep its equals waiting");
  create->add_option("--preempt-timeout-us", options.preempt_timeout_us, "How long it may take to leave its engine");
  create->add_option("--job-timeout-ms", options.job_timeout_ms, "How long a job may run");
  create->add_option("--name", options.name, "For people, at most 16 bytes");
  create->add_option("--msix-vector", options.msix_vector, "The interrupt vector that tells of its jobs");
  create->add_flag("--low-latency", options.low_latency, "A hint to the device");
  create->callback([&] { status = Create(global, command); });
}

}  // namespace xeq::ctl
