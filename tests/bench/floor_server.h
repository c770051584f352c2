// The least that a gRPC service can do with a Submit: answer it.
#ifndef XEQ_TESTS_BENCH_FLOOR_SERVER_H_
#define XEQ_TESTS_BENCH_FLOOR_SERVER_H_

#include <string>

namespace xeq::bench {

// Serves QueueService.Submit on `address` until SIGTERM: gRPC's callback API, as xeqd, and an answer of xeqd's size,
// with no work in between. Returns an exit status.
int ServeFloor(const std::string& address);

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_FLOOR_SERVER_H_
