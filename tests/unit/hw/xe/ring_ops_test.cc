// Goal: the ring holds, dword by dword, what the kernel's xe driver puts around a batch on Tiger Lake, and the stores
// of timestamps. Method: golden dwords, written by hand from xe_ring_ops.c and the manuals.
#include "hw/xe/ring_ops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace xeq::hw::xe {
namespace {

using regs::HwClass;
using ::testing::ElementsAreArray;

constexpr uint64_t kBatch = 0x1234'5678'9000;
constexpr uint32_t kSeqno = 0xffffff81;
constexpr JobAddresses kAddresses = {.start_seqno = 0x200208,
                                     .seqno = 0x200200,
                                     .start_timestamp = 0x200800,
                                     .start_context_timestamp = 0x200804,
                                     .end_timestamp = 0x200808,
                                     .end_context_timestamp = 0x20080c};

TEST(RingOpsTest, Copy) {
  const JobCommands job(HwClass::kCopy, kBatch, kSeqno, kAddresses);
  const uint32_t golden[] = {
      0x12480002, 0x358,      0x200800,   0,           // MI_STORE_REGISTER_MEM RING_TIMESTAMP, GGTT, CS base
      0x12480002, 0x3a8,      0x200804,   0,           // CTX_TIMESTAMP
      0x10400002, 0x200208,   0,          0xffffff81,  // MI_STORE_DATA_IMM start seqno, GGTT
      0x18800101, 0x56789000, 0x1234,                  // MI_BATCH_BUFFER_START, PPGTT
      0x04000000,                                      // MI_ARB_ON_OFF off
      0x13000002, 0,          0,          0,           // MI_FLUSH_DW
      0x12480002, 0x358,      0x200808,   0,           //
      0x12480002, 0x3a8,      0x20080c,   0,           //
      0x13004002, 0x200204,   0,          0xffffff81,  // MI_FLUSH_DW, post-sync write of the seqno, GGTT (bit 2)
      0x01000000, 0x04000001, 0x02800000,              // MI_USER_INTERRUPT, MI_ARB_ON_OFF on, MI_ARB_CHECK
      0,                                               // padding
      0x02800000, 0};                                  // spare: MI_ARB_CHECK, MI_NOOP
  EXPECT_THAT(job.dwords(), ElementsAreArray(golden));
}

TEST(RingOpsTest, Video) {
  for (const auto& [engine_class, aux] :
       {std::pair{HwClass::kVideoDecode, 0x4218u}, std::pair{HwClass::kVideoEnhance, 0x4238u}}) {
    const JobCommands job(engine_class, kBatch, kSeqno, kAddresses);
    const uint32_t golden[] = {0x12480002, 0x358,      0x200800,   0,           //
                               0x12480002, 0x3a8,      0x200804,   0,           //
                               0x02800101,                                      // MI_ARB_CHECK: pre-parser off
                               0x11020001, aux,        1,          0,           // AUX_INV, MI_NOOP
                               0x02800100,                                      // pre-parser on
                               0x10400002, 0x200208,   0,          0xffffff81,  //
                               0x18800101, 0x56789000, 0x1234,                  //
                               0x04000000,                                      //
                               0x13000002, 0,          0,          0,           //
                               0x12480002, 0x358,      0x200808,   0,           //
                               0x12480002, 0x3a8,      0x20080c,   0,           //
                               0x13004002, 0x200204,   0,          0xffffff81,  //
                               0x01000000, 0x04000001, 0x02800000,              //
                               0,                                               //
                               0x02800000, 0};
    EXPECT_THAT(job.dwords(), ElementsAreArray(golden));
  }
}

TEST(RingOpsTest, Render) {
  const JobCommands job(HwClass::kRender, kBatch, kSeqno, kAddresses);
  const uint32_t golden[] = {
      0x12480002, 0x358,      0x200800,   0,                          //
      0x12480002, 0x3a8,      0x200804,   0,                          //
      0x02800101,                                                     //
      0x7a000004, 0x20304c1c, 0xd0,       0,          0,          0,  // PIPE_CONTROL: invalidate, store index
      0x11020001, 0x4208,     1,          0,                          //
      0x02800100,                                                     //
      0x10400002, 0x200208,   0,          0xffffff81,                 //
      0x18800101, 0x56789000, 0x1234,                                 //
      0x04000000,                                                     //
      0x7a000204, 0x101030a1, 0,          0,          0,          0,  // PIPE_CONTROL: flush
      0x12480002, 0x358,      0x200808,   0,                          //
      0x12480002, 0x3a8,      0x20080c,   0,                          //
      0x7a000004, 0x01104080, 0x200200,   0,          0xffffff81, 0,  // PIPE_CONTROL: seqno, GGTT
      0x01000000, 0x04000001, 0x02800000,                             //
      0,                                                              //
      0x02800000, 0};
  EXPECT_THAT(job.dwords(), ElementsAreArray(golden));
}

// ---- With a flush of cached translations, and a user fence.

constexpr JobExtras kExtras = {.flush_tlb = true, .user_fence = {.address = 0x8'0000'1000, .value = 0x1122'3344'5566}};

TEST(RingOpsTest, T49_CopyWithFlushAndUserFence) {
  const JobCommands job(HwClass::kCopy, kBatch, kSeqno, kAddresses, kExtras);
  const uint32_t golden[] = {0x12480002, 0x358,      0x200800,   0,                   //
                             0x12480002, 0x3a8,      0x200804,   0,                   //
                             0x02800101,                                              // pre-parser off
                             0x13044002, 0x20020c,   0,          0xffffff81,          // MI_FLUSH_DW, TLB, start seqno
                             0x02800100,                                              // pre-parser on
                             0x18800101, 0x56789000, 0x1234,                          //
                             0x04000000,                                              //
                             0x13000002, 0,          0,          0,                   //
                             0x10200003, 0x1000,     8,          0x33445566, 0x1122,  // the user fence, PPGTT
                             0x12480002, 0x358,      0x200808,   0,                   //
                             0x12480002, 0x3a8,      0x20080c,   0,                   //
                             0x13004002, 0x200204,   0,          0xffffff81,          //
                             0x01000000, 0x04000001, 0x02800000,                      //
                             0x02800000, 0};
  EXPECT_THAT(job.dwords(), ElementsAreArray(golden));
}

TEST(RingOpsTest, T49_VideoWithFlushAndUserFence) {
  const JobCommands job(HwClass::kVideoDecode, kBatch, kSeqno, kAddresses, kExtras);
  const uint32_t golden[] = {0x12480002, 0x358,      0x200800,   0,                   //
                             0x12480002, 0x3a8,      0x200804,   0,                   //
                             0x02800101,                                              //
                             0x11020001, 0x4218,     1,          0,                   //
                             0x13044002, 0x20020c,   0,          0xffffff81,          // in the place of the store
                             0x02800100,                                              //
                             0x18800101, 0x56789000, 0x1234,                          //
                             0x04000000,                                              //
                             0x13000002, 0,          0,          0,                   //
                             0x10200003, 0x1000,     8,          0x33445566, 0x1122,  //
                             0x12480002, 0x358,      0x200808,   0,                   //
                             0x12480002, 0x3a8,      0x20080c,   0,                   //
                             0x13004002, 0x200204,   0,          0xffffff81,          //
                             0x01000000, 0x04000001, 0x02800000,                      //
                             0x02800000, 0};
  EXPECT_THAT(job.dwords(), ElementsAreArray(golden));
}

TEST(RingOpsTest, T49_RenderWithFlushAndUserFence) {
  const JobCommands job(HwClass::kRender, kBatch, kSeqno, kAddresses, kExtras);
  const JobCommands plain(HwClass::kRender, kBatch, kSeqno, kAddresses);
  // The TLB bit, and five dwords behind the flush; the rest is the same.
  std::vector<uint32_t> golden(plain.dwords().begin(), plain.dwords().end());
  golden[10] = 0x20344c1c;
  const std::vector<uint32_t> fence = {0x10200003, 0x1000, 8, 0x33445566, 0x1122};
  golden.insert(golden.begin() + 34, fence.begin(), fence.end());
  // The padding is not needed any more.
  golden.erase(golden.end() - 3);
  EXPECT_EQ(golden[28], 0x7a000204u) << "the flush";
  EXPECT_THAT(job.dwords(), ElementsAreArray(golden));
}

TEST(RingOpsTest, JobsOfAFullContextFitItsRing) {
  for (const HwClass engine_class : {HwClass::kRender, HwClass::kCopy, HwClass::kVideoDecode, HwClass::kCompute}) {
    const JobCommands job(engine_class, kBatch, kSeqno, kAddresses, kExtras);
    EXPECT_LE(job.dwords().size(), JobCommands::kDwordsMax);
    // i915's rule: a request is shorter than half of the ring.
    EXPECT_LT(job.dwords().size() * 4 * 32, 16u << 10);
    EXPECT_EQ(job.dwords().size() % 2, 0u);
  }
}

}  // namespace
}  // namespace xeq::hw::xe
