// Goal: the command streamer finds its way: ring, batches, waits, preemption, and what stops it. Method: short programs
// that store to memory, run by hand; the stores say which commands were executed.
#include <ostream>
#include <string>

#include "tests/unit/hw/model/streamer_fixture.h"

namespace xeq::hw::model {
namespace {

using Stop = CommandStreamer::Stop;
using Kind = StreamerFault::Kind;
using regs::Compare;

class FlowTest : public StreamerFixture {};

// ---- The ring.

TEST_F(FlowTest, AnEmptyRingIsIdleAndExecutesNothing) {
  ContextState state = RingOf(Store(kData, 1));
  state.ring_tail = 0;
  streamer_->Load(state);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData), 0u);
}

TEST_F(FlowTest, TheRingEndsAtItsTail) {
  ContextState state = RingOf(Join({Store(kData, 1), Store(kData + 4, 2), Store(kData + 8, 3)}));
  state.ring_tail = 32;
  streamer_->Load(state);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(streamer_->state().ring_head, 32u);
  EXPECT_EQ(Get(kData + 4), 2u);
  EXPECT_EQ(Get(kData + 8), 0u);
  streamer_->state().ring_tail = 48;
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData + 8), 3u);
}

TEST_F(FlowTest, ACommandMayLieAcrossTheRingsEnd) {
  const Commands store = Store(kData, 0xabc);
  PutGlobal(kRing + kPage - 8, {store[0], store[1]});
  ContextState state = RingOf({store[2], store[3], regs::kUserInterrupt, regs::kNoop});
  state.ring_head = kPage - 8;
  streamer_->Load(state);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData), 0xabcu);
  EXPECT_EQ(port_.interrupts, Commands{regs::kIrqUser});
  EXPECT_EQ(streamer_->state().ring_head, 16u);
}

TEST_F(FlowTest, ABatchStartAtTheRingsEndReturnsToItsBegin) {
  const Commands start = Start(kBatch);
  Put(kBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  PutGlobal(kRing + kPage - 12, start);
  ContextState state = RingOf(Store(kData + 4, 2));
  state.ring_head = kPage - 12;
  streamer_->Load(state);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 2u);
}

TEST_F(FlowTest, ARingThatIsNotBoundIsAPageFault) {
  ContextState state = RingOf({regs::kNoop, regs::kNoop});
  state.ring_start = kGgttEnd;
  streamer_->Load(state);
  ExpectFault(Run(), Kind::kPage, kGgttEnd);
}

TEST_F(FlowTest, TheBudgetBoundsASlice) {
  Commands stores;
  for (uint32_t i = 0; i < 10; ++i) stores = Join({stores, Store(kData + 4 * i, 1)});
  streamer_->Load(RingOf(stores));
  EXPECT_EQ(Run(4 * 32), Stop::kBudget);
  EXPECT_EQ(Get(kData + 4 * 3), 1u);
  EXPECT_EQ(Get(kData + 4 * 4), 0u);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData + 4 * 9), 1u);
}

TEST_F(FlowTest, ABatchWithoutEndIsBoundedByTheBudget) {
  Put(kBatch, Join({Store(kData, 1), Start(kBatch)}));
  streamer_->Load(RingOf(Start(kBatch)));
  EXPECT_EQ(Run(1000), Stop::kBudget);
  EXPECT_EQ(Run(1000), Stop::kBudget);
}

TEST_F(FlowTest, HeaderAndAddressAreThoseOfTheCommandBegunLast) {
  EXPECT_EQ(RunBatch({regs::kNoop, regs::kNoop, 0x3f800000}), Stop::kFault);
  EXPECT_EQ(streamer_->header(), 0x3f800000u);
  EXPECT_EQ(streamer_->address(), kBatch + 8);
}

// ---- Batches.

TEST_F(FlowTest, ABatchReturnsToTheRing) {
  Put(kBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}, Store(kData + 4, 2)}));
  EXPECT_EQ(RunRing(Join({Start(kBatch), Store(kData + 8, 3)})), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 0u) << "behind the batch's end";
  EXPECT_EQ(Get(kData + 8), 3u);
}

