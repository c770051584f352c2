// Goal: each command that reads or writes memory or registers does what the manual says, and nothing where it may not.
// Method: single commands by hand, in the ring, in a batch of the GGTT and in one of the PPGTT; memory is compared.
#include <algorithm>
#include <ostream>
#include <string>

#include "tests/unit/hw/model/streamer_fixture.h"

namespace xeq::hw::model {
namespace {

using Stop = CommandStreamer::Stop;
using Kind = StreamerFault::Kind;
using regs::AtomicOperation;

class MemoryTest : public StreamerFixture {};

// ---- What all of them share: one entry for each way to name the GGTT or a register.

struct Access {
  std::string name;
  regs::HwClass engine_class;
  Commands command;
};

std::ostream& operator<<(std::ostream& out, const Access& access) { return out << access.name; }

class AccessFixture : public StreamerFixture, public ::testing::WithParamInterface<Access> {
 public:
  static std::vector<Access> GgttAccesses() {
    constexpr auto kCopy = regs::HwClass::kCopy;
    constexpr auto kRender = regs::HwClass::kRender;
    constexpr uint32_t kGpr = regs::kBcs0Base + regs::kCsGpr;
    return {
        {"StoreDataImm", kCopy, Store(kGgttData, 1, regs::kMiGgtt)},
        {"StoreRegister", kCopy, StoreRegister(kGpr, kGgttData, regs::kMiGgtt)},
        {"LoadRegister", kCopy, LoadRegisterFrom(kGpr, kGgttData, regs::kMiGgtt)},
        {"CopyTo", kCopy, Copy(kGgttData, kData, regs::kCopyMemMemDestinationGgtt)},
        {"CopyFrom", kCopy, Copy(kData, kGgttData, regs::kCopyMemMemSourceGgtt)},
        {"Atomic", kCopy, Atomic(AtomicOperation::kIncrement, kGgttData, regs::kMiGgtt)},
        {"Semaphore", kCopy, Wait(regs::Compare::kLess, 99, kGgttData, regs::kMiGgtt)},
        {"Flush", kCopy, Flush(kGgttData | regs::kFlushDwAddressGgtt, 1, regs::kFlushDwPostSyncWrite)},
        {"FlushIndexed", kCopy, Flush(0x80, 1, regs::kFlushDwPostSyncWrite | regs::kFlushDwStoreIndex)},
        {"PipeControl", kRender, PipeControl(regs::kPipeControlPostSyncQword | regs::kPipeControlGgtt, kGgttData, 1)},
        {"PipeControlIndexed", kRender,
         PipeControl(regs::kPipeControlPostSyncQword | regs::kPipeControlStoreIndex, 0x80, 1)}};
  }
  static std::vector<Access> RegisterAccesses() {
    constexpr auto kCopy = regs::HwClass::kCopy;
    constexpr uint32_t kBase = regs::kBcs0Base;
    constexpr uint32_t kGpr = kBase + regs::kCsGpr;
    const uint32_t from_register = regs::Mi(regs::MiOpcode::kLoadRegisterReg, regs::kLoadRegisterRegDwords);
    return {{"WriteHwsPga", kCopy, LoadRegister(kBase + regs::kHwsPga, 1)},
            {"WriteTimestamp", kCopy, LoadRegister(kBase + regs::kRingTimestamp, 1)},
            {"WriteBehindTheRegisters", kCopy, LoadRegister(kGpr + 8 * regs::kGprCount, 1)},
            {"WriteBeforeTheRegisters", kCopy, LoadRegister(kGpr - 4, 1)},
            {"WriteRendersRegisters", kCopy, LoadRegister(regs::kRcs0Base + regs::kCsGpr, 1)},
            {"WriteRelative", kCopy, LoadRegister(regs::kHwsPga, 1, regs::kMiAddCsBase)},
            {"WriteFromMemory", kCopy, LoadRegisterFrom(kBase + regs::kHwsPga, kData)},
            {"WriteFromRegister", kCopy, {from_register, kGpr, kBase + regs::kHwsPga}},
            {"ReadToRegister", kCopy, {from_register, kBase + regs::kHwsPga, kGpr}},
            {"ReadHwsPga", kCopy, StoreRegister(kBase + regs::kHwsPga, kData)},
            {"ReadRendersTimestamp", kCopy, StoreRegister(regs::kRcs0Base + regs::kRingTimestamp, kData)},
            {"Poll", kCopy, Wait(regs::Compare::kEqual, 0, kBase + regs::kHwsPga, regs::kSemaphoreWaitRegisterPoll)}};
  }
};

TEST_P(AccessFixture, NeedsPrivilege) {
  Use(GetParam().engine_class);
  EXPECT_EQ(RunRing(GetParam().command), Stop::kIdle);
  EXPECT_EQ(RunGlobalBatch(GetParam().command), Stop::kIdle);
  // Each half of the test sees its own traces.
  port_.registers.clear();
  std::memset(Global(kGgttData), 0, kPage);
  std::memset(Global(kContextStatusPage), 0, kPage);
  ExpectFault(RunBatch(GetParam().command), Kind::kPrivilege);
  EXPECT_TRUE(std::all_of(Global(kGgttData), Global(kGgttData) + kPage, [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_TRUE(std::all_of(Global(kContextStatusPage), Global(kContextStatusPage) + kPage,
                          [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_TRUE(port_.registers.empty()) << "a register was touched";
}

std::string NameOf(const ::testing::TestParamInfo<Access>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(OfTheGgtt, AccessFixture, ::testing::ValuesIn(AccessFixture::GgttAccesses()), NameOf);
INSTANTIATE_TEST_SUITE_P(OfARegister, AccessFixture, ::testing::ValuesIn(AccessFixture::RegisterAccesses()), NameOf);

class PageFaultFixture : public StreamerFixture, public ::testing::WithParamInterface<Access> {
 public:
  static std::vector<Access> Accesses() {
    constexpr auto kCopy = regs::HwClass::kCopy;
    constexpr uint32_t kGpr = regs::kBcs0Base + regs::kCsGpr;
    return {{"StoreDataImm", kCopy, Store(kUnbound, 1)},
            {"StoreRegister", kCopy, StoreRegister(kGpr, kUnbound)},
            {"LoadRegister", kCopy, LoadRegisterFrom(kGpr, kUnbound)},
            {"CopyTo", kCopy, Copy(kUnbound, kData)},
            {"CopyFrom", kCopy, Copy(kData, kUnbound)},
            {"AtomicDword", kCopy, Atomic(AtomicOperation::kIncrement, kUnbound, 0)},
            {"AtomicQword", kCopy, Atomic(AtomicOperation::kIncrement, kUnbound, regs::kAtomicQword)},
            {"Flush", kCopy, Flush(kUnbound, 1, regs::kFlushDwPostSyncWrite | regs::kFlushDwNotify)},
            {"FlushTimestamp", kCopy, Flush(kUnbound, 1, regs::kFlushDwPostSyncTimestamp | regs::kFlushDwNotify)},
            {"PipeControl", regs::HwClass::kRender,
             PipeControl(regs::kPipeControlPostSyncQword | regs::kPipeControlNotify, kUnbound, 1)},
            {"FastCopyTo", kCopy, FastCopy(kUnbound, kData, 16, 1, 16)},
            {"FastCopyFrom", kCopy, FastCopy(kData, kUnbound, 16, 1, 16)},
            {"FastColor", kCopy, FastColor(kUnbound, 4, 1, 16, 1)}};
  }
};

TEST_P(PageFaultFixture, NamesTheAddress) {
  Use(GetParam().engine_class);
  ExpectFault(RunBatch(GetParam().command), Kind::kPage, kUnbound);
  ExpectFault(RunRing(GetParam().command), Kind::kPage, kUnbound);
  EXPECT_TRUE(port_.interrupts.empty()) << "what failed is not notified";
}

INSTANTIATE_TEST_SUITE_P(All, PageFaultFixture, ::testing::ValuesIn(PageFaultFixture::Accesses()), NameOf);

class LengthFixture : public StreamerFixture, public ::testing::WithParamInterface<Access> {
 public:
  static std::vector<Access> Accesses() {
    constexpr auto kCopy = regs::HwClass::kCopy;
    constexpr uint32_t kGpr = regs::kBcs0Base + regs::kCsGpr;
    return {{"StoreRegister", kCopy, StoreRegister(kGpr, kData)},
            {"LoadRegister", kCopy, LoadRegisterFrom(kGpr, kData)},
            {"LoadRegisterReg", kCopy, {regs::Mi(regs::MiOpcode::kLoadRegisterReg, 3), kGpr, kGpr}},
            {"LoadRegisterImm", kCopy, LoadRegister(kGpr, 1)},
            {"CopyMemMem", kCopy, Copy(kData, kData)},
            {"Atomic", kCopy, Atomic(AtomicOperation::kIncrement, kData, 0)},
            {"AtomicInline", kCopy, AtomicInline(AtomicOperation::kAdd, kData, 1, 0, 0)},
            {"PipeControl", regs::HwClass::kRender, PipeControl(regs::kPipeControlPostSyncQword, kData, 1)},
            {"FastCopy", kCopy, FastCopy(kData, kData + 64, 16, 1, 16)},
            {"FastColor", kCopy, FastColor(kData, 4, 1, 16, 1)}};
  }
};

TEST_P(LengthFixture, AnotherLengthIsRefused) {
  Use(GetParam().engine_class);
  EXPECT_EQ(RunBatch(GetParam().command), Stop::kIdle);
  std::memset(Local(kData), 0, 64);
  for (const int difference : {-1, 1}) {
    Commands command = Join({GetParam().command, {0}});
    command[0] += difference;
    ExpectFault(RunBatch(command), Kind::kInvalidCommand);
    EXPECT_TRUE(std::all_of(Local(kData), Local(kData) + 64, [](std::byte b) { return b == std::byte{0}; }));
  }
}

INSTANTIATE_TEST_SUITE_P(All, LengthFixture, ::testing::ValuesIn(LengthFixture::Accesses()), NameOf);

// ---- MI_STORE_DATA_IMM.

TEST_F(MemoryTest, StoreOfADword) {
  Set<uint64_t>(kData, ~0ull);
  EXPECT_EQ(RunBatch(Store(kUpperHalf | kData, 0x12345678)), Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), 0xffffffff'12345678u);
  EXPECT_EQ(RunRing(Store(kGgttData + 4, 7, regs::kMiGgtt)), Stop::kIdle);
  EXPECT_EQ(GetGlobal<uint64_t>(kGgttData), 7ull << 32);
}

TEST_F(MemoryTest, StoreOfAQword) {
  Commands store = {regs::Mi(regs::MiOpcode::kStoreDataImm, 5) | regs::kStoreDataImmQword, Low(kData + 8), 0, 1, 2};
  EXPECT_EQ(RunBatch(store), Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData + 8), 2ull << 32 | 1);
  EXPECT_EQ(Get<uint64_t>(kData + 16), 0u);
}

TEST_F(MemoryTest, StoreOfManyCrossesPages) {
  for (const bool qwords : {false, true}) {
    constexpr uint32_t kDwords = 0x3fe;
    std::memset(Local(kData), 0, 3 * kPage);
    Commands store = {regs::Mi(regs::MiOpcode::kStoreDataImm, 3 + kDwords) | (qwords ? regs::kStoreDataImmQword : 0),
                      Low(kData + kPage - 64), 0};
    for (uint32_t i = 0; i < kDwords; ++i) store.push_back(i + 1);
    EXPECT_EQ(RunBatch(store), Stop::kIdle);
    EXPECT_EQ(std::memcmp(Local(kData + kPage - 64), &store[3], 4 * kDwords), 0) << qwords;
    EXPECT_EQ(Get(kData + kPage - 68), 0u);
    EXPECT_EQ(Get(kData + kPage - 64 + 4 * kDwords), 0u);
  }
}

TEST_F(MemoryTest, StoreThatLeavesTheLastPageFaultsAtTheFirstAddressBehind) {
  const Commands store = {
      regs::Mi(regs::MiOpcode::kStoreDataImm, 7) | regs::kStoreDataImmQword, Low(kEnd - 8), 0, 1, 2, 3, 4};
  ExpectFault(RunBatch(store), Kind::kPage, kEnd);
  EXPECT_EQ(Get<uint64_t>(kEnd - 8), 2ull << 32 | 1);
}

TEST_F(MemoryTest, StoreOfAWrongLengthIsRefused) {
  for (const uint32_t dwords : {2u, 3u}) {
    ExpectFault(RunBatch({regs::Mi(regs::MiOpcode::kStoreDataImm, dwords), Low(kData), 0, 0}), Kind::kInvalidCommand);
  }
  for (const uint32_t dwords : {4u, 6u}) {
    ExpectFault(
        RunBatch({regs::Mi(regs::MiOpcode::kStoreDataImm, dwords) | regs::kStoreDataImmQword, Low(kData), 0, 1, 2, 3}),
        Kind::kInvalidCommand);
  }
  EXPECT_EQ(Get(kData), 0u);
}

TEST_F(MemoryTest, ANullPageDropsWritesAndReadsZero) {
  registers_[0] = 5;
  EXPECT_EQ(RunBatch(Join({Store(kNullPage, 1), LoadRegisterFrom(GprOffset(0), kNullPage),
                           AtomicInline(AtomicOperation::kAdd, kNullPage, 3, 0, 0),
                           Flush(kNullPage, 1, regs::kFlushDwPostSyncWrite)})),
            Stop::kIdle);
  EXPECT_EQ(Register(0), 0u);
}

TEST_F(MemoryTest, AddressesOfDwordsAreAligned) {
  EXPECT_EQ(RunBatch(Store(kData + 3, 9)), Stop::kIdle);
  EXPECT_EQ(Get(kData), 9u);
}

// ---- Registers.

TEST_F(MemoryTest, LoadRegisterImmWritesManyAndRelative) {
  EXPECT_EQ(RunBatch({regs::LoadRegisterImm(3), GprOffset(0), 1, GprOffset(0) + 4, 2, GprOffset(15) + 4, 3}),
            Stop::kIdle);
  EXPECT_EQ(Register(0), 2ull << 32 | 1);
  EXPECT_EQ(Register(15), 3ull << 32);
  EXPECT_EQ(RunBatch(LoadRegister(regs::kCsGpr + 8, 4, regs::kMiAddCsBase)), Stop::kIdle);
  EXPECT_EQ(Register(1), 4u);
  EXPECT_EQ(RunRing(LoadRegister(base_ + regs::kHwsPga, 0x5000)), Stop::kIdle);
  EXPECT_EQ(port_.registers.at(base_ + regs::kHwsPga), 0x5000u);
  ExpectFault(RunBatch({regs::Mi(regs::MiOpcode::kLoadRegisterImm, 2), GprOffset(0)}), Kind::kInvalidCommand);
}

TEST_F(MemoryTest, StoreAndLoadOfARegister) {
  registers_[3] = 0x1111111122222222;
  EXPECT_EQ(RunBatch(Join({StoreRegister(GprOffset(3), kData),
                           StoreRegister(regs::kCsGpr + 8 * 3 + 4, kData + 4, regs::kMiAddCsBase),
                           LoadRegisterFrom(GprOffset(4) + 4, kData),
                           LoadRegisterFrom(regs::kCsGpr + 8 * 4, kData + 4, regs::kMiAddCsBase)})),
            Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), 0x1111111122222222u);
  EXPECT_EQ(Register(4), 0x2222222211111111u);
}

TEST_F(MemoryTest, StoreAndLoadOfARegisterInTheGgtt) {
  SetGlobal(kGgttData, 0x6000);
  EXPECT_EQ(RunRing(Join({LoadRegisterFrom(regs::kHwsPga, kGgttData, regs::kMiGgtt | regs::kMiAddCsBase),
                          StoreRegister(regs::kHwsPga, kGgttData + 4, regs::kMiGgtt | regs::kMiAddCsBase)})),
            Stop::kIdle);
  EXPECT_EQ(port_.registers.at(base_ + regs::kHwsPga), 0x6000u);
  EXPECT_EQ(GetGlobal(kGgttData + 4), 0x6000u);
}

TEST_F(MemoryTest, TheClocksMayBeReadByAll) {
  port_.registers[base_ + regs::kRingTimestamp] = 11;
  port_.registers[base_ + regs::kRingTimestampUdw] = 12;
  port_.registers[base_ + regs::kCtxTimestamp] = 13;
  EXPECT_EQ(RunBatch(Join({StoreRegister(base_ + regs::kRingTimestamp, kData),
                           StoreRegister(base_ + regs::kRingTimestampUdw, kData + 4),
                           StoreRegister(regs::kCtxTimestamp, kData + 8, regs::kMiAddCsBase)})),
            Stop::kIdle);
  EXPECT_EQ(Get(kData), 11u);
  EXPECT_EQ(Get(kData + 4), 12u);
  EXPECT_EQ(Get(kData + 8), 13u);
}

TEST_F(MemoryTest, LoadRegisterRegHasABaseForEachSide) {
  const uint32_t header = regs::Mi(regs::MiOpcode::kLoadRegisterReg, regs::kLoadRegisterRegDwords);
  registers_[0] = 7ull << 32 | 5;
  EXPECT_EQ(RunBatch({header, GprOffset(0), GprOffset(1)}), Stop::kIdle);
  EXPECT_EQ(Register(1), 5u) << "one dword";
  EXPECT_EQ(RunBatch({header | regs::kLoadRegisterRegSourceAddCsBase, regs::kCsGpr + 4, GprOffset(2)}), Stop::kIdle);
  EXPECT_EQ(Register(2), 7u);
  EXPECT_EQ(RunBatch({header | regs::kMiAddCsBase, GprOffset(0), regs::kCsGpr + 8 * 3 + 4}), Stop::kIdle);
  EXPECT_EQ(Register(3), 5ull << 32);
}

TEST_F(MemoryTest, CopyMovesOneDwordBetweenSpaces) {
  Set<uint64_t>(kData, 0x22222222'11111111);
  EXPECT_EQ(RunBatch(Copy(kData + 8, kData)), Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData + 8), 0x11111111u);
  EXPECT_EQ(RunRing(Copy(kGgttData, kData + 4, regs::kCopyMemMemDestinationGgtt)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kGgttData), 0x22222222u);
  EXPECT_EQ(RunRing(Copy(kData + 16, kGgttData, regs::kCopyMemMemSourceGgtt)), Stop::kIdle);
  EXPECT_EQ(Get(kData + 16), 0x22222222u);
}

// ---- MI_ATOMIC.

struct AtomicCase {
  AtomicOperation operation;
  uint64_t first;
  uint64_t second;
  // What becomes of kOld.
  uint64_t expected;
};
constexpr uint64_t kOld = 0xffffffff'ffffffff;
constexpr AtomicCase kAtomicCases[] = {{AtomicOperation::kMove, 0x1'00000002, 9, 0x1'00000002},
                                       {AtomicOperation::kIncrement, 9, 9, 0},
                                       {AtomicOperation::kDecrement, 9, 9, 0xffffffff'fffffffe},
                                       {AtomicOperation::kAdd, 0x2'00000003, 9, 0x2'00000002},
                                       {AtomicOperation::kCompareWrite, kOld, 0x3'00000004, 0x3'00000004},
                                       {AtomicOperation::kCompareWrite, 5, 0x3'00000004, kOld}};

TEST_F(MemoryTest, AtomicsOnQwords) {
  for (const AtomicCase& atomic : kAtomicCases) {
    for (const bool is_inline : {true, false}) {
      Set<uint64_t>(kData, kOld);
      registers_ = {};
      if (!is_inline) registers_[0] = atomic.first;
      if (!is_inline) registers_[1] = atomic.second;
      EXPECT_EQ(
          RunBatch(is_inline ? AtomicInline(atomic.operation, kData, atomic.first, atomic.second, regs::kAtomicQword)
                             : Atomic(atomic.operation, kData, regs::kAtomicQword)),
          Stop::kIdle);
      EXPECT_EQ(Get<uint64_t>(kData), atomic.expected) << static_cast<uint32_t>(atomic.operation);
      EXPECT_EQ(streamer_->state().registers, registers_) << "no return data was asked for";
    }
  }
}

TEST_F(MemoryTest, AtomicsOnDwords) {
  for (const AtomicCase& atomic : kAtomicCases) {
    for (const bool is_inline : {true, false}) {
      Set<uint64_t>(kData, 0xaaaaaaaa'ffffffff);
      registers_ = {};
      if (!is_inline) registers_[0] = Low(atomic.first);
      if (!is_inline) registers_[1] = Low(atomic.second);
      EXPECT_EQ(RunBatch(is_inline ? AtomicInline(atomic.operation, kData, Low(atomic.first), Low(atomic.second), 0)
                                   : Atomic(atomic.operation, kData, 0)),
                Stop::kIdle);
      EXPECT_EQ(Get<uint64_t>(kData), 0xaaaaaaaa'00000000 | Low(atomic.expected));
    }
  }
}

TEST_F(MemoryTest, AtomicsReturnWhatWasThereBefore) {
  Set<uint64_t>(kData, 0x5'00000006);
  EXPECT_EQ(RunBatch(AtomicInline(AtomicOperation::kAdd, kData, 1, 0, regs::kAtomicQword | regs::kAtomicReturnData)),
            Stop::kIdle);
  EXPECT_EQ(Register(0), 0x5'00000006u);
  EXPECT_EQ(RunBatch(Atomic(AtomicOperation::kDecrement, kData, regs::kAtomicReturnData)), Stop::kIdle);
  EXPECT_EQ(Register(0), 7u);
  EXPECT_EQ(Get<uint64_t>(kData), 0x5'00000006u);
}

TEST_F(MemoryTest, APrivilegedAtomicReachesTheGgtt) {
  EXPECT_EQ(RunRing(Atomic(AtomicOperation::kIncrement, kGgttData, regs::kMiGgtt)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kGgttData), 1u);
}

TEST_F(MemoryTest, UnknownAtomicsAreRefused) {
  const uint32_t header = regs::Mi(regs::MiOpcode::kAtomic, regs::kAtomicDwords);
  for (const uint32_t operation : {0x00u, 0x03u, 0x08u, 0x25u, 0xffu}) {
    ExpectFault(RunBatch({header | operation << regs::kAtomicOperationShift, Low(kData), 0}), Kind::kInvalidCommand);
  }
  for (const uint32_t operation : {0x05u, 0x20u, 0x28u, 0xffu}) {
    ExpectFault(RunBatch({header | regs::kAtomicQword | operation << regs::kAtomicOperationShift, Low(kData), 0}),
                Kind::kInvalidCommand);
  }
  for (const uint32_t size : {2u << 19, 3u << 19}) {
    ExpectFault(RunBatch({header | size | 0x25 << regs::kAtomicOperationShift, Low(kData), 0}), Kind::kInvalidCommand);
  }
  EXPECT_EQ(Get<uint64_t>(kData), 0u);
}

// ---- MI_FLUSH_DW.

TEST_F(MemoryTest, FlushWritesADwordOrAQword) {
  Set<uint64_t>(kData, ~0ull);
  EXPECT_EQ(RunBatch(Flush(kData, 3, regs::kFlushDwPostSyncWrite)), Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), 0xffffffff'00000003u);
  EXPECT_EQ(RunBatch({regs::Mi(regs::MiOpcode::kFlushDw, regs::kFlushDwQwordDwords) | regs::kFlushDwPostSyncWrite,
                      Low(kData), 0, 4, 5}),
            Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), 5ull << 32 | 4);
}

TEST_F(MemoryTest, FlushWithoutPostSyncStoresNothing) {
  EXPECT_EQ(RunBatch(Flush(kUnbound, 3, regs::kFlushDwTlbInvalidate)), Stop::kIdle);
  EXPECT_EQ(RunBatch(Flush(kGgttData | regs::kFlushDwAddressGgtt, 3, 0)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kGgttData), 0u);
  EXPECT_TRUE(port_.interrupts.empty());
}

TEST_F(MemoryTest, FlushWritesATimestampOfEightBytes) {
  EXPECT_EQ(RunBatch(Flush(kData, 3, regs::kFlushDwPostSyncTimestamp)), Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), port_.timestamp);
}

TEST_F(MemoryTest, FlushReachesTheGgttAndTheStatusPages) {
  EXPECT_EQ(RunRing(Flush((kGgttData + 8) | regs::kFlushDwAddressGgtt, 6, regs::kFlushDwPostSyncWrite)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kGgttData + 8), 6u);
  constexpr uint32_t kIndexed = regs::kFlushDwPostSyncWrite | regs::kFlushDwStoreIndex;
  EXPECT_EQ(RunRing(Flush(0xd0 | regs::kFlushDwAddressGgtt, 7, kIndexed)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kStatusPage + 0xd0), 7u);
  EXPECT_EQ(RunRing(Flush(0xd8, 8, kIndexed)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kContextStatusPage + 0xd8), 8u);
}

TEST_F(MemoryTest, FlushNotifiesWhenItsDataIsThere) {
  uint32_t seen = 0;
  port_.on_interrupt = [&] { seen = Get(kData); };
  EXPECT_EQ(RunBatch(Flush(kData, 9, regs::kFlushDwPostSyncWrite | regs::kFlushDwNotify)), Stop::kIdle);
  EXPECT_EQ(port_.interrupts, Commands{regs::kIrqFlushNotify});
  EXPECT_EQ(seen, 9u);
  EXPECT_EQ(RunBatch(Flush(0, 0, regs::kFlushDwNotify)), Stop::kIdle);
  EXPECT_EQ(port_.interrupts.size(), 2u) << "also without data";
}

TEST_F(MemoryTest, FlushThatIsWrongIsRefused) {
  ExpectFault(RunBatch(Flush(kData, 1, 2u << 14)), Kind::kInvalidCommand);
  for (const uint32_t dwords : {3u, 6u}) {
    ExpectFault(
        RunBatch({regs::Mi(regs::MiOpcode::kFlushDw, dwords) | regs::kFlushDwPostSyncWrite, Low(kData), 0, 1, 1, 1}),
        Kind::kInvalidCommand);
  }
  for (const regs::HwClass engine_class : {regs::HwClass::kRender, regs::HwClass::kCompute}) {
    Use(engine_class);
    ExpectFault(RunBatch(Flush(kData, 1, regs::kFlushDwPostSyncWrite)), Kind::kInvalidCommand);
  }
  EXPECT_EQ(Get(kData), 0u);
}

// ---- PIPE_CONTROL.

TEST_F(MemoryTest, PipeControlWritesAQwordOrATimestamp) {
  Use(regs::HwClass::kRender);
  EXPECT_EQ(RunBatch(PipeControl(regs::kPipeControlPostSyncQword | regs::kPipeControlCsStall, kData, 2ull << 32 | 1)),
            Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), 2ull << 32 | 1);
  EXPECT_EQ(RunBatch(PipeControl(regs::kPipeControlPostSyncTimestamp, kData, 0)), Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), port_.timestamp);
  Use(regs::HwClass::kCompute);
  EXPECT_EQ(RunBatch(PipeControl(regs::kPipeControlPostSyncQword, kData, 5)), Stop::kIdle);
  EXPECT_EQ(Get<uint64_t>(kData), 5u);
}

TEST_F(MemoryTest, PipeControlReachesTheGgttAndTheStatusPages) {
  Use(regs::HwClass::kRender);
  constexpr uint32_t kWrite = regs::kPipeControlPostSyncQword;
  EXPECT_EQ(RunRing(PipeControl(kWrite | regs::kPipeControlGgtt, kGgttData, 1)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kGgttData), 1u);
  EXPECT_EQ(RunRing(PipeControl(kWrite | regs::kPipeControlStoreIndex | regs::kPipeControlGgtt, 0xd0, 2)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kStatusPage + 0xd0), 2u);
  EXPECT_EQ(RunRing(PipeControl(kWrite | regs::kPipeControlStoreIndex, 0xd0, 3)), Stop::kIdle);
  EXPECT_EQ(GetGlobal(kContextStatusPage + 0xd0), 3u);
}

TEST_F(MemoryTest, PipeControlNotifiesWhenItsDataIsThere) {
  Use(regs::HwClass::kRender);
  uint32_t seen = 0;
  port_.on_interrupt = [&] { seen = Get(kData); };
  EXPECT_EQ(RunBatch(PipeControl(regs::kPipeControlPostSyncQword | regs::kPipeControlNotify, kData, 9)), Stop::kIdle);
  EXPECT_EQ(port_.interrupts, Commands{regs::kIrqFlushNotify});
  EXPECT_EQ(seen, 9u);
  EXPECT_EQ(RunBatch(PipeControl(regs::kPipeControlNotify, kUnbound, 9)), Stop::kIdle) << "nothing is stored";
  EXPECT_EQ(port_.interrupts.size(), 2u);
}

TEST_F(MemoryTest, PipeControlThatIsWrongIsRefused) {
  ExpectFault(RunBatch(PipeControl(regs::kPipeControlPostSyncQword, kData, 1)), Kind::kInvalidCommand);
  Use(regs::HwClass::kRender);
  ExpectFault(RunBatch(PipeControl(2u << 14, kData, 1)), Kind::kInvalidCommand);
  EXPECT_EQ(Get(kData), 0u);
}

// ---- Blits.

TEST_F(MemoryTest, BlitsWorkInThePpgttFromBatchAndRing) {
  for (uint64_t i = 0; i < 4 * kPage; ++i) *Local(kData + i) = static_cast<std::byte>(i * 7 + i / 256);
  EXPECT_EQ(RunBatch(Join({FastCopy(kInnerBatch + 100, kData + 3, 3000, 2, 5000), Store(kData + 0x8000, 1)})),
            Stop::kIdle);
  EXPECT_EQ(std::memcmp(Local(kInnerBatch + 100), Local(kData + 3), 3000), 0);
  EXPECT_EQ(std::memcmp(Local(kInnerBatch + 5100), Local(kData + 5003), 3000), 0);
  EXPECT_EQ(Get<uint8_t>(kInnerBatch + 3100), 0u);
  EXPECT_EQ(Get(kData + 0x8000), 1u) << "the command behind it";
  EXPECT_EQ(RunRing(FastColor(kData, 16, 2, 128, 0xa5a5a5a5)), Stop::kIdle);
  EXPECT_EQ(Get(kData), 0xa5a5a5a5u);
  EXPECT_EQ(Get(kData + 128 + 60), 0xa5a5a5a5u);
  EXPECT_NE(Get(kData + 64), 0xa5a5a5a5u);
}

TEST_F(MemoryTest, BlitsBelongToTheCopyEngine) {
  for (const regs::HwClass engine_class :
       {regs::HwClass::kRender, regs::HwClass::kCompute, regs::HwClass::kVideoDecode, regs::HwClass::kVideoEnhance}) {
    Use(engine_class);
    ExpectFault(RunBatch(FastColor(kData, 4, 1, 16, 1)), Kind::kInvalidCommand);
    ExpectFault(RunBatch(FastCopy(kData, kData + 64, 4, 1, 16)), Kind::kInvalidCommand);
  }
  EXPECT_EQ(Get(kData), 0u);
}

TEST_F(MemoryTest, BlitsOfLaterEnginesAreRefused) {
  Commands command = {regs::Blit(regs::BlitOpcode::kMemCopy, regs::kMemCopyDwords)};
  command.resize(regs::kMemCopyDwords);
  ExpectFault(RunBatch(command), Kind::kInvalidCommand);
  command = {regs::Blit(regs::BlitOpcode::kMemSet, regs::kMemSetDwords)};
  command.resize(regs::kMemSetDwords);
  ExpectFault(RunBatch(command), Kind::kInvalidCommand);
  command = FastCopy(kData, kData + 64, 4, 1, 16);
  command[0] |= regs::kFastCopySourceTilingMask;
  ExpectFault(RunBatch(command), Kind::kInvalidCommand);
}

TEST_F(MemoryTest, ABlitThatFaultsInItsMidstNamesTheAddressAndTheCommand) {
  ExpectFault(RunBatch(Join({{regs::kNoop}, FastColor(kEnd - kPage, 1024, 3, kPage, 0xffffffff)})), Kind::kPage, kEnd);
  EXPECT_EQ(streamer_->address(), kBatch + 4);
  EXPECT_EQ(Get(kEnd - 4), 0xffffffffu) << "the rows before are done";
  EXPECT_EQ(RunBatch(Store(kData, 1)), Stop::kIdle) << "the next context begins without it";
}

TEST_F(MemoryTest, ALongBlitTakesManySlicesAndIsNotPreempted) {
  Put(kBatch, Join({FastColor(kInnerBatch, 1024, 8, kPage, 0xffffffff), {regs::kArbCheck}, {regs::kBatchBufferEnd}}));
  streamer_->Load(RingOf(Start(kBatch)));
  int slices = 1;
  for (; Run(kPage, /*preempt=*/true) == Stop::kBudget; ++slices) ASSERT_LT(slices, 20);
  EXPECT_GE(slices, 8);
  EXPECT_EQ(streamer_->state().batch_address, kBatch + 4 * (regs::kFastColorDwords + 1)) << "at the check behind it";
  EXPECT_EQ(Get(kInnerBatch + 8 * kPage - 4), 0xffffffffu);
}

TEST_F(MemoryTest, WhatABlitCopiesIsTakenFromTheBudget) {
  Commands blits;
  for (uint64_t i = 0; i < 8; ++i) blits = Join({blits, FastColor(kInnerBatch + i * kPage, 1024, 1, kPage, 1)});
  streamer_->Load(RingOf(blits));
  EXPECT_EQ(Run(2 * kPage), Stop::kBudget);
  EXPECT_EQ(Get(kInnerBatch), 1u);
  EXPECT_EQ(Get(kInnerBatch + 4 * kPage), 0u) << "four pages for the price of two";
}

TEST_F(MemoryTest, ShortRowsCostMoreThanTheirBytes) {
  // Each row takes two walks of the page tables.
  streamer_->Load(RingOf(FastCopy(kInnerBatch, kData, 1, 4000, 16)));
  Set<uint8_t>(kData + 3999 * 16, 1);
  EXPECT_EQ(Run(8192), Stop::kBudget);
  EXPECT_EQ(Get<uint8_t>(kInnerBatch + 3999 * 16), 0u);
  EXPECT_EQ(Run(), Stop::kIdle);
  EXPECT_EQ(Get<uint8_t>(kInnerBatch + 3999 * 16), 1u);
}

}  // namespace
}  // namespace xeq::hw::model
