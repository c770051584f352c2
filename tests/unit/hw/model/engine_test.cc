// Goal: an engine takes contexts as execlists, switches between them, stores and restores them, and reports each
// switch. Method: a whole model driven through its registers, with images made by hand; the status buffer is read as a
// driver would. What the tests cannot be told of they poll, within a limit.
#include "tests/unit/hw/model/engine_fixture.h"

namespace xeq::hw::model {
namespace {

class EngineTest : public EngineFixture {};

TEST_F(EngineTest, AContextRunsToItsEnd) {
  const Context context = MakeContext(Store(kData, 7));
  Submit(kBcs, context);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  EXPECT_EQ(NextSwitch(kBcs), Completes(context.id));
  EXPECT_EQ(Get(kData), 7u);
  EXPECT_FALSE(Busy(kBcs));
  EXPECT_EQ(context.Image(regs::kImageRingHead), context.tail);
  EXPECT_EQ(context.Image(regs::kImageRingTail), context.tail) << "software's";
  EXPECT_FALSE(HasSwitch(kBcs));
  EXPECT_EQ(Read(kBcs + regs::kRingHead), context.tail);
  EXPECT_EQ(Read(kBcs + regs::kRingTail), context.tail);
  EXPECT_EQ(Read(kBcs + regs::kRingStart), context.lrca + 2 * kPage);
}

TEST_F(EngineTest, EachEngineRunsItsOwn) {
  const Context on_render = MakeContext(Store(kData, 1));
  const Context on_copy = MakeContext(Store(kData + 4, 2));
  const Context on_video = MakeContext(Store(kData + 8, 3));
  Submit(kRcs, on_render);
  Submit(kBcs, on_copy);
  Submit(kVcs, on_video);
  for (const auto& [base, context] : {std::pair{kRcs, &on_render}, {kBcs, &on_copy}, {kVcs, &on_video}}) {
    EXPECT_EQ(NextSwitch(base), Begins(context->id));
    EXPECT_EQ(NextSwitch(base), Completes(context->id));
  }
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 2u);
  EXPECT_EQ(Get(kData + 8), 3u);
}

TEST_F(EngineTest, TheStatusBufferAndTheRingWrapRound) {
  Context context = MakeContext();
  for (uint32_t i = 1; i <= 300; ++i) {
    context.Append(Store(kData, i));
    RunToEnd(kBcs, context);
    ASSERT_EQ(Get(kData), i);
  }
  EXPECT_LT(context.tail, 300 * 16u) << "the ring was not long enough";
  EXPECT_EQ(Read(kBcs + regs::kContextStatusPtr) & 0xff, CsbWritePointer(kBcs));
}

TEST_F(EngineTest, BusyFromLoadToTheEnd) {
  const Context context = MakeContext(Join({WaitFor(kData), Store(kData + 4, 1)}));
  EXPECT_FALSE(Busy(kBcs));
  Submit(kBcs, context);
  EXPECT_TRUE(Busy(kBcs)) << "from the LOAD on";
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  EXPECT_TRUE(Busy(kBcs));
  EXPECT_EQ(Read(kBcs + regs::kExeclistStatusHi) >> (regs::kDescriptorIdShift - 32) & regs::kContextIdMask, context.id);
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(context.id));
  EXPECT_FALSE(Busy(kBcs));
}

TEST_F(EngineTest, LoadConsumesTheSubmitQueue) {
  const Context context = MakeContext(WaitFor(kData));
  Submit(kBcs, context, context);
  for (uint32_t dword = 0; dword < 4; ++dword) EXPECT_EQ(Read(kBcs + regs::kExeclistSqContents + 4 * dword), 0u);
  EXPECT_EQ(Read(kBcs + regs::kExeclistControl), 0u);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  // Nothing was written since: an empty list.
  Write(kBcs + regs::kExeclistControl, regs::kExeclistControlLoad);
  EXPECT_EQ(NextSwitch(kBcs), Preempts(context.id, kIdle));
  EXPECT_FALSE(Busy(kBcs));
}

TEST_F(EngineTest, WithoutLoadNothingRuns) {
  const Context context = MakeContext(Store(kData, 1));
  const uint64_t descriptor = context.descriptor();
  Write(kBcs + regs::kExeclistSqContents, static_cast<uint32_t>(descriptor));
  Write(kBcs + regs::kExeclistSqContents + 4, static_cast<uint32_t>(descriptor >> 32));
  Write(kBcs + regs::kExeclistControl, 0);
  LetTicksPass(2000);
  EXPECT_FALSE(Busy(kBcs));
  EXPECT_FALSE(HasSwitch(kBcs));
  EXPECT_EQ(Get(kData), 0u);
}

