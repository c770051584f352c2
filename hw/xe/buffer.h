// Memory of a client that the GPU can reach.
#ifndef XEQ_HW_XE_BUFFER_H_
#define XEQ_HW_XE_BUFFER_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hw/device.h"
#include "hw/pci/pci_function.h"

namespace xeq::hw::xe {

class XeBuffer : public Buffer {
 public:
  // `used_bytes` is the device's account, raised here and lowered in the end.
  XeBuffer(std::unique_ptr<pci::DmaMemory> memory, std::shared_ptr<std::atomic<uint64_t>> used_bytes);
  ~XeBuffer() override;

  uint64_t size_bytes() const override { return memory_->size_bytes(); }
  absl::Status Write(uint64_t offset, absl::Span<const std::byte> data) override;
  absl::Status Read(uint64_t offset, absl::Span<std::byte> data) const override;

  uint16_t region() const override { return 0; }

  uint64_t dma_address() const { return memory_->dma_address(); }

 private:
  absl::Status CheckRange(uint64_t offset, uint64_t size) const;

  const std::unique_ptr<pci::DmaMemory> memory_;
  const std::shared_ptr<std::atomic<uint64_t>> used_bytes_;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_BUFFER_H_
