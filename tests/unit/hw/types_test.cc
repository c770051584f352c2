// Goal: our engine classes are the kernel's, number by number, so that a client's value needs no table on the way down.
// Method: compares with the kernel's own header where the machine has it.
#include "hw/types.h"

#include <gtest/gtest.h>

#ifdef XEQ_HAVE_XE_DRM_H
#include <drm/xe_drm.h>
#endif

namespace xeq::hw {
namespace {

TEST(TypesTest, EngineClassesAreTheKernels) {
#ifdef XEQ_HAVE_XE_DRM_H
  EXPECT_EQ(static_cast<int>(EngineClass::kRender), DRM_XE_ENGINE_CLASS_RENDER);
  EXPECT_EQ(static_cast<int>(EngineClass::kCopy), DRM_XE_ENGINE_CLASS_COPY);
  EXPECT_EQ(static_cast<int>(EngineClass::kVideoDecode), DRM_XE_ENGINE_CLASS_VIDEO_DECODE);
  EXPECT_EQ(static_cast<int>(EngineClass::kVideoEnhance), DRM_XE_ENGINE_CLASS_VIDEO_ENHANCE);
  EXPECT_EQ(static_cast<int>(EngineClass::kCompute), DRM_XE_ENGINE_CLASS_COMPUTE);
#else
  GTEST_SKIP() << "this machine has no drm/xe_drm.h";
#endif
}

TEST(TypesTest, EngineClassNamesAreTheKernelsFdinfoKeys) {
  EXPECT_EQ(EngineClassName(EngineClass::kRender), "rcs");
  EXPECT_EQ(EngineClassName(EngineClass::kCopy), "bcs");
  EXPECT_EQ(EngineClassName(EngineClass::kVideoDecode), "vcs");
  EXPECT_EQ(EngineClassName(EngineClass::kVideoEnhance), "vecs");
  EXPECT_EQ(EngineClassName(EngineClass::kCompute), "ccs");
}

}  // namespace
}  // namespace xeq::hw
