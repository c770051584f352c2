// Goal: a session is found for as long as its lease lasts and is closed when it has run out, once and for the right
// reason; a service that drains refuses everything. Method: time as an argument.
#include "server/session/session_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/session/session_fixture.h"

namespace xeq::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SessionManagerTest : public SessionTest {
 protected:
  static constexpr hw::Nanos kLease = 100;

  OpenedSession OpenSession(hw::Nanos now = kNow) {
    absl::StatusOr<OpenedSession> opened = manager_->Open("tester", kLease, now);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : OpenedSession{};
  }
  static bool IsClosed(Session& session) { return ReasonOf(session.CreateVm().status()) == "SESSION_NOT_FOUND"; }

  std::optional<SessionManager> manager_{std::in_place, loop_, recorder_,
                                         ManagerOptions{.sessions_max = 2, .limits = {}}};
};

TEST_F(SessionManagerTest, FindsWhatWasOpened) {
  const OpenedSession first = OpenSession();
  const OpenedSession second = OpenSession();
  EXPECT_NE(first.id, second.id);
  EXPECT_EQ(manager_->Find(first.id, kNow).value(), first.session);
  EXPECT_EQ(manager_->Find(second.id, kNow).value(), second.session);
  EXPECT_EQ(ReasonOf(manager_->Find(first.id + second.id, kNow).status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(first.session->lease().length_ns(), kLease);
  EXPECT_EQ(recorder_.sessions_opened, 2);
}

TEST_F(SessionManagerTest, SessionsAreLimitedAndAClosedOneMakesRoom) {
  const OpenedSession first = OpenSession();
  OpenSession();
  const absl::Status full = manager_->Open("", kLease, kNow).status();
  EXPECT_EQ(MetadataOf(full, "limit"), "sessions_max");
  EXPECT_EQ(recorder_.sessions_opened, 2);
  EXPECT_TRUE(manager_->Close(first.id).ok());
  EXPECT_TRUE(IsClosed(*first.session));
  EXPECT_EQ(ReasonOf(manager_->Close(first.id)), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(manager_->Find(first.id, kNow).status()), "SESSION_NOT_FOUND");
  EXPECT_THAT(recorder_.sessions_closed, ElementsAre(CloseReason::kClient));
  OpenSession();
}

TEST_F(SessionManagerTest, SweepClosesThoseWhoseLeaseHasRunOut) {
  const OpenedSession silent = OpenSession(kNow);
  const OpenedSession later = OpenSession(kNow + 1);
  manager_->Sweep(kNow + kLease - 1);
  EXPECT_THAT(recorder_.sessions_closed, IsEmpty());
  manager_->Sweep(kNow + kLease);
  EXPECT_THAT(recorder_.sessions_closed, ElementsAre(CloseReason::kLeaseExpired));
  EXPECT_TRUE(IsClosed(*silent.session));
  EXPECT_FALSE(IsClosed(*later.session));
  EXPECT_EQ(ReasonOf(manager_->Find(silent.id, kNow + kLease).status()), "SESSION_NOT_FOUND");
  OpenSession(kNow + kLease);
}

TEST_F(SessionManagerTest, FindRenewsTheLease) {
  const OpenedSession session = OpenSession(kNow);
  EXPECT_TRUE(manager_->Find(session.id, kNow + kLease - 1).ok());
  manager_->Sweep(kNow + 2 * kLease - 2);
  EXPECT_FALSE(IsClosed(*session.session));
  manager_->Sweep(kNow + 2 * kLease - 1);
  EXPECT_TRUE(IsClosed(*session.session));
}

TEST_F(SessionManagerTest, AStreamHoldsTheLease) {
  const OpenedSession session = OpenSession(kNow);
  session.session->lease().Hold();
  manager_->Sweep(kNow + 1'000 * kLease);
  EXPECT_FALSE(IsClosed(*session.session));
  session.session->lease().Release(kNow + 1'000 * kLease);
  manager_->Sweep(kNow + 1'001 * kLease);
  EXPECT_TRUE(IsClosed(*session.session));
}

TEST_F(SessionManagerTest, ListsAreNoSignOfLife) {
  const OpenedSession session = OpenSession(kNow);
  manager_->ListQueues(0, 10);
  manager_->Sweep(kNow + kLease);
  EXPECT_TRUE(IsClosed(*session.session));
}

TEST_F(SessionManagerTest, DrainClosesAllAndRefusesEverything) {
  const OpenedSession first = OpenSession();
  const OpenedSession second = OpenSession();
  manager_->Drain();
  manager_->Drain();
  EXPECT_TRUE(IsClosed(*first.session));
  EXPECT_TRUE(IsClosed(*second.session));
  EXPECT_THAT(recorder_.sessions_closed, ElementsAre(CloseReason::kShutdown, CloseReason::kShutdown));
  EXPECT_EQ(ReasonOf(manager_->Open("", kLease, kNow).status()), "SHUTTING_DOWN");
  EXPECT_EQ(ReasonOf(manager_->Find(first.id, kNow).status()), "SHUTTING_DOWN");
  EXPECT_EQ(ReasonOf(manager_->Close(first.id)), "SHUTTING_DOWN");
  EXPECT_EQ(recorder_.sessions_opened, 2);
}

TEST_F(SessionManagerTest, ItsEndClosesWhatIsLeft) {
  const OpenedSession session = OpenSession();
  manager_.reset();
  EXPECT_TRUE(IsClosed(*session.session));
}

TEST_F(SessionManagerTest, QueuesOfAllSessionsAreListedByHandleInPages) {
  std::vector<uint64_t> handles;
  const OpenedSession sessions[] = {OpenSession(), OpenSession()};
  const uint64_t vms[] = {sessions[0].session->CreateVm().value(), sessions[1].session->CreateVm().value()};
  for (int i = 0; i < 6; ++i) {
    handles.push_back(sessions[i % 2].session->CreateQueue(SpecOf(vms[i % 2]))->queue);
  }
  std::vector<uint64_t> listed;
  uint64_t after = 0;
  for (;;) {
    const std::vector<QueueInfo> page = manager_->ListQueues(after, 4);
    if (page.empty()) break;
    ASSERT_LE(page.size(), 4u);
    for (const QueueInfo& queue : page) listed.push_back(queue.queue);
    after = page.back().queue;
  }
  EXPECT_EQ(listed, handles);
  EXPECT_TRUE(manager_->Close(sessions[0].id).ok());
  EXPECT_EQ(manager_->ListQueues(0, 10).size(), 3u);
}

}  // namespace
}  // namespace xeq::session
