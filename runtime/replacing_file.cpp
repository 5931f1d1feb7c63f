#include "runtime/replacing_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& target, std::string_view what, int error) {
  fail("write", "{}: {}: {}", target.string(), what, std::generic_category().message(error));
}

}  // namespace

ReplacingFile::ReplacingFile(fs::path destination) : target(std::move(destination)) {
  std::error_code error;
  const auto status = fs::status(target, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    fail("write", "{} exists and is not a regular file", target.string());
  }
  for (int attempt = 0;; ++attempt) {
    temporary = target;
    temporary += "." + std::to_string(getpid()) + "-" + std::to_string(attempt) + ".partial";
    descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) return;
    if (errno != EEXIST) refuse(target, "cannot be created", errno);
  }
}

ReplacingFile::~ReplacingFile() {
  if (descriptor >= 0) close(descriptor);
  if (!temporary.empty()) unlink(temporary.c_str());
}

void ReplacingFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t most_at_once = std::size_t{1} << 30;  // the system's limit lies near 2^31
  while (!bytes.empty()) {
    const auto written = ::write(descriptor, bytes.data(), std::min(bytes.size(), most_at_once));
    if (written < 0) {
      if (errno == EINTR) continue;
      refuse(target, "cannot be written", errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void ReplacingFile::commit() {
  if (fsync(descriptor) != 0) refuse(target, "cannot be written", errno);
  if (close(std::exchange(descriptor, -1)) != 0) refuse(target, "cannot be written", errno);
  if (rename(temporary.c_str(), target.c_str()) != 0) {
    refuse(target, "cannot be put in place", errno);
  }
  temporary.clear();
  // The rename itself lasts once the folder is on the disk; not every file system can be asked.
  const auto parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (const int folder = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    fsync(folder);
    close(folder);
  }
}

}  // namespace lookback
