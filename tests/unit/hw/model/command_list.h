// Commands as dwords, for tests that write rings and batches.
#ifndef XEQ_TESTS_UNIT_HW_MODEL_COMMAND_LIST_H_
#define XEQ_TESTS_UNIT_HW_MODEL_COMMAND_LIST_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace xeq::hw::model {

using Commands = std::vector<uint32_t>;

// One after the other.
inline Commands Join(std::initializer_list<Commands> parts) {
  Commands all;
  for (const Commands& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace xeq::hw::model

#endif  // XEQ_TESTS_UNIT_HW_MODEL_COMMAND_LIST_H_
