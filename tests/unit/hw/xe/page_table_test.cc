// Goal: page tables say what was bound, whatever the order of binds and unbinds, from prepared memory alone. Method:
// random binds against a plain map of pages, walked as an engine walks; and ranges at the tables' borders.
#include "hw/xe/page_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>

#include "hw/model/model.h"
#include "hw/xe/ggtt.h"
#include "hw/xe/vm.h"

namespace xeq::hw::xe {
namespace {

constexpr uint64_t kPage = 4096;

class VmTest : public ::testing::Test {
 protected:
  // The page behind an address, 0 when there is none: 4 levels of 9 bits, read through the arena's addresses.
  uint64_t Walk(uint64_t address) {
    uint64_t table = vm_->root_descriptor() & ~0xfffull;
    for (int shift = 39; shift >= 12; shift -= 9) {
      const uint64_t entry = ReadDma(table + (address >> shift & 511) * 8);
      if ((entry & 1) == 0) return 0;
      EXPECT_EQ(entry & 0xfff, 3u) << "present and writable, no other flag";
      table = entry & ~0xfffull;
    }
    return table;
  }
  // DMA addresses of one model follow each other in the process as they do on the device.
  uint64_t ReadDma(uint64_t dma_address) {
    const std::byte* host =
        probe_->cpu() + (static_cast<int64_t>(dma_address) - static_cast<int64_t>(probe_->dma_address()));
    uint64_t value;
    std::memcpy(&value, host, 8);
    return value;
  }
  std::shared_ptr<XeBuffer> MakeBuffer(uint64_t pages) {
    return std::make_shared<XeBuffer>(function_->AllocateDma(pages * kPage).value(), used_);
  }
  bool Bind(uint64_t address, uint64_t size, std::shared_ptr<XeBuffer> buffer, uint64_t offset = 0) {
    auto op = vm_->Prepare({address, size, std::move(buffer), offset});
    EXPECT_TRUE(op.ok()) << op.status();
    return vm_->Apply(**op);
  }

  std::unique_ptr<pci::PciFunction> function_ = model::CreateModel({}).value();
  std::unique_ptr<pci::DmaMemory> probe_ = function_->AllocateDma(kPage).value();
  std::shared_ptr<std::atomic<uint64_t>> used_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::shared_ptr<XeVm> vm_ = XeVm::Create(*function_).value();
};

TEST_F(VmTest, RangesOverTheBordersOfEveryLevel) {
  for (const uint64_t border : {1ull << 21, 1ull << 30, 1ull << 39, (1ull << 48) - 2 * kPage}) {
    const auto buffer = MakeBuffer(4);
    const uint64_t at = border - 2 * kPage;
    EXPECT_FALSE(Bind(at, 4 * kPage, buffer)) << "nothing was there";
    for (uint64_t page = 0; page < 4; ++page) EXPECT_EQ(Walk(at + page * kPage), buffer->dma_address() + page * kPage);
    EXPECT_EQ(Walk(at - kPage), 0u);
    EXPECT_TRUE(Bind(at, 4 * kPage, nullptr)) << "engines must drop what they cached";
    EXPECT_EQ(Walk(at), 0u);
  }
}

TEST_F(VmTest, ChangesAreToldOnlyWhereSomethingWas) {
  const auto buffer = MakeBuffer(8);
  EXPECT_FALSE(Bind(0, 8 * kPage, nullptr));
  EXPECT_FALSE(Bind(0, 4 * kPage, buffer));
  EXPECT_FALSE(Bind(0, 4 * kPage, buffer)) << "the same again";
  EXPECT_TRUE(Bind(2 * kPage, 4 * kPage, buffer)) << "over a part of it";
}

TEST_F(VmTest, RandomBindsAgainstAMapOfPages) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::map<uint64_t, uint64_t> oracle;
  std::vector<std::shared_ptr<XeBuffer>> buffers;
  for (int i = 0; i < 4; ++i) buffers.push_back(MakeBuffer(64));
  // Around a border of the page directory, so that tables come and go.
  const uint64_t base = (1ull << 30) - 700 * kPage;
  for (int step = 0; step < 2000; ++step) {
    const uint64_t first = random() % 1400;
    const uint64_t pages = 1 + random() % 64;
    const bool unmap = random() % 3 == 0;
    const uint64_t skip = random() % (65 - pages);
    const auto& buffer = buffers[random() % buffers.size()];
    Bind(base + first * kPage, pages * kPage, unmap ? nullptr : buffer, unmap ? 0 : skip * kPage);
    for (uint64_t page = first; page < first + pages; ++page) {
      if (unmap) {
        oracle.erase(page);
      } else {
        oracle[page] = buffer->dma_address() + (skip + page - first) * kPage;
      }
    }
    if (step % 50 != 0) continue;
    for (uint64_t page = 0; page < 1500; ++page) {
      const auto expected = oracle.find(page);
      ASSERT_EQ(Walk(base + page * kPage), expected == oracle.end() ? 0 : expected->second) << "page " << page;
    }
  }
}

TEST_F(VmTest, MappingsKeepBuffersUntilTheLastPartIsGone) {
  auto buffer = MakeBuffer(16);
  const std::weak_ptr<XeBuffer> watched = buffer;
  Bind(0, 16 * kPage, std::move(buffer));
  Bind(4 * kPage, 2 * kPage, nullptr);
  Bind(0, kPage, nullptr);
  Bind(15 * kPage, kPage, MakeBuffer(1));
  EXPECT_FALSE(watched.expired());
  Bind(kPage, 3 * kPage, nullptr);
  EXPECT_FALSE(watched.expired()) << "pages 6 to 14";
  Bind(5 * kPage, 10 * kPage, nullptr);
  EXPECT_TRUE(watched.expired());
}

TEST_F(VmTest, EmptiedTablesAreFreed) {
  const auto buffer = MakeBuffer(1);
  // More address ranges than the model has memory for tables, were they kept: 3 tables of 4 KiB each.
  for (uint64_t i = 1; i < 300; ++i) {
    Bind(i << 39, kPage, buffer);
    Bind(i << 39, kPage, nullptr);
  }
  // What is free again is given out again: the next table lies low.
  EXPECT_LT(function_->AllocateDma(kPage).value()->dma_address(), probe_->dma_address() + 64 * kPage);
}

TEST_F(VmTest, GgttRangesAreGivenBackAndMerged) {
  Ggtt ggtt(*function_);
  const auto memory = function_->AllocateDma(8 * kPage).value();
  {
    const GgttMapping first = ggtt.Map(*memory).value();
    const GgttMapping second = ggtt.Map(*memory).value();
    EXPECT_EQ(first.address(), 0x200000u);
    EXPECT_EQ(second.address(), 0x208000u);
    EXPECT_EQ(function_->Read64({0x800000 + 0x208 * 8}), memory->dma_address() | 1);
  }
  EXPECT_EQ(function_->Read64({0x800000 + 0x208 * 8}), 0u);
  const auto larger = function_->AllocateDma(12 * kPage).value();
  EXPECT_EQ(ggtt.Map(*larger).value().address(), 0x200000u);
}

}  // namespace
}  // namespace xeq::hw::xe
