#include "tests/bench/server_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

namespace xeq::bench {
namespace {

double Seconds(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

ServerProcess::ServerProcess(const std::string& wrap, std::vector<std::string> command) {
  std::vector<std::string> words;
  std::istringstream in(wrap);
  for (std::string word; in >> word;) words.push_back(word);
  words.insert(words.end(), command.begin(), command.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // So that a signal reaches the server too when it is wrapped in a program that keeps it to itself, as strace.
    setpgid(0, 0);
    execvp(arguments[0], arguments.data());
    std::perror(arguments[0]);
    _exit(127);
  }
  if (pid_ < 0) {
    std::perror("fork");
    std::exit(1);
  }
}

ServerProcess::~ServerProcess() {
  // Until it has made its group, the server is alone.
  if (kill(-pid_, SIGTERM) != 0) kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

OthersMeter::OthersMeter(std::vector<pid_t> mine) : mine_(std::move(mine)), last_(Take()) {}

OthersMeter::Sample OthersMeter::Take() const {
  Sample sample;
  sample.wall = Seconds(CLOCK_MONOTONIC);
  std::ifstream file("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  file >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  sample.busy = (user + nice + system + irq + softirq + steal) / static_cast<double>(sysconf(_SC_CLK_TCK));
  sample.mine = Seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (const pid_t pid : mine_) {
    clockid_t clock{};
    if (clock_getcpuclockid(pid, &clock) == 0) sample.mine += Seconds(clock);
  }
  return sample;
}

double OthersMeter::CoresSinceLast() {
  const Sample now = Take();
  const Sample before = std::exchange(last_, now);
  const double used = (now.busy - before.busy) - (now.mine - before.mine);
  return std::max(0.0, used / (now.wall - before.wall));
}

}  // namespace xeq::bench