TEST_F(EngineTest, TwoPortsRunOneAfterTheOther) {
  // The second sees what the first stored last.
  const Context first = MakeContext(Join({WaitFor(kData), Store(kData + 4, 5)}));
  const Context second = MakeContext(Copy(kData + 8, kData + 4));
  Submit(kBcs, first, second);
  EXPECT_EQ(NextSwitch(kBcs), Begins(first.id));
  LetTicksPass(2000);
  EXPECT_EQ(Read(kBcs + regs::kExeclistStatusHi) >> 5 & 0x7ff, first.id) << "the second waits";
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(first.id, second.id));
  EXPECT_EQ(NextSwitch(kBcs), Completes(second.id));
  EXPECT_EQ(Get(kData + 8), 5u);
}

// ---- Lite restore.

TEST_F(EngineTest, LiteRestoreSamplesTheTail) {
  Context context = MakeContext(WaitFor(kData));
  const Context next = MakeContext(Copy(kData + 8, kData + 4));
  Submit(kBcs, context);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  context.Append(Store(kData + 4, 3));
  LetTicksPass(1000);
  Submit(kBcs, context, next);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id, context.id));
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(context.id, next.id));
  EXPECT_EQ(NextSwitch(kBcs), Completes(next.id));
  EXPECT_EQ(Get(kData + 8), 3u) << "the new tail counted";
}

TEST_F(EngineTest, ATailWithoutLoadDoesNotCount) {
  Context context = MakeContext(WaitFor(kData));
  Submit(kBcs, context);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  const uint32_t submitted_tail = context.tail;
  context.Append(Store(kData + 4, 3));
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(context.id));
  EXPECT_EQ(Get(kData + 4), 0u);
  EXPECT_EQ(context.Image(regs::kImageRingHead), submitted_tail);
}

TEST_F(EngineTest, LiteRestoreKeepsTheStateOfTheEngine) {
  // The image says restore inhibit and level 0; a full restore would begin anew.
  Put(kBatch, Join({WaitFor(kData), StoreRegister(kBcs + regs::kCsGpr, kData + 4), {regs::kBatchBufferEnd}}));
  Context context = MakeContext(Join({LoadRegister(kBcs + regs::kCsGpr, 9), Start(kBatch)}));
  Submit(kBcs, context);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  // In the batch by now: its wait was looked at.
  EXPECT_TRUE(Eventually([&] { return Read(kBcs + regs::kActhd) == kBatch; }));
  context.Append(Store(kData + 8, 1));
  Submit(kBcs, context);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id, context.id));
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(context.id));
  EXPECT_EQ(Get(kData + 4), 9u);
  EXPECT_EQ(Get(kData + 8), 1u);
}

// ---- Preemption.

TEST_F(EngineTest, ALoopIsPreemptedAtItsArbCheckAndResumed) {
  PutLoop(kBatch, Join({{regs::kArbCheck}, Increment(kData)}), kData + 8);
  const Context loop = MakeContext(Join({Start(kBatch), Store(kData + 12, 1)}));
  const Context other = MakeContext(Store(kData + 4, 1));
  Submit(kBcs, loop);
  EXPECT_EQ(NextSwitch(kBcs), Begins(loop.id));
  EXPECT_TRUE(Eventually([&] { return Get(kData) > 0; }));
  Submit(kBcs, other);
  EXPECT_EQ(NextSwitch(kBcs), Preempts(loop.id, other.id));
  EXPECT_EQ(NextSwitch(kBcs), Completes(other.id));
  EXPECT_EQ(Get(kData + 4), 1u);
  EXPECT_EQ(loop.Image(regs::kImageRingHead), 12u) << "behind the batch start";
  EXPECT_EQ(loop.Image(regs::kImageContextControl) & 1, 0u) << "there is engine state to restore now";
  const uint32_t count = Get(kData);
  LetTicksPass(1000);
  EXPECT_EQ(Get(kData), count) << "it is off the engine";
  Submit(kBcs, loop);
  EXPECT_EQ(NextSwitch(kBcs), Begins(loop.id));
  EXPECT_TRUE(Eventually([&] { return Get(kData) > count; }));
  EXPECT_EQ(Get(kData + 12), 0u);
  Set(kData + 8, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(loop.id));
  EXPECT_EQ(Get(kData + 12), 1u);
}

