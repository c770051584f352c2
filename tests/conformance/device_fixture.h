// What the conformance suite needs of a device: a listener that remembers, and batches made of dwords.
#ifndef XEQ_TESTS_CONFORMANCE_DEVICE_FIXTURE_H_
#define XEQ_TESTS_CONFORMANCE_DEVICE_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hw/clock.h"
#include "hw/device.h"
#include "hw/device_factory.h"
#include "hw/mutex.h"
#include "hw/regs/commands.h"

namespace xeq::hw {

class RecordingListener : public Device::Listener {
 public:
  void OnCompletions(absl::Span<const Completion> completions) override {
    MutexLock lock(mutex_);
    for (const Completion& completion : completions) by_context_[completion.context].push_back(completion);
    changed_.NotifyAll();
  }
  void OnSuspended(uint64_t context, void*, absl::Status status) override {
    MutexLock lock(mutex_);
    suspends_[context].push_back(std::move(status));
    changed_.NotifyAll();
  }
  void OnDeviceLost(absl::Status) override {}

  // Blocks until the context has `count` of them; gives up after half a minute.
  std::vector<Completion> Wait(uint64_t context, size_t count) {
    const Nanos deadline = MonotonicNow() + 30 * kNanosPerSecond;
    MutexLock lock(mutex_);
    while (by_context_[context].size() < count && changed_.WaitUntil(mutex_, deadline)) {
    }
    return by_context_[context];
  }
  // As Wait, for answers to Suspend.
  std::vector<absl::Status> WaitForSuspends(uint64_t context, size_t count) {
    const Nanos deadline = MonotonicNow() + 30 * kNanosPerSecond;
    MutexLock lock(mutex_);
    while (suspends_[context].size() < count && changed_.WaitUntil(mutex_, deadline)) {
    }
    return suspends_[context];
  }
  size_t count(uint64_t context) {
    MutexLock lock(mutex_);
    return by_context_[context].size();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::map<uint64_t, std::vector<Completion>> by_context_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::vector<absl::Status>> suspends_ ABSL_GUARDED_BY(mutex_);
};

using Batch = std::vector<uint32_t>;

// Commands in the PPGTT.
inline Batch StoreDword(uint64_t address, uint32_t value) {
  return {regs::Mi(regs::MiOpcode::kStoreDataImm, 4), static_cast<uint32_t>(address),
          static_cast<uint32_t>(address >> 32), value};
}
inline Batch AddDword(uint64_t address, uint32_t value) {
  Batch batch(regs::kAtomicInlineDwords, 0);
  batch[0] = regs::Mi(regs::MiOpcode::kAtomic, regs::kAtomicInlineDwords) | regs::kAtomicInline |
             static_cast<uint32_t>(regs::AtomicOperation::kAdd) << regs::kAtomicOperationShift;
  batch[1] = static_cast<uint32_t>(address);
  batch[2] = static_cast<uint32_t>(address >> 32);
  batch[3] = value;
  return batch;
}
// Waits until the dword equals `value`.
inline Batch WaitDword(uint64_t address, uint32_t value) {
  return {regs::Mi(regs::MiOpcode::kSemaphoreWait, regs::kSemaphoreWaitTokenDwords) | regs::kSemaphoreWaitPoll |
              static_cast<uint32_t>(regs::Compare::kEqual) << regs::kCompareShift,
          value, static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32), 0};
}
// Jumps to itself for ever, at `address`; with `preemptible`, past an arbitration point.
inline Batch Loop(uint64_t address, bool preemptible) {
  return {preemptible ? regs::kArbCheck : regs::kNoop, regs::kBatchBufferStart, static_cast<uint32_t>(address),
          static_cast<uint32_t>(address >> 32)};
}
inline Batch operator+(Batch first, const Batch& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}
inline const Batch kEnd = {regs::kBatchBufferEnd};

// A device with one VM in which 1 MiB is mapped at kBase: data below kCode, batches from there on.
class DeviceTest : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr uint64_t kBase = 0x10'0000'0000;
  static constexpr uint64_t kBytes = 1 << 20;
  static constexpr uint64_t kCode = kBase + kBytes / 2;

