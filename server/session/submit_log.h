// What the last numbered calls of Submit were answered, for those that are made again because the answer was lost.
#ifndef XEQ_SERVER_SESSION_SUBMIT_LOG_H_
#define XEQ_SERVER_SESSION_SUBMIT_LOG_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "server/sched/fence.h"

namespace xeq::session {

struct SubmitAnswer {
  // The client's, not 0.
  uint64_t number = 0;
  std::vector<sched::Point> points;
  sched::Point combined;
};

// Not thread-safe; takes no memory of its own.
class SubmitLog {
 public:
  // Answers that are kept: of so many calls may be on their way at one time.
  static constexpr size_t kKept = 256;

  // Null: the number is new, or was forgotten.
  const SubmitAnswer* Find(uint64_t number) const {
    const auto found = std::find_if(answers_.begin(), answers_.end(),
                                    [number](const SubmitAnswer& answer) { return answer.number == number; });
    return found == answers_.end() ? nullptr : &*found;
  }
  // Whether a number may have been used by a call whose answer is no longer kept.
  bool IsForgotten(uint64_t number) const { return number <= forgotten_ && Find(number) == nullptr; }
  // The smallest number that is certainly new or kept.
  uint64_t oldest_kept() const { return forgotten_ + 1; }

  // A new number. Takes the place of the oldest, which comes back in `answer`, to be freed where there is time.
  void Keep(SubmitAnswer& answer) {
    std::swap(answers_[next_], answer);
    next_ = (next_ + 1) % kKept;
    forgotten_ = std::max(forgotten_, answer.number);
  }

 private:
  std::array<SubmitAnswer, kKept> answers_;
  size_t next_ = 0;
  // The highest number that went out.
  uint64_t forgotten_ = 0;
};

}  // namespace xeq::session

#endif  // XEQ_SERVER_SESSION_SUBMIT_LOG_H_
