#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "runtime/check.h"

namespace lookback {
namespace {

// Closes the descriptor; the mapping outlives it.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

}  // namespace

MappedFile::MappedFile(std::string file_path, std::string_view operation)
    : name(std::move(file_path)) {
  const Check check{operation};
  // Without O_NONBLOCK a pipe would make open() wait for a writer.
  const Descriptor file{open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  check(file.number >= 0 || errno != ENOENT, "{}: there is no such file", name);
  check(file.number >= 0, "{}: cannot be read: {}", name, std::strerror(errno));
  struct stat status {};
  check(fstat(file.number, &status) == 0, "{}: cannot be read: {}", name, std::strerror(errno));
  check(!S_ISDIR(status.st_mode), "{}: is a folder, not a file", name);
  check(S_ISREG(status.st_mode), "{}: is not a regular file", name);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;
  const void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  check(address != MAP_FAILED, "{}: cannot be mapped: {}", name, std::strerror(errno));
  content = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!content.empty()) munmap(const_cast<std::byte*>(content.data()), content.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : name(std::move(other.name)), content(std::exchange(other.content, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(name, other.name);
  std::swap(content, other.content);
  return *this;
}

}  // namespace lookback
