// The syncobjs of a session, and the calls that wait for them.
#ifndef XEQ_SERVER_SESSION_SYNCOBJ_WAIT_H_
#define XEQ_SERVER_SESSION_SYNCOBJ_WAIT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "server/session/fence_table.h"
#include "server/session/handle_table.h"
#include "server/session/syncobj.h"

namespace xeq::session {

// What a wait does besides waiting for fences.
struct SyncobjWaitOptions {
  FenceWait::Mode mode = FenceWait::Mode::kAll;
  // Where nothing was submitted yet, it waits for that first. Otherwise that is an error.
  bool for_submit = false;
  // Being submitted is enough; implies `for_submit`.
  bool available = false;
};

// A call that waits for any or all of some syncobjs. Made by the RPC edge; the session keeps it while it waits. What it
// found once, it keeps, whatever the syncobj is given later.
class SyncobjWait : public FenceWait {
 public:
  // Takes all memory that the wait needs.
  SyncobjWait(std::vector<SyncobjPoint> points, const SyncobjWaitOptions& options);
  ~SyncobjWait() override;

  const std::vector<SyncobjPoint>& syncobjs() const { return syncobjs_; }

 private:
  friend class SyncobjTable;
  // One of its syncobjs, while nothing was submitted; on the ring of the syncobj.
  struct Slot : BlockedLink {
    SyncobjWait* wait = nullptr;
    size_t index = 0;
    // What it found, down to what has not ended.
    sched::Ref<Payload> payload;
  };

  bool Continue(FenceTable& fences, WaitEntry& entry) override;
  void OnUnregistered() override;
  // Puts the entry with the index on the list of the next fence that has not ended. False: all have.
  bool Attach(FenceTable& fences, size_t index);
  void Came(size_t index);

  const std::vector<SyncobjPoint> syncobjs_;
  const SyncobjWaitOptions options_;
  // Guarded by the lock of the session.
  std::vector<Slot> slots_;
  // The one that met kAny; with kAll the first that had come when the wait began.
  std::optional<uint32_t> first_signaled_;
  // Nobody will submit what it waits for.
  bool given_up_ = false;
};

struct SyncobjWaitResult {
  bool met = false;
  // The session was closed before all was submitted.
  bool given_up = false;
  std::optional<uint32_t> first_signaled;
};

// Not thread-safe: a session has it behind its lock. `fences` outlives it.
class SyncobjTable {
 public:
  SyncobjTable(FenceTable& fences, uint32_t syncobjs_max) : fences_(fences), syncobjs_("syncobjs_max", syncobjs_max) {}
  SyncobjTable(const SyncobjTable&) = delete;
  SyncobjTable& operator=(const SyncobjTable&) = delete;
  // Cancels the waits for what was not submitted.
  ~SyncobjTable();

  // RESOURCE_EXHAUSTED: syncobjs_max. The payload may be null.
  absl::Status Create(uint64_t handle, sched::Ref<Payload> payload);
  // Waits go on: they hold what they found, and nobody will submit what they have not. False: no such handle.
  bool Destroy(uint64_t handle);
  // Null when there is none. Valid until Destroy.
  Syncobj* Find(uint64_t handle);

  // To be called after `syncobj` was given something: waits for its submission look again. Takes no memory.
  void Submitted(Syncobj& syncobj, MetWaits& met);

  // True: met by now, or cancelled before. False: not met; with `keep`, it is kept until it comes out of
  // FenceTable::End or Submitted. NOT_FOUND: unknown syncobj. INVALID_ARGUMENT: nothing was submitted, and it does not
  // wait for that. RESOURCE_EXHAUSTED: waiters_max.
  absl::StatusOr<bool> StartWait(SyncobjWait& wait, bool keep);
  static SyncobjWaitResult ResultOf(const SyncobjWait& wait);

  // Takes all syncobjs away; waits for what was not submitted are given up, and added to `met`.
  void Close(MetWaits& met);

 private:
  FenceTable& fences_;
  HandleTable<std::unique_ptr<Syncobj>> syncobjs_;
  // Waits for the submission of what was destroyed meanwhile.
  BlockedLink orphans_;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_SYNCOBJ_WAIT_H_
