#include "hw/xe/page_table.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "hw/regs/registers.h"

namespace xeq::hw::xe {
namespace {

constexpr uint32_t kPageShift = 12;
constexpr uint32_t kLevelShift = 9;
constexpr uint64_t kFlags = regs::kPtePresent | regs::kPteWritable;

uint32_t ShiftOf(uint32_t level) { return kPageShift + level * kLevelShift; }

// Engines walk the tables while they change: each entry is written in one piece, behind what it leads to.
std::atomic_ref<uint64_t> Entry(PageTable& table, uint32_t index) {
  return std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t*>(table.memory->cpu())[index]);
}

bool SetEntry(PageTable& table, uint32_t index, uint64_t value) {
  const uint64_t old = Entry(table, index).exchange(value, std::memory_order_acq_rel);
  if (old == 0 && value != 0) ++table.used;
  if (old != 0 && value == 0) --table.used;
  return old != 0 && old != value;
}

// One step of a walk over [address, end): the part that lies below one entry of `table`.
struct Step {
  uint32_t index;
  uint64_t end;
};
Step StepAt(const PageTable& table, uint64_t address, uint64_t end) {
  const uint32_t shift = ShiftOf(table.level);
  const uint64_t next = ((address >> shift) + 1) << shift;
  return {static_cast<uint32_t>(address >> shift) % kTableEntries, std::min(next, end)};
}

bool MapIn(PageTable& table, uint64_t address, uint64_t end, uint64_t dma_address, TableStock& stock) {
  bool changed = false;
  while (address < end) {
    const Step step = StepAt(table, address, end);
    if (table.level == 0) {
      changed |= SetEntry(table, step.index, dma_address | kFlags);
    } else {
      std::unique_ptr<PageTable>& child = (*table.children)[step.index];
      if (child == nullptr) {
        child = stock.spare[table.level - 1].Pop();
        SetEntry(table, step.index, child->memory->dma_address() | kFlags);
      }
      changed |= MapIn(*child, address, step.end, dma_address, stock);
    }
    dma_address += step.end - address;
    address = step.end;
  }
  return changed;
}

bool UnmapIn(PageTable& table, uint64_t address, uint64_t end, TableStock& stock) {
  bool changed = false;
  while (address < end) {
    const Step step = StepAt(table, address, end);
    if (table.level == 0) {
      changed |= SetEntry(table, step.index, 0);
    } else if (std::unique_ptr<PageTable>& child = (*table.children)[step.index]; child != nullptr) {
      changed |= UnmapIn(*child, address, step.end, stock);
      if (child->used == 0) {
        SetEntry(table, step.index, 0);
        stock.emptied.Push(std::move(child));
      }
    }
    address = step.end;
  }
  return changed;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PageTable>> NewPageTable(pci::PciFunction& function, uint32_t level) {
  absl::StatusOr<std::unique_ptr<pci::DmaMemory>> memory = function.AllocateDma(kTableEntries * sizeof(uint64_t));
  if (!memory.ok()) return memory.status();
  auto table = std::make_unique<PageTable>();
  table->level = level;
  table->memory = *std::move(memory);
  if (level > 0) table->children = std::make_unique<std::array<std::unique_ptr<PageTable>, kTableEntries>>();
  return table;
}

TableList::~TableList() {
  while (Pop() != nullptr) {
  }
}

void TableList::Push(std::unique_ptr<PageTable> table) {
  table->next = std::move(head_);
  head_ = std::move(table);
}

std::unique_ptr<PageTable> TableList::Pop() {
  std::unique_ptr<PageTable> first = std::move(head_);
  if (first != nullptr) head_ = std::move(first->next);
  return first;
}

absl::Status FillStock(pci::PciFunction& function, uint64_t address, uint64_t size, TableStock& stock) {
  for (uint32_t level = 0; level < kTableLevels - 1; ++level) {
    // A table of this level spans one entry of the level above.
    const uint32_t shift = ShiftOf(level + 1);
    const uint64_t tables = ((address + size - 1) >> shift) - (address >> shift) + 1;
    for (uint64_t i = 0; i < tables; ++i) {
      absl::StatusOr<std::unique_ptr<PageTable>> table = NewPageTable(function, level);
      if (!table.ok()) return table.status();
      stock.spare[level].Push(*std::move(table));
    }
  }
  return absl::OkStatus();
}

bool PageTableTree::Map(uint64_t address, uint64_t size, uint64_t dma_address, TableStock& stock) {
  return MapIn(*root_, address, address + size, dma_address, stock);
}

bool PageTableTree::Unmap(uint64_t address, uint64_t size, TableStock& stock) {
  return UnmapIn(*root_, address, address + size, stock);
}

}  // namespace xeq::hw::xe
