#include "hw/model/blitter.h"

#include <algorithm>
#include <cstring>

#include "hw/regs/commands.h"

namespace xeq::hw::model {
namespace {

uint64_t Address(uint32_t low, uint32_t high) { return (static_cast<uint64_t>(high) << 32 | low) & 0xffffffffffffull; }
uint64_t X(uint32_t dword) { return dword & 0xffff; }
uint64_t Y(uint32_t dword) { return dword >> 16; }

}  // namespace

std::optional<Blit> Blit::DecodeFastCopy(absl::Span<const uint32_t> command) {
  if ((command[0] & (regs::kFastCopySourceTilingMask | regs::kFastCopyDestinationTilingMask)) != 0) return std::nullopt;
  Blit blit;
  switch (command[1] & 7u << regs::kFastCopyDepthShift) {
    case regs::kFastCopyDepth8:
      blit.pixel_bytes_ = 1;
      break;
    case regs::kFastCopyDepth16:
      blit.pixel_bytes_ = 2;
      break;
    case regs::kFastCopyDepth32:
      blit.pixel_bytes_ = 4;
      break;
    case regs::kFastCopyDepth64:
      blit.pixel_bytes_ = 8;
      break;
    case regs::kFastCopyDepth128:
      blit.pixel_bytes_ = 16;
      break;
    default:
      return std::nullopt;
  }
  if (X(command[3]) < X(command[2]) || Y(command[3]) < Y(command[2])) return std::nullopt;
  blit.row_bytes_ = (X(command[3]) - X(command[2])) * blit.pixel_bytes_;
  blit.rows_ = Y(command[3]) - Y(command[2]);
  const uint64_t pitch = command[1] & regs::kBlitPitchMask;
  const uint64_t source_pitch = command[7] & regs::kBlitPitchMask;
  blit.destination_ = {Address(command[4], command[5]) + Y(command[2]) * pitch + X(command[2]) * blit.pixel_bytes_,
                       pitch};
  blit.source_ = {Address(command[8], command[9]) + Y(command[6]) * source_pitch + X(command[6]) * blit.pixel_bytes_,
                  source_pitch};
  return blit;
}

std::optional<Blit> Blit::DecodeFastColor(absl::Span<const uint32_t> command) {
  if (command[1] >> 30 != 0) return std::nullopt;
  Blit blit;
  switch (command[0] & 7u << regs::kFastColorDepthShift) {
    case regs::kFastColorDepth8:
      blit.pixel_bytes_ = 1;
      break;
    case regs::kFastColorDepth16:
      blit.pixel_bytes_ = 2;
      break;
    case regs::kFastColorDepth32:
      blit.pixel_bytes_ = 4;
      break;
    case regs::kFastColorDepth64:
      blit.pixel_bytes_ = 8;
      break;
    case regs::kFastColorDepth128:
      blit.pixel_bytes_ = 16;
      break;
    default:
      return std::nullopt;
  }
  if (X(command[3]) < X(command[2]) || Y(command[3]) < Y(command[2])) return std::nullopt;
  blit.row_bytes_ = (X(command[3]) - X(command[2])) * blit.pixel_bytes_;
  blit.rows_ = Y(command[3]) - Y(command[2]);
  const uint64_t pitch = (command[1] & regs::kFastColorPitchMask) + 1;
  blit.destination_ = {Address(command[4], command[5]) + Y(command[2]) * pitch + X(command[2]) * blit.pixel_bytes_,
                       pitch};
  std::memcpy(blit.color_.data(), &command[7], blit.color_.size());
  return blit;
}

Blit::Progress Blit::Advance(const AddressSpace& space, uint64_t bytes, uint64_t* fault_address) {
  if (row_bytes_ == 0) return Progress::kDone;
  const uint64_t begin = work_bytes_;
  while (row_ < rows_) {
    if (work_bytes_ - begin >= bytes) return Progress::kMore;
    if (AdvancePiece(space, fault_address) == Progress::kFault) return Progress::kFault;
  }
  return Progress::kDone;
}

Blit::Progress Blit::AdvancePiece(const AddressSpace& space, uint64_t* fault_address) {
  uint64_t address = destination_.address + row_ * destination_.pitch_bytes + column_;
  const std::optional<Run> to = space.Translate(address);
  std::optional<Run> from;
  uint64_t size = std::min(row_bytes_ - column_, to.has_value() ? to->bytes : 0);
  if (to.has_value() && source_.has_value()) {
    address = source_->address + row_ * source_->pitch_bytes + column_;
    from = space.Translate(address);
    size = std::min(size, from.has_value() ? from->bytes : 0);
  }
  if (size == 0) {
    *fault_address = address;
    return Progress::kFault;
  }
  if (to->host != nullptr && !source_.has_value()) {
    for (uint64_t i = 0; i < size; ++i) to->host[i] = color_[(column_ + i) % pixel_bytes_];
  } else if (to->host != nullptr && from->host != nullptr) {
    std::memmove(to->host, from->host, size);
  } else if (to->host != nullptr) {
    std::memset(to->host, 0, size);
  }
  work_bytes_ += std::max(size, kPieceCostMin);
  column_ += size;
  if (column_ == row_bytes_) {
    column_ = 0;
    ++row_;
  }
  return Progress::kMore;
}

}  // namespace xeq::hw::model
