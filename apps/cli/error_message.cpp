#include "apps/cli/error_message.h"

#include <cxxabi.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <typeinfo>

#include "runtime/allocator.h"
#include "runtime/check.h"

namespace lookback {
namespace {

std::string type_of(const std::exception& error) {
  const char* mangled = typeid(error).name();
  const std::unique_ptr<char, void (*)(void*)> plain(
      abi::__cxa_demangle(mangled, nullptr, nullptr, nullptr), std::free);
  return plain ? plain.get() : mangled;
}

std::string paths_of(const std::filesystem::filesystem_error& error) {
  auto text = error.path1().string();
  if (!error.path2().empty()) text += " to " + error.path2().string();
  return text.empty() ? "the file system" : text;
}

}  // namespace

std::string message_of(const std::exception& error) {
  if (const auto* own = dynamic_cast<const Error*>(&error)) return own->what();
  if (const auto* files = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return files->what();
  }
  if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
    return fmt::format("the system refuses: {}", system->code().message());
  }
  // A length that no memory holds is asked for by another exception.
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
      dynamic_cast<const std::length_error*>(&error) != nullptr) {
    const auto stats = memory_stats();
    return fmt::format("out of memory outside tensors; tensors hold {} bytes, {} more are cached",
                       stats.live_bytes, stats.cached_bytes);
  }
  return fmt::format("a defect of lookback ({}): please report it, with the command and its files",
                     type_of(error));
}

}  // namespace lookback
