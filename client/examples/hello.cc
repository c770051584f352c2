// Runs one batch on the GPU of a running xeqd: it stores a number, which the host then reads.
#include <cstdio>
#include <cstdlib>

#include "xeq/batch.h"
#include "xeq/client.h"

// The value, or the end of the program with what went wrong.
template <typename T>
T Get(absl::StatusOr<T> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
  std::exit(1);
}

int main(int argc, char** argv) {
  constexpr uint64_t kBatch = 0x100000, kResult = 0x101000;
  xeq::Client client = Get(xeq::Client::Connect(argc > 1 ? argv[1] : "127.0.0.1:50551"));
  xeq::Session session = Get(client.OpenSession());
  xeq::Vm vm = Get(session.CreateVm());
  xeq::Buffer buffer = Get(session.CreateBuffer(8192));
  xeq::Fence bound = Get(vm.Bind(buffer, kBatch));
  xeq::Queue queue = Get(session.CreateQueue(vm, xeq::EngineClass::kRender));

  const std::vector<uint32_t> batch = Get(xeq::BatchBuilder().StoreDword(kResult, 42).Finish());
  absl::Status status = buffer.Write(0, batch);
  if (status.ok()) status = session.Wait(Get(queue.Submit(kBatch, {bound})));
  uint32_t result = 0;
  if (status.ok()) status = buffer.Read(kResult - kBatch, {reinterpret_cast<std::byte*>(&result), sizeof(result)});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::printf("the GPU says %u\n", result);
  return status.ok() && result == 42 ? 0 : 1;
}
