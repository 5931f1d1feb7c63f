#include "runtime/read_file.h"

#include <fcntl.h>

#include <system_error>

#include "runtime/check.h"
#include "runtime/system_files.h"

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
  const FileDescriptor file(path, O_RDONLY);
  if (!file.is_open()) refuse(file.open_error());
  std::string text;
  if (const int error = file.read_all(text)) refuse(error);
  return text;
}

}  // namespace lookback
