// Goal: an engine's interrupt finds its way through enables, masks, vectors and the master to one MSI, and none is lost
// or told twice. Method: the tree alone, driven as a handler would, with an eventfd that is read without waiting.
#include "hw/model/interrupts.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "hw/regs/registers.h"

namespace xeq::hw::model {
namespace {

using regs::HwClass;

class InterruptsTest : public ::testing::Test {
 protected:
  ~InterruptsTest() override { close(fd_); }

  static regs::EnginePlace Place(HwClass engine_class, uint32_t instance = 0) {
    return *regs::FindEngine(engine_class, instance);
  }
  // How many MSIs have come since this was last asked.
  uint64_t Msis() {
    uint64_t count = 0;
    return read(fd_, &count, sizeof(count)) == sizeof(count) ? count : 0;
  }
  void EnableAll() {
    interrupts_.Write(regs::kRenderCopyIntrEnable, ~0u);
    interrupts_.Write(regs::kVcsVecsIntrEnable, ~0u);
    for (const uint32_t mask : kMasks) interrupts_.Write(mask, 0);
  }
  void Master(bool on) { interrupts_.Write(regs::kGfxMstrIrq, on ? regs::kGfxMstrIrqEnable : 0); }
  // Selects one bit, and gives the identity.
  uint32_t Take(uint32_t bank, uint32_t bit) {
    interrupts_.Write(regs::kIirRegSelector0 + 4 * bank, 1u << bit);
    const uint32_t identity = interrupts_.Read(regs::kIntrIdentity0 + 4 * bank);
    interrupts_.Write(regs::kIntrIdentity0 + 4 * bank, identity);
    return identity;
  }
  uint32_t Pending(uint32_t bank) { return interrupts_.Read(regs::kGtIntrDw0 + 4 * bank); }

