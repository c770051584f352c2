// Handles of one kind, and how many there may be.
#ifndef XEQ_SERVER_SESSION_HANDLE_TABLE_H_
#define XEQ_SERVER_SESSION_HANDLE_TABLE_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/common/errors.h"

namespace xeq::session {

// Owned by a session, behind its lock. Making a thing may block and is done without the lock, so its place is taken
// before, and then filled or given back.
template <typename T>
class HandleTable {
 public:
  // `limit` is the name of the bound in SessionLimits.
  HandleTable(absl::string_view limit, uint32_t max) : limit_(limit), max_(max) {}

  // RESOURCE_EXHAUSTED: the table is full.
  absl::Status Reserve() {
    if (used() >= max_) return LimitReached(limit_, max_, used());
    ++reserved_;
    return absl::OkStatus();
  }
  void GiveBack() { --reserved_; }
  // Uses up a place that was reserved.
  T& Insert(uint64_t handle, T thing) {
    --reserved_;
    return things_.emplace(handle, std::move(thing)).first->second;
  }

  // Null when there is none. Valid until the next Insert or Remove.
  T* Find(uint64_t handle) {
    auto found = things_.find(handle);
    return found == things_.end() ? nullptr : &found->second;
  }
  std::optional<T> Remove(uint64_t handle) {
    auto found = things_.find(handle);
    if (found == things_.end()) return std::nullopt;
    std::optional<T> thing(std::move(found->second));
    things_.erase(found);
    return thing;
  }
  absl::flat_hash_map<uint64_t, T> RemoveAll() { return std::exchange(things_, {}); }

  uint64_t used() const { return things_.size() + reserved_; }
  auto begin() const { return things_.begin(); }
  auto end() const { return things_.end(); }

 private:
  const absl::string_view limit_;
  const uint32_t max_;
  uint32_t reserved_ = 0;
  absl::flat_hash_map<uint64_t, T> things_;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_HANDLE_TABLE_H_
