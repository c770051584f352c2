// The copy engine's work on memory: rectangles that are copied or filled, a bounded piece at a time.
#ifndef XEQ_HW_MODEL_BLITTER_H_
#define XEQ_HW_MODEL_BLITTER_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "hw/model/address_space.h"

namespace xeq::hw::model {

// A rectangle in linear memory.
struct Rectangle {
  // Of its first byte.
  uint64_t address = 0;
  // From one row to the next, bytes.
  uint64_t pitch_bytes = 0;
};

// One XY_FAST_COPY_BLT or XY_FAST_COLOR_BLT in progress. Copies row by row, from the first to the last; overlapping
// rectangles give what that order gives.
class Blit {
 public:
  enum class Progress { kMore, kDone, kFault };

  // Reads a command. Nothing when a field holds what Gen12.0 linear blits do not know: tiling, a depth, a rectangle
  // that ends before it begins.
  static std::optional<Blit> DecodeFastCopy(absl::Span<const uint32_t> command);
  static std::optional<Blit> DecodeFastColor(absl::Span<const uint32_t> command);

  // Works on rows until some `bytes` are done (see work_bytes). On a fault, `fault_address` says where; the rows before
  // it are done.
  Progress Advance(const AddressSpace& space, uint64_t bytes, uint64_t* fault_address);
  // What it has cost so far: its bytes, where a short row counts as kPieceCostMin.
  uint64_t work_bytes() const { return work_bytes_; }

 private:
  // Two walks of page tables take about as long as this many bytes.
  static constexpr uint64_t kPieceCostMin = 256;

  // A piece that lies in one page on both sides.
  Progress AdvancePiece(const AddressSpace& space, uint64_t* fault_address);

  Rectangle destination_;
  // Nothing: filled with `color_`.
  std::optional<Rectangle> source_;
  std::array<std::byte, 16> color_{};
  uint64_t pixel_bytes_ = 1;
  uint64_t row_bytes_ = 0;
  uint64_t rows_ = 0;
  // Where it goes on.
  uint64_t row_ = 0;
  uint64_t column_ = 0;
  uint64_t work_bytes_ = 0;
};

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_BLITTER_H_
