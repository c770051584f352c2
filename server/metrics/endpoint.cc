#include "server/metrics/endpoint.h"

#include <prometheus/exposer.h>

#include <exception>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace xeq::metrics {

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Open(const std::string& address,
                                                         std::shared_ptr<Collector> collector) {
  std::unique_ptr<prometheus::Exposer> exposer;
  // The library's way to say that the address is taken.
  try {
    exposer = std::make_unique<prometheus::Exposer>(address, /*num_threads=*/2);
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("metrics address ", address, ": ", error.what()));
  }
  exposer->RegisterCollectable(collector);
  std::string bound = address;
  const std::vector<int> ports = exposer->GetListeningPorts();
  if (const size_t colon = bound.rfind(':'); colon != std::string::npos && !ports.empty()) {
    bound = absl::StrCat(bound.substr(0, colon), ":", ports.front());
  }
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(exposer), std::move(collector), std::move(bound)));
}

Endpoint::Endpoint(std::unique_ptr<prometheus::Exposer> exposer, std::shared_ptr<Collector> collector,
                   std::string address)
    : collector_(std::move(collector)), exposer_(std::move(exposer)), address_(std::move(address)) {}

Endpoint::~Endpoint() = default;

}  // namespace xeq::metrics
