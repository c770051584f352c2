// Runs episodes of the simulation until so many steps are done or one goes wrong. The seed is printed; the same seed
// replays exactly.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/sim/script.h"
#include "tests/sim/simulation.h"

namespace xeq::sim {
namespace {

std::string RunOnce(const Shape& shape, const Script& script, uint64_t* steps) {
  return Simulation(shape).Run(script, steps);
}

// Leaves out pieces, large ones first, as long as what is left still goes wrong.
Script Shrink(const Shape& shape, Script script) {
  uint64_t ignored = 0;
  for (size_t piece = script.size() / 2; piece > 0; piece /= 2) {
    for (size_t at = 0; at + piece <= script.size();) {
      Script shorter = script;
      const auto first = shorter.begin() + static_cast<std::ptrdiff_t>(at);
      shorter.erase(first, first + static_cast<std::ptrdiff_t>(piece));
      if (RunOnce(shape, shorter, &ignored).empty()) {
        at += piece;
      } else {
        script = std::move(shorter);
      }
    }
  }
  return script;
}

int Report(uint64_t seed, const Script& script, std::string error, bool shrink) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), error.c_str());
  if (!shrink) {
    std::printf("--seed %llu --shrink finds a shorter script\n", static_cast<unsigned long long>(seed));
    return 1;
  }
  const Shape shape = ShapeOf(seed);
  const Script shorter = Shrink(shape, script);
  uint64_t ignored = 0;
  std::printf("%zu steps are enough:\n", shorter.size());
  for (const Step& step : shorter) std::printf("  %s\n", ToString(step).c_str());
  std::printf("%s\n", RunOnce(shape, shorter, &ignored).c_str());
  return 1;
}

}  // namespace
}  // namespace xeq::sim

int main(int argc, char** argv) {
  uint64_t seed = 1;
  uint64_t steps = 1'000'000;
  uint64_t episode = 1000;
  bool shrink = false;
  CLI::App app("Simulates the dependency scheduler against an oracle.", "xeq_sim");
  app.add_option("--seed", seed, "Of the first episode; each further one has the next");
  app.add_option("--steps", steps, "To do in all; the episode that reaches them is finished");
  app.add_option("--episode", episode, "Steps of one episode")->check(CLI::Range(10, 100'000));
  app.add_flag("--shrink", shrink, "Find a shorter script for the first failure");
  CLI11_PARSE(app, argc, argv);

  const auto begin = std::chrono::steady_clock::now();
  uint64_t done = 0;
  uint64_t episodes = 0;
  for (uint64_t at = seed; done < steps; ++at, ++episodes) {
    const xeq::sim::Script script = xeq::sim::MakeScript(at, episode);
    const std::string error = xeq::sim::RunOnce(xeq::sim::ShapeOf(at), script, &done);
    if (!error.empty()) return xeq::sim::Report(at, script, error, shrink);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("seeds %llu to %llu: %llu steps without a fault, %.1f s\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed + episodes - 1), static_cast<unsigned long long>(done), seconds);
  return 0;
}