TEST_F(FlowTest, ABatchAddressHas48BitsAndMayBeCanonical) {
  Put(kBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  EXPECT_EQ(RunRing(Start(kUpperHalf | kBatch)), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  Set(kData, 0);
  EXPECT_EQ(RunRing(Start(0xffff000000000000 | kUpperHalf | kBatch)), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
}

TEST_F(FlowTest, ASecondLevelReturnsBehindItsStart) {
  Put(kInnerBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  EXPECT_EQ(RunBatch(Join({Start(kInnerBatch, regs::kBatchBufferStartSecondLevel), Store(kData + 4, 2),
                           Start(kInnerBatch, regs::kBatchBufferStartSecondLevel), Store(kData + 8, 3)})),
            Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 2u);
  EXPECT_EQ(Get(kData + 8), 3u);
  EXPECT_EQ(streamer_->state().level, 0u);
}

TEST_F(FlowTest, AChainedBatchDoesNotReturnToItsChainer) {
  Put(kInnerBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  EXPECT_EQ(RunBatch(Join({Start(kInnerBatch), Store(kData + 4, 2)})), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 0u);
}

TEST_F(FlowTest, AChainOnTheSecondLevelKeepsTheReturnAddress) {
  Put(kInnerBatch, Start(kInnerBatch + 0x100));
  Put(kInnerBatch + 0x100, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  EXPECT_EQ(RunBatch(Join({Start(kInnerBatch, regs::kBatchBufferStartSecondLevel), Store(kData + 4, 2)})), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 2u);
}

TEST_F(FlowTest, ThereIsNoThirdLevel) {
  Put(kInnerBatch, Start(kInnerBatch + 0x100, regs::kBatchBufferStartSecondLevel));
  ExpectFault(RunBatch(Start(kInnerBatch, regs::kBatchBufferStartSecondLevel)), Kind::kInvalidCommand);
}

TEST_F(FlowTest, ThePrivilegeOfTheFirstLevelReturnsWithIt) {
  // An unprivileged second level below a privileged batch.
  Put(kInnerBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  EXPECT_EQ(RunGlobalBatch(
                Join({Start(kInnerBatch, regs::kBatchBufferStartSecondLevel), Store(kGgttData, 2, regs::kMiGgtt)})),
            Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(GetGlobal(kGgttData), 2u);
  Put(kInnerBatch, Store(kGgttData, 3, regs::kMiGgtt));
  ExpectFault(RunGlobalBatch(Start(kInnerBatch, regs::kBatchBufferStartSecondLevel)), Kind::kPrivilege);
  EXPECT_EQ(GetGlobal(kGgttData), 2u);
}

TEST_F(FlowTest, AnUnprivilegedBatchCannotStartAPrivilegedOne) {
  PutGlobal(kGgttBatch, Join({Store(kGgttData, 1, regs::kMiGgtt), {regs::kBatchBufferEnd}}));
  ExpectFault(RunBatch(StartGlobal(kGgttBatch)), Kind::kPrivilege);
  ExpectFault(RunBatch(StartGlobal(kGgttBatch, regs::kBatchBufferStartSecondLevel)), Kind::kPrivilege);
  EXPECT_EQ(GetGlobal(kGgttData), 0u);
}

TEST_F(FlowTest, ABatchThatIsNotBoundIsAPageFaultAtItsAddress) {
  ExpectFault(RunRing(Start(kUnbound + 0x40)), Kind::kPage, kUnbound + 0x40);
  ExpectFault(RunRing(StartGlobal(kGgttEnd)), Kind::kPage, kGgttEnd);
}

TEST_F(FlowTest, ABatchThatRunsOffItsLastPageFaultsThere) {
  Put(kEnd - 8, {regs::kNoop, regs::kNoop});
  ExpectFault(RunRing(Start(kEnd - 8)), Kind::kPage, kEnd);
  // The dwords of one command are fetched before it does anything.
  const Commands store = Store(kData, 1);
  Put(kEnd - 12, {store[0], store[1], store[2]});
  ExpectFault(RunRing(Start(kEnd - 12)), Kind::kPage, kEnd);
  EXPECT_EQ(Get(kData), 0u);
}

TEST_F(FlowTest, ACommandMayLieAcrossPages) {
  // Neighbours in the address space, but not in memory.
  SetEntry(3, kUnbound / kPage, (local_->dma_address() + kBatch) | regs::kPtePresent);
  SetEntry(3, kUnbound / kPage + 1, (local_->dma_address() + kInnerBatch) | regs::kPtePresent);
  const Commands store = Store(kData, 0x77);
  Put(kBatch + kPage - 4, {store[0]});
  Put(kInnerBatch, {store[1], store[2], store[3], regs::kBatchBufferEnd});
  EXPECT_EQ(RunRing(Start(kUnbound + kPage - 4)), Stop::kIdle);
  EXPECT_EQ(Get(kData), 0x77u);
}

TEST_F(FlowTest, ANullPageHoldsNoCommandsButNoops) {
  // Zeroes to the end of the page, and no page behind it.
  ExpectFault(RunRing(Start(kNullPage)), Kind::kPage, kNullPage + kPage);
}

TEST_F(FlowTest, APageTableThatChangedCountsFromTheNextSliceOn) {
  // A page of nothing, of which the first slice gets through a part; then another page in its place.
  constexpr uint64_t kOther = kData + kPage;
  Put(kOther + 0x800, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  streamer_->Load(RingOf(Start(kBatch)));
  EXPECT_EQ(Run(100 * 32), Stop::kBudget);
  SetEntry(3, kBatch / kPage, (local_->dma_address() + kOther) | regs::kPtePresent);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
}

TEST_F(FlowTest, ABatchAtTheRingsAddressIsAnotherPlace) {
  // The ring's address in the GGTT is the batch's in the PPGTT.
  SetEntry(3, kRing / kPage, (local_->dma_address() + kBatch) | regs::kPtePresent);
  Put(kBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}, Store(kData + 8, 1), Store(kData + 8, 1)}));
  EXPECT_EQ(RunRing(Join({Start(kRing), Store(kData + 4, 1), Start(kRing), Store(kData + 12, 1)})), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 1u);
  EXPECT_EQ(Get(kData + 8), 0u);
  EXPECT_EQ(Get(kData + 12), 1u);
}

TEST_F(FlowTest, WrongLengthsAndABatchEndInTheRingAreRefused) {
  for (const uint32_t dwords : {2u, 4u}) {
    Commands start = {regs::Mi(regs::MiOpcode::kBatchBufferStart, dwords) | regs::kBatchBufferStartPpgtt, Low(kBatch)};
    start.resize(4);
    ExpectFault(RunRing(start), Kind::kInvalidCommand);
  }
  ExpectFault(RunRing({regs::kBatchBufferEnd}), Kind::kInvalidCommand);
}

// ---- MI_CONDITIONAL_BATCH_BUFFER_END.

struct Comparison {
  Compare compare;
  // Whether it holds for a memory below, at and above the immediate.
  bool holds[3];
};

std::ostream& operator<<(std::ostream& out, const Comparison& comparison) {
  return out << "operation " << static_cast<uint32_t>(comparison.compare);
}

class CompareTest : public StreamerFixture, public ::testing::WithParamInterface<Comparison> {
 protected:
  static constexpr uint32_t kImmediate = 0x80000000;
};

TEST_P(CompareTest, TheBatchGoesOnWhileTheComparisonHolds) {
  for (int i = 0; i < 3; ++i) {
    Set(kData, kImmediate - 1 + i);
    // Not part of the comparison.
    Set(kData + 4, 0xffff);
    Set(kData + 8, 0);
    EXPECT_EQ(RunBatch(Join({EndUnless(GetParam().compare, kImmediate, kData), Store(kData + 8, 1)})), Stop::kIdle);
    EXPECT_EQ(Get(kData + 8) == 1, GetParam().holds[i]) << i;
  }
}

TEST_P(CompareTest, TheSemaphoreIsMetWhenTheComparisonHolds) {
  for (int i = 0; i < 3; ++i) {
    Set(kData, kImmediate - 1 + i);
    EXPECT_EQ(RunBatch(Wait(GetParam().compare, kImmediate, kData)), GetParam().holds[i] ? Stop::kIdle : Stop::kWaiting)
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CompareTest,
                         ::testing::Values(Comparison{Compare::kGreater, {false, false, true}},
                                           Comparison{Compare::kGreaterEqual, {false, true, true}},
                                           Comparison{Compare::kLess, {true, false, false}},
                                           Comparison{Compare::kLessEqual, {true, true, false}},
                                           Comparison{Compare::kEqual, {false, true, false}},
                                           Comparison{Compare::kNotEqual, {true, false, true}}),
                         [](const auto& info) {
                           return "Operation" + std::to_string(static_cast<uint32_t>(info.param.compare));
                         });

TEST_F(FlowTest, AConditionalEndOfTheSecondLevelEndsBothOrItsOwn) {
  for (const bool own_level : {false, true}) {
    Set(kData + 4, 0);
    Set(kData + 8, 0);
    Put(kInnerBatch,
        Join({EndUnless(Compare::kEqual, 1, kData, own_level ? regs::kConditionalEndLevel : 0), Store(kData + 4, 1)}));
    EXPECT_EQ(RunBatch(Join({Start(kInnerBatch, regs::kBatchBufferStartSecondLevel), Store(kData + 8, 1)})),
              Stop::kIdle);
    EXPECT_EQ(Get(kData + 4), 0u);
    EXPECT_EQ(Get(kData + 8), own_level ? 1u : 0u);
    EXPECT_EQ(streamer_->state().level, 0u);
  }
}

TEST_F(FlowTest, AConditionalEndMayMaskWhatItCompares) {
  Set<uint64_t>(kData, 0x0000'ff00'1234'5678);
  EXPECT_EQ(
      RunBatch(Join({EndUnless(Compare::kEqual, 0x5600, kData, regs::kConditionalMaskMode), Store(kData + 8, 1)})),
      Stop::kIdle);
  EXPECT_EQ(Get(kData + 8), 1u);
  EXPECT_EQ(RunBatch(Join(
                {EndUnless(Compare::kEqual, 0x1234'5678, kData, regs::kConditionalMaskMode), Store(kData + 12, 1)})),
            Stop::kIdle);
  EXPECT_EQ(Get(kData + 12), 0u);
}

TEST_F(FlowTest, AConditionalEndThatIsWrongIsRefused) {
  ExpectFault(RunRing(EndUnless(Compare::kEqual, 0, kData)), Kind::kInvalidCommand);
  Commands command = EndUnless(Compare::kEqual, 0, kData);
  command[0] &= ~regs::kConditionalCompareSemaphore;
  ExpectFault(RunBatch(command), Kind::kInvalidCommand);
  for (const uint32_t operation : {6u, 7u}) {
    ExpectFault(RunBatch(EndUnless(static_cast<Compare>(operation), 0, kData)), Kind::kInvalidCommand);
  }
  command = Join({EndUnless(Compare::kEqual, 0, kData), {0}});
  ++command[0];
  ExpectFault(RunBatch(command), Kind::kInvalidCommand);
  ExpectFault(RunBatch(EndUnless(Compare::kEqual, 0, kUnbound)), Kind::kPage, kUnbound);
  ExpectFault(RunBatch(EndUnless(Compare::kEqual, 0, kGgttData, regs::kMiGgtt)), Kind::kPrivilege);
}

TEST_F(FlowTest, APrivilegedConditionalEndReadsTheGgtt) {
  SetGlobal(kGgttData, 5);
  EXPECT_EQ(RunGlobalBatch(Join({EndUnless(Compare::kEqual, 5, kGgttData, regs::kMiGgtt), Store(kData, 1)})),
            Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
}

// ---- MI_SEMAPHORE_WAIT.

TEST_F(FlowTest, ASemaphoreHoldsUntilItIsMet) {
  EXPECT_EQ(RunBatch(Join({Store(kData, 1), Wait(Compare::kEqual, 7, kData + 8), Store(kData + 4, 1)})),
            Stop::kWaiting);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(streamer_->address(), kBatch + 16);
  EXPECT_EQ(Run(), Stop::kWaiting);
  EXPECT_EQ(Get(kData + 4), 0u);
  Set(kData + 8, 7);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData + 4), 1u);
}

TEST_F(FlowTest, ASemaphoreHasATokenForm) {
  Commands wait = Join({Wait(Compare::kEqual, 0, kData), {0x1e0}});
  ++wait[0];
  EXPECT_EQ(RunBatch(Join({wait, Store(kData + 4, 1)})), Stop::kIdle);
  EXPECT_EQ(Get(kData + 4), 1u);
}

TEST_F(FlowTest, ASemaphoreReadsTheGgttOnlyForThePrivileged) {
  SetGlobal(kGgttData, 3);
  EXPECT_EQ(RunRing(Wait(Compare::kEqual, 3, kGgttData, regs::kMiGgtt)), Stop::kIdle);
  EXPECT_EQ(RunRing(Wait(Compare::kEqual, 4, kGgttData, regs::kMiGgtt)), Stop::kWaiting);
  ExpectFault(RunBatch(Wait(Compare::kEqual, 3, kGgttData, regs::kMiGgtt)), Kind::kPrivilege);
}

TEST_F(FlowTest, ASemaphoreMayPollARegister) {
  port_.registers[0x4208] = 1;
  EXPECT_EQ(RunRing(Wait(Compare::kEqual, 0, 0x4208, regs::kSemaphoreWaitRegisterPoll)), Stop::kWaiting);
  port_.registers[0x4208] = 0;
  EXPECT_EQ(Run(), Stop::kIdle);
  ExpectFault(RunBatch(Wait(Compare::kEqual, 0, 0x4208, regs::kSemaphoreWaitRegisterPoll)), Kind::kPrivilege);
}

TEST_F(FlowTest, ASemaphoreThatIsWrongIsRefused) {
  ExpectFault(RunBatch(Wait(static_cast<Compare>(6), 0, kData)), Kind::kInvalidCommand);
  ExpectFault(RunBatch(Wait(static_cast<Compare>(7), 0, kData)), Kind::kInvalidCommand);
  for (const int extra : {-1, 2}) {
    Commands wait = Join({Wait(Compare::kEqual, 0, kData), {0, 0}});
    wait[0] += extra;
    ExpectFault(RunBatch(wait), Kind::kInvalidCommand);
  }
  ExpectFault(RunBatch(Wait(Compare::kEqual, 0, kUnbound + 8)), Kind::kPage, kUnbound + 8);
}

TEST_F(FlowTest, AWaitingContextCanBePreemptedAndResumed) {
  EXPECT_EQ(RunBatch(Join({Wait(Compare::kEqual, 1, kData), Store(kData + 4, 1)})), Stop::kWaiting);
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kArbitration);
  const ContextState saved = streamer_->state();
  EXPECT_EQ(saved.level, 1u);
  EXPECT_EQ(saved.batch_address, kBatch) << "the wait is executed again";
  streamer_->Load({});
  streamer_->Load(saved);
  EXPECT_EQ(Run(), Stop::kWaiting);
  Set(kData, 1);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData + 4), 1u);
}

// ---- Arbitration.

TEST_F(FlowTest, ArbCheckStopsOnlyWhenPreemptionIsAskedFor) {
  const Commands program = Join({{regs::kArbCheck}, Store(kData, 1), {regs::kArbCheck}, Store(kData + 4, 1)});
  EXPECT_EQ(RunBatch(program), Stop::kIdle);
  Set(kData, 0);
  Set(kData + 4, 0);
  streamer_->Load(RingOf(Start(kBatch)));
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kArbitration);
  EXPECT_EQ(streamer_->state().batch_address, kBatch + 4);
  EXPECT_EQ(Get(kData), 0u);
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kArbitration);
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 0u);
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kIdle);
  EXPECT_EQ(Get(kData + 4), 1u);
}

TEST_F(FlowTest, WithoutAnArbitrationPointNothingIsPreempted) {
  Put(kBatch, Join({Store(kData, 1), {regs::kBatchBufferEnd}}));
  streamer_->Load(RingOf(Join({Store(kData + 4, 1), Start(kBatch), {regs::kUserInterrupt}})));
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kIdle);
}

TEST_F(FlowTest, ArbitrationCanBeSwitchedOffByTheRing) {
  streamer_->Load(RingOf({regs::kArbOff, regs::kArbCheck, regs::kArbOn, regs::kArbCheck, regs::kUserInterrupt}));
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kArbitration);
  EXPECT_EQ(streamer_->state().ring_head, 16u) << "at the second one";
  EXPECT_TRUE(port_.interrupts.empty());
  streamer_->Load(RingOf(Join({{regs::kArbOff}, Wait(Compare::kEqual, 1, kData)})));
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kWaiting) << "nor does a semaphore let it go";
}

TEST_F(FlowTest, AnUnprivilegedBatchCannotSwitchArbitration) {
  Put(kBatch, {regs::kArbOff, regs::kArbCheck, regs::kBatchBufferEnd});
  streamer_->Load(RingOf(Start(kBatch)));
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kArbitration);
  Put(kBatch, {regs::kArbOn, regs::kArbCheck, regs::kBatchBufferEnd});
  streamer_->Load(RingOf(Join({{regs::kArbOff}, Start(kBatch), {regs::kUserInterrupt}})));
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kIdle) << "nor may it undo what the ring said";
}

