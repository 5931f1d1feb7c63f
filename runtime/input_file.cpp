#include "runtime/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "runtime/check.h"

namespace lookback {
namespace {

// A folder may hold more files than a process may have open.
constexpr int max_kept = 64;
std::atomic<int> kept_files = 0;

// Without O_NONBLOCK a pipe would make open() wait for a writer.
FileDescriptor open_to_read(const std::string& path) { return {path, O_RDONLY | O_NONBLOCK}; }

}  // namespace

InputFile::InputFile(std::string file_path, std::string_view operation_name)
    : name(std::move(file_path)), operation(operation_name) {
  const Check check{operation};
  auto file = open_to_read(name);
  check(file.is_open() || file.open_error() != ENOENT, "{}: there is no such file", name);
  if (!file.is_open()) refuse(file.open_error());
  struct stat status {};
  if (fstat(file.get(), &status) != 0) refuse(errno);
  check(!S_ISDIR(status.st_mode), "{}: is a folder, not a file", name);
  check(S_ISREG(status.st_mode), "{}: is not a regular file", name);
  opened_bytes = static_cast<std::size_t>(status.st_size);
  device = status.st_dev;
  inode = status.st_ino;
  if (kept_files.fetch_add(1) < max_kept) {
    kept = std::move(file);
  } else {
    --kept_files;
  }
}

InputFile::~InputFile() {
  if (kept.is_open()) --kept_files;
}

void InputFile::refuse(int error) const {
  fail(operation, "{}: cannot be read: {}", name, std::generic_category().message(error));
}

void InputFile::read(std::size_t position, std::span<std::byte> bytes) const {
  constexpr std::size_t max_at_once = std::size_t{1} << 30;  // the system's limit lies near 2^31
  const auto opened = kept.is_open() ? FileDescriptor() : open_to_read(name);
  const auto& file = kept.is_open() ? kept : opened;
  if (!file.is_open()) refuse(file.open_error());
  if (struct stat status{}; !kept.is_open()) {
    if (fstat(file.get(), &status) != 0) refuse(errno);
    if (status.st_dev != device || status.st_ino != inode) {
      fail(operation, "{}: another file has taken its place since it was opened", name);
    }
  }
  while (!bytes.empty()) {
    const auto count = pread(file.get(), bytes.data(), std::min(bytes.size(), max_at_once),
                             static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse(errno);
    if (count == 0) {
      fail(operation,
           "{}: has become shorter since it was opened: it had {} bytes, and byte {} is "
           "not there any more",
           name, opened_bytes, position);
    }
    position += static_cast<std::size_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace lookback
