// Goal: the log keeps the last events with their numbers, and says so when it does not have what is asked for. Method:
// logs of every small size, filled past their bound, read from every number in pieces of every size.
#include "server/session/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace xeq::session {
namespace {

using ::testing::ElementsAre;

// An event that can be told from others by its seqno.
Event Numbered(uint64_t number) { return {{.context = 1, .seqno = number}, {}, {}}; }

void Fill(EventLog& log, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) log.Append(Numbered(log.last() + 1));
}

std::vector<uint64_t> Read(const EventLog& log, uint64_t after, size_t room) {
  std::vector<Event> events(room);
  const size_t count = log.ReadAfter(after, absl::MakeSpan(events));
  std::vector<uint64_t> numbers;
  for (size_t i = 0; i < count; ++i) numbers.push_back(events[i].point.seqno);
  return numbers;
}

TEST(EventLogTest, AnEmptyLogHasNothingBeforeItsFirstEvent) {
  const EventLog log(4);
  EXPECT_EQ(log.last(), 0u);
  EXPECT_EQ(log.oldest(), 1u);
  EXPECT_TRUE(log.CanReadAfter(0));
  EXPECT_FALSE(log.CanReadAfter(1));
  EXPECT_FALSE(log.CanReadAfter(UINT64_MAX));
  EXPECT_TRUE(Read(log, 0, 8).empty());
}

TEST(EventLogTest, KeepsAllUpToItsBoundAndThenTheLatest) {
  EventLog log(4);
  Fill(log, 4);
  EXPECT_EQ(log.oldest(), 1u);
  EXPECT_THAT(Read(log, 0, 8), ElementsAre(1, 2, 3, 4));
  Fill(log, 3);
  EXPECT_EQ(log.last(), 7u);
  EXPECT_EQ(log.oldest(), 4u);
  EXPECT_FALSE(log.CanReadAfter(2));
  EXPECT_TRUE(log.CanReadAfter(3));
  EXPECT_THAT(Read(log, 3, 8), ElementsAre(4, 5, 6, 7));
}

TEST(EventLogTest, CannotBeReadFromTheFuture) {
  EventLog log(4);
  Fill(log, 6);
  EXPECT_TRUE(log.CanReadAfter(6));
  EXPECT_FALSE(log.CanReadAfter(7));
  EXPECT_FALSE(log.CanReadAfter(UINT64_MAX));
  EXPECT_TRUE(Read(log, 6, 8).empty());
}

TEST(EventLogTest, ReadersResumeWhereverTheRingWraps) {
  for (size_t kept = 1; kept <= 5; ++kept) {
    for (uint64_t count = 1; count <= 12; ++count) {
      EventLog log(kept);
      Fill(log, count);
      for (size_t room = 1; room <= kept + 1; ++room) {
        uint64_t next = log.oldest();
        for (;;) {
          const std::vector<uint64_t> some = Read(log, next - 1, room);
          if (some.empty()) break;
          ASSERT_LE(some.size(), room);
          for (const uint64_t number : some) ASSERT_EQ(number, next++) << kept << " kept of " << count;
        }
        ASSERT_EQ(next, count + 1);
      }
      ASSERT_EQ(log.oldest(), count - std::min<uint64_t>(kept, count) + 1);
    }
  }
}

TEST(EventLogTest, EventsComeOutWhole) {
  EventLog log(2);
  const Event in{{3, 9},
                 {sched::Outcome::kDependencyFailed, sched::Outcome::kPageFault, {2, 8}, {.fault_address = 0x1000}},
                 {.armed = 1, .ended = 2}};
  log.Append(in);
  Event out;
  ASSERT_EQ(log.ReadAfter(0, absl::MakeSpan(&out, 1)), 1u);
  EXPECT_EQ(out.point, in.point);
  EXPECT_EQ(out.result.outcome, sched::Outcome::kDependencyFailed);
  EXPECT_EQ(out.result.root, in.result.root);
  EXPECT_EQ(out.result.root_outcome, sched::Outcome::kPageFault);
  EXPECT_EQ(out.result.fault.fault_address, 0x1000u);
  EXPECT_EQ(out.times.armed, 1);
  EXPECT_EQ(out.times.ended, 2);
}

}  // namespace
}  // namespace xeq::session
