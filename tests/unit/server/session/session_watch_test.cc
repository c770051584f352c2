// Goal: a watch sees every event once and in order, is told exactly when it has asked to be, and hears that it was too
// slow rather than miss something. Method: watches that only count, and one that reads when it is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/session/session_fixture.h"

namespace xeq::session {
namespace {

using sched::Outcome;
using sched::Point;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CountingWatch : public Watch {
 public:
  int told = 0;

 private:
  void OnEvents() override { ++told; }
};

class SessionWatchTest : public SessionTest {
 protected:
  std::shared_ptr<CountingWatch> StartWatch(uint64_t after_event = 0) {
    auto watch = std::make_shared<CountingWatch>();
    const absl::Status status = session_->StartWatch(watch, after_event);
    EXPECT_TRUE(status.ok()) << status;
    return watch;
  }
  // The seqnos of what one read gives.
  std::vector<uint64_t> Read(Watch& watch, size_t room = 8) {
    std::vector<Event> events(room);
    const absl::StatusOr<WatchedEvents> read = session_->ReadEvents(watch, absl::MakeSpan(events));
    EXPECT_TRUE(read.ok()) << read.status();
    std::vector<uint64_t> seqnos;
    if (!read.ok()) return seqnos;
    last_read_ = *read;
    for (size_t i = 0; i < read->count; ++i) seqnos.push_back(events[i].point.seqno);
    return seqnos;
  }
  void RunJobs(uint64_t queue, int count) {
    for (int i = 0; i < count; ++i) End(SubmitOne(queue));
  }

