#include "apps/cli/console.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "runtime/check.h"

namespace lookback {

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail("stdout", "cannot be written: {}", std::generic_category().message(errno));
  }
}

void print_error(std::string_view text) {
  // Nothing is left to tell it to when stderr fails too.
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
  static_cast<void>(std::fflush(stderr));
}

void print_warning(std::string_view text) {
  print_error(fmt::format("lookback: warning: {}\n", one_line(text)));
}

void Console::result(std::string_view text, const nlohmann::ordered_json& object) const {
  // Invalid UTF-8 (a sample from a model of bytes) becomes U+FFFD.
  using Handler = nlohmann::ordered_json::error_handler_t;
  if (json()) {
    print(object.dump(-1, ' ', false, Handler::replace) + "\n");
  } else if (!text.empty()) {
    print(std::string(text) + "\n");
  }
}

void Console::note(std::string_view line) const {
  if (notes == Notes::shown) print_error(std::string(line) + "\n");
}

std::string shell_word(const std::string& text) {
  constexpr auto plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string result = "'";
  for (const char letter : text) result += letter == '\'' ? "'\\''" : std::string(1, letter);
  return result + "'";
}

std::string one_line(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return result;
}

}  // namespace lookback
