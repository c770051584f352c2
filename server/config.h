// The service's settings: from the command line and a file, checked before anything is made of them.
#ifndef XEQ_SERVER_CONFIG_H_
#define XEQ_SERVER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "server/session/session_manager.h"

namespace xeq {

struct Config {
  // model, model:FILE, vfio:ADDRESS, drm:PATH.
  std::string device = "model";
  // HOST:PORT (port 0: any that is free) or unix:PATH. At least one.
  std::vector<std::string> listen = {"127.0.0.1:50551"};
  // HOST:PORT of the /metrics page, or "off".
  std::string metrics = "127.0.0.1:9464";
  session::ManagerOptions sessions;
  // Jobs between the RPCs and the device thread, 1 to kInboxCapacityMax.
  uint32_t inbox_capacity = 65536;
  // How long calls under way may take when the service ends, 0 to 600,000.
  uint32_t drain_timeout_ms = 5000;
  // trace, debug, info, warning, error, off.
  std::string log_level = "info";
};

inline constexpr uint32_t kInboxCapacityMax = 1 << 20;

// What the command line comes to.
struct ParsedConfig {
  Config config;
  // Set when there is nothing to run: after --help, --version or an error, which have been printed.
  bool exit = false;
  int exit_status = 0;
};

ParsedConfig ParseConfig(int argc, const char* const* argv);

}  // namespace xeq

#endif  // XEQ_SERVER_CONFIG_H_
