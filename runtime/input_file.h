// A file of data, read piece by piece where it lies.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "runtime/system_files.h"

namespace lookback {

// Read, not mapped: of a file that is cut short meanwhile, or whose disk fails, read() says so. A
// mapping would end the program by a signal (SIGBUS), or show zeros up to the end of a page.
class InputFile {
 public:
  // Throws Error, `[operation] path: why`, when there is no such file, when it cannot be read, and
  // when it is a folder or anything but a regular file. An empty file is no error.
  InputFile(std::string name, std::string_view operation);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return name_; }
  // When it was opened.
  std::size_t size() const { return opened_bytes_; }
  // The bytes from `position` on, which lie within size(); from any thread. Throws Error where they
  // are not there any more, cannot be read, or where another file has taken this one's place.
  void read(std::size_t position, std::span<std::byte> bytes) const;

 private:
  [[noreturn]] void refuse(int error) const;

  std::string name_, operation_;
  std::size_t opened_bytes_ = 0;
  dev_t device_ = 0;  // with `inode`: which file it is
  ino_t inode_ = 0;
  FileDescriptor kept_;  // not open: opened for each reading
};

}  // namespace lookback
