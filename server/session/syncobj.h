// Fence slots, with the meaning that the kernel gives its syncobjs: what one holds, and what a point of it stands for.
#ifndef XEQ_SERVER_SESSION_SYNCOBJ_H_
#define XEQ_SERVER_SESSION_SYNCOBJ_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/sched/container.h"
#include "server/sched/ref.h"
#include "server/session/fence_table.h"
#include "server/session/limits.h"

namespace xeq::session {

// A syncobj, or one point of it; point 0 is what it holds as a whole.
struct SyncobjPoint {
  uint64_t syncobj = 0;
  uint64_t point = 0;
};

// How many payloads a session has, wherever they are held. Thread-safe; shared with the payloads.
struct PayloadBudget {
  explicit PayloadBudget(uint32_t max) : max(max) {}
  const uint32_t max;
  std::atomic<uint32_t> used{0};
};

// What a syncobj holds, or a point of a timeline with what was there in front of it: it is signalled when all its
// members and those in front have ended. Held by its syncobj and by waits, which keep it when the syncobj is given
// another. All memory is taken when it is made; the rest is guarded by the lock of the session.
class Payload : public sched::Counted {
 public:
  // RESOURCE_EXHAUSTED: the budget is used up. Signalled, as it has no members.
  static absl::StatusOr<sched::Ref<Payload>> Make(std::shared_ptr<PayloadBudget> budget);
  explicit Payload(std::shared_ptr<PayloadBudget> budget) : budget_(std::move(budget)) {}
  ~Payload();

  const sched::Members& members() const { return members_; }
  // Before it is put into a syncobj.
  void set_members(sched::Members members) { members_ = std::move(members); }
  sched::FenceShape shape() const {
    return members_.size() > 1 ? sched::FenceShape::kArray : sched::FenceShape::kFence;
  }
  // 0: not of a timeline.
  uint64_t point() const { return point_; }
  // It is the first of its run whose point is not smaller.
  bool Covers(uint64_t point) const { return point_ >= point && previous_point_ < point; }
  Payload* previous() const { return previous_.get(); }

  bool IsSignaled(FenceTable& fences);
  // From this payload on towards the older ones, the first that has a member which has not ended, and that member.
  // Null: all have ended.
  Payload* FirstPending(FenceTable& fences, sched::Point& point);

 private:
  friend class Syncobj;

  const std::shared_ptr<PayloadBudget> budget_;
  sched::Members members_;
  uint64_t point_ = 0;
  // The point in front of it, also when that was signalled and let go; 0 when a run of rising points begins here.
  uint64_t previous_point_ = 0;
  uint32_t run_ = 0;
  // It and all in front of it have ended.
  bool signaled_ = false;
  sched::Ref<Payload> previous_;
};

// The ends of a ring of waits for what was not submitted. Never moves.
struct BlockedLink {
  BlockedLink() : previous(this), next(this) {}
  BlockedLink(const BlockedLink&) = delete;
  BlockedLink& operator=(const BlockedLink&) = delete;
  bool empty() const { return next == this; }
  void Unlink();
  // In front of `other`: at the end of its ring.
  void LinkBefore(BlockedLink& other);
  // Takes over all that is in the ring of `other`.
  void TakeAll(BlockedLink& other);

  BlockedLink* previous;
  BlockedLink* next;
};

// Nothing, a binary payload, or a timeline: a chain of payloads with points, the newest first. Binary and timeline are
// what it holds now and not what it was made for, as in the kernel. Not thread-safe: behind the lock of its session.
// Takes no memory.
class Syncobj {
 public:
  // What it holds, to go back to before anything that was put in since has ended.
  struct State {
    sched::Ref<Payload> newest;
    uint32_t payloads = 0;
    uint32_t runs = 0;
    uint64_t forgotten = 0;
  };
  struct Found {
    enum class Kind : uint8_t {
      // It holds nothing, or the point is larger than the newest.
      kNone,
      // The point and all in front of it are signalled and were let go.
      kSignaled,
      kPayload,
    };
    Kind kind = Kind::kNone;
    Payload* payload = nullptr;
    // The point looked for; the newest where that was 0; 0 if it is binary.
    uint64_t point = 0;
    // Whether a failure of `payload`, the found one or one in front of it, is the point's. The others are only waited
    // for. Two payloads that were given one point out of order both count.
    bool Counts(const Payload& payload) const;
    // A failure of the point may have been let go.
    bool forgotten = false;
  };

  Syncobj() = default;
  Syncobj(const Syncobj&) = delete;
  Syncobj& operator=(const Syncobj&) = delete;

  bool is_timeline() const { return state_.newest && state_.newest->point() != 0; }
  // The newest point that was submitted; 0 unless it is a timeline.
  uint64_t newest_point() const { return state_.newest ? state_.newest->point() : 0; }
  uint32_t payloads() const { return state_.payloads; }

  // Makes it binary. Null: it holds nothing.
  void Replace(sched::Ref<Payload> payload);
  // Adds a point, not 0. What is signalled is let go first where that makes room. A point that is not larger than the
  // newest begins a new run and gets the newest's number: whoever waits for either, waits for both. False:
  // kPointsPerSyncobjMax points have not been signalled.
  bool Add(uint64_t point, sched::Ref<Payload> payload, FenceTable& fences);
  // 0: everything that it holds. Else the first payload whose point is not smaller than the wanted one.
  Found Find(uint64_t point) const;
  // The highest point up to which everything is signalled, of the run of the newest point; 0 unless it is a timeline.
  uint64_t SignaledPoint(FenceTable& fences) const;

  State Save() const { return state_; }
  void Restore(State state);

  BlockedLink& blocked() { return blocked_; }

 private:
  // Lets go what is behind the newest payload and has ended, but for the last kFailedPointsKeptMax that failed.
  void Collect(FenceTable& fences);

  State state_;
  // How many payloads there have to be for the next Collect, so that adding is cheap on average.
  uint32_t collect_at_ = 16;
  BlockedLink blocked_;
};

// All that waiting for what was found means, as one payload's members: those of the point itself count, those in front
// of it are its order.
sched::Members Unwrap(const Syncobj::Found& found, FenceTable& fences);

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_SYNCOBJ_H_