TEST_F(FlowTest, APreemptedSecondLevelResumesWithAllItsState) {
  registers_[0] = 5;
  registers_[15] = ~0ull;
  // R1 = 40 before the switch; behind it, both levels store what they find.
  Put(kInnerBatch, Join({LoadRegister(GprOffset(1), 40),
                         {regs::kArbCheck},
                         StoreRegister(GprOffset(1), kData),
                         {regs::kBatchBufferEnd}}));
  Put(kBatch, Join({Start(kInnerBatch, regs::kBatchBufferStartSecondLevel),
                    StoreRegister(GprOffset(15) + 4, kData + 4),
                    {regs::kBatchBufferEnd}}));
  streamer_->Load(RingOf(Join({Start(kBatch), StoreRegister(GprOffset(0), kData + 8)})));
  EXPECT_EQ(Run(kAmple, /*preempt=*/true), Stop::kArbitration);
  const ContextState saved = streamer_->state();
  EXPECT_EQ(saved.level, 2u);
  EXPECT_EQ(saved.return_address, kBatch + 12);
  EXPECT_EQ(RunRing(LoadRegister(GprOffset(1), 1)), Stop::kIdle) << "another context, whose ring overwrites nothing";
  streamer_->Load(RingOf(Join({Start(kBatch), StoreRegister(GprOffset(0), kData + 8)})));
  streamer_->Load(saved);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get(kData), 40u);
  EXPECT_EQ(Get(kData + 4), ~0u);
  EXPECT_EQ(Get(kData + 8), 5u);
}

