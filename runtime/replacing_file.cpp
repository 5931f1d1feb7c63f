#include "runtime/replacing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
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

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

fs::path& folder_of_temporaries() {
  static fs::path folder;  // empty: beside the destination
  return folder;
}

bool on_one_file_system(const fs::path& a, const fs::path& b) {
  struct stat of_a {
  }, of_b{};
  return stat(a.c_str(), &of_a) == 0 && stat(b.c_str(), &of_b) == 0 && of_a.st_dev == of_b.st_dev;
}

// Without the number that makes it unique.
fs::path temporary_of(const fs::path& target) {
  const auto& folder = folder_of_temporaries();
  if (folder.empty() || !on_one_file_system(folder, parent_of(target))) return target;
  return folder / target.filename();
}

}  // namespace

TemporaryFilesIn::TemporaryFilesIn(fs::path folder) {
  const Check check{"write"};
  check(folder_of_temporaries().empty(), "{}: temporary files lie in {} already", folder.string(),
        folder_of_temporaries().string());
  folder_of_temporaries() = std::move(folder);
}

TemporaryFilesIn::~TemporaryFilesIn() { folder_of_temporaries().clear(); }

ReplacingFile::ReplacingFile(fs::path destination) : target_(std::move(destination)) {
  std::error_code error;
  const auto status = fs::status(target_, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    fail("write", "{} exists and is not a regular file", target_.string());
  }
  for (int attempt = 0;; ++attempt) {
    temporary_ = temporary_of(target_);
    temporary_ += fmt::format(".{}-{}.partial", getpid(), attempt);
    file_ = FileDescriptor(temporary_, O_WRONLY | O_CREAT | O_EXCL);
    if (file_.is_open()) return;
    if (file_.open_error() != EEXIST) refuse(target_, "cannot be created", file_.open_error());
  }
}

ReplacingFile::~ReplacingFile() {
  if (!temporary_.empty()) static_cast<void>(remove_path(temporary_));
}

void ReplacingFile::write(std::span<const std::byte> bytes) {
  if (const int error = file_.write(bytes)) refuse(target_, "cannot be written", error);
}

void ReplacingFile::commit() {
  if (const int error = file_.sync()) refuse(target_, "cannot be written", error);
  if (const int error = file_.close()) refuse(target_, "cannot be written", error);
  if (const int error = rename_path(temporary_, target_)) {
    refuse(target_, "cannot be put in place", error);
  }
  temporary_.clear();
  sync_folder(parent_of(target_));
}

}  // namespace lookback
