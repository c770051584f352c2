// The fences of one session: how far each timeline has come, how its points ended, and who waits for them.
#ifndef XEQ_SERVER_SESSION_FENCE_TABLE_H_
#define XEQ_SERVER_SESSION_FENCE_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/sched/container.h"
#include "server/sched/fence.h"
#include "server/sched/point_results.h"
#include "server/sched/timeline.h"

namespace xeq::session {

enum class FenceState : uint8_t { kPending, kSignaled, kFailed };

struct FenceStatus {
  sched::Point point;
  FenceState state = FenceState::kPending;
  // Why, when it failed.
  sched::Result result;
};

class FenceTable;
class FenceWait;
struct Context;

// A point that a wait still waits for, on the list of its context.
struct WaitEntry {
  Context* context = nullptr;
  uint64_t seqno = 0;
  FenceWait* wait = nullptr;
  WaitEntry* previous = nullptr;
  WaitEntry* next = nullptr;
};

// One timeline as the session knows it. `armed` runs ahead of the scheduler, `results` behind it.
struct Context {
  explicit Context(sched::Ref<sched::Timeline> timeline) : id(timeline->id()), timeline(std::move(timeline)) {}

  const sched::ContextId id;
  // The scheduler's side of it. Null once all its points have ended for good.
  sched::Ref<sched::Timeline> timeline;
  // The last point that was armed.
  uint64_t armed = 0;
  // Points after `armed` that the call which holds the lock is about to arm.
  uint32_t planned = 0;
  sched::PointResults results{kRangesMax};
  // The handle is gone.
  bool closed = false;
  // The scheduler has nothing left to tell of it, but for jobs that were armed when it was closed by DeviceLoop::Stop.
  bool inactive = false;
  // By seqno, the earliest first.
  WaitEntry* waits_head = nullptr;
  WaitEntry* waits_tail = nullptr;

  static constexpr size_t kRangesMax = 32;
};

// A call that waits for any or all of some points. Made by the RPC edge; the session keeps it while it waits.
class FenceWait : public std::enable_shared_from_this<FenceWait> {
 public:
  enum class Mode : uint8_t { kAll, kAny };
  // Takes all memory that the wait needs.
  FenceWait(std::vector<sched::Point> points, Mode mode) : points_(std::move(points)), mode_(mode) {
    entries_.reserve(points_.size());
  }
  FenceWait(const FenceWait&) = delete;
  FenceWait& operator=(const FenceWait&) = delete;
  virtual ~FenceWait() = default;

  const std::vector<sched::Point>& points() const { return points_; }
  Mode mode() const { return mode_; }

 protected:
  // Of a wait whose `entries` the derived class fills in.
  FenceWait(size_t entries, Mode mode) : mode_(mode), entries_(entries) {}

  // The mode is met. At most once, in a turn of the device loop or by who put a fence into a syncobj, with no lock
  // held.
  virtual void OnMet() = 0;

 private:
  friend class FenceTable;
  friend class SyncobjTable;
  friend class SyncobjWait;
  friend class MetWaits;
  friend class Session;
  enum class State : uint8_t { kNew, kWaiting, kMet, kCancelled };

  // The point of `entry` has ended, and the entry is on no list. True: it was put on that of another point, which it
  // waits for too. Takes no memory.
  virtual bool Continue(FenceTable&, WaitEntry&) { return false; }
  // None of the entries is on a list any more.
  virtual void OnUnregistered() {}

  const std::vector<sched::Point> points_;
  const Mode mode_;
  // Guarded by the lock of the session.
  State state_ = State::kNew;
  size_t remaining_ = 0;
  // One for each context; those whose point has not ended are on its list. Never moves.
  std::vector<WaitEntry> entries_;
  // Itself, while the table keeps it.
  std::shared_ptr<FenceWait> self_;
  FenceWait* next_met_ = nullptr;
};

// Waits that are met and have not been told, in the order in which they were. Takes no memory.
class MetWaits {
 public:
  MetWaits() = default;
  MetWaits(const MetWaits&) = delete;
  MetWaits& operator=(const MetWaits&) = delete;
  ~MetWaits() {
    while (TakeFirst() != nullptr) {
    }
  }
  bool empty() const { return first_ == nullptr; }
  // Null when there is none.
  std::shared_ptr<FenceWait> TakeFirst();