  void SetUp() override {
    auto device = OpenDevice(GetParam());
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
    ASSERT_TRUE(device_->Start(listener_).ok());
    vm_ = device_->CreateVm({}).value();
    buffer_ = device_->CreateBuffer({kBytes, 0}).value();
    Map(kBase, kBytes, buffer_);
  }
  void TearDown() override {
    if (device_ == nullptr) return;
    for (auto& [context, queue] : queues_) device_->Cancel(*queue, JobStatus::kCancelled);
    for (const auto& [context, seqno] : seqnos_) listener_.Wait(context, seqno);
    device_->Stop();
    queues_.clear();
  }

  void Map(uint64_t address, uint64_t size, std::shared_ptr<Buffer> buffer, uint64_t offset = 0) {
    auto op = device_->PrepareBind(vm_, {address, size, std::move(buffer), offset});
    ASSERT_TRUE(op.ok()) << op.status();
    Carry(**op);
  }
  // Carries a bind out and waits until it is done.
  void Carry(BindOp& op) {
    Completion end;
    end.context = kBindContext;
    end.seqno = ++binds_;
    if (device_->Bind(op, end)) {
      ++binds_done_at_once_;
    } else {
      EXPECT_EQ(listener_.Wait(kBindContext, binds_ - binds_done_at_once_).back().seqno, binds_);
    }
  }
  // Returns the context.
  uint64_t MakeQueue(EngineClass engine_class, Priority priority = Priority::kNormal, uint32_t logical_instance = 0,
                     uint32_t width = 1) {
    QueueSpec spec;
    spec.engine_class = engine_class;
    spec.logical_mask = 1u << logical_instance;
    spec.width = width;
    spec.props.priority = priority;
    return MakeQueue(spec);
  }
  uint64_t MakeQueue(const EngineInfo& engine) {
    return MakeQueue(engine.engine_class, Priority::kNormal,
                     LogicalInstance(device_->info(), engine.engine_class, engine.instance).value());
  }
  uint64_t MakeQueue(QueueSpec spec) {
    const uint64_t context = spec.context = next_context_++;
    auto queue = device_->CreateQueue(spec, vm_);
    EXPECT_TRUE(queue.ok()) << queue.status();
    queues_[context] = *std::move(queue);
    return context;
  }
  // Puts the batch into memory; returns its address.
  uint64_t Place(const Batch& batch) {
    const uint64_t address = next_code_;
    next_code_ += (batch.size() * 4 + 63) / 64 * 64;
    EXPECT_LE(next_code_, kBase + kBytes);
    Write(address, batch);
    return address;
  }
  void Write(uint64_t address, const Batch& batch) {
    const auto bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(batch.data()), batch.size() * 4);
    EXPECT_TRUE(buffer_->Write(address - kBase, bytes).ok());
  }
  // Where the next Place will put its batch.
  uint64_t NextPlace() const { return next_code_; }
  void Submit(uint64_t context, const Batch& batch) { SubmitAt(context, Place(batch)); }
  void SubmitAt(uint64_t context, uint64_t address) { SubmitAll(context, {address}); }
  // One batch for each lane.
  void SubmitAll(uint64_t context, const std::vector<uint64_t>& addresses) {
    device_->Submit(*queues_[context], {.seqno = ++seqnos_[context], .batches = addresses});
  }
  uint32_t Read(uint64_t address) {
    uint32_t value = 0;
    EXPECT_TRUE(buffer_->Read(address - kBase, {reinterpret_cast<std::byte*>(&value), sizeof(value)}).ok());
    return value;
  }
  // Polls memory that the GPU writes; gives up after half a minute.
  bool WaitForDword(uint64_t address, uint32_t value) {
    const Nanos deadline = MonotonicNow() + 30 * kNanosPerSecond;
    while (Read(address) != value) {
      if (MonotonicNow() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  Completion Last(uint64_t context) {
    const std::vector<Completion> all = listener_.Wait(context, seqnos_[context]);
    EXPECT_EQ(all.size(), seqnos_[context]);
    return all.empty() ? Completion{} : all.back();
  }

  RecordingListener listener_;
  std::unique_ptr<Device> device_;
  std::shared_ptr<Vm> vm_;
  std::shared_ptr<Buffer> buffer_;
  std::map<uint64_t, std::unique_ptr<Queue>> queues_;
  std::map<uint64_t, uint64_t> seqnos_;
  static constexpr uint64_t kBindContext = uint64_t{1} << 32;
  uint64_t binds_ = 0;
  uint64_t binds_done_at_once_ = 0;
  uint64_t next_context_ = 1;
  uint64_t next_code_ = kCode;
};

}  // namespace xeq::hw

#endif  // XEQ_TESTS_CONFORMANCE_DEVICE_FIXTURE_H_
