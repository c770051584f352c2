// Goal: a context's image and ring are what a Gen12 engine expects. Method: golden dwords on memory of the model, whose
// engines do not run.
#include "hw/xe/lrc.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "hw/model/model.h"

namespace xeq::hw::xe {
namespace {

class LrcTest : public ::testing::Test {
 protected:
  std::unique_ptr<Lrc> Make(regs::HwClass engine_class) {
    return Lrc::Create(*function_, ggtt_, *regs::FindEngine(engine_class, 0), vm_).value();
  }

  std::unique_ptr<pci::PciFunction> function_ = model::CreateModel({}).value();
  Ggtt ggtt_{*function_};
  std::shared_ptr<XeVm> vm_ = XeVm::Create(*function_).value();
};

TEST_F(LrcTest, ImageOfACopyContext) {
  const auto lrc = Make(regs::HwClass::kCopy);
  const absl::Span<const uint32_t> image = lrc->image();
  // The first thing that is mapped in the GGTT lies behind what the firmware needs.
  const uint32_t ring = 0x200000;
  const uint64_t root = vm_->root_descriptor();
  const uint32_t golden[] = {0,         0x11081019,
                             0x22244,   0x00090009,  // 00: CONTEXT_CONTROL: inhibit switch, restore
                             0x22034,   0,
                             0x22030,   0,  // 04: RING_HEAD, RING_TAIL
                             0x22038,   ring,
                             0x2203c,   0x3001,  // 08: RING_START, RING_CTL: 16 KiB, enabled
                             0x22168,   0,
                             0x22140,   0,  // 0c: BB_ADDR_UDW, BB_ADDR
                             0x22110,   0,
                             0x221c0,   0,  // 10: BB_STATE, BB_PER_CTX_PTR
                             0x221c4,   0,
                             0x221c8,   0,  // 14: INDIRECT_CTX, INDIRECT_CTX_OFFSET
                             0x22180,   0,
                             0x222b4,   0,  // 18: CCID, SEMAPHORE_TOKEN
                             0,         0,
                             0,         0,  // 1c
                             0,         0x11081011,
                             0x223a8,   0,  // 20: CTX_TIMESTAMP
                             0x2228c,   0,
                             0x22288,   0,  // 24: PDP3
                             0x22284,   0,
                             0x22280,   0,  // 28
                             0x2227c,   0,
                             0x22278,   0,  // 2c
                             0x22274,   static_cast<uint32_t>(root >> 32),
                             0x22270,   static_cast<uint32_t>(root),  // 30: PDP0
                             0x05000001};                             // 34: end
  for (size_t i = 0; i < std::size(golden); ++i) EXPECT_EQ(image[i], golden[i]) << "dword " << i;
  EXPECT_EQ(image[0x61], 0x01000000u) << "MI_MODE: STOP_RING is cleared";
  EXPECT_EQ(root & 0xfff, 3u) << "present and writable";
}

TEST_F(LrcTest, RegistersOfEachClassHaveItsBase) {
  EXPECT_EQ(Make(regs::HwClass::kRender)->image()[2], 0x2244u);
  EXPECT_EQ(Make(regs::HwClass::kVideoDecode)->image()[2], 0x1c0244u);
  EXPECT_EQ(Make(regs::HwClass::kVideoEnhance)->image()[2], 0x1c8244u);
}

TEST_F(LrcTest, Descriptor) {
  const auto lrc = Make(regs::HwClass::kCopy);
  // Valid, 4-level, PPGTT; the status page lies behind the ring; class copy is 3.
  EXPECT_EQ(lrc->descriptor(0), 0x6000'0000'0020'4119u);
}

TEST_F(LrcTest, RingBeginsWithArbitrationOnAndWraps) {
  const auto lrc = Make(regs::HwClass::kCopy);
  EXPECT_EQ(lrc->ring()[0], 0x04000001u);
  EXPECT_EQ(lrc->tail(), 8u);
  EXPECT_EQ(lrc->seqno(), 0xffffff80u);
  uint32_t tail = lrc->tail();
  // 38 dwords each: the ring of 4096 dwords wraps in the midst of one.
  for (uint32_t i = 0; i < 300; ++i) {
    EXPECT_EQ(lrc->Emit(0x1000), 0xffffff81 + i) << "seqnos wrap at 2^32";
    const uint32_t expected = (8 + (i + 1) * 38 * 4 - 8) % 0x4000;
    EXPECT_EQ(lrc->tail(), expected);
    EXPECT_NE(lrc->tail(), tail);
    tail = lrc->tail();
    EXPECT_EQ(lrc->WithSpare(tail), (tail + 8) % 0x4000);
    EXPECT_EQ(lrc->ring()[tail / 4], 0x02800000u) << "the spare commands";
  }
}

TEST_F(LrcTest, T38_FirstJobAfterARebindDropsCachedTranslations) {
  const auto a = Make(regs::HwClass::kCopy);
  const auto b = Make(regs::HwClass::kCopy);
  // Whether the ring's job at `begin` flushes: the pre-parser is switched off for it.
  const auto flushes = [](const Lrc& lrc, uint32_t begin) { return lrc.ring()[begin / 4 + 8] == 0x02800101; };
  const auto emit = [&](Lrc& lrc) {
    const uint32_t begin = lrc.write_offset();
    lrc.Emit(0x1000);
    return flushes(lrc, begin);
  };
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(emit(*a) || emit(*b));
  // Each time to other memory.
  std::vector<std::shared_ptr<XeBuffer>> buffers;
  const auto bind = [&] {
    buffers.push_back(
        std::make_shared<XeBuffer>(function_->AllocateDma(4096).value(), std::make_shared<std::atomic<uint64_t>>(0)));
    vm_->Apply(*vm_->Prepare({0x10000, 4096, buffers.back(), 0}).value());
  };
  bind();
  EXPECT_FALSE(emit(*a)) << "nothing was there before";
  bind();
  EXPECT_TRUE(emit(*a));
  EXPECT_TRUE(emit(*b));
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(emit(*a) || emit(*b));
  EXPECT_FALSE(emit(*Make(regs::HwClass::kCopy))) << "made after it";
}

TEST_F(LrcTest, StoredTailIsInTheImage) {
  const auto lrc = Make(regs::HwClass::kRender);
  lrc->StoreTail(0x128);
  EXPECT_EQ(lrc->image()[0x07], 0x128u);
}

TEST_F(LrcTest, MemoryAndRangeAreGivenBack) {
  for (int i = 0; i < 2000; ++i) Make(regs::HwClass::kRender);
  const auto lrc = Make(regs::HwClass::kCopy);
  EXPECT_EQ(lrc->image()[9], 0x200000u) << "the first range again";
}

}  // namespace
}  // namespace xeq::hw::xe
