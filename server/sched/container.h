// Fences put together: what may hold what, and how several become one.
#ifndef XEQ_SERVER_SCHED_CONTAINER_H_
#define XEQ_SERVER_SCHED_CONTAINER_H_

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/sched/fence.h"

namespace xeq::sched {

// What stands for one or several fences.
enum class FenceShape : uint8_t {
  // One point of a timeline.
  kFence,
  // All of several.
  kArray,
  // A payload and everything that its syncobj held before: a timeline as a whole.
  kChain,
};

// Where it is put.
enum class Place : uint8_t {
  kBinarySyncobj,
  kTimelinePoint,
  // Alternatives, of which one is enough: a way to wait, and never a fence.
  kAnyOf,
  kArray,
  // As the payload of a node. The nodes in front are no payload.
  kChainNode,
};

absl::string_view NameOf(FenceShape shape);
absl::string_view NameOf(Place place);

// INVALID_ARGUMENT, with both names: the place may not hold the shape. What is held never holds a container itself, so
// that whoever waits looks one level deep.
absl::Status CheckMayHold(Place place, FenceShape shape);

// One fence of an array.
struct Member {
  Point point;
  // Whether the array fails when this fence does. If not, only its end is waited for: what a timeline held in front of
  // a point is part of its order, and not of its result.
  bool failure_counts = true;
  friend bool operator==(const Member&, const Member&) = default;
};

// None: signalled. One: that fence. More: an array. One needs no memory of its own.
using Members = absl::InlinedVector<Member, 1>;

enum class MemberState : uint8_t { kPending, kOk, kFailed };

// All of `members`, which were taken out of their containers, as one: what has ended is dropped, and of one context
// what a later point covers. An earlier point is covered only where its failure is not to count, and a failure that
// counts stays although it has ended: the array fails whenever one of the members whose failure counts has failed or
// will. Of two equal points the one that counts is kept. In order of context and seqno.
Members Merge(absl::Span<const Member> members, absl::FunctionRef<MemberState(const Point&)> state);

}  // namespace xeq::sched

#endif  // XEQ_SERVER_SCHED_CONTAINER_H_
