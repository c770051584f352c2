// Publishes what the Recorder has counted, by the definitions of the metric table.
#ifndef XEQ_SERVER_METRICS_COLLECTOR_H_
#define XEQ_SERVER_METRICS_COLLECTOR_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "hw/device.h"
#include "server/metrics/recorder.h"

namespace xeq::metrics {

// Does its work when it is scraped, on the scraper's thread. `recorder` and `device` outlive it.
class Collector : public prometheus::Collectable {
 public:
  Collector(const Recorder& recorder, const hw::Device& device, std::string version);

  // One family for each row of the table, every series from the start, whether it was counted yet or not.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  class Family;
  void CollectInfo(Family& family, Metric metric) const;
  void CollectDevice(Family& family, Metric metric) const;
  void CollectEngine(Family& family, Metric metric, hw::EngineClass engine_class) const;

  const Recorder& recorder_;
  const hw::Device& device_;
  const std::string version_;
  // The classes that the device has.
  std::vector<hw::EngineClass> classes_;
};

}  // namespace xeq::metrics

#endif  // XEQ_SERVER_METRICS_COLLECTOR_H_
