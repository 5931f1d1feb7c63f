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

InputFile::InputFile(std::string name, std::string_view operation_name)
    : name_(std::move(name)), operation_(operation_name) {
  const Check check{operation_};
  auto file = open_to_read(name_);
  check(file.is_open() || file.open_error() != ENOENT, "{}: there is no such file", name_);
  if (!file.is_open()) refuse(file.open_error());
  struct stat status {};
  if (fstat(file.get(), &status) != 0) refuse(errno);
  check(!S_ISDIR(status.st_mode), "{}: is a folder, not a file", name_);
  check(S_ISREG(status.st_mode), "{}: is not a regular file", name_);
  opened_bytes_ = static_cast<std::size_t>(status.st_size);
  device_ = status.st_dev;
  inode_ = status.st_ino;
  if (kept_files.fetch_add(1) < max_kept) {
    kept_ = std::move(file);
  } else {
    --kept_files;
  }
}

InputFile::~InputFile() {
  if (kept_.is_open()) --kept_files;
}

void InputFile::refuse(int error) const {
  fail(operation_, "{}: cannot be read: {}", name_, std::generic_category().message(error));
}

void InputFile::read(std::size_t position, std::span<std::byte> bytes) const {
  constexpr std::size_t max_at_once = std::size_t{1} << 30;  // the system's limit lies near 2^31
  const auto opened = kept_.is_open() ? FileDescriptor() : open_to_read(name_);
  const auto& file = kept_.is_open() ? kept_ : opened;
  if (!file.is_open()) refuse(file.open_error());
  if (struct stat status{}; !kept_.is_open()) {
    if (fstat(file.get(), &status) != 0) refuse(errno);
    if (status.st_dev != device_ || status.st_ino != inode_) {
      fail(operation_, "{}: another file has taken its place since it was opened", name_);
    }
  }
  while (!bytes.empty()) {
    const auto count = pread(file.get(), bytes.data(), std::min(bytes.size(), max_at_once),
                             static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse(errno);
    if (count == 0) {
      fail(operation_,
           "{}: has become shorter since it was opened: it had {} bytes, and byte {} is "
           "not there any more",
           name_, opened_bytes_, position);
    }
    position += static_cast<std::size_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace lookback
