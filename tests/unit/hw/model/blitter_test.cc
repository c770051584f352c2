// Goal: blits move exactly the bytes of their rectangles. Method: commands on a mapped range of memory, whole memory
// compared with what a plain loop makes of it.
#include "hw/model/blitter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "hw/regs/commands.h"
#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kPages = 64;

class BlitterTest : public ::testing::Test {
 protected:
  // Maps address n to byte n of the memory.
  BlitterTest() : entries_(kPages + 1) {
    for (uint64_t page = 0; page < kPages; ++page) {
      entries_[page] = (memory_->dma_address() + page * kPage) | regs::kPtePresent;
    }
    for (uint64_t i = 0; i < kPages * kPage; ++i) memory_->cpu()[i] = static_cast<std::byte>(i * 7 + i / 251);
  }

  std::vector<std::byte> Snapshot() const { return {memory_->cpu(), memory_->cpu() + kPages * kPage}; }

  static std::vector<uint32_t> FastCopy(uint32_t depth, uint32_t pitch, uint32_t width, uint32_t height, uint64_t to,
                                        uint64_t from) {
    return {regs::Blit(regs::BlitOpcode::kFastCopy, regs::kFastCopyDwords),
            depth | pitch,
            0,
            height << 16 | width,
            static_cast<uint32_t>(to),
            static_cast<uint32_t>(to >> 32),
            0,
            pitch,
            static_cast<uint32_t>(from),
            static_cast<uint32_t>(from >> 32)};
  }

  std::unique_ptr<DmaArena> arena_ = DmaArena::Create(kPages * kPage).value();
  std::unique_ptr<pci::DmaMemory> memory_ = arena_->Allocate(kPages * kPage).value();
  std::vector<uint64_t> entries_;
  Ggtt space_{entries_, *arena_};
  uint64_t fault_ = 0;
};

TEST_F(BlitterTest, CopyMovesItsRectangleAndNothingElse) {
  constexpr uint32_t kPitch = 1000;
  constexpr uint64_t kTo = 100'001;
  constexpr uint64_t kFrom = 333;
  auto blit = Blit::DecodeFastCopy(FastCopy(regs::kFastCopyDepth32, kPitch, 200, 90, kTo, kFrom));
  ASSERT_TRUE(blit.has_value());
  std::vector<std::byte> expected = Snapshot();
  for (uint64_t row = 0; row < 90; ++row) {
    std::memcpy(&expected[kTo + row * kPitch], &expected[kFrom + row * kPitch], 800);
  }
  int pieces = 1;
  while (blit->Advance(space_, 10'000, &fault_) == Blit::Progress::kMore) ++pieces;
  // 72,000 bytes; each call stops with the first piece of a row, 800 bytes at most, that brings it to 10,000.
  EXPECT_GE(pieces, 7);
  EXPECT_LE(pieces, 8);
  EXPECT_EQ(Snapshot(), expected);
}

TEST_F(BlitterTest, CopyHonoursItsOrigins) {
  auto command = FastCopy(regs::kFastCopyDepth8, 4096, 0, 0, 0x20000, 0);
  command[2] = 1 << 16 | 5;
  command[3] = 2 << 16 | 15;
  command[6] = 3 << 16 | 40;
  auto blit = Blit::DecodeFastCopy(command);
  ASSERT_TRUE(blit.has_value());
  std::vector<std::byte> expected = Snapshot();
  std::memcpy(&expected[0x20000 + 4096 + 5], &expected[3 * 4096 + 40], 10);
  ASSERT_EQ(blit->Advance(space_, 1 << 20, &fault_), Blit::Progress::kDone);
  EXPECT_EQ(Snapshot(), expected);
}

TEST_F(BlitterTest, FillRepeatsItsPixel) {
  std::vector<uint32_t> command(regs::kFastColorDwords);
  command[0] = regs::Blit(regs::BlitOpcode::kFastColor, regs::kFastColorDwords) | regs::kFastColorDepth64;
  command[1] = 8192 - 1;
  command[3] = 3 << 16 | 1000;
  command[4] = 0x3008;
  command[7] = 0x01020304;
  command[8] = 0x05060708;
  auto blit = Blit::DecodeFastColor(command);
  ASSERT_TRUE(blit.has_value());
  std::vector<std::byte> expected = Snapshot();
  for (uint64_t row = 0; row < 3; ++row) {
    for (uint64_t i = 0; i < 1000; ++i) std::memcpy(&expected[0x3008 + row * 8192 + i * 8], &command[7], 8);
  }
  ASSERT_EQ(blit->Advance(space_, 1 << 20, &fault_), Blit::Progress::kDone);
  EXPECT_EQ(Snapshot(), expected);
}

TEST_F(BlitterTest, UnboundAddressIsNamed) {
  // Two rows of a page each: the second row's destination lies behind the mapped range.
  auto blit = Blit::DecodeFastCopy(FastCopy(regs::kFastCopyDepth8, kPage, kPage, 2, (kPages - 1) * kPage, 0));
  ASSERT_TRUE(blit.has_value());
  EXPECT_EQ(blit->Advance(space_, 1 << 20, &fault_), Blit::Progress::kFault);
  EXPECT_EQ(fault_, kPages * kPage);
  blit = Blit::DecodeFastCopy(FastCopy(regs::kFastCopyDepth8, kPage, kPage, 1, 0, kPages * kPage + 8));
  EXPECT_EQ(blit->Advance(space_, 1 << 20, &fault_), Blit::Progress::kFault);
  EXPECT_EQ(fault_, kPages * kPage + 8);
}

TEST_F(BlitterTest, EmptyRectangleTouchesNothing) {
  auto blit = Blit::DecodeFastCopy(FastCopy(regs::kFastCopyDepth8, 64, 0, 10, 1ull << 40, 1ull << 40));
  ASSERT_TRUE(blit.has_value());
  EXPECT_EQ(blit->Advance(space_, 1, &fault_), Blit::Progress::kDone);
}

TEST_F(BlitterTest, WhatGen12LinearBlitsDoNotKnowIsRefused) {
  auto command = FastCopy(regs::kFastCopyDepth8, 64, 1, 1, 0, 0);
  command[0] |= regs::kFastCopySourceTilingMask;
  EXPECT_FALSE(Blit::DecodeFastCopy(command).has_value());
  EXPECT_FALSE(Blit::DecodeFastCopy(FastCopy(7u << regs::kFastCopyDepthShift, 64, 1, 1, 0, 0)).has_value());
  command = FastCopy(regs::kFastCopyDepth8, 64, 1, 1, 0, 0);
  command[2] = 2;
  EXPECT_FALSE(Blit::DecodeFastCopy(command).has_value()) << "ends before it begins";
}

}  // namespace
}  // namespace xeq::hw::model
