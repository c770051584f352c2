#include "client/xeqctl/demo_input.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace xeq::ctl {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kDefaultBytes = 64 << 20;
constexpr char kLibraries[] = "/usr/lib";

// Appends up to `bytes` of the file; what cannot be read is left out.
void AppendFile(const fs::path& path, uint64_t bytes, std::vector<std::byte>& data) {
  std::ifstream file(path, std::ios::binary);
  const size_t before = data.size();
  data.resize(before + bytes);
  file.read(reinterpret_cast<char*>(data.data() + before), static_cast<std::streamsize>(bytes));
  data.resize(before + static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
}

absl::StatusOr<DemoInput> ReadOne(const DemoOptions& options) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(options.file, error);
  if (error) return absl::NotFoundError(absl::StrCat(options.file, ": ", error.message()));
  const uint64_t wanted = options.size_bytes == 0 ? bytes : options.size_bytes;
  if (bytes == 0 || wanted > bytes) {
    return absl::InvalidArgumentError(absl::StrCat(options.file, " has ", bytes, " bytes, --size asks for ", wanted));
  }
  DemoInput input{{}, options.file};
  AppendFile(options.file, wanted, input.data);
  if (input.data.size() != wanted) return absl::DataLossError(absl::StrCat(options.file, ": cannot be read"));
  return input;
}

}  // namespace

absl::StatusOr<DemoInput> ReadDemoInput(const DemoOptions& options) {
  if (!options.file.empty()) return ReadOne(options);
  const uint64_t wanted = options.size_bytes == 0 ? kDefaultBytes : options.size_bytes;
  std::vector<fs::path> files;
  std::error_code error;
  const auto skip = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(kLibraries, skip, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored) && !at->is_symlink(ignored)) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  DemoInput input;
  input.data.reserve(wanted);
  size_t used = 0;
  // Over and over, should the machine have less than is wanted.
  for (size_t before = 0; input.data.size() < wanted; before = input.data.size()) {
    for (const fs::path& file : files) {
      if (input.data.size() == wanted) break;
      std::error_code ignored;
      const uint64_t size = fs::file_size(file, ignored);
      if (!ignored && size > 0) {
        AppendFile(file, std::min(size, wanted - input.data.size()), input.data);
        ++used;
      }
    }
    if (input.data.size() == before) return absl::NotFoundError("no file to be read below /usr/lib: use --file");
  }
  input.origin = absl::StrCat(used, " files of ", kLibraries);
  return input;
}

std::string Sha256(absl::Span<const std::byte> data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

}  // namespace xeq::ctl