TEST_F(EngineTest, WithoutAnArbitrationPointTheNewListWaits) {
  PutLoop(kBatch, Increment(kData), kData + 8);
  const Context loop = MakeContext(Join({Start(kBatch), Copy(kData + 16, kData)}));
  const Context other = MakeContext(Copy(kData + 20, kData + 16));
  Submit(kBcs, loop);
  EXPECT_EQ(NextSwitch(kBcs), Begins(loop.id));
  EXPECT_TRUE(Eventually([&] { return Get(kData) > 0; }));
  Submit(kBcs, other);
  const uint32_t count = Get(kData);
  EXPECT_TRUE(Eventually([&] { return Get(kData) > count + 10'000; })) << "it goes on";
  EXPECT_FALSE(HasSwitch(kBcs));
  EXPECT_EQ(Read(kBcs + regs::kExeclistStatusHi) >> 5 & 0x7ff, loop.id);
  Set(kData + 8, 1);
  const Switch change = NextSwitch(kBcs);
  EXPECT_TRUE(change.new_queue);
  EXPECT_EQ(change.away, loop.id);
  EXPECT_EQ(change.to, other.id);
  EXPECT_EQ(NextSwitch(kBcs), Completes(other.id));
  EXPECT_EQ(Get(kData + 20), Get(kData)) << "the loop's last command came first";
  EXPECT_EQ(loop.Image(regs::kImageRingHead), loop.tail);
}

TEST_F(EngineTest, AWaitIsPreemptedAndResumedWithAllItsState) {
  const uint32_t gpr = kBcs + regs::kCsGpr;
  Put(kBatch, Join({LoadRegister(gpr, 5),
                    LoadRegister(gpr + 8 * 15 + 4, 6),
                    Start(kBatch + 0x1000, regs::kBatchBufferStartSecondLevel),
                    StoreRegister(gpr, kData + 4),
                    {regs::kBatchBufferEnd}}));
  Put(kBatch + 0x1000, Join({WaitFor(kData), StoreRegister(gpr + 8 * 15 + 4, kData + 8), {regs::kBatchBufferEnd}}));
  const Context waiter = MakeContext(Join({Start(kBatch), Store(kData + 12, 7)}));
  // It leaves other values behind.
  const Context other =
      MakeContext(Join({LoadRegister(gpr, 98), LoadRegister(gpr + 8 * 15 + 4, 99), Store(kData + 16, 1)}));
  Submit(kBcs, waiter);
  EXPECT_EQ(NextSwitch(kBcs), Begins(waiter.id));
  EXPECT_TRUE(Eventually([&] { return Read(kBcs + regs::kActhd) == kBatch + 0x1000; }));
  for (int i = 0; i < 3; ++i) {
    Submit(kBcs, other, waiter);
    EXPECT_EQ(NextSwitch(kBcs), Preempts(waiter.id, other.id));
    EXPECT_EQ(NextSwitch(kBcs), Completes(other.id, waiter.id));
    // From the second time on there is nothing left to do for the other one, which is switched to all the same.
  }
  EXPECT_EQ(Get(kData + 16), 1u);
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(waiter.id));
  EXPECT_EQ(Get(kData + 4), 5u);
  EXPECT_EQ(Get(kData + 8), 6u);
  EXPECT_EQ(Get(kData + 12), 7u);
}

TEST_F(EngineTest, RestoreInhibitBeginsWithoutTheStateOfTheEngine) {
  const uint32_t gpr = kBcs + regs::kCsGpr;
  Put(kBatch, Join({LoadRegister(gpr, 5), WaitFor(kData), {regs::kBatchBufferEnd}}));
  Context context = MakeContext(Start(kBatch));
  Submit(kBcs, context);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  EXPECT_TRUE(Eventually([&] { return Read(kBcs + regs::kActhd) == kBatch + 12; }));
  Load(kBcs, 0);
  EXPECT_EQ(NextSwitch(kBcs), Preempts(context.id, kIdle));
  // As a driver gives a context up and lets its queue go on.
  Set(kData + 4, 1);
  context.SetImage(regs::kImageContextControl, 0x00090009);
  context.SetImage(regs::kImageRingHead, context.tail);
  context.Append(StoreRegister(gpr, kData + 4));
  RunToEnd(kBcs, context);
  EXPECT_EQ(Get(kData + 4), 0u) << "registers begin at zero, and the batch is forgotten";
}

TEST_F(EngineTest, AContextBringsItsOwnPageTable) {
  // A root of its own, whose data page is another one.
  auto tables = gpu_->AllocateDma(4 * kPage).value();
  auto page = gpu_->AllocateDma(kPage).value();
  std::memcpy(tables->cpu(), tables_->cpu(), 4 * kPage);
  auto set_entry = [&](uint64_t level, uint64_t index, uint64_t address) {
    const uint64_t entry = address | kFlags;
    std::memcpy(tables->cpu() + level * kPage + 8 * index, &entry, 8);
  };
  for (uint64_t level = 0; level < 3; ++level) set_entry(level, 0, tables->dma_address() + (level + 1) * kPage);
  set_entry(3, kData / kPage, page->dma_address());
  Context mine = MakeContext(Store(kData, 3));
  mine.SetImage(regs::kImagePdp0Udw, static_cast<uint32_t>(tables->dma_address() >> 32));
  mine.SetImage(regs::kImagePdp0Ldw, static_cast<uint32_t>(tables->dma_address()) | 3);
  RunToEnd(kBcs, mine);
  EXPECT_EQ(Get(kData), 0u);
  EXPECT_EQ(std::atomic_ref(*reinterpret_cast<uint32_t*>(page->cpu())).load(), 3u);
}

// ---- Clocks.

TEST_F(EngineTest, TheTimestampRunsAtItsFrequency) {
  EXPECT_EQ(Read(regs::kRpmConfig0) >> 3 & 7, 1u) << "19.2 MHz";
  const auto begin = std::chrono::steady_clock::now();
  const uint32_t first = Read(kRcs + regs::kRingTimestamp);
  const auto first_read = std::chrono::steady_clock::now();
  LetTicksPass(192'000);
  const auto before = std::chrono::steady_clock::now();
  const uint32_t ticks = Read(kRcs + regs::kRingTimestamp) - first;
  const auto end = std::chrono::steady_clock::now();
  using Seconds = std::chrono::duration<double>;
  // The true interval lies between these two; one tick of rounding on either side.
  EXPECT_GE(ticks + 2, Seconds(before - first_read).count() * 19.2e6);
  EXPECT_LE(ticks, Seconds(end - begin).count() * 19.2e6 + 2);
  EXPECT_EQ(Read(kRcs + regs::kRingTimestampUdw) >> 4, 0u) << "36 bits in all";
}

TEST_F(EngineTest, BatchesReadTheClocks) {
  const uint32_t begin = Read(kBcs + regs::kRingTimestamp);
  Put(kBatch, Join({StoreRegister(kBcs + regs::kRingTimestamp, kData),
                    StoreRegister(kBcs + regs::kRingTimestampUdw, kData + 4),
                    StoreRegister(kBcs + regs::kCtxTimestamp, kData + 8),
                    {regs::kBatchBufferEnd}}));
  Context context = MakeContext(Start(kBatch));
  context.SetImage(regs::kImageCtxTimestamp, 1'000'000);
  RunToEnd(kBcs, context);
  const uint32_t end = Read(kBcs + regs::kRingTimestamp);
  EXPECT_LE(Get(kData) - begin, end - begin);
  EXPECT_LE(Read(kBcs + regs::kRingTimestampUdw) - Get(kData + 4), 1u) << "the lower half may have wrapped";
  EXPECT_LE(Get(kData + 8) - 1'000'000, end - begin) << "the image's value goes on";
  EXPECT_LE(Get(kData + 8), context.Image(regs::kImageCtxTimestamp));
}

TEST_F(EngineTest, TheContextTimestampCountsOnlyWhileItRuns) {
  Context context = MakeContext(WaitFor(kData));
  Submit(kBcs, context);
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  const uint32_t live = Read(kBcs + regs::kCtxTimestamp);
  LetTicksPass(5000);
  EXPECT_GE(Read(kBcs + regs::kCtxTimestamp) - live, 5000u);
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(context.id));
  const uint32_t ran = context.Image(regs::kImageCtxTimestamp);
  EXPECT_GE(ran, 5000u);
  // Much longer than what it runs the second time can take is spent off the engine.
  LetTicksPass(1'000'000);
  const uint32_t begin = Read(kBcs + regs::kRingTimestamp);
  context.Append(Store(kData + 4, 1));
  RunToEnd(kBcs, context);
  const uint32_t limit = Read(kBcs + regs::kRingTimestamp) - begin;
  EXPECT_LE(context.Image(regs::kImageCtxTimestamp) - ran, limit);
}

// ---- Registers that the engine's own commands reach.

TEST_F(EngineTest, MaskedRegistersKeepWhatIsNotMasked) {
  Write(kBcs + regs::kRingMode, regs::MaskedSet(1u << 10));
  EXPECT_EQ(Read(kBcs + regs::kRingMode), 1u << 10 | regs::kRingModeDisableLegacy);
  Write(kBcs + regs::kRingMode, 1u << 26);
  EXPECT_EQ(Read(kBcs + regs::kRingMode), regs::kRingModeDisableLegacy);
  Write(kBcs + regs::kRingMode, regs::kRingModeDisableLegacy);
  EXPECT_EQ(Read(kBcs + regs::kRingMode), regs::kRingModeDisableLegacy) << "no mask, no write";
}

TEST_F(EngineTest, CommandsWriteRegistersAsTheDriverDoes) {
  Write(kBcs + regs::kEmr, 0x55);
  const Context context =
      MakeContext(Join({LoadRegister(kBcs + regs::kRingMode, regs::MaskedSet(1u << 10)),
                        LoadRegister(kBcs + regs::kEmr, 0x66), StoreRegister(kBcs + regs::kEmr, kData),
                        LoadRegister(kRcs + regs::kEmr, 0x77), LoadRegister(regs::kGfxAuxInvalidate, 1)}));
  RunToEnd(kBcs, context);
  EXPECT_EQ(Read(kBcs + regs::kRingMode), 1u << 10 | regs::kRingModeDisableLegacy) << "masked for commands too";
  EXPECT_EQ(Get(kData), 0x66u);
  EXPECT_EQ(Read(kRcs + regs::kEmr), 0u) << "another engine's";
  EXPECT_EQ(Read(regs::kGfxAuxInvalidate), 0u);
}

TEST_F(EngineTest, IndexedStoresReachTheStatusPages) {
  constexpr uint32_t kFlush =
      regs::Mi(regs::MiOpcode::kFlushDw, regs::kFlushDwDwords) | regs::kFlushDwPostSyncWrite | regs::kFlushDwStoreIndex;
  constexpr uint32_t kOffset = 4 * regs::kHwspDriver;
  const Context context =
      MakeContext(Join({{kFlush, kOffset | regs::kFlushDwAddressGgtt, 0, 11}, {kFlush, kOffset + 8, 0, 12}}));
  RunToEnd(kBcs, context);
  EXPECT_EQ(std::atomic_ref(*StatusDword(kBcs, regs::kHwspDriver)).load(), 11u);
  EXPECT_EQ(std::atomic_ref(*context.Dword(kOffset + 8)).load(), 12u);
}

// ---- Interrupts.

TEST_F(EngineTest, UserInterruptAndSwitchReachTheEventfd) {
  DropInterrupts();
  const Context context = MakeContext(Join({Store(kData, 1), {regs::kUserInterrupt}}));
  Submit(kBcs, context);
  EXPECT_TRUE(WaitForVectors(regs::HwClass::kCopy, regs::kIrqUser | regs::kIrqContextSwitch));
  EXPECT_EQ(Get(kData), 1u) << "stored before the interrupt";
  const Context video = MakeContext({regs::kUserInterrupt});
  Submit(kVcs, video);
  EXPECT_TRUE(WaitForVectors(regs::HwClass::kVideoDecode, regs::kIrqUser | regs::kIrqContextSwitch));
  const Context render = MakeContext({regs::kPipeControl, regs::kPipeControlNotify, 0, 0, 0, 0});
  Submit(kRcs, render);
  EXPECT_TRUE(WaitForVectors(regs::HwClass::kRender, regs::kIrqFlushNotify));
}

TEST_F(EngineTest, EverySwitchIsToldByAnInterrupt) {
  Context context = MakeContext();
  uint32_t switches = 0;
  for (uint32_t i = 0; i < 100; ++i) {
    context.Append(Store(kData, i));
    Submit(kBcs, context);
    // No polling of the buffer: after each interrupt it is read until it is empty, as a driver would.
    for (const uint32_t end = switches + 2; switches < end;) {
      ASSERT_TRUE(WaitForVectors(regs::HwClass::kCopy, regs::kIrqContextSwitch));
      for (; HasSwitch(kBcs); ++switches) NextSwitch(kBcs);
    }
  }
  EXPECT_EQ(Get(kData), 99u);
}

}  // namespace
}  // namespace xeq::hw::model
