// What the services stand on.
#ifndef XEQ_SERVER_SERVICE_BACKEND_H_
#define XEQ_SERVER_SERVICE_BACKEND_H_

#include <cstdint>
#include <string>

#include "hw/device.h"
#include "server/metrics/recorder.h"
#include "server/session/session_manager.h"

namespace xeq::service {

// Owned by the server. Everything in it outlives the services and is thread-safe.
struct Backend {
  session::SessionManager& sessions;
  const hw::Device& device;
  metrics::Recorder& recorder;
  // Differs after each start.
  uint64_t instance;
  std::string version;
};

// Largest message in either direction.
inline constexpr uint32_t kMessageBytesMax = 4 << 20;
// What a message of ReadBuffer may carry, so that it stays below kMessageBytesMax with its other fields.
inline constexpr uint32_t kChunkBytesMax = kMessageBytesMax - 4096;
inline constexpr uint32_t kChunkBytesDefault = 1 << 20;

}  // namespace xeq::service

#endif  // XEQ_SERVER_SERVICE_BACKEND_H_
