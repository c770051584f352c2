// The demo's jobs: four queues on three engine classes, every edge a fence.
//
//   copy 0, 2, 4 ...  --+--> render: counts, sums --> video: waits for the count --> copy: gathers
//   copy 1, 3, 5 ...  --+
#ifndef XEQ_CLIENT_XEQCTL_DEMO_GRAPH_H_
#define XEQ_CLIENT_XEQCTL_DEMO_GRAPH_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "xeq/client.h"

namespace xeq::ctl {

// What the GPU counted on the way.
struct DemoCounts {
  uint32_t chunks = 0;
  uint64_t sum = 0;
  uint32_t video_done = 0;
};

class DemoGraph {
 public:
  // Makes buffers for `size_bytes`, binds them, and uploads the batches.
  static absl::StatusOr<std::unique_ptr<DemoGraph>> Create(Session& session, uint64_t size_bytes);

  uint64_t chunks() const { return chunks_; }
  uint64_t jobs() const { return 2 * chunks_ + 2; }
  // The timeline of the binds, which are no jobs.
  uint64_t bind_context() const { return vm_->handle(); }
  Buffer& input() { return *input_; }
  Buffer& output() { return *output_; }
  // Submits all jobs; returns the last fence.
  absl::StatusOr<Fence> Submit(Session& session, uint32_t jobs_per_submit_max);
  absl::StatusOr<DemoCounts> ReadCounts() const;
  // What the counts must be.
  DemoCounts ExpectedCounts() const;

 private:
  explicit DemoGraph(uint64_t size_bytes);
  absl::Status Allocate(Session& session);
  absl::Status WriteBatches();
  absl::Status WriteBatch(uint64_t slot, absl::StatusOr<std::vector<uint32_t>> batch);
  uint64_t BatchAddress(uint64_t slot) const;
  Job JobOf(const Queue& queue, uint64_t batch, std::vector<Fence> waits, std::vector<uint32_t> jobs) const;

  const uint64_t size_bytes_;
  uint64_t chunk_bytes_;
  uint64_t chunks_;
  std::optional<Vm> vm_;
  std::optional<Buffer> input_, middle_, output_, control_, batches_;
  std::optional<Queue> copy_even_, copy_odd_, render_, video_;
  std::vector<Fence> bound_;
};

}  // namespace xeq::ctl

#endif  // XEQ_CLIENT_XEQCTL_DEMO_GRAPH_H_
