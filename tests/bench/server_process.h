// A server in its own process, for as long as it is measured.
#ifndef XEQ_TESTS_BENCH_SERVER_PROCESS_H_
#define XEQ_TESTS_BENCH_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace xeq::bench {

// Killed when it is destroyed, and when this process dies.
class ServerProcess {
 public:
  // `command` is a program and its arguments, in front of which `wrap` is put: words, such as those of a profiler.
  // Ends this program when it cannot be started.
  ServerProcess(const std::string& wrap, std::vector<std::string> command);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  // Asks it to end, and waits.
  ~ServerProcess();

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// How many cores all others used on average between two looks: what a figure may be disturbed by.
class OthersMeter {
 public:
  // Of this process and of `mine`.
  explicit OthersMeter(std::vector<pid_t> mine);
  double CoresSinceLast();

 private:
  struct Sample {
    double wall = 0;
    double busy = 0;
    double mine = 0;
  };
  Sample Take() const;

  const std::vector<pid_t> mine_;
  Sample last_;
};

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_SERVER_PROCESS_H_
