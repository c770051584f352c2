// The words in which tests of fences are written: contexts by small numbers, points armed and ended in one line each.
#ifndef XEQ_TESTS_UNIT_SERVER_SESSION_FENCE_FIXTURE_H_
#define XEQ_TESTS_UNIT_SERVER_SESSION_FENCE_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "server/common/errors.h"
#include "server/session/fence_table.h"

namespace xeq::sched {

inline void PrintTo(const Point& point, std::ostream* out) { *out << point.context << ":" << point.seqno; }

}  // namespace xeq::sched

namespace xeq::session {

// The reason that a status carries, or what it says when it carries none.
inline std::string ReasonOf(const absl::Status& status) {
  if (status.ok()) return "OK";
  const std::optional<ErrorDetails> details = DetailsOf(status);
  return details ? details->reason : status.ToString();
}

// One value of the metadata that a status carries.
inline std::string MetadataOf(const absl::Status& status, const std::string& key) {
  if (const std::optional<ErrorDetails> details = DetailsOf(status)) {
    for (const auto& [name, value] : details->metadata) {
      if (name == key) return value;
    }
  }
  return "none";
}

// Counts how often it was told.
class CountingWait : public FenceWait {
 public:
  CountingWait(std::vector<sched::Point> points, Mode mode) : FenceWait(std::move(points), mode) {}
  int met = 0;

 private:
  void OnMet() override { ++met; }
};

class FenceTableTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kWaitersMax = 4;
  static constexpr size_t kTombstonesMax = 2;

  // A context with `armed` points.
  Context& AddContext(sched::ContextId id, uint64_t armed = 0, bool one_job = false) {
    sched::QueueSpec spec;
    spec.context = id;
    spec.one_job = one_job;
    Context& context = table_.Add(sched::MakeRef<sched::Timeline>(spec, nullptr));
    context.armed = armed;
    return context;
  }

  // Ends the next point of the context.
  void End(sched::ContextId id, const sched::Result& result = {}) {
    const sched::Point point{id, table_.Find(id)->results.ended() + 1};
    MetWaits met;
    table_.End(point, result, met);
    while (std::shared_ptr<FenceWait> wait = met.TakeFirst()) met_.push_back(std::move(wait));
  }
  // As the scheduler ends a job that failed by itself.
  void Fail(sched::ContextId id, sched::Outcome outcome) {
    End(id, {outcome, outcome, {id, table_.Find(id)->results.ended() + 1}, {}});
  }
  void MakeInactive(sched::ContextId id) { table_.OnInactive(id); }

  absl::StatusOr<FenceStatus> StatusOf(const sched::Point& point) {
    return table_.Status(point, [] { return std::string("here."); });
  }
  FenceState StateOf(const sched::Point& point) {
    const absl::StatusOr<FenceStatus> status = StatusOf(point);
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? status->state : FenceState::kPending;
  }

  // Starts a wait that is not met yet.
  std::shared_ptr<CountingWait> Start(std::vector<sched::Point> points, FenceWait::Mode mode) {
    auto wait = std::make_shared<CountingWait>(std::move(points), mode);
    const absl::StatusOr<bool> met = table_.StartWait(*wait);
    EXPECT_TRUE(met.ok()) << met.status();
    EXPECT_FALSE(met.ok() && *met);
    return wait;
  }
  bool IsMet(const std::shared_ptr<CountingWait>& wait) { return std::count(met_.begin(), met_.end(), wait) == 1; }

  FenceTable table_{kWaitersMax, kTombstonesMax};
  // Everything that came out.
  std::vector<std::shared_ptr<FenceWait>> met_;
};

}  // namespace xeq::session

#endif  // XEQ_TESTS_UNIT_SERVER_SESSION_FENCE_FIXTURE_H_
