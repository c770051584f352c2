#include "server/sched/container.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace xeq::sched {
namespace {

constexpr bool kYes = true;
constexpr bool kNo = false;

// A row for each place, a column for each shape: fence, array, chain.
constexpr bool kMayHold[][3] = {
    // A syncobj that holds a chain is a timeline.
    /* kBinarySyncobj */ {kYes, kYes, kNo},
    /* kTimelinePoint */ {kYes, kYes, kNo},
    /* kAnyOf         */ {kYes, kNo, kNo},
    // Arrays are merged instead.
    /* kArray         */ {kYes, kNo, kNo},
    /* kChainNode     */ {kYes, kYes, kNo},
};

bool Before(const Member& a, const Member& b) {
  // Of equal points the one that counts comes first.
  return std::make_tuple(a.point.context, a.point.seqno, !a.failure_counts) <
         std::make_tuple(b.point.context, b.point.seqno, !b.failure_counts);
}

}  // namespace

absl::string_view NameOf(FenceShape shape) {
  switch (shape) {
    case FenceShape::kFence:
      return "fence";
    case FenceShape::kArray:
      return "array";
    case FenceShape::kChain:
      return "chain";
  }
  return "unknown";
}

absl::string_view NameOf(Place place) {
  switch (place) {
    case Place::kBinarySyncobj:
      return "binary syncobj";
    case Place::kTimelinePoint:
      return "timeline point";
    case Place::kAnyOf:
      return "any_of";
    case Place::kArray:
      return "array";
    case Place::kChainNode:
      return "chain node";
  }
  return "unknown";
}

absl::Status CheckMayHold(Place place, FenceShape shape) {
  if (kMayHold[static_cast<size_t>(place)][static_cast<size_t>(shape)]) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a ", NameOf(place), " may not hold a ", NameOf(shape)));
}

Members Merge(absl::Span<const Member> members, absl::FunctionRef<MemberState(const Point&)> state) {
  Members merged;
  for (const Member& member : members) {
    const MemberState now = state(member.point);
    if (now == MemberState::kPending || (now == MemberState::kFailed && member.failure_counts)) {
      merged.push_back(member);
    }
  }
  std::sort(merged.begin(), merged.end(), Before);
  size_t kept = 0;
  for (size_t i = 0; i < merged.size(); ++i) {
    const bool last = i + 1 == merged.size() || merged[i + 1].point.context != merged[i].point.context;
    const bool again = kept > 0 && merged[kept - 1].point == merged[i].point;
    if (again || (!last && !merged[i].failure_counts)) continue;
    merged[kept++] = merged[i];
  }
  merged.resize(kept);
  return merged;
}

}  // namespace xeq::sched
