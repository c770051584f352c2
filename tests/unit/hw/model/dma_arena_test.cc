// Goal: device memory is bounded, zeroed, reusable, and unreachable once freed. Method: allocates, frees and looks, by
// hand and at random against a list of what should be allocated.
#include "hw/model/dma_arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace xeq::hw::model {
namespace {

constexpr uint64_t kPage = 4096;

TEST(DmaArenaTest, AllocationIsZeroedAndReachableByItsAddress) {
  auto arena = DmaArena::Create(64 * kPage).value();
  auto memory = arena->Allocate(kPage + 1).value();
  EXPECT_EQ(memory->size_bytes(), 2 * kPage);
  EXPECT_EQ(memory->cpu()[2 * kPage - 1], std::byte{0});
  EXPECT_EQ(arena->Translate(memory->dma_address() + 8, 8), memory->cpu() + 8);
  EXPECT_EQ(arena->bytes_used(), 2 * kPage);
}

TEST(DmaArenaTest, WrongAddressesAreFaults) {
  auto arena = DmaArena::Create(4 * kPage).value();
  auto memory = arena->Allocate(kPage).value();
  const uint64_t address = memory->dma_address();
  EXPECT_EQ(arena->Translate(0, 4), nullptr);
  EXPECT_EQ(arena->Translate(address + kPage, 4), nullptr) << "not allocated";
  EXPECT_EQ(arena->Translate(address + 4 * kPage, 4), nullptr) << "behind the arena";
  EXPECT_EQ(arena->Translate(address + kPage - 4, 8), nullptr) << "over the end of the page";
  EXPECT_EQ(arena->Translate(UINT64_MAX, 1), nullptr);
  memory.reset();
  EXPECT_EQ(arena->Translate(address, 4), nullptr) << "freed";
}

TEST(DmaArenaTest, TheBoundIsNamedAndFreedMemoryComesBackZeroed) {
  auto arena = DmaArena::Create(4 * kPage).value();
  auto memory = arena->Allocate(4 * kPage).value();
  memory->cpu()[0] = std::byte{0xff};
  const absl::Status full = arena->Allocate(1).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(full.message().find("16384 of 16384"), std::string::npos) << full;
  memory.reset();
  memory = arena->Allocate(4 * kPage).value();
  EXPECT_EQ(memory->cpu()[0], std::byte{0});
  EXPECT_EQ(arena->Allocate(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(arena->Allocate(UINT64_MAX).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(DmaArenaTest, RandomAllocationsNeverOverlapAndMergeWhenFreed) {
  constexpr uint64_t kPages = 512;
  auto arena = DmaArena::Create(kPages * kPage).value();
  std::mt19937 random(7);
  std::vector<std::unique_ptr<pci::DmaMemory>> live;
  for (int step = 0; step < 20'000; ++step) {
    if (live.empty() || random() % 2 == 0) {
      auto memory = arena->Allocate((1 + random() % 20) * kPage);
      if (!memory.ok()) continue;
      for (uint64_t offset = 0; offset < (*memory)->size_bytes(); offset += kPage) {
        ASSERT_EQ((*memory)->cpu()[offset], std::byte{0}) << "somebody else's, or not zeroed";
        (*memory)->cpu()[offset] = std::byte{1};
      }
      live.push_back(*std::move(memory));
    } else {
      std::swap(live[random() % live.size()], live.back());
      live.pop_back();
    }
  }
  live.clear();
  EXPECT_EQ(arena->bytes_used(), 0u);
  EXPECT_TRUE(arena->Allocate(kPages * kPage).ok()) << "the free ranges have become one";
}

}  // namespace
}  // namespace xeq::hw::model
