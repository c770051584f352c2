// A hand-cranked device whose address spaces keep what is mapped in them, and whose creations can be made to fail or to
// be overtaken by something else.
#ifndef XEQ_TESTS_UNIT_SERVER_SESSION_MAPPING_DEVICE_H_
#define XEQ_TESTS_UNIT_SERVER_SESSION_MAPPING_DEVICE_H_

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "hw/mutex.h"
#include "tests/fakes/manual_device.h"

namespace xeq::session {

// Thread-safe; `during_next` and `fail_next` are set while no other thread calls it.
class MappingDevice : public fakes::ManualDevice {
 public:
  // Runs inside the next CreateVm, CreateBuffer, CreateQueue or PrepareBind.
  std::function<void()> during_next;
  // What the next of them gives, when it is not OK.
  absl::Status fail_next;

  std::vector<hw::BindSpec> prepared() {
    hw::MutexLock lock(mutex_);
    return prepared_;
  }

  absl::StatusOr<std::shared_ptr<hw::Vm>> CreateVm(const hw::VmSpec&) override {
    if (absl::Status status = Enter(); !status.ok()) return status;
    return std::make_shared<MappingVm>();
  }
  absl::StatusOr<std::shared_ptr<hw::Buffer>> CreateBuffer(const hw::BufferSpec& spec) override {
    if (absl::Status status = Enter(); !status.ok()) return status;
    return ManualDevice::CreateBuffer(spec);
  }
  absl::StatusOr<std::unique_ptr<hw::Queue>> CreateQueue(const hw::QueueSpec& spec,
                                                         std::shared_ptr<hw::Vm> vm) override {
    if (absl::Status status = Enter(); !status.ok()) return status;
    return ManualDevice::CreateQueue(spec, std::move(vm));
  }
  absl::StatusOr<std::unique_ptr<hw::BindOp>> PrepareBind(std::shared_ptr<hw::Vm> vm,
                                                          const hw::BindSpec& spec) override {
    if (absl::Status status = Enter(); !status.ok()) return status;
    {
      hw::MutexLock lock(mutex_);
      prepared_.push_back(spec);
      prepared_.back().buffer = nullptr;
    }
    return std::make_unique<MappingBind>(std::move(vm), spec);
  }
  bool Bind(hw::BindOp& op, const hw::Completion& end) override {
    auto& bind = static_cast<MappingBind&>(op);
    std::shared_ptr<hw::Buffer>& mapped = static_cast<MappingVm&>(*bind.vm).mapped[bind.spec.address];
    mapped = std::move(bind.spec.buffer);
    return ManualDevice::Bind(op, end);
  }

 private:
  struct MappingVm : hw::Vm {
    // By address. Device thread.
    std::map<uint64_t, std::shared_ptr<hw::Buffer>> mapped;
  };
  struct MappingBind : hw::BindOp {
    MappingBind(std::shared_ptr<hw::Vm> vm, hw::BindSpec spec) : vm(std::move(vm)), spec(std::move(spec)) {}
    const std::shared_ptr<hw::Vm> vm;
    hw::BindSpec spec;
  };

  absl::Status Enter() {
    std::function<void()> during;
    absl::Status status;
    {
      hw::MutexLock lock(mutex_);
      during.swap(during_next);
      std::swap(status, fail_next);
    }
    if (during) during();
    return status;
  }

  hw::Mutex mutex_;
  std::vector<hw::BindSpec> prepared_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xeq::session

#endif  // XEQ_TESTS_UNIT_SERVER_SESSION_MAPPING_DEVICE_H_