// ---- MI_MATH, in a batch.

TEST_F(FlowTest, MathWorksOnTheRegistersOfTheContext) {
  using regs::Alu;
  using regs::AluOperand;
  using regs::AluOperation;
  registers_[0] = 1ull << 40;
  registers_[1] = 5;
  EXPECT_EQ(RunBatch({regs::Mi(regs::MiOpcode::kMath, 5), Alu(AluOperation::kLoad, AluOperand::kSourceA, regs::Gpr(0)),
                      Alu(AluOperation::kLoad, AluOperand::kSourceB, regs::Gpr(1)), Alu(AluOperation::kSubtract),
                      Alu(AluOperation::kStore, regs::Gpr(2), AluOperand::kAccumulator)}),
            Stop::kIdle);
  EXPECT_EQ(Register(2), (1ull << 40) - 5);
  ExpectFault(RunBatch({regs::Mi(regs::MiOpcode::kMath, 2), 0x7ff00000}), Kind::kInvalidCommand);
}

// ---- What the engine does not know.

TEST_F(FlowTest, UnknownCommandsAreRefused) {
  for (const uint32_t header :
       {0x00800000u /* MI_SET_PREDICATE */, 0x0d800000u /* MI_SEMAPHORE_SIGNAL */, 0x07000000u /* opcode 0x0e */,
        0x1f800000u /* opcode 0x3f */, 0x20000000u /* type 1 */, 0x80000000u /* type 4 */, 0xffffffffu,
        0x40000000u /* blitter, opcode 0 */, 0x70000000u /* render, no PIPE_CONTROL */}) {
    EXPECT_EQ(RunBatch({header, 0}), Stop::kFault) << std::hex << header;
    EXPECT_EQ(streamer_->fault().kind, Kind::kInvalidCommand) << std::hex << header;
    EXPECT_EQ(streamer_->header(), header);
    EXPECT_EQ(streamer_->address(), kBatch);
  }
}

