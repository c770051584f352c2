// Goal: the page is served where the endpoint says, and an address that is taken is an error, not a crash. Method: a
// request over a plain socket.
#include "server/metrics/endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/fakes/manual_device.h"

namespace xeq::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The whole answer of a server on this machine; empty when it cannot be reached.
std::string Get(const std::string& address, const std::string& path) {
  uint32_t port = 0;
  if (!absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) return "";
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(port));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) == 0) {
    const std::string request = absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    if (write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char part[4096];
      for (ssize_t got; (got = read(fd, part, sizeof(part))) > 0;) answer.append(part, static_cast<size_t>(got));
    }
  }
  close(fd);
  return answer;
}

class EndpointTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Endpoint>> Open(const std::string& address) {
    return Endpoint::Open(address, std::make_shared<Collector>(recorder_, device_, "1.2.3"));
  }

  fakes::ManualDevice device_;
  Recorder recorder_;
};

TEST_F(EndpointTest, ServesWhatIsCountedOnAPortOfTheSystemsChoice) {
  auto endpoint = Open("127.0.0.1:0");
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_THAT((*endpoint)->address(), StartsWith("127.0.0.1:"));
  EXPECT_NE((*endpoint)->address(), "127.0.0.1:0");
  recorder_.OnSessionOpened();
  const std::string page = Get((*endpoint)->address(), "/metrics");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(page, HasSubstr("xeq_build_info{version=\"1.2.3\"} 1"));
  EXPECT_THAT(page, HasSubstr("xeq_sessions{tenant=\"default\"} 1"));
  EXPECT_THAT(page, HasSubstr("xeq_submit_server_seconds_bucket{device=\"0000:00:02.0\",le=\"+Inf\"} 0"));
  EXPECT_THAT(page, HasSubstr("# TYPE xeq_jobs_submitted_total counter"));
}

TEST_F(EndpointTest, AnAddressThatIsTakenIsUnavailable) {
  auto first = Open("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Open((*first)->address());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr((*first)->address()));
}

TEST_F(EndpointTest, LetsGoOfItsPort) {
  auto first = Open("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = (*first)->address();
  first->reset();
  EXPECT_EQ(Get(address, "/metrics"), "");
  EXPECT_TRUE(Open(address).ok());
}

}  // namespace
}  // namespace xeq::metrics
