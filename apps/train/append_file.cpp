#include "apps/train/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <system_error>

#include "runtime/check.h"

namespace lookback {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, int error) {
  fail("write", "{}: cannot be written: {}", path.string(), std::generic_category().message(error));
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path)
    : path_(std::move(path)), file_(path_, O_WRONLY | O_CREAT | O_APPEND) {
  if (!file_.is_open()) refuse(path_, file_.open_error());
}

void AppendFile::append(std::string_view piece) {
  const auto whole_bytes = lseek(file_.get(), 0, SEEK_END);
  if (whole_bytes < 0) refuse(path_, errno);
  const int error = file_.write(std::as_bytes(std::span(piece)));
  if (error == 0) return;
  // The first cause is what is told, also where half a line has to stay (its reader leaves it out).
  [[maybe_unused]] const int cut = ftruncate(file_.get(), whole_bytes);
  refuse(path_, error);
}

void AppendFile::sync() {
  if (const int error = file_.sync()) refuse(path_, error);
}

}  // namespace lookback
