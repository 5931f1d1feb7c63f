// A file's bytes, mapped for reading: nothing is copied, pages come in when they are touched.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lookback {

class MappedFile {
 public:
  // Throws Error, `[operation] path: why`, when there is no such file, when it cannot be read, and
  // when it is a folder or anything but a regular file. An empty file is no error.
  MappedFile(std::string file_path, std::string_view operation);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return name; }
  std::size_t size() const { return content.size(); }
  std::span<const std::byte> bytes() const { return content; }

 private:
  std::string name;
  std::span<const std::byte> content;
};

}  // namespace lookback
