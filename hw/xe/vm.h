// An address space: its page tables, and which buffers they lead to.
#ifndef XEQ_HW_XE_VM_H_
#define XEQ_HW_XE_VM_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/status/statusor.h"
#include "hw/device.h"
#include "hw/pci/pci_function.h"
#include "hw/xe/buffer.h"
#include "hw/xe/page_table.h"

namespace xeq::hw::xe {

class XeVm;

// What a range is mapped to. Keeps the buffer's memory.
struct Mapping {
  uint64_t size_bytes = 0;
  std::shared_ptr<XeBuffer> buffer;
};
// By address; no two overlap.
using Mappings = std::map<uint64_t, Mapping>;

class XeBindOp : public BindOp {
 public:
  // Null buffer: unmap.
  XeBindOp(std::shared_ptr<XeVm> vm, uint64_t address, uint64_t size_bytes, std::shared_ptr<XeBuffer> buffer,
           uint64_t offset);

  XeVm& vm() { return *vm_; }

 private:
  friend class XeVm;
  const std::shared_ptr<XeVm> vm_;
  const uint64_t address_;
  const uint64_t size_bytes_;
  std::shared_ptr<XeBuffer> buffer_;
  const uint64_t offset_;
  TableStock stock_;
  // Nodes to come into the VM's mappings: the new one, and the far side of one that is cut in two.
  Mappings spare_;
  // Nodes that went out.
  Mappings displaced_;
};

// Prepare may be called from any thread, Apply from the device thread.
class XeVm : public Vm, public std::enable_shared_from_this<XeVm> {
 public:
  // RESOURCE_EXHAUSTED: no memory for the root table. `function` outlives it.
  static absl::StatusOr<std::shared_ptr<XeVm>> Create(pci::PciFunction& function);
  XeVm(pci::PciFunction& function, std::unique_ptr<PageTable> root) : function_(function), tables_(std::move(root)) {}

  // Raised by each change of translations that were valid. Device thread.
  uint64_t rebind_seqno() const { return rebind_seqno_.load(std::memory_order_relaxed); }
  // For PDP0, with its flags.
  uint64_t root_descriptor() const;
  // Statuses as Device::PrepareBind.
  absl::StatusOr<std::unique_ptr<XeBindOp>> Prepare(const BindSpec& spec);
  // True: engines must drop cached translations before the op may be freed.
  bool Apply(XeBindOp& op);

 private:
  // True: translations that were valid have changed.
  bool Change(XeBindOp& op);
  // Cuts [address, end) out of the mappings.
  void Displace(XeBindOp& op);

  pci::PciFunction& function_;
  PageTableTree tables_;
  Mappings mappings_;
  std::atomic<uint64_t> rebind_seqno_{0};
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_VM_H_
