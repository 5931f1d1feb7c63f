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
constexpr int most_kept = 64;
std::atomic<int> kept_files = 0;

// Without O_NONBLOCK a pipe would make open() wait for a writer.
int open_to_read(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

}  // namespace

InputFile::InputFile(std::string file_path, std::string_view operation_name)
    : name(std::move(file_path)), operation(operation_name) {
  const Check check{operation};
  Descriptor file{open_to_read(name)};
  check(file.number >= 0 || errno != ENOENT, "{}: there is no such file", name);
  if (file.number < 0) refuse(errno);
  struct stat status {};
  if (fstat(file.number, &status) != 0) refuse(errno);
  check(!S_ISDIR(status.st_mode), "{}: is a folder, not a file", name);
  check(S_ISREG(status.st_mode), "{}: is not a regular file", name);
  opened_bytes = static_cast<std::size_t>(status.st_size);
  device = status.st_dev;
  inode = status.st_ino;
  if (kept_files.fetch_add(1) < most_kept) {
    kept = std::exchange(file.number, -1);
  } else {
    --kept_files;
  }
}

InputFile::~InputFile() {
  if (kept < 0) return;
  close(kept);
  --kept_files;
}

void InputFile::refuse(int error) const {
  fail(operation, "{}: cannot be read: {}", name, std::generic_category().message(error));
}

void InputFile::read(std::size_t position, std::span<std::byte> bytes) const {
  constexpr std::size_t most_at_once = std::size_t{1} << 30;  // the system's limit lies near 2^31
  const Descriptor opened{kept < 0 ? open_to_read(name) : -1};
  const int descriptor = kept < 0 ? opened.number : kept;
  if (descriptor < 0) refuse(errno);
  if (struct stat status{}; kept < 0) {
    if (fstat(descriptor, &status) != 0) refuse(errno);
    if (status.st_dev != device || status.st_ino != inode) {
      fail(operation, "{}: another file has taken its place since it was opened", name);
    }
  }
  while (!bytes.empty()) {
    const auto count = pread(descriptor, bytes.data(), std::min(bytes.size(), most_at_once),
                             static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse(errno);
    if (count == 0) return;
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
