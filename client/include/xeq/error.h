// What a program can learn from an error of the service without reading its text.
#ifndef XEQ_CLIENT_INCLUDE_XEQ_ERROR_H_
#define XEQ_CLIENT_INCLUDE_XEQ_ERROR_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace xeq {

// google.rpc.ErrorInfo.reason: "LIMIT_REACHED", "JOB_PAGE_FAULT". Empty when the error did not come from the service.
std::string ErrorReason(const absl::Status& status);
// google.rpc.ErrorInfo.metadata: "field", "limit", "fault_address". Empty when there is none.
std::map<std::string, std::string> ErrorMetadata(const absl::Status& status);
// google.rpc.RetryInfo: when it is worth trying again. Nothing was done by the call that says so.
std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status);

}  // namespace xeq

#endif  // XEQ_CLIENT_INCLUDE_XEQ_ERROR_H_
