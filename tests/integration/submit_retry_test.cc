// Goal: T58, a Submit whose call is cut off before, while or after it is carried out leaves no job that was armed and
// not pushed, has no effect or all of it, and is made again without a second job. Method: a real server; calls are
// cancelled at moments that move through them, and each is made again with its number.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/integration/service_fixture.h"

namespace xeq {
namespace {

class SubmitRetryTest : public ServiceTest {
 protected:
  static constexpr int kTimes = 100;

  void SetUp() override {
    ServiceTest::SetUp();
    Upload(kBase, kEnd);
  }
  v1::SubmitRequest Numbered(uint64_t number) {
    v1::SubmitRequest request = SubmitRequest({kBase, kBase});
    request.set_submit_number(number);
    request.set_combined_fence(true);
    return request;
  }
  grpc::Status Call(grpc::ClientContext& context, const v1::SubmitRequest& request, v1::SubmitResponse* response) {
    return stubs_.queues->Submit(&context, request, response);
  }
  uint64_t Armed() {
    v1::GetQueueRequest request;
    request.set_session_id(session_);
    request.set_queue(queue_);
    return ServiceTest::Call<v1::GetQueueResponse>(stubs_.queues, &v1::QueueService::Stub::GetQueue, request)
        .queue()
        .last_armed_seqno();
  }
  // The call is made again, twice, as often as it takes to be answered: the answers are the same, each of its fences is
  // the next of the queue, and ends well.
  void ExpectOneEffect(uint64_t number) {
    const v1::SubmitResponse again =
        ServiceTest::Call<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit, Numbered(number));
    const v1::SubmitResponse once_more =
        ServiceTest::Call<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit, Numbered(number));
    EXPECT_EQ(again.SerializeAsString(), once_more.SerializeAsString());
    ASSERT_EQ(again.fences_size(), 2);
    EXPECT_EQ(again.fences(0).seqno(), 2 * number - 1);
    EXPECT_EQ(again.fences(1).seqno(), 2 * number);
    EXPECT_EQ(Armed(), 2 * number) << "no job twice, none lost";
    EXPECT_EQ(WaitOne(again.fences(1)).state(), v1::FENCE_STATE_SIGNALED);
    EXPECT_EQ(WaitOne(again.combined()).state(), v1::FENCE_STATE_SIGNALED);
  }
};

TEST_F(SubmitRetryTest, T58_CutOffBeforeItBeginsItHasNoEffect) {
  for (int i = 0; i < kTimes; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
    v1::SubmitResponse response;
    EXPECT_EQ(Call(context, Numbered(1), &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(Armed(), 0u);
  }
  ExpectOneEffect(1);
}

TEST_F(SubmitRetryTest, T58_CutOffOnTheWayItHasAllOfItsEffectOrNone) {
  int answered = 0;
  for (int i = 0; i < kTimes; ++i) {
    const auto number = static_cast<uint64_t>(i + 1);
    grpc::ClientContext context;
    v1::SubmitResponse response;
    std::atomic<bool> begun{false};
    std::thread canceller([&] {
      while (!begun.load()) std::this_thread::yield();
      // From at once to some 400 us later, which is when the answer comes.
      const hw::Nanos at = hw::MonotonicNow() + i * 4 * hw::kNanosPerMicro;
      while (hw::MonotonicNow() < at) {
      }
      context.TryCancel();
    });
    begun.store(true);
    const grpc::Status status = Call(context, Numbered(number), &response);
    canceller.join();
    answered += status.ok();
    EXPECT_TRUE(status.ok() || status.error_code() == grpc::StatusCode::CANCELLED) << status.error_message();
    const uint64_t armed = Armed();
    // The server may still be about to carry it out.
    EXPECT_TRUE(armed == 2 * number || armed == 2 * number - 2) << armed;
    EXPECT_TRUE(!status.ok() || armed == 2 * number) << armed;
    ExpectOneEffect(number);
  }
  std::printf("%d of %d calls were answered before they were cut off\n", answered, kTimes);
}

TEST_F(SubmitRetryTest, T58_CutOffBehindItsEffectTheRetryGivesTheSameFences) {
  for (int i = 0; i < kTimes; ++i) {
    const auto number = static_cast<uint64_t>(i + 1);
    v1::SubmitResponse response;
    {
      grpc::ClientContext context;
      ASSERT_TRUE(Call(context, Numbered(number), &response).ok());
      context.TryCancel();
    }
    const v1::SubmitResponse again =
        ServiceTest::Call<v1::SubmitResponse>(stubs_.queues, &v1::QueueService::Stub::Submit, Numbered(number));
    EXPECT_EQ(again.SerializeAsString(), response.SerializeAsString());
    ExpectOneEffect(number);
  }
}

}  // namespace
}  // namespace xeq
