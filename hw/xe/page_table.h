// The 4-level page tables of one VM (PPGTT), and the spare tables with which they can be changed without failing.
#ifndef XEQ_HW_XE_PAGE_TABLE_H_
#define XEQ_HW_XE_PAGE_TABLE_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/pci/pci_function.h"

namespace xeq::hw::xe {

inline constexpr uint32_t kTableEntries = 512;
// 0: PT, 1: PD, 2: PDPT, 3: PML4.
inline constexpr uint32_t kTableLevels = 4;

// One table, with the CPU's view of those below it.
struct PageTable {
  uint32_t level = 0;
  std::unique_ptr<pci::DmaMemory> memory;
  // Entries that are present.
  uint32_t used = 0;
  // Null at level 0.
  std::unique_ptr<std::array<std::unique_ptr<PageTable>, kTableEntries>> children;
  // Link of a TableList.
  std::unique_ptr<PageTable> next;
};

// RESOURCE_EXHAUSTED: no memory.
absl::StatusOr<std::unique_ptr<PageTable>> NewPageTable(pci::PciFunction& function, uint32_t level);

// Tables in no order. Push and pop take no memory.
class TableList {
 public:
  TableList() = default;
  TableList(TableList&& other) noexcept = default;
  // Without recursion, however long it is.
  ~TableList();
  void Push(std::unique_ptr<PageTable> table);
  std::unique_ptr<PageTable> Pop();

 private:
  std::unique_ptr<PageTable> head_;
};

// What one change of page tables needs and leaves behind.
struct TableStock {
  // By level.
  std::array<TableList, kTableLevels - 1> spare;
  // Tables that the change emptied. To be freed when no engine can reach them any more.
  TableList emptied;
};

// Takes as many tables as a mapping of [address, address + size) can need at worst.
absl::Status FillStock(pci::PciFunction& function, uint64_t address, uint64_t size, TableStock& stock);

// Not thread-safe. Engines may walk the tables meanwhile.
class PageTableTree {
 public:
  explicit PageTableTree(std::unique_ptr<PageTable> root) : root_(std::move(root)) {}
  PageTableTree(const PageTableTree&) = delete;
  PageTableTree& operator=(const PageTableTree&) = delete;

  uint64_t root_address() const { return root_->memory->dma_address(); }
  // Both take tables from and give tables to `stock`, never memory. True: an entry that was present has changed, so
  // that engines must drop cached translations.
  bool Map(uint64_t address, uint64_t size, uint64_t dma_address, TableStock& stock);
  bool Unmap(uint64_t address, uint64_t size, TableStock& stock);

 private:
  const std::unique_ptr<PageTable> root_;
};

}  // namespace xeq::hw::xe

#endif  // XEQ_HW_XE_PAGE_TABLE_H_
