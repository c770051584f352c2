// What the subcommands of xeqctl share.
#ifndef XEQ_CLIENT_XEQCTL_COMMAND_H_
#define XEQ_CLIENT_XEQCTL_COMMAND_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "xeq/client.h"

namespace xeq::ctl {

// Options that stand before the subcommand.
struct Global {
  std::string address = "127.0.0.1:50551";
  bool json = false;
  uint32_t timeout_ms = 30'000;

  std::chrono::milliseconds timeout() const { return std::chrono::milliseconds(timeout_ms); }
};

struct DemoOptions {
  // Empty: made from files of the machine.
  std::string file;
  // 0: all of `file`, or 64 MiB.
  uint64_t size_bytes = 0;
};

struct WaitOptions {
  uint64_t session_id = 0;
  // "CONTEXT:SEQNO".
  std::vector<std::string> fences;
  bool any = false;
};

// Exit statuses: 0 done; 1 refused, failed or different; 2 the command line is wrong.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Says on standard error what went wrong, with the error's reason; returns kExitFailed.
int Fail(const Global& global, const absl::Status& status);
absl::StatusOr<Client> Connect(const Global& global);

std::string EngineClassName(EngineClass engine_class);
std::string PriorityName(QueuePriority priority);
std::string QueueStateName(QueueState state);
// Of everything that is known of it.
std::string ToJson(const QueueInfo& queue);

int RunDevice(const Global& global);
int RunQueues(const Global& global);
int RunWait(const Global& global, const WaitOptions& options);
int RunVersion(const Global& global);
int RunDemo(const Global& global, const DemoOptions& options);

}  // namespace xeq::ctl

#endif  // XEQ_CLIENT_XEQCTL_COMMAND_H_
