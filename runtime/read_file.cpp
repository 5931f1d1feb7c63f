#include "runtime/read_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "runtime/check.h"

namespace lookback {

std::string read_file(const std::filesystem::path& path, std::string_view operation) {
  const auto refuse = [&](int error) {
    fail(operation, "{}: cannot be read: {}", path.string(),
         std::generic_category().message(error));
  };
  std::error_code ignored;  // opening says it better
  const auto status = std::filesystem::status(path, ignored);
  if (is_character_file(status) || is_block_file(status)) {
    fail(operation, "{}: cannot be read: is a device, not a file", path.string());
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (!file) refuse(errno);
  std::string text;
  std::array<char, 65536> block;
  for (;;) {
    const auto count = std::fread(block.data(), 1, block.size(), file.get());
    text.append(block.data(), count);
    if (std::ferror(file.get()) != 0) refuse(errno);
    if (count < block.size()) return text;
  }
}

}  // namespace lookback
