#include "runtime/system_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "runtime/check.h"

namespace lookback {
namespace {

// What `call` returns, once no signal came in between.
template <class Call>
auto uninterrupted(const Call& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

template <class Call>
int error_of(const Call& call) {
  return uninterrupted(call) < 0 ? errno : 0;
}

}  // namespace

FileDescriptor::FileDescriptor(const std::filesystem::path& path, int flags)
    : descriptor_(uninterrupted([&] { return open(path.c_str(), flags | O_CLOEXEC, 0666); })) {
  if (descriptor_ < 0) error_ = errno;
}

FileDescriptor::~FileDescriptor() { static_cast<void>(close()); }

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), error_(other.error_) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(error_, other.error_);
  return *this;
}

int FileDescriptor::write(std::span<const std::byte> bytes) const {
  constexpr std::size_t max_at_once = std::size_t{1} << 30;  // the system's limit lies near 2^31
  while (!bytes.empty()) {
    const auto written = uninterrupted(
        [&] { return ::write(descriptor_, bytes.data(), std::min(bytes.size(), max_at_once)); });
    if (written < 0) return errno;
    if (written == 0) return EIO;  // else it would go on for ever
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}

int FileDescriptor::read_all(std::string& text) const {
  std::array<char, 65536> block;
  for (;;) {
    const auto count = uninterrupted([&] { return read(descriptor_, block.data(), block.size()); });
    if (count < 0) return errno;
    if (count == 0) return 0;
    text.append(block.data(), static_cast<std::size_t>(count));
  }
}

int FileDescriptor::sync() const {
  return error_of([&] { return fsync(descriptor_); });
}

int FileDescriptor::lock() const {
  return error_of([&] { return flock(descriptor_, LOCK_EX | LOCK_NB); });
}

int FileDescriptor::close() {
  if (descriptor_ < 0) return 0;
  // Linux has let go of the descriptor even where it says that a signal came.
  return ::close(std::exchange(descriptor_, -1)) < 0 && errno != EINTR ? errno : 0;
}

int make_directory(const std::filesystem::path& folder) {
  return error_of([&] { return mkdir(folder.c_str(), 0777); });
}

int rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  return error_of([&] { return std::rename(from.c_str(), to.c_str()); });
}

int remove_path(const std::filesystem::path& path) {
  return error_of([&] { return std::remove(path.c_str()); });
}

void sync_folder(const std::filesystem::path& folder) {
  const FileDescriptor opened(folder, O_RDONLY | O_DIRECTORY);
  const int error = opened.is_open() ? opened.sync() : opened.open_error();
  const int no_failure = opened.is_open() ? EINVAL : EACCES;
  if (error == 0 || error == no_failure) return;
  fail("write", "{}: cannot be written: {}", folder.string(),
       std::generic_category().message(error));
}

}  // namespace lookback
