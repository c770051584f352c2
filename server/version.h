// The version of the service.
#ifndef XEQ_SERVER_VERSION_H_
#define XEQ_SERVER_VERSION_H_

namespace xeq {

inline constexpr char kVersion[] = XEQ_VERSION;

}  // namespace xeq

#endif  // XEQ_SERVER_VERSION_H_
