#include "client/xeqctl/demo_graph.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "xeq/batch.h"

namespace xeq::ctl {
namespace {

// Chunks of 1 MiB, or larger ones where the file would have more than this many.
constexpr uint64_t kChunkBytesMin = 1 << 20;
constexpr uint64_t kChunksMax = 512;

// Virtual addresses; a TiB apart, so that files of any size fit.
constexpr uint64_t kInput = 1ull << 40;
constexpr uint64_t kMiddle = 2ull << 40;
constexpr uint64_t kOutput = 3ull << 40;
constexpr uint64_t kBatches = 4ull << 40;
constexpr uint64_t kControl = 5ull << 40;
// In the control page.
constexpr uint64_t kCounter = kControl;
constexpr uint64_t kSum = kControl + 8;
constexpr uint64_t kVideoDone = kControl + 16;
// More than the longest batch.
constexpr uint64_t kBatchBytes = 256;

constexpr Gpr kSumRegister{0};
constexpr Gpr kChunkRegister{1};

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

// `*to` = the value, or the status why there is none.
template <typename T>
absl::Status Take(absl::StatusOr<T> from, std::optional<T>& to) {
  if (!from.ok()) return from.status();
  to.emplace(*std::move(from));
  return absl::OkStatus();
}

}  // namespace

DemoGraph::DemoGraph(uint64_t size_bytes) : size_bytes_(size_bytes) {
  chunk_bytes_ = std::max(kChunkBytesMin, RoundUp((size_bytes + kChunksMax - 1) / kChunksMax, 4096));
  chunks_ = (size_bytes + chunk_bytes_ - 1) / chunk_bytes_;
}

absl::StatusOr<std::unique_ptr<DemoGraph>> DemoGraph::Create(Session& session, uint64_t size_bytes) {
  auto graph = std::unique_ptr<DemoGraph>(new DemoGraph(size_bytes));
  absl::Status status = graph->Allocate(session);
  if (status.ok()) status = graph->WriteBatches();
  if (!status.ok()) return status;
  return graph;
}

absl::Status DemoGraph::Allocate(Session& session) {
  absl::Status status = Take(session.CreateVm(), vm_);
  if (status.ok()) status = Take(session.CreateBuffer(size_bytes_), input_);
  if (status.ok()) status = Take(session.CreateBuffer(size_bytes_), middle_);
  if (status.ok()) status = Take(session.CreateBuffer(size_bytes_), output_);
  if (status.ok()) status = Take(session.CreateBuffer(jobs() * kBatchBytes), batches_);
  if (status.ok()) status = Take(session.CreateBuffer(4096), control_);
  if (status.ok()) status = Take(session.CreateQueue(*vm_, EngineClass::kCopy), copy_even_);
  if (status.ok()) status = Take(session.CreateQueue(*vm_, EngineClass::kCopy), copy_odd_);
  if (status.ok()) status = Take(session.CreateQueue(*vm_, EngineClass::kRender), render_);
  if (status.ok()) status = Take(session.CreateQueue(*vm_, EngineClass::kVideoDecode), video_);
  if (!status.ok()) return status;
  const std::pair<Buffer*, uint64_t> mappings[] = {
      {&*input_, kInput}, {&*middle_, kMiddle}, {&*output_, kOutput}, {&*batches_, kBatches}, {&*control_, kControl}};
  for (const auto& [buffer, address] : mappings) {
    absl::StatusOr<Fence> fence = vm_->Bind(*buffer, address);
    if (!fence.ok()) return fence.status();
    // All binds are points of one timeline: the last stands for them.
    bound_ = {*fence};
  }
  return absl::OkStatus();
}

uint64_t DemoGraph::BatchAddress(uint64_t slot) const { return kBatches + slot * kBatchBytes; }

absl::Status DemoGraph::WriteBatch(uint64_t slot, absl::StatusOr<std::vector<uint32_t>> batch) {
  if (!batch.ok()) return batch.status();
  return batches_->Write(slot * kBatchBytes, *batch);
}

// Slots: 2i copies chunk i, 2i + 1 counts it; then the video job and the gathering copy.
absl::Status DemoGraph::WriteBatches() {
  for (uint64_t i = 0; i < chunks_; ++i) {
    const uint64_t offset = i * chunk_bytes_;
    const uint64_t bytes = std::min(chunk_bytes_, size_bytes_ - offset);
    absl::Status status = WriteBatch(2 * i, BatchBuilder().Copy(kMiddle + offset, kInput + offset, bytes).Finish());
    if (!status.ok()) return status;
    status = WriteBatch(2 * i + 1, BatchBuilder()
                                       .LoadQword(kSumRegister, kSum)
                                       .LoadImmediate(kChunkRegister, i + 1)
                                       .Add(kSumRegister, kSumRegister, kChunkRegister)
                                       .StoreQword(kSum, kSumRegister)
                                       .AtomicAddDword(kCounter, 1)
                                       .Finish());
    if (!status.ok()) return status;
  }
  absl::Status status =
      WriteBatch(2 * chunks_, BatchBuilder()
                                  .WaitUntil(kCounter, Compare::kGreaterEqual, static_cast<uint32_t>(chunks_))
                                  .StoreDword(kVideoDone, 1)
                                  .Finish());
  if (!status.ok()) return status;
  return WriteBatch(2 * chunks_ + 1, BatchBuilder().Copy(kOutput, kMiddle, size_bytes_).Finish());
}

Job DemoGraph::JobOf(const Queue& queue, uint64_t batch, std::vector<Fence> waits, std::vector<uint32_t> jobs) const {
  Job job;
  job.queue = queue.handle();
  job.batch_addresses = {BatchAddress(batch)};
  job.waits = std::move(waits);
  job.waits_on_jobs = std::move(jobs);
  return job;
}

absl::StatusOr<Fence> DemoGraph::Submit(Session& session, uint32_t jobs_per_submit_max) {
  // The video job goes first: its engine waits on memory until the render queue has counted all.
  std::vector<Job> jobs = {JobOf(*video_, 2 * chunks_, bound_, {})};
  std::vector<Fence> fences;
  const auto flush = [&]() -> absl::Status {
    absl::StatusOr<std::vector<Fence>> armed = session.Submit(jobs);
    if (!armed.ok()) return armed.status();
    fences.insert(fences.end(), armed->begin(), armed->end());
    jobs.clear();
    return absl::OkStatus();
  };
  for (uint64_t i = 0; i < chunks_; ++i) {
    if (jobs.size() + 2 > jobs_per_submit_max) {
      if (absl::Status status = flush(); !status.ok()) return status;
    }
    const Queue& copy = i % 2 == 0 ? *copy_even_ : *copy_odd_;
    const auto copy_index = static_cast<uint32_t>(jobs.size());
    jobs.push_back(JobOf(copy, 2 * i, bound_, {}));
    jobs.push_back(JobOf(*render_, 2 * i + 1, {}, {copy_index}));
  }
  if (absl::Status status = flush(); !status.ok()) return status;
  // The last copies of both queues, the last count, and the video job.
  std::vector<Fence> before = {fences.front(), fences.back()};
  for (size_t back = 2; back <= 4 && back < fences.size(); back += 2) before.push_back(fences[fences.size() - back]);
  jobs.push_back(JobOf(*copy_even_, 2 * chunks_ + 1, before, {}));
  if (absl::Status status = flush(); !status.ok()) return status;
  return fences.back();
}

absl::StatusOr<DemoCounts> DemoGraph::ReadCounts() const {
  std::array<std::byte, 24> page;
  if (absl::Status status = control_->Read(0, absl::MakeSpan(page)); !status.ok()) return status;
  DemoCounts counts;
  std::memcpy(&counts.chunks, page.data() + (kCounter - kControl), sizeof(counts.chunks));
  std::memcpy(&counts.sum, page.data() + (kSum - kControl), sizeof(counts.sum));
  std::memcpy(&counts.video_done, page.data() + (kVideoDone - kControl), sizeof(counts.video_done));
  return counts;
}

DemoCounts DemoGraph::ExpectedCounts() const {
  return {static_cast<uint32_t>(chunks_), chunks_ * (chunks_ + 1) / 2, 1};
}

}  // namespace xeq::ctl