 private:
  friend class FenceTable;
  void Add(FenceWait& wait);

  FenceWait* first_ = nullptr;
  FenceWait* last_ = nullptr;
};

// Not thread-safe: a session has it behind its lock.
class FenceTable {
 public:
  FenceTable(uint32_t waiters_max, size_t tombstones_max)
      : waiters_max_(waiters_max), tombstones_(tombstones_max), one_job_tombstones_(tombstones_max) {}
  FenceTable(const FenceTable&) = delete;
  FenceTable& operator=(const FenceTable&) = delete;
  // Cancels the waits.
  ~FenceTable();

  // ---- Contexts. Pointers to them stay until Remove, or until they are a tombstone too many.
  Context& Add(sched::Ref<sched::Timeline> timeline);
  Context* Find(sched::ContextId id);
  // Of a context that the scheduler never learnt of.
  void Remove(sched::ContextId id) { contexts_.erase(id); }
  // The handle is gone: from here on the context is only kept for its fences, and may be freed.
  void Close(Context& context);
  // How many are closed and not given back by the scheduler yet.
  size_t closing() const { return closing_; }

  // ---- Points.
  // Gives the path of the fence in the request, with a dot behind it. Asked on an error only.
  using Field = absl::FunctionRef<std::string()>;
  // INVALID_ARGUMENT: never armed. NOT_FOUND: unknown context. OUT_OF_RANGE: how it ended is forgotten.
  absl::StatusOr<FenceStatus> Status(const sched::Point& point, Field field);
  // For points that were armed or planned. One that is forgotten has ended.
  bool HasEnded(const sched::Point& point);
  // One that is forgotten counts as failed, since it may have.
  sched::MemberState StateOf(const sched::Point& point);

  // ---- Waits.
  // The statuses of the points, in their order, and whether the mode is met by now.
  absl::Status Statuses(const FenceWait& wait, std::vector<FenceStatus>& statuses, bool& met);
  // True: the mode is met by now, or the wait was cancelled before. False: it is kept until it comes out of End. The
  // statuses of Statuses, and RESOURCE_EXHAUSTED: waiters_max. Takes no memory unless it refuses.
  absl::StatusOr<bool> StartWait(FenceWait& wait);
  // OnMet will not be called after this, unless that was under way. True: the wait was waiting.
  bool CancelWait(FenceWait& wait);
  // For waits that find their points themselves: keeps the wait until it was counted down `remaining` times, to whoever
  // links its entries. RESOURCE_EXHAUSTED: waiters_max.
  absl::Status Keep(FenceWait& wait, size_t remaining);
  // Puts the entry on the list of a point that has not ended. Takes no memory.
  void Await(WaitEntry& entry, const sched::Point& point);
  // One of what it waits for has come. Adds it to `met` when nothing is missing any more.
  void CountDown(FenceWait& wait, MetWaits& met);
  // Adds it to `met` whatever is missing.
  void Give(FenceWait& wait, MetWaits& met);
  size_t waiters() const { return waiters_; }

  // ---- What the scheduler tells. Takes no memory.
  // Ends the next point of a context. Waits that this meets are added to `met`.
  void End(const sched::Point& point, const sched::Result& result, MetWaits& met);
  void OnInactive(sched::ContextId id);

 private:
  // A ring of ids; 0 where there is none yet.
  struct Tombstones {
    explicit Tombstones(size_t max) : ids(max) {}
    std::vector<sched::ContextId> ids;
    size_t oldest = 0;
  };

  static void Link(WaitEntry& entry);
  static void Unlink(WaitEntry& entry);
  static void Unregister(FenceWait& wait);
  void MarkClosed(Context& context);
  // Keeps the fences of a context that has neither handle nor timeline any more, as one of the last such. May free it.
  void BuryIfUnused(Context& context);

  const uint32_t waiters_max_;
  size_t waiters_ = 0;
  size_t closing_ = 0;
  absl::flat_hash_map<sched::ContextId, std::unique_ptr<Context>> contexts_;
  // Forgotten by the scheduler and without a handle. Those of one job apart: a client may make many of them, which must
  // not push out its queues.
  Tombstones tombstones_;
  Tombstones one_job_tombstones_;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_FENCE_TABLE_H_
