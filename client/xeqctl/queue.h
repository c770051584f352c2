// The subcommands of `xeqctl queue`.
#ifndef XEQ_CLIENT_XEQCTL_QUEUE_H_
#define XEQ_CLIENT_XEQCTL_QUEUE_H_

#include <CLI/CLI.hpp>
#include <cstdint>

#include "client/xeqctl/command.h"

namespace xeq::ctl {

// What the command line says.
struct QueueCommand {
  // 0: a new one.
  uint64_t session = 0;
  uint64_t vm = 0;
  uint64_t queue = 0;
  EngineClass engine_class = EngineClass::kRender;
  QueueOptions options;
  QueueProperties properties;
};

// All but `app` are used when the command line is parsed, and outlive that.
void AddQueueCommand(CLI::App& app, const Global& global, QueueCommand& command, int& status);

}  // namespace xeq::ctl

#endif  // XEQ_CLIENT_XEQCTL_QUEUE_H_
