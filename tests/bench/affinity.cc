#include "tests/bench/affinity.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace xeq::bench {

cpu_set_t CurrentCpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  sched_getaffinity(0, sizeof(cpus), &cpus);
  return cpus;
}

cpu_set_t OneOf(const cpu_set_t& cpus) {
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (!CPU_ISSET(cpu, &cpus)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  return one;
}

void SetCpus(pid_t pid, const cpu_set_t& cpus) {
  const std::string tasks = "/proc/" + (pid == 0 ? "self" : std::to_string(pid)) + "/task";
  // Twice, for a thread that was being made by one that had not been reached yet.
  for (int round = 0; round < 2; ++round) {
    std::error_code error;
    for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
      const auto tid = static_cast<pid_t>(std::atoi(task.path().filename().c_str()));
      // A thread that has ended meanwhile needs none.
      sched_setaffinity(tid, sizeof(cpus), &cpus);
    }
  }
}

}  // namespace xeq::bench