TEST_F(FlowTest, AnUnknownCommandIsRefusedWithoutALookAtItsDwords) {
  // The length that garbage happens to name reaches behind the last page.
  Put(kEnd - 4, {0x1f8000ff});
  ExpectFault(RunRing(Start(kEnd - 4)), Kind::kInvalidCommand);
  Put(kEnd - 4, {0x400000ff});
  ExpectFault(RunRing(Start(kEnd - 4)), Kind::kInvalidCommand);
  Use(regs::HwClass::kVideoDecode);
  Put(kEnd - 4, {regs::Blit(regs::BlitOpcode::kFastCopy, regs::kFastCopyDwords)});
  ExpectFault(RunRing(Start(kEnd - 4)), Kind::kInvalidCommand);
  Put(kEnd - 4, {regs::kPipeControl});
  ExpectFault(RunRing(Start(kEnd - 4)), Kind::kInvalidCommand);
}

TEST_F(FlowTest, AFaultIsForgottenByTheNextContext) {
  ExpectFault(RunBatch({0x1f800000}), Kind::kInvalidCommand);
  EXPECT_EQ(RunBatch(Store(kData, 1)), Stop::kIdle);
  EXPECT_EQ(Get(kData), 1u);
}

}  // namespace
}  // namespace xeq::hw::model
