// A context's state in memory, as an engine loads and stores it: the register lists of the Gen12 image, and behind them
// the engine state, whose format is the model's own as it is each GPU's.
#ifndef XEQ_HW_MODEL_CONTEXT_IMAGE_H_
#define XEQ_HW_MODEL_CONTEXT_IMAGE_H_

#include <cstdint>
#include <optional>

#include "hw/model/address_space.h"
#include "hw/model/command_streamer.h"

namespace xeq::hw::model {

// `lrca` is the GGTT address of the context's status page; the image is the page behind it.
struct ContextImage {
  ContextState state;
  // CTX_TIMESTAMP.
  uint32_t timestamp = 0;
};

// Nothing: the image cannot be reached, its lists do not end, or it has no ring.
std::optional<ContextImage> LoadContextImage(const Ggtt& ggtt, uint32_t lrca);
// The tail alone, as a lite restore samples it.
std::optional<uint32_t> LoadRingTail(const Ggtt& ggtt, uint32_t lrca);
void SaveContextImage(const Ggtt& ggtt, uint32_t lrca, const ContextImage& image);

}  // namespace xeq::hw::model

#endif  // XEQ_HW_MODEL_CONTEXT_IMAGE_H_
