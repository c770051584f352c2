// The /metrics page.
#ifndef XEQ_SERVER_METRICS_ENDPOINT_H_
#define XEQ_SERVER_METRICS_ENDPOINT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/metrics/collector.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace xeq::metrics {

// Serves a Collector over HTTP on threads of its own, from Open until it is destroyed.
class Endpoint {
 public:
  // `address` is "host:port"; with port 0 the system chooses one. UNAVAILABLE: the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Open(const std::string& address,
                                                        std::shared_ptr<Collector> collector);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint();

  // With the port that is really listened on.
  const std::string& address() const { return address_; }

 private:
  Endpoint(std::unique_ptr<prometheus::Exposer> exposer, std::shared_ptr<Collector> collector, std::string address);

  // The exposer does not own what it collects from.
  const std::shared_ptr<Collector> collector_;
  const std::unique_ptr<prometheus::Exposer> exposer_;
  const std::string address_;
};

}  // namespace xeq::metrics

#endif  // XEQ_SERVER_METRICS_ENDPOINT_H_
