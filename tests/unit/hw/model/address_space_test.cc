// Goal: the model walks page tables as the hardware does. Method: tables written by hand, entry by entry.
#include "hw/model/address_space.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

using regs::kPteLargePage;
using regs::kPteNull;
using regs::kPtePresent;
using regs::kPteWritable;

constexpr uint64_t kFlags = kPtePresent | kPteWritable;
constexpr uint64_t kMiB = 1 << 20;

class AddressSpaceTest : public ::testing::Test {
 protected:
  std::unique_ptr<pci::DmaMemory> Allocate(uint64_t bytes = 4096) { return arena_->Allocate(bytes).value(); }
  static void SetEntry(pci::DmaMemory& table, uint64_t index, uint64_t entry) {
    std::memcpy(table.cpu() + index * 8, &entry, 8);
  }

  std::unique_ptr<DmaArena> arena_ = DmaArena::Create(64 * kMiB).value();
};

TEST_F(AddressSpaceTest, GgttEntryLeadsToItsPage) {
  auto page = Allocate();
  std::vector<uint64_t> entries(16);
  entries[3] = page->dma_address() | kPtePresent;
  Ggtt ggtt(entries, *arena_);
  ASSERT_TRUE(ggtt.Write32(3 * 4096 + 8, 0xc0ffee));
  uint32_t value = 0;
  std::memcpy(&value, page->cpu() + 8, 4);
  EXPECT_EQ(value, 0xc0ffeeu);
  EXPECT_FALSE(ggtt.Read32(4 * 4096, &value)) << "not present";
  EXPECT_FALSE(ggtt.Read32(16 * 4096, &value)) << "behind the table";
}

TEST_F(AddressSpaceTest, PpgttWalksFourLevels) {
  auto root = Allocate();
  auto pdp = Allocate();
  auto pd = Allocate();
  auto pt = Allocate();
  auto page = Allocate();
  const uint64_t address = 5ull << 39 | 6ull << 30 | 7ull << 21 | 8ull << 12;
  SetEntry(*root, 5, pdp->dma_address() | kFlags);
  SetEntry(*pdp, 6, pd->dma_address() | kFlags);
  SetEntry(*pd, 7, pt->dma_address() | kFlags);
  SetEntry(*pt, 8, page->dma_address() | kFlags);
  Ppgtt ppgtt(root->dma_address() | 3, *arena_);
  const auto run = ppgtt.Translate(address + 16);
  ASSERT_TRUE(run.has_value());
  EXPECT_EQ(run->host, page->cpu() + 16);
  EXPECT_EQ(run->bytes, 4096u - 16);
  for (const uint64_t other : std::vector<uint64_t>{address + 4096, address + (1ull << 21), address + (1ull << 30),
                                                    address ^ 1ull << 39, address | 1ull << 48}) {
    EXPECT_FALSE(ppgtt.Translate(other).has_value()) << std::hex << other;
  }
  page.reset();
  EXPECT_FALSE(ppgtt.Translate(address).has_value()) << "the page was freed under the entry";
}

TEST_F(AddressSpaceTest, LargeAndNullLeavesCoverTheirRange) {
  auto root = Allocate();
  auto pdp = Allocate();
  auto pd = Allocate();
  auto block = Allocate(6 * kMiB);
  // A 2 MiB leaf needs an aligned piece of memory.
  const uint64_t aligned = (block->dma_address() + 2 * kMiB - 1) & ~(2 * kMiB - 1);
  SetEntry(*root, 0, pdp->dma_address() | kFlags);
  SetEntry(*pdp, 0, pd->dma_address() | kFlags);
  SetEntry(*pdp, 1, kFlags | kPteLargePage | kPteNull);
  SetEntry(*pd, 1, aligned | kFlags | kPteLargePage);
  Ppgtt ppgtt(root->dma_address() | 3, *arena_);
  const auto large = ppgtt.Translate(2 * kMiB + 0x12345);
  ASSERT_TRUE(large.has_value());
  EXPECT_EQ(large->host, block->cpu() + (aligned - block->dma_address()) + 0x12345);
  uint64_t value = 1;
  EXPECT_TRUE(ppgtt.Write64((1ull << 30) + 64, 99)) << "dropped";
  EXPECT_TRUE(ppgtt.Read64((1ull << 30) + 64, &value));
  EXPECT_EQ(value, 0u);
}

TEST_F(AddressSpaceTest, GarbageInARootIsAFault) {
  for (const uint64_t root : {0ull, 3ull, ~0ull, 0xdeadbeef000ull}) {
    EXPECT_FALSE(Ppgtt(root, *arena_).Translate(0x1000).has_value());
  }
}

}  // namespace
}  // namespace xeq::hw::model