  WatchedEvents last_read_;
};

TEST_F(SessionWatchTest, EventsAreNumberedFromOneAndReadInPieces) {
  const uint64_t queue = Queue();
  const auto watch = StartWatch();
  RunJobs(queue, 5);
  EXPECT_THAT(Read(*watch, 2), ElementsAre(1, 2));
  EXPECT_EQ(last_read_.first_number, 1u);
  EXPECT_EQ(last_read_.last_event, 5u);
  EXPECT_THAT(Read(*watch, 2), ElementsAre(3, 4));
  EXPECT_EQ(last_read_.first_number, 3u);
  EXPECT_THAT(Read(*watch, 2), ElementsAre(5));
  EXPECT_THAT(Read(*watch, 2), IsEmpty());
  EXPECT_FALSE(last_read_.finished);
}

TEST_F(SessionWatchTest, IsToldOnceForEachReadThatFoundNothing) {
  const uint64_t queue = Queue();
  const auto watch = StartWatch();
  RunJobs(queue, 1);
  EXPECT_EQ(watch->told, 0) << "it has not looked yet";
  EXPECT_THAT(Read(*watch), ElementsAre(1));
  RunJobs(queue, 1);
  EXPECT_EQ(watch->told, 0) << "its last read found something";
  EXPECT_THAT(Read(*watch), ElementsAre(2));
  EXPECT_THAT(Read(*watch), IsEmpty());
  RunJobs(queue, 3);
  EXPECT_EQ(watch->told, 1);
  EXPECT_THAT(Read(*watch), ElementsAre(3, 4, 5));
  EXPECT_THAT(Read(*watch), IsEmpty());
  RunJobs(queue, 1);
  EXPECT_EQ(watch->told, 2);
}

TEST_F(SessionWatchTest, AWatchMayReadWhenItIsTold) {
  class ReadingWatch : public Watch {
   public:
    explicit ReadingWatch(Session& session) : session_(session) {}
    void Drain() {
      Event events[2];
      for (;;) {
        const absl::StatusOr<WatchedEvents> read = session_.ReadEvents(*this, absl::MakeSpan(events));
        ASSERT_TRUE(read.ok()) << read.status();
        if (read->count == 0) return;
        for (size_t i = 0; i < read->count; ++i) seqnos.push_back(events[i].point.seqno);
      }
    }
    std::vector<uint64_t> seqnos;

   private:
    void OnEvents() override { Drain(); }
    Session& session_;
  };
  const uint64_t queue = Queue();
  const auto watch = std::make_shared<ReadingWatch>(*session_);
  ASSERT_TRUE(session_->StartWatch(watch, 0).ok());
  watch->Drain();
  RunJobs(queue, 4);
  EXPECT_THAT(watch->seqnos, ElementsAre(1, 2, 3, 4));
}

TEST_F(SessionWatchTest, ResumesBehindTheEventThatItNames) {
  const uint64_t queue = Queue();
  RunJobs(queue, 4);
  EXPECT_THAT(Read(*StartWatch(3)), ElementsAre(4));
  EXPECT_THAT(Read(*StartWatch(4)), IsEmpty());
  const auto future = std::make_shared<CountingWatch>();
  EXPECT_EQ(ReasonOf(session_->StartWatch(future, 5)), "EVENT_NOT_KEPT");
  EXPECT_EQ(ReasonOf(session_->StartWatch(future, UINT64_MAX)), "EVENT_NOT_KEPT");
  EXPECT_EQ(recorder_.watches, 2);
}

TEST_F(SessionWatchTest, CannotResumeBehindWhatIsNoLongerKept) {
  Open({.events_kept_max = 2});
  const uint64_t queue = Queue();
  RunJobs(queue, 5);
  const auto watch = std::make_shared<CountingWatch>();
  const absl::Status status = session_->StartWatch(watch, 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(MetadataOf(status, "oldest_event"), "4");
  EXPECT_EQ(MetadataOf(status, "last_event"), "5");
  EXPECT_THAT(Read(*StartWatch(3)), ElementsAre(4, 5));
}

TEST_F(SessionWatchTest, ASlowWatchHearsThatItWas) {
  Open({.events_kept_max = 2});
  const uint64_t queue = Queue();
  const auto slow = StartWatch();
  const auto quick = StartWatch();
  RunJobs(queue, 2);
  EXPECT_THAT(Read(*quick), ElementsAre(1, 2));
  RunJobs(queue, 1);
  Event event;
  const absl::Status status = session_->ReadEvents(*slow, absl::MakeSpan(&event, 1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(status), "EVENT_NOT_KEPT");
  EXPECT_EQ(MetadataOf(status, "value"), "0");
  EXPECT_THAT(Read(*quick), ElementsAre(3));
}

TEST_F(SessionWatchTest, WatchesAreLimitedAndStoppingMakesRoom) {
  Open({.watches_max = 1});
  const uint64_t queue = Queue();
  auto first = StartWatch();
  Read(*first);
  const auto second = std::make_shared<CountingWatch>();
  EXPECT_EQ(MetadataOf(session_->StartWatch(second, 0), "limit"), "watches_max");
  EXPECT_EQ(recorder_.watches, 1);
  session_->StopWatch(*second);
  EXPECT_EQ(recorder_.watches, 1) << "it was never started";
  session_->StopWatch(*first);
  session_->StopWatch(*first);
  EXPECT_EQ(recorder_.watches, 0);
  EXPECT_EQ(first.use_count(), 1) << "the session has let go of it";
  RunJobs(queue, 1);
  EXPECT_EQ(first->told, 0);
  EXPECT_TRUE(session_->StartWatch(second, 0).ok());
}

TEST_F(SessionWatchTest, EndsWhenTheSessionIsClosedAndAllItsJobsHaveEnded) {
  const uint64_t queue = Queue();
  const auto watch = StartWatch();
  const Point first = SubmitOne(queue);
  const Point second = SubmitOne(queue);
  EXPECT_THAT(Read(*watch), IsEmpty());
  session_->Close(CloseReason::kClient);
  EXPECT_EQ(watch->told, 1);
  EXPECT_THAT(Read(*watch), IsEmpty());
  EXPECT_FALSE(last_read_.finished) << "jobs are in flight";
  End(first, Outcome::kCancelled);
  EXPECT_EQ(watch->told, 2);
  EXPECT_THAT(Read(*watch), ElementsAre(1));
  EXPECT_FALSE(last_read_.finished);
  EXPECT_THAT(Read(*watch), IsEmpty());
  EXPECT_FALSE(last_read_.finished);
  End(second, Outcome::kCancelled);
  EXPECT_EQ(watch->told, 3);
  EXPECT_THAT(Read(*watch), ElementsAre(2));
  EXPECT_TRUE(last_read_.finished);
  EXPECT_THAT(Read(*watch), IsEmpty());
  EXPECT_TRUE(last_read_.finished);
}

TEST_F(SessionWatchTest, IsNotFinishedBeforeItHasReadEverything) {
  const uint64_t queue = Queue();
  const auto watch = StartWatch();
  RunJobs(queue, 2);
  session_->Close(CloseReason::kClient);
  EXPECT_THAT(Read(*watch, 1), ElementsAre(1));
  EXPECT_FALSE(last_read_.finished);
  EXPECT_THAT(Read(*watch, 1), ElementsAre(2));
  EXPECT_TRUE(last_read_.finished);
}

TEST_F(SessionWatchTest, AnIdleWatchOfAnIdleSessionHearsOfItsClose) {
  const auto watch = StartWatch();
  EXPECT_THAT(Read(*watch), IsEmpty());
  session_->Close(CloseReason::kShutdown);
  EXPECT_EQ(watch->told, 1);
  Read(*watch);
  EXPECT_TRUE(last_read_.finished);
  EXPECT_EQ(ReasonOf(session_->StartWatch(std::make_shared<CountingWatch>(), 0)), "SESSION_NOT_FOUND");
}

TEST_F(SessionWatchTest, EventsTellHowAFenceEnded) {
  const uint64_t queue = Queue();
  const auto watch = StartWatch();
  const Point point = SubmitOne(queue);
  End(point, Outcome::kPageFault);
  Event event;
  ASSERT_EQ(session_->ReadEvents(*watch, absl::MakeSpan(&event, 1))->count, 1u);
  EXPECT_EQ(event.point, point);
  EXPECT_EQ(event.result.outcome, Outcome::kPageFault);
  EXPECT_EQ(event.result.root, point);
  EXPECT_EQ(event.times.armed, kNow);
}

}  // namespace
}  // namespace xeq::session
