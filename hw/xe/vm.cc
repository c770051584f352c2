#include "hw/xe/vm.h"

#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hw/regs/registers.h"

namespace xeq::hw::xe {
namespace {

constexpr uint64_t kVaEnd = 1ull << kVaBits;

absl::Status CheckAligned(const char* what, uint64_t value) {
  if (value % kPageBytes == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " is ", value, ", must be a multiple of ", kPageBytes));
}

}  // namespace

XeBindOp::XeBindOp(std::shared_ptr<XeVm> vm, uint64_t address, uint64_t size_bytes, std::shared_ptr<XeBuffer> buffer,
                   uint64_t offset)
    : vm_(std::move(vm)), address_(address), size_bytes_(size_bytes), buffer_(std::move(buffer)), offset_(offset) {
  spare_.emplace(0, Mapping{});
  spare_.emplace(1, Mapping{});
}

absl::StatusOr<std::shared_ptr<XeVm>> XeVm::Create(pci::PciFunction& function) {
  absl::StatusOr<std::unique_ptr<PageTable>> root = NewPageTable(function, kTableLevels - 1);
  if (!root.ok()) return root.status();
  return std::make_shared<XeVm>(function, *std::move(root));
}

uint64_t XeVm::root_descriptor() const { return tables_.root_address() | regs::kPtePresent | regs::kPteWritable; }

absl::StatusOr<std::unique_ptr<XeBindOp>> XeVm::Prepare(const BindSpec& spec) {
  if (absl::Status status = CheckAligned("address", spec.address); !status.ok()) return status;
  if (absl::Status status = CheckAligned("size", spec.size_bytes); !status.ok()) return status;
  if (absl::Status status = CheckAligned("offset", spec.offset); !status.ok()) return status;
  if (spec.size_bytes == 0 || spec.address >= kVaEnd || spec.size_bytes > kVaEnd - spec.address) {
    return absl::InvalidArgumentError(
        absl::StrCat("the range of ", spec.size_bytes, " bytes at ", spec.address, " is not in the address space"));
  }
  auto buffer = std::static_pointer_cast<XeBuffer>(spec.buffer);
  if (buffer != nullptr) {
    const uint64_t bytes = buffer->size_bytes();
    if (spec.offset > bytes || spec.size_bytes > bytes - spec.offset) {
      return absl::InvalidArgumentError(
          absl::StrCat(spec.size_bytes, " bytes at offset ", spec.offset, " do not lie in the buffer of ", bytes));
    }
  }
  auto op = std::make_unique<XeBindOp>(shared_from_this(), spec.address, spec.size_bytes, buffer, spec.offset);
  if (buffer != nullptr) {
    absl::Status status = FillStock(function_, spec.address, spec.size_bytes, op->stock_);
    if (!status.ok()) return status;
  }
  return op;
}

bool XeVm::Apply(XeBindOp& op) {
  const bool changed = Change(op);
  if (changed) rebind_seqno_.fetch_add(1, std::memory_order_relaxed);
  return changed;
}

bool XeVm::Change(XeBindOp& op) {
  Displace(op);
  if (op.buffer_ == nullptr) return tables_.Unmap(op.address_, op.size_bytes_, op.stock_);
  Mappings::node_type node = op.spare_.extract(op.spare_.begin());
  node.key() = op.address_;
  node.mapped() = {op.size_bytes_, op.buffer_};
  mappings_.insert(std::move(node));
  return tables_.Map(op.address_, op.size_bytes_, op.buffer_->dma_address() + op.offset_, op.stock_);
}

void XeVm::Displace(XeBindOp& op) {
  const uint64_t first = op.address_;
  const uint64_t end = op.address_ + op.size_bytes_;
  auto at = mappings_.lower_bound(first);
  if (at != mappings_.begin()) {
    const auto before = std::prev(at);
    const uint64_t before_end = before->first + before->second.size_bytes;
    if (before_end > end) {
      // One mapping on both sides of the range.
      Mappings::node_type node = op.spare_.extract(std::prev(op.spare_.end()));
      node.key() = end;
      node.mapped() = {before_end - end, before->second.buffer};
      mappings_.insert(std::move(node));
    }
    if (before_end > first) before->second.size_bytes = first - before->first;
  }
  while (at != mappings_.end() && at->first < end) {
    const uint64_t at_end = at->first + at->second.size_bytes;
    Mappings::node_type node = mappings_.extract(at++);
    if (at_end <= end) {
      op.displaced_.insert(std::move(node));
      continue;
    }
    // The last one loses its front.
    node.key() = end;
    node.mapped().size_bytes = at_end - end;
    mappings_.insert(std::move(node));
    break;
  }
}

}  // namespace xeq::hw::xe