  static constexpr uint32_t kMasks[] = {
      regs::kRcsIntrMask,   regs::kBcsIntrMask,    regs::kVcs01IntrMask,  regs::kVcs23IntrMask, regs::kVcs45IntrMask,
      regs::kVcs67IntrMask, regs::kVecs01IntrMask, regs::kVecs23IntrMask, regs::kCcs01IntrMask, regs::kCcs23IntrMask};
  const int fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  Interrupts interrupts_{fd_};
};

TEST_F(InterruptsTest, NothingIsEnabledAfterAReset) {
  EXPECT_EQ(interrupts_.Read(regs::kRenderCopyIntrEnable), 0u);
  EXPECT_EQ(interrupts_.Read(regs::kVcsVecsIntrEnable), 0u);
  for (const uint32_t mask : kMasks) EXPECT_EQ(interrupts_.Read(mask), ~0u) << std::hex << mask;
  Master(true);
  interrupts_.Raise(Place(HwClass::kRender), regs::kIrqUser);
  // Enabled, but masked; then unmasked, but not enabled.
  interrupts_.Write(regs::kRenderCopyIntrEnable, ~0u);
  interrupts_.Raise(Place(HwClass::kRender), regs::kIrqUser);
  interrupts_.Write(regs::kRenderCopyIntrEnable, 0);
  interrupts_.Write(regs::kRcsIntrMask, 0);
  interrupts_.Raise(Place(HwClass::kRender), regs::kIrqUser);
  interrupts_.Write(regs::kRenderCopyIntrEnable, ~0u);
  EXPECT_EQ(Pending(0), 0u) << "what was dropped does not come back";
  EXPECT_EQ(Msis(), 0u);
}

// Where each engine is found in the tree. Half: the one of its enable register, and of its mask register.
struct PlaceInTree {
  HwClass engine_class;
  uint32_t instance;
  uint32_t bank;
  uint32_t bit;
  uint32_t enable;
  bool enable_upper;
  uint32_t mask;
  bool mask_upper;
};
constexpr uint32_t kGt0 = regs::kRenderCopyIntrEnable;
constexpr uint32_t kGt1 = regs::kVcsVecsIntrEnable;
constexpr PlaceInTree kPlaces[] = {{HwClass::kRender, 0, 0, 0, kGt0, true, regs::kRcsIntrMask, true},
                                   {HwClass::kCopy, 0, 0, 15, kGt0, false, regs::kBcsIntrMask, true},
                                   {HwClass::kCompute, 0, 0, 4, kGt0, true, regs::kCcs01IntrMask, true},
                                   {HwClass::kCompute, 3, 0, 7, kGt0, true, regs::kCcs23IntrMask, false},
                                   {HwClass::kVideoDecode, 0, 1, 0, kGt1, true, regs::kVcs01IntrMask, true},
                                   {HwClass::kVideoDecode, 1, 1, 1, kGt1, true, regs::kVcs01IntrMask, false},
                                   {HwClass::kVideoDecode, 2, 1, 2, kGt1, true, regs::kVcs23IntrMask, true},
                                   {HwClass::kVideoDecode, 5, 1, 5, kGt1, true, regs::kVcs45IntrMask, false},
                                   {HwClass::kVideoDecode, 6, 1, 6, kGt1, true, regs::kVcs67IntrMask, true},
                                   {HwClass::kVideoEnhance, 0, 1, 31, kGt1, false, regs::kVecs01IntrMask, true},
                                   {HwClass::kVideoEnhance, 1, 1, 30, kGt1, false, regs::kVecs01IntrMask, false},
                                   {HwClass::kVideoEnhance, 2, 1, 29, kGt1, false, regs::kVecs23IntrMask, true},
                                   {HwClass::kVideoEnhance, 3, 1, 28, kGt1, false, regs::kVecs23IntrMask, false}};

TEST_F(InterruptsTest, EachEngineHasItsBitsAndItsIdentity) {
  for (const PlaceInTree& place : kPlaces) {
    SCOPED_TRACE(std::to_string(static_cast<uint32_t>(place.engine_class)) + "." + std::to_string(place.instance));
    const regs::EnginePlace engine = Place(place.engine_class, place.instance);
    const uint32_t enable_bit = regs::kIrqUser << (place.enable_upper ? 16 : 0);
    const uint32_t mask_bit = regs::kIrqUser << (place.mask_upper ? 16 : 0);
    // All but what is needed.
    interrupts_.Write(kGt0, ~0u);
    interrupts_.Write(kGt1, ~0u);
    for (const uint32_t mask : kMasks) interrupts_.Write(mask, 0);
    interrupts_.Write(place.enable, ~enable_bit);
    interrupts_.Raise(engine, regs::kIrqUser);
    EXPECT_EQ(Pending(0) | Pending(1), 0u);
    interrupts_.Write(place.enable, ~0u);
    interrupts_.Write(place.mask, mask_bit);
    interrupts_.Raise(engine, regs::kIrqUser);
    EXPECT_EQ(Pending(0) | Pending(1), 0u);
    // Nothing but what is needed.
    interrupts_.Write(kGt0, 0);
    interrupts_.Write(kGt1, 0);
    for (const uint32_t mask : kMasks) interrupts_.Write(mask, ~0u);
    interrupts_.Write(place.enable, enable_bit);
    interrupts_.Write(place.mask, ~mask_bit);
    interrupts_.Raise(engine, regs::kIrqAll | regs::kIrqFlushNotify);
    EXPECT_EQ(Pending(place.bank), 1u << place.bit);
    EXPECT_EQ(Pending(1 - place.bank), 0u);
    EXPECT_EQ(Take(place.bank, place.bit), regs::kIntrIdentityValid | place.instance << 20 |
                                               static_cast<uint32_t>(place.engine_class) << 16 | regs::kIrqUser);
    EXPECT_EQ(Pending(place.bank), 0u);
  }
}

TEST_F(InterruptsTest, VectorsGatherUntilTheyAreTaken) {
  EnableAll();
  const regs::EnginePlace copy = Place(HwClass::kCopy);
  interrupts_.Raise(copy, regs::kIrqUser);
  interrupts_.Raise(copy, regs::kIrqContextSwitch);
  EXPECT_EQ(Take(0, 15) & 0xffff, regs::kIrqUser | regs::kIrqContextSwitch);
  EXPECT_EQ(interrupts_.Read(regs::kIntrIdentity0), 0u) << "written back";
  interrupts_.Raise(copy, regs::kIrqCsError);
  EXPECT_EQ(Pending(0), 1u << 15);
  EXPECT_EQ(Take(0, 15) & 0xffff, regs::kIrqCsError);
  EXPECT_EQ(Take(0, 15) & regs::kIntrIdentityValid, 0u) << "there is nothing left";
}

TEST_F(InterruptsTest, ASelectTakesOneSource) {
  EnableAll();
  interrupts_.Raise(Place(HwClass::kVideoDecode, 2), regs::kIrqUser);
  interrupts_.Raise(Place(HwClass::kVideoEnhance), regs::kIrqUser);
  EXPECT_EQ(Pending(1), 1u << 31 | 1u << 2);
  // A bit that is not pending.
  EXPECT_EQ(Take(1, 0), 0u);
  interrupts_.Write(regs::kIirRegSelector0 + 4, Pending(1));
  EXPECT_EQ(Pending(1), 1u << 31) << "the lowest was taken";
  EXPECT_EQ(interrupts_.Read(regs::kIntrIdentity0 + 4) >> 20 & 0x3f, 2u);
  // The acknowledgement of the dword takes nothing away.
  interrupts_.Write(regs::kGtIntrDw1, 1u << 31);
  EXPECT_EQ(Pending(1), 1u << 31);
}

TEST_F(InterruptsTest, TheMasterShowsTheBanksAlsoWhileItIsOff) {
  EnableAll();
  EXPECT_EQ(interrupts_.Read(regs::kGfxMstrIrq), 0u);
  interrupts_.Raise(Place(HwClass::kRender), regs::kIrqUser);
  EXPECT_EQ(interrupts_.Read(regs::kGfxMstrIrq), 1u);
  interrupts_.Raise(Place(HwClass::kVideoDecode), regs::kIrqUser);
  EXPECT_EQ(interrupts_.Read(regs::kGfxMstrIrq), 3u);
  Take(0, 0);
  EXPECT_EQ(interrupts_.Read(regs::kGfxMstrIrq), 2u);
  Master(true);
  EXPECT_EQ(interrupts_.Read(regs::kGfxMstrIrq), regs::kGfxMstrIrqEnable | 2u);
}

TEST_F(InterruptsTest, OneMsiUntilTheMasterIsSwitchedOnAgain) {
  EnableAll();
  const regs::EnginePlace copy = Place(HwClass::kCopy);
  interrupts_.Raise(copy, regs::kIrqUser);
  EXPECT_EQ(Msis(), 0u) << "the master is off";
  Master(true);
  EXPECT_EQ(Msis(), 1u) << "what is pending counts";
  interrupts_.Raise(copy, regs::kIrqUser);
  interrupts_.Raise(Place(HwClass::kRender), regs::kIrqUser);
  EXPECT_EQ(Msis(), 0u);
  // The handler takes one of two.
  Master(false);
  Take(0, 15);
  EXPECT_EQ(Msis(), 0u);
  Master(true);
  EXPECT_EQ(Msis(), 1u) << "the other one is still pending";
  Master(false);
  Take(0, 0);
  Master(true);
  EXPECT_EQ(Msis(), 0u);
  interrupts_.Raise(copy, regs::kIrqUser);
  EXPECT_EQ(Msis(), 1u);
}

TEST_F(InterruptsTest, OtherRegistersAreStorage) {
  interrupts_.Write(regs::kVfCap, 0);
  EXPECT_EQ(interrupts_.Read(regs::kVfCap), 0u);
  interrupts_.Write(0x190100, 0x1234);
  EXPECT_EQ(interrupts_.Read(0x190100), 0x1234u);
}

TEST_F(InterruptsTest, NoneIsLostBetweenThreads) {
  EnableAll();
  Master(true);
  constexpr int kRounds = 20'000;
  // Each engine raises its next when the handler has counted the last, so that all must arrive.
  std::atomic<int> handled[2] = {};
  const regs::EnginePlace engines[] = {Place(HwClass::kCopy), Place(HwClass::kVideoDecode)};
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&, i] {
      for (int round = 0; round < kRounds; ++round) {
        interrupts_.Raise(engines[i], regs::kIrqUser);
        while (handled[i].load() == round) std::this_thread::yield();
      }
    });
  }
  while (handled[0].load() < kRounds || handled[1].load() < kRounds) {
    if (Msis() == 0) {
      std::this_thread::yield();
      continue;
    }
    Master(false);
    for (uint32_t bank = 0; bank < 2; ++bank) {
      if (Pending(bank) == 0) continue;
      EXPECT_EQ(Take(bank, engines[bank].interrupt_bit) & 0xffff, regs::kIrqUser);
      ++handled[bank];
    }
    Master(true);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Pending(0) | Pending(1), 0u);
}

}  // namespace
}  // namespace xeq::hw::model
