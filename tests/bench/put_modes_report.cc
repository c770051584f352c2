#include "tests/bench/put_modes_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "tests/bench/statistics.h"

namespace xeq::bench {
namespace {

const char* Name(sched::PutMode mode) { return mode == sched::PutMode::kInline ? "inline" : "deferred"; }
const char* OnOff(bool bypass) { return bypass ? "on" : "off"; }

// Three digits that count.
std::string Short(double value) {
  char text[32];
  const double size = std::abs(value);
  const int digits = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4;
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string Cell(const std::vector<double>& rounds) {
  const auto [low, high] = std::minmax_element(rounds.begin(), rounds.end());
  if (*low == *high) return Short(*low);
  return Short(Median(rounds)) + " (" + Short(*low) + "-" + Short(*high) + ")";
}

}  // namespace

void Report::Add(const std::string& metric, const char* unit, const Mode& mode, double value) {
  auto found =
      std::find_if(metrics_.begin(), metrics_.end(), [&](const Metric& known) { return known.name == metric; });
  if (found == metrics_.end()) found = metrics_.insert(found, {metric, unit, {}});
  found->rounds[{mode.put_mode, mode.bypass}][mode.queues].push_back(value);
}

void Report::Print() const {
  for (const Metric& metric : metrics_) {
    std::set<size_t> queues;
    for (const auto& [line, columns] : metric.rounds) {
      for (const auto& [count, rounds] : columns) queues.insert(count);
    }
    std::printf("\n**%s**, %s\n\n| put mode | bypass |", metric.name.c_str(), metric.unit.c_str());
    for (const size_t count : queues) std::printf(" %zu queue%s |", count, count == 1 ? "" : "s");
    std::printf("\n|---|---|");
    for (size_t i = 0; i < queues.size(); ++i) std::printf("---|");
    std::printf("\n");
    for (const auto& [line, columns] : metric.rounds) {
      std::printf("| %s | %s |", Name(line.first), OnOff(line.second));
      for (const size_t count : queues) {
        const auto cell = columns.find(count);
        std::printf(" %s |", cell == columns.end() ? "" : Cell(cell->second).c_str());
      }
      std::printf("\n");
    }
  }
}

bool Report::WriteCsv(const std::string& path) const {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file, "metric,put_mode,bypass,queues,value,unit\n");
  for (const Metric& metric : metrics_) {
    for (const auto& [line, columns] : metric.rounds) {
      for (const auto& [queues, rounds] : columns) {
        const auto row = [&, &mode = line, count = queues](const char* which, double value) {
          std::fprintf(file, "%s%s,%s,%s,%zu,%.6g,%s\n", metric.name.c_str(), which, Name(mode.first),
                       OnOff(mode.second), count, value, metric.unit.c_str());
        };
        row("", Median(rounds));
        row(" (lowest)", *std::min_element(rounds.begin(), rounds.end()));
        row(" (highest)", *std::max_element(rounds.begin(), rounds.end()));
      }
    }
  }
  return std::fclose(file) == 0;
}

}  // namespace xeq::bench
