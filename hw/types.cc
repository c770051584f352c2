#include "hw/types.h"

namespace xeq::hw {

std::string_view EngineClassName(EngineClass engine_class) {
  switch (engine_class) {
    case EngineClass::kRender:
      return "rcs";
    case EngineClass::kCopy:
      return "bcs";
    case EngineClass::kVideoDecode:
      return "vcs";
    case EngineClass::kVideoEnhance:
      return "vecs";
    case EngineClass::kCompute:
      return "ccs";
  }
  return "unknown";
}

}  // namespace xeq::hw
