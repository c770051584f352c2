// Collects the values of several rounds, and tells their medians.
#ifndef XEQ_TESTS_BENCH_PUT_MODES_REPORT_H_
#define XEQ_TESTS_BENCH_PUT_MODES_REPORT_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/put_modes_rig.h"

namespace xeq::bench {

class Report {
 public:
  // One round's value. Metrics are told in the order in which they first came.
  void Add(const std::string& metric, const char* unit, const Mode& mode, double value);
  // A table for each metric, in Markdown: median, and from the lowest to the highest round.
  void Print() const;
  // The medians, and the lowest and the highest round as metrics of their own. False: not written.
  bool WriteCsv(const std::string& path) const;

 private:
  // In the order of the tables' lines.
  using Line = std::pair<sched::PutMode, bool>;
  struct Metric {
    std::string name;
    std::string unit;
    std::map<Line, std::map<size_t, std::vector<double>>> rounds;
  };

  std::vector<Metric> metrics_;
};

}  // namespace xeq::bench

#endif  // XEQ_TESTS_BENCH_PUT_MODES_REPORT_H_
