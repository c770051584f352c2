// The client's side of what is measured: Submit calls one after the other, or many at a time.
#ifndef XEQ_TESTS_BENCH_CALL_CLIENT_H_
#define XEQ_TESTS_BENCH_CALL_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "xeq/client.h"
#include "xeq/v1/fence.grpc.pb.h"
#include "xeq/v1/queue.grpc.pb.h"

namespace xeq::bench {

// Ends the program, with the reason, unless `status` is OK.
void Require(const absl::Status& status, const char* what);

// A session of xeqd with one queue of the copy engine and a batch that does nothing.
class SubmitTarget {
 public:
  explicit SubmitTarget(const std::string& address);
  // Until Release, which waits for all of them, the queue's jobs stay behind one that waits on memory. That one counts
  // as hung after 10 seconds.
  void Hold();
  void Release();
  uint64_t session_id() const { return session_.id(); }
  uint64_t queue() const { return queue_.handle(); }
  uint64_t batch() const { return kBatch; }

 private:
  // In the buffer: the empty batch, the one that waits, and what it waits for.
  static constexpr uint64_t kBatch = 0x100000;
  static constexpr uint64_t kHolder = kBatch + 0x100;
  static constexpr uint64_t kGate = kBatch + 0x800;
  void SetGate(uint32_t value);

  Client client_;
  Session session_;
  Vm vm_;
  Buffer buffer_;
  Queue queue_;
};

// Calls Submit with one job over one channel. Whoever answers, request and calls are the same.
class CallClient {
 public:
  // Without a target: the floor, which looks at nothing; the numbers have the size of a target's.
  CallClient(const std::string& address, const SubmitTarget* target);
  ~CallClient();

  // Microseconds of each of `count` calls, one after the other.
  std::vector<double> Calls(size_t count);
  // Of each from the call until the end of its job has come over the stream of WatchFences, one after the other.
  std::vector<double> CallsToFence(size_t count);
  // Calls per second with `outstanding` under way at any time, and one more each time that one is answered.
  double Rate(size_t count, size_t outstanding);

 private:
  v1::SubmitResponse CallOnce();
  void OpenWatch();

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::QueueService::Stub> queues_;
  std::unique_ptr<v1::FenceService::Stub> fences_;
  v1::SubmitRequest request_;
  grpc::ClientContext watch_context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchFencesResponse>> watch_;
};

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_CALL_CLIENT_H_
