// Goal: an engine that meets a fault stops and says why, several at once one after the other; it can be stopped, reset
// and made to let go of memory. Method: a whole model driven through its registers, as a driver would.
#include <algorithm>
#include <set>

#include "tests/unit/hw/model/engine_fixture.h"

namespace xeq::hw::model {
namespace {

using regs::HwClass;

class EngineFaultTest : public EngineFixture {
 protected:
  static constexpr uint32_t kStoreHeader = regs::Mi(regs::MiOpcode::kStoreDataImm, regs::kStoreDataImmDwordDwords);
  // An engine has nothing left to do and yet is not idle, so that it has halted at this command.
  void WaitForHaltAt(uint32_t base, uint64_t address) {
    EXPECT_TRUE(Eventually([&] {
      return Read(base + regs::kActhd) == static_cast<uint32_t>(address) &&
             Read(base + regs::kActhdUdw) == static_cast<uint32_t>(address >> 32);
    }));
    EXPECT_TRUE(Busy(base));
  }
  uint64_t FaultAddress() {
    return static_cast<uint64_t>(Read(regs::kFaultTlbData1)) << 44 | static_cast<uint64_t>(Read(regs::kFaultTlbData0))
                                                                         << 12;
  }
  uint32_t FaultEngine() { return Read(regs::kRingFault) >> regs::kRingFaultEngineShift & regs::kRingFaultEngineMask; }
  bool FaultShown() { return (Read(regs::kRingFault) & regs::kRingFaultValid) != 0; }
  // Which classes have raised the error interrupt since this was last asked.
  std::set<HwClass> Errors() {
    std::set<HwClass> classes;
    for (const auto& [from, vectors] : TakeVectors()) {
      if ((vectors & regs::kIrqCsError) != 0) classes.insert(static_cast<HwClass>(from.first));
    }
    return classes;
  }
  void ResetEngine(uint32_t base, uint32_t domain) {
    Write(base + regs::kResetCtl, regs::MaskedSet(regs::kResetCtlRequest));
    EXPECT_NE(Read(base + regs::kResetCtl) & regs::kResetCtlReady, 0u);
    Write(regs::kGdrst, domain);
    EXPECT_EQ(Read(regs::kGdrst), 0u) << "clears itself";
    Write(base + regs::kResetCtl, regs::MaskedClear(regs::kResetCtlRequest));
    EXPECT_EQ(Read(base + regs::kResetCtl) & regs::kResetCtlReady, 0u);
    BringUp(base);
  }
  static constexpr uint32_t kRenderDomain = 1u << 1;
  static constexpr uint32_t kCopyDomain = 1u << 2;
  static constexpr uint32_t kVideoDomain = 1u << 5;
};

// ---- Faults.

TEST_F(EngineFaultTest, AnInvalidCommandHaltsTheEngine) {
  DropInterrupts();
  Put(kBatch, Join({Store(kData, 1), {0x1f800000}, Store(kData + 4, 1), {regs::kBatchBufferEnd}}));
  const Context context = MakeContext(Start(kBatch));
  const Context next = MakeContext(Store(kData + 8, 1));
  Submit(kBcs, context, next);
  EXPECT_TRUE(WaitForVectors(HwClass::kCopy, regs::kIrqCsError));
  EXPECT_EQ(Read(kBcs + regs::kEir), regs::kErrorInstruction);
  EXPECT_EQ(Read(kBcs + regs::kIpehr), 0x1f800000u);
  EXPECT_EQ(Read(kBcs + regs::kActhd), kBatch + 16);
  EXPECT_FALSE(FaultShown());
  EXPECT_TRUE(Busy(kBcs)) << "it hangs";
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  // Neither the list nor a new one goes on.
  Submit(kBcs, next);
  LetTicksPass(2000);
  EXPECT_FALSE(HasSwitch(kBcs));
  EXPECT_EQ(Get(kData), 1u);
  EXPECT_EQ(Get(kData + 4), 0u);
  EXPECT_EQ(Get(kData + 8), 0u);
  Write(kBcs + regs::kEir, ~0u);
  EXPECT_EQ(Read(kBcs + regs::kEir), 0u);
}

TEST_F(EngineFaultTest, APrivilegeViolationHasABitOfItsOwn) {
  DropInterrupts();
  Put(kBatch, Join({LoadRegister(kBcs + regs::kHwsPga, 0), {regs::kBatchBufferEnd}}));
  const uint32_t status_page = Read(kBcs + regs::kHwsPga);
  const Context context = MakeContext(Start(kBatch));
  Submit(kBcs, context);
  EXPECT_TRUE(WaitForVectors(HwClass::kCopy, regs::kIrqCsError));
  EXPECT_EQ(Read(kBcs + regs::kEir), regs::kErrorPrivilege);
  EXPECT_EQ(Read(kBcs + regs::kHwsPga), status_page);
}

TEST_F(EngineFaultTest, APageFaultIsShownWithEngineAndAddress) {
  DropInterrupts();
  // Bits in both halves of the address.
  constexpr uint64_t kAddress = 0x9abc'def0'1234 & ~0xfffull;
  Put(kBatch, Join({Store(kAddress + 0x40, 1), {regs::kBatchBufferEnd}}));
  const Context context = MakeContext(Start(kBatch));
  Submit(kVcs, context);
  EXPECT_TRUE(WaitForVectors(HwClass::kVideoDecode, regs::kIrqCsError));
  ASSERT_TRUE(FaultShown());
  EXPECT_EQ(FaultEngine(), regs::FindEngine(HwClass::kVideoDecode, 0)->fault_id);
  EXPECT_EQ(FaultAddress(), kAddress);
  EXPECT_EQ(Read(kVcs + regs::kIpehr), kStoreHeader);
  EXPECT_EQ(Read(kVcs + regs::kEir), 0u);
  // Written with the bit set, the register is kept.
  Write(regs::kRingFault, regs::kRingFaultValid);
  EXPECT_TRUE(FaultShown());
  Write(regs::kRingFault, 0);
  EXPECT_FALSE(FaultShown());
  EXPECT_EQ(FaultAddress(), 0u);
  Write(regs::kRingFault, 0);
  EXPECT_TRUE(Busy(kVcs)) << "the engine is not freed by that";
}

TEST_F(EngineFaultTest, FaultsOfSeveralEnginesAreShownOneByOne) {
  struct Engine {
    uint32_t base;
    HwClass engine_class;
    uint64_t batch;
    uint64_t address;
  };
  const Engine engines[] = {{kRcs, HwClass::kRender, kBatch, 0x1000'0000'1000},
                            {kBcs, HwClass::kCopy, kBatch + 0x1000, 0x2000'0000'2000},
                            {kVcs, HwClass::kVideoDecode, kBatch + 0x2000, 0x8000'0000'3000}};
  std::vector<Context> contexts;
  Write(regs::kGfxMstrIrq, 0);
  for (const Engine& engine : engines) {
    Put(engine.batch, Store(engine.address, 1));
    contexts.push_back(MakeContext(Start(engine.batch)));
    Submit(engine.base, contexts.back());
  }
  for (const Engine& engine : engines) WaitForHaltAt(engine.base, engine.batch);
  std::set<HwClass> seen;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(FaultShown());
    const auto* engine = std::find_if(std::begin(engines), std::end(engines), [&](const Engine& e) {
      return regs::FindEngine(e.engine_class, 0)->fault_id == FaultEngine();
    });
    ASSERT_NE(engine, std::end(engines));
    EXPECT_EQ(FaultAddress(), engine->address);
    EXPECT_TRUE(seen.insert(engine->engine_class).second) << "shown twice";
    EXPECT_EQ(Errors(), std::set{engine->engine_class}) << "who is not shown has not raised its interrupt";
    Write(regs::kRingFault, 0);
  }
  EXPECT_FALSE(FaultShown());
  EXPECT_TRUE(Errors().empty());
}

TEST_F(EngineFaultTest, AResetDropsTheEnginesFaultAndShowsTheNext) {
  Write(regs::kGfxMstrIrq, 0);
  Put(kBatch, Store(kUnbound, 1));
  Put(kBatch + 0x1000, Store(kUnbound + 0x1000, 1));
  const Context on_render = MakeContext(Start(kBatch));
  const Context on_copy = MakeContext(Start(kBatch + 0x1000));
  Submit(kRcs, on_render);
  WaitForHaltAt(kRcs, kBatch);
  Submit(kBcs, on_copy);
  WaitForHaltAt(kBcs, kBatch + 0x1000);
  EXPECT_EQ(Errors(), std::set{HwClass::kRender});
  EXPECT_EQ(FaultAddress(), kUnbound);
  Write(regs::kGdrst, kRenderDomain);
  EXPECT_EQ(Errors(), std::set{HwClass::kCopy});
  EXPECT_EQ(FaultAddress(), kUnbound + 0x1000);
  Write(regs::kGdrst, kCopyDomain);
  EXPECT_FALSE(FaultShown());
  EXPECT_TRUE(Errors().empty());
}

TEST_F(EngineFaultTest, AResetOfAnotherEngineDoesNotTellOfTheShownFaultAgain) {
  Write(regs::kGfxMstrIrq, 0);
  Put(kBatch, Store(kUnbound, 1));
  Put(kBatch + 0x1000, Store(kUnbound + 0x1000, 1));
  const Context on_render = MakeContext(Start(kBatch));
  const Context on_copy = MakeContext(Start(kBatch + 0x1000));
  Submit(kRcs, on_render);
  WaitForHaltAt(kRcs, kBatch);
  Submit(kBcs, on_copy);
  WaitForHaltAt(kBcs, kBatch + 0x1000);
  EXPECT_EQ(Errors(), std::set{HwClass::kRender});
  // One that waits for its turn, and one that has no fault.
  Write(regs::kGdrst, kCopyDomain | kVideoDomain);
  EXPECT_TRUE(Errors().empty());
  EXPECT_EQ(FaultAddress(), kUnbound);
  Write(regs::kRingFault, 0);
  EXPECT_FALSE(FaultShown()) << "the reset engine's was dropped";
  EXPECT_TRUE(Errors().empty());
}

TEST_F(EngineFaultTest, AnImageThatCannotBeLoadedIsAFaultAtItsAddress) {
  Context not_mapped = MakeContext();
  not_mapped.lrca = 0x8000'0000;
  Context endless = MakeContext();
  endless.SetImage(regs::kImageEndOther, 0);
  Context foreign = MakeContext();
  foreign.SetImage(regs::kImageLri, 0x12345678);
  Context without_ring = MakeContext();
  without_ring.SetImage(regs::kImageRingCtl, 0);
  Context overlong = MakeContext();
  for (uint32_t dword = regs::kImageEndOther; dword < 1024; ++dword) overlong.SetImage(dword, 0);
  overlong.SetImage(1000, regs::LoadRegisterImm(12));
  for (const Context* context : {&not_mapped, &endless, &foreign, &without_ring, &overlong}) {
    DropInterrupts();
    Submit(kBcs, *context);
    EXPECT_TRUE(WaitForVectors(HwClass::kCopy, regs::kIrqCsError));
    EXPECT_TRUE(FaultShown());
    EXPECT_EQ(FaultAddress(), context->lrca);
    ResetEngine(kBcs, kCopyDomain);
    EXPECT_FALSE(FaultShown());
  }
  const Context good = MakeContext(Store(kData, 1));
  RunToEnd(kBcs, good);
  EXPECT_EQ(Get(kData), 1u);
}

TEST_F(EngineFaultTest, TheSecondPortsImageIsLookedAtInItsTurn) {
  DropInterrupts();
  const Context first = MakeContext(Join({WaitFor(kData), Store(kData + 4, 1)}));
  Context second = MakeContext();
  second.SetImage(regs::kImageRingCtl, 0);
  Submit(kBcs, first, second);
  EXPECT_EQ(NextSwitch(kBcs), Begins(first.id));
  EXPECT_FALSE(FaultShown());
  Set(kData, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(first.id, second.id));
  EXPECT_TRUE(FaultShown());
  EXPECT_EQ(FaultAddress(), second.lrca);
  EXPECT_EQ(Get(kData + 4), 1u);
  EXPECT_EQ(first.Image(regs::kImageRingHead), first.tail);
}

// ---- MI_MODE's stop.

TEST_F(EngineFaultTest, AStoppedEngineIsIdleAtOnceAndGoesOnWhereItWas) {
  PutLoop(kBatch, Increment(kData), kData + 8);
  const Context loop = MakeContext(Start(kBatch));
  Submit(kBcs, loop);
  EXPECT_EQ(NextSwitch(kBcs), Begins(loop.id));
  EXPECT_TRUE(Eventually([&] { return Get(kData) > 0; }));
  Write(kBcs + regs::kMiMode, regs::MaskedSet(regs::kMiModeStopRing));
  EXPECT_EQ(Read(kBcs + regs::kMiMode), regs::kMiModeStopRing | regs::kMiModeIdle);
  const uint32_t count = Get(kData);
  LetTicksPass(2000);
  EXPECT_EQ(Get(kData), count);
  // What is submitted meanwhile waits too.
  const Context other = MakeContext(Store(kData + 4, 1));
  Submit(kBcs, other);
  LetTicksPass(1000);
  EXPECT_FALSE(HasSwitch(kBcs));
  Write(kBcs + regs::kMiMode, regs::MaskedClear(regs::kMiModeStopRing));
  EXPECT_EQ(Read(kBcs + regs::kMiMode), 0u);
  EXPECT_TRUE(Eventually([&] { return Get(kData) > count; }));
  Set(kData + 8, 1);
  EXPECT_EQ(NextSwitch(kBcs).to, other.id);
  EXPECT_EQ(NextSwitch(kBcs), Completes(other.id));
}

// ---- Reset.

TEST_F(EngineFaultTest, AResetFreesAHungEngineAndNoOther) {
  PutLoop(kBatch, Increment(kData), kData + 8);
  PutLoop(kBatch + 0x1000, Increment(kData + 0x1000), kData + 0x1008);
  const Context hung = MakeContext(Start(kBatch));
  const Context other = MakeContext(Start(kBatch + 0x1000));
  Submit(kRcs, hung);
  Submit(kBcs, other);
  EXPECT_EQ(NextSwitch(kBcs), Begins(other.id));
  EXPECT_TRUE(Eventually([&] { return Get(kData) > 0 && Get(kData + 0x1000) > 0; }));
  ResetEngine(kRcs, kRenderDomain);
  EXPECT_FALSE(Busy(kRcs));
  EXPECT_EQ(Read(kRcs + regs::kRingStart), 0u);
  EXPECT_EQ(hung.Image(regs::kImageRingHead), 0u) << "what it ran is not stored";
  EXPECT_FALSE(HasSwitch(kRcs));
  const uint32_t count = Get(kData);
  const uint32_t others_count = Get(kData + 0x1000);
  EXPECT_TRUE(Eventually([&] { return Get(kData + 0x1000) > others_count + 1000; }));
  EXPECT_EQ(Get(kData), count);
  const Context next = MakeContext(Store(kData + 4, 1));
  RunToEnd(kRcs, next);
  EXPECT_EQ(Get(kData + 4), 1u);
  Set(kData + 0x1008, 1);
  EXPECT_EQ(NextSwitch(kBcs), Completes(other.id));
}

TEST_F(EngineFaultTest, AResetForgetsAListThatWaits) {
  PutLoop(kBatch, Increment(kData), kData + 8);
  const Context hung = MakeContext(Start(kBatch));
  const Context waiting = MakeContext(Store(kData + 4, 1));
  Submit(kBcs, hung, waiting);
  EXPECT_TRUE(Eventually([&] { return Get(kData) > 0; }));
  Submit(kBcs, waiting);
  ResetEngine(kBcs, kCopyDomain);
  LetTicksPass(1000);
  EXPECT_FALSE(Busy(kBcs));
  EXPECT_FALSE(HasSwitch(kBcs));
  EXPECT_EQ(Get(kData + 4), 0u);
}

TEST_F(EngineFaultTest, AFullResetFreesAll) {
  PutLoop(kBatch, Increment(kData), kData + 8);
  const Context on_render = MakeContext(Start(kBatch));
  const Context on_copy = MakeContext({0x1f800000});
  Submit(kRcs, on_render);
  Submit(kBcs, on_copy);
  EXPECT_TRUE(Eventually([&] { return Get(kData) > 0 && Read(kBcs + regs::kEir) != 0; }));
  Write(regs::kGdrst, 1);
  for (const uint32_t base : {kRcs, kBcs, kVcs}) {
    EXPECT_FALSE(Busy(base));
    EXPECT_EQ(Read(base + regs::kHwsPga), 0u);
    EXPECT_EQ(Read(base + regs::kEir), 0u);
    BringUp(base);
  }
  for (const uint32_t base : {kRcs, kBcs, kVcs}) {
    const Context context = MakeContext(Store(kData + 4, base));
    RunToEnd(base, context);
    EXPECT_EQ(Get(kData + 4), base);
  }
}

TEST_F(EngineFaultTest, AnEngineThatIsAskedForAResetDoesNotRun) {
  const Context context = MakeContext(Store(kData, 1));
  Write(kBcs + regs::kResetCtl, regs::MaskedSet(regs::kResetCtlRequest));
  Submit(kBcs, context);
  LetTicksPass(1000);
  EXPECT_EQ(Get(kData), 0u);
  Write(kBcs + regs::kResetCtl, regs::MaskedClear(regs::kResetCtlRequest));
  EXPECT_EQ(NextSwitch(kBcs), Begins(context.id));
  EXPECT_EQ(NextSwitch(kBcs), Completes(context.id));
  EXPECT_EQ(Get(kData), 1u);
}

// ---- Invalidation of translations.

TEST_F(EngineFaultTest, AfterAnInvalidationNoAccessByTheOldTranslationIsUnderWay) {
  constexpr uint64_t kVictim = kData + 0x4000;
  constexpr uint64_t kSpare = kData + 0x5000;
  Commands fill(regs::kFastColorDwords);
  fill[0] = regs::Blit(regs::BlitOpcode::kFastColor, regs::kFastColorDwords) | regs::kFastColorDepth32;
  fill[1] = kPage - 1;
  fill[3] = 1u << 16 | 1024;
  fill[4] = static_cast<uint32_t>(kVictim);
  fill[7] = 0xffffffff;
  PutLoop(kBatch, Join({fill, Increment(kData)}), kData + 8);
  const Context loop = MakeContext(Start(kBatch));
  Submit(kBcs, loop);
  const uint64_t victim_page = (data_->dma_address() + kVictim - kData) | kFlags;
  const uint64_t spare_page = (data_->dma_address() + kSpare - kData) | kFlags;
  for (int i = 0; i < 20; ++i) {
    const uint32_t count = Get(kData);
    EXPECT_TRUE(Eventually([&] { return Get(kData) > count + 2; }));
    SetEntry(3, kVictim / kPage, spare_page);
    Write(regs::kBltTlbInvalidate, 1);
    EXPECT_EQ(Read(regs::kBltTlbInvalidate), 0u) << "done";
    // The page is the host's now.
    std::memset(Host(kVictim), 0, kPage);
    const uint32_t later = Get(kData);
    EXPECT_TRUE(Eventually([&] { return Get(kData) > later + 20; }));
    EXPECT_TRUE(std::all_of(Host(kVictim), Host(kVictim) + kPage, [](std::byte b) { return b == std::byte{0}; }));
    SetEntry(3, kVictim / kPage, victim_page);
  }
  Set(kData + 8, 1);
  EXPECT_EQ(NextSwitch(kBcs), Begins(loop.id));
  EXPECT_EQ(NextSwitch(kBcs), Completes(loop.id));
}

TEST_F(EngineFaultTest, FreedMemoryIsAFaultAndNotARead) {
  DropInterrupts();
  auto memory = gpu_->AllocateDma(kPage).value();
  SetEntry(3, kUnbound / kPage, memory->dma_address() | kFlags);
  PutLoop(kBatch, Store(kUnbound, 1), kData);
  const Context loop = MakeContext(Start(kBatch));
  Submit(kBcs, loop);
  EXPECT_TRUE(Eventually([&] { return std::atomic_ref(*reinterpret_cast<uint32_t*>(memory->cpu())).load() == 1; }));
  memory.reset();
  EXPECT_TRUE(WaitForVectors(HwClass::kCopy, regs::kIrqCsError));
  EXPECT_TRUE(FaultShown());
  EXPECT_EQ(FaultAddress(), kUnbound);
}

// ---- What is not an engine.

TEST_F(EngineFaultTest, TheFunctionAnswersAProbe) {
  EXPECT_EQ(gpu_->ReadConfig(0), regs::kDeviceTigerLakeGt2 << 16 | regs::kVendorIntel);
  EXPECT_EQ(gpu_->ReadConfig(8) >> 24, 3u) << "a display controller";
  EXPECT_EQ(gpu_->ReadConfig(regs::kConfigGgc) >> 6 & 3, 3u) << "8 MiB of page table";
  EXPECT_EQ(gpu_->ReadConfig(0x100), 0u);
  // Of vcs0, vcs2 and vecs0.
  EXPECT_EQ(Read(regs::kGtVeboxVdboxDisable), 0x000e00fau);
  EXPECT_EQ(gpu_->dma_bytes_max(), 64u << 20);
  EXPECT_EQ(gpu_->backend(), "model");
  EXPECT_EQ(gpu_->address(), "0000:00:02.0");
  EXPECT_EQ(gpu_->description(), "Tiger Lake GT2 (model)");
}

TEST_F(EngineFaultTest, ForcewakeIsAcknowledged) {
  const std::pair<uint32_t, uint32_t> domains[] = {{regs::kForcewakeRender, regs::kForcewakeAckRender},
                                                   {regs::kForcewakeGt, regs::kForcewakeAckGt},
                                                   {regs::kForcewakeVd, regs::kForcewakeAckVd},
                                                   {regs::kForcewakeVd + 28, regs::kForcewakeAckVd + 28},
                                                   {regs::kForcewakeVe + 12, regs::kForcewakeAckVe + 12}};
  for (const auto& [request, ack] : domains) {
    Write(request, 0x00010001);
    EXPECT_EQ(Read(ack), 1u) << std::hex << request;
    Write(request, 0x00020002);
    EXPECT_EQ(Read(ack), 3u);
    Write(request, 0x00010000);
    EXPECT_EQ(Read(ack), 2u);
  }
}

TEST_F(EngineFaultTest, EntriesOfTheGgttAreReadAsTheyWereWritten) {
  constexpr uint32_t kEntry = regs::kGsmOffset + 8 * 1000;
  gpu_->Write64({kEntry}, 0x0000'0012'3456'7001);
  EXPECT_EQ(gpu_->Read64({kEntry}), 0x0000'0012'3456'7001u);
  EXPECT_EQ(Read(kEntry), 0x34567001u);
  EXPECT_EQ(Read(kEntry + 4), 0x12u);
  Write(kEntry + 4, 0x13);
  EXPECT_EQ(gpu_->Read64({kEntry}), 0x0000'0013'3456'7001u);
  Write(kEntry, 5);
  EXPECT_EQ(gpu_->Read64({kEntry}), 0x13'00000005u);
  gpu_->Write64({regs::kGsmOffset + regs::kGsmBytes - 8}, 7);
  EXPECT_EQ(gpu_->Read64({regs::kGsmOffset + regs::kGsmBytes - 8}), 7u);
  // Outside of the table.
  gpu_->Write64({regs::kGsmOffset + regs::kGsmBytes}, 7);
  EXPECT_EQ(gpu_->Read64({regs::kGsmOffset + regs::kGsmBytes}), 0u);
  EXPECT_EQ(gpu_->Read64({0}), 0u);
  EXPECT_EQ(Read(0xfffffffc), 0u);
}

TEST_F(EngineFaultTest, OtherRegistersAreStorage) {
  // A register of the work-arounds, and one of an engine that this profile does not have.
  for (const uint32_t offset : {0x9424u, regs::kVcsBases[1] + regs::kHwsPga}) {
    EXPECT_EQ(Read(offset), 0u);
    Write(offset, 0x12345678);
    EXPECT_EQ(Read(offset), 0x12345678u);
  }
  for (const uint32_t offset : {regs::kGfxAuxInvalidate, regs::kVd0AuxInvalidate, regs::kVe0AuxInvalidate}) {
    Write(offset, 1);
    EXPECT_EQ(Read(offset), 0u) << "clears itself";
  }
}

}  // namespace
}  // namespace xeq::hw::model
