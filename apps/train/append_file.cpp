#include "apps/train/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/check.h"

namespace lookback {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, int error) {
  fail("write", "{}: cannot be written: {}", path.string(), std::generic_category().message(error));
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path file_path)
    : path(std::move(file_path)),
      descriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor < 0) refuse(path, errno);
}

AppendFile::~AppendFile() { close(descriptor); }

void AppendFile::append(std::string_view piece) {
  const auto whole_bytes = lseek(descriptor, 0, SEEK_END);
  const auto written = write(descriptor, piece.data(), piece.size());
  if (written == static_cast<ssize_t>(piece.size())) return;
  const int error = written < 0 ? errno : ENOSPC;
  if (written > 0 && ftruncate(descriptor, whole_bytes) != 0) refuse(path, errno);
  refuse(path, error);
}

}  // namespace lookback
