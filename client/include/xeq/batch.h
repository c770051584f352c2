// Builds batches: the commands that a GPU's engines execute, in the dwords of the hardware (Gen12).
#ifndef XEQ_CLIENT_INCLUDE_XEQ_BATCH_H_
#define XEQ_CLIENT_INCLUDE_XEQ_BATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xeq {

// One of an engine's 16 general-purpose registers of 64 bits.
struct Gpr {
  uint32_t number = 0;
};

// Memory is on the left: memory > value.
enum class Compare { kGreater, kGreaterEqual, kLess, kLessEqual, kEqual, kNotEqual };

// Appends commands. Addresses are virtual, those of dwords multiples of 4, those of quadwords of 8. Commands run on any
// engine unless they say which. The first mistake is kept and comes out of Finish.
//
//   auto batch = BatchBuilder().StoreDword(address, 42).Finish();
class BatchBuilder {
 public:
  // ---- Memory.
  BatchBuilder& StoreDword(uint64_t address, uint32_t value);
  BatchBuilder& StoreQword(uint64_t address, uint64_t value);
  BatchBuilder& CopyDword(uint64_t to, uint64_t from);
  // In one piece, also against other engines and the host.
  BatchBuilder& AtomicAddDword(uint64_t address, uint32_t value);
  BatchBuilder& AtomicAddQword(uint64_t address, uint64_t value);
  BatchBuilder& AtomicIncrementDword(uint64_t address);

  // ---- Registers and arithmetic.
  BatchBuilder& LoadImmediate(Gpr to, uint64_t value);
  BatchBuilder& LoadQword(Gpr to, uint64_t address);
  BatchBuilder& StoreQword(uint64_t address, Gpr from);
  BatchBuilder& Add(Gpr to, Gpr first, Gpr second);
  BatchBuilder& Subtract(Gpr to, Gpr first, Gpr second);
  BatchBuilder& And(Gpr to, Gpr first, Gpr second);
  BatchBuilder& Or(Gpr to, Gpr first, Gpr second);
  BatchBuilder& Xor(Gpr to, Gpr first, Gpr second);
  // The engine's timestamp, DeviceInfo::timestamp_frequency_hz, low 32 bits.
  BatchBuilder& StoreTimestamp(uint64_t address);

  // ---- Flow.
  // The engine waits, and runs others meanwhile, until the comparison holds. It counts as time on the engine.
  BatchBuilder& WaitUntil(uint64_t address, Compare compare, uint32_t value);
  // Ends the batch unless the comparison holds. `address` is a multiple of 8.
  BatchBuilder& EndUnless(uint64_t address, Compare compare, uint32_t value);
  // Goes on at another address, which may be earlier in this batch.
  BatchBuilder& Jump(uint64_t address);
  // Where others may get the engine.
  BatchBuilder& PreemptionPoint();

  // ---- Copy engines only. Any size, any alignment; ranges that overlap give what a copy from front to back gives.
  BatchBuilder& Copy(uint64_t to, uint64_t from, uint64_t size_bytes);
  // `address` and `size_bytes` are multiples of 4.
  BatchBuilder& Fill(uint64_t address, uint64_t size_bytes, uint32_t value);

  // Bytes so far: the place of the next command, for Jump.
  uint64_t size_bytes() const { return dwords_.size() * sizeof(uint32_t); }
  // Closes the batch and gives its dwords, an even number. INVALID_ARGUMENT: a command had a bad operand. Call once.
  absl::StatusOr<std::vector<uint32_t>> Finish();

 private:
  enum class Math : uint32_t;
  void Emit(std::initializer_list<uint32_t> dwords);
  bool Check(const char* command, uint64_t address, uint64_t alignment);
  bool CheckGpr(const char* command, Gpr gpr);
  BatchBuilder& Arithmetic(Math operation, Gpr to, Gpr first, Gpr second);
  BatchBuilder& AtomicAdd(uint64_t address, bool qword, uint64_t value);
  void CopyRows(uint64_t to, uint64_t from, uint64_t row_bytes, uint64_t rows);
  void FillRows(uint64_t address, uint64_t row_bytes, uint64_t rows, uint32_t value);

  std::vector<uint32_t> dwords_;
  absl::Status error_;
};

}  // namespace xeq

#endif  // XEQ_CLIENT_INCLUDE_XEQ_BATCH_H_
