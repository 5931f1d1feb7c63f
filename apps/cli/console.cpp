#include "apps/cli/console.h"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "apps/data/json_tokenizer/characters.h"
#include "runtime/check.h"

namespace lookback {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char32_t delete_character = 0x7f, first_printable_above = 0xa0;

bool silent = false;  // set before there are threads

bool is_terminal(int stream) { return isatty(stream) == 1; }

// U+2400 and on.
std::string picture_of(char32_t control) {
  const auto number = control == delete_character ? 0x21 : control;
  return std::string("\xE2\x90") + static_cast<char>(0x80 + number);
}

bool is_kept(char32_t code, std::string_view behind) {
  if (code == '\n' || code == '\t') return true;
  if (code == '\r') return behind.starts_with('\n');
  return code >= ' ' && (code < delete_character || code >= first_printable_above);
}

// JSON leaves the characters between 0x7f and 0x9f as they are; a terminal obeys them.
std::string json_text(const nlohmann::ordered_json& object) {
  // Invalid UTF-8 (a sample from a model of bytes) becomes U+FFFD.
  const auto text = object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (byte == delete_character) {
      result += "\\u007f";
    } else if (byte == 0xc2 && next < first_printable_above) {
      result += fmt::format("\\u{:04x}", next);
      ++i;
    } else {
      result += text[i];
    }
  }
  return result + "\n";
}

}  // namespace

void be_silent() { silent = true; }

void print(std::string_view text) {
  if (silent) return;
  const auto shown = is_terminal(STDOUT_FILENO) ? printable(text) : std::string(text);
  if (std::fwrite(shown.data(), 1, shown.size(), stdout) != shown.size() ||
      std::fflush(stdout) != 0) {
    fail("stdout", "cannot be written: {}", std::generic_category().message(errno));
  }
}

void print_error(std::string_view text) {
  draw(is_terminal(STDERR_FILENO) ? printable(text) : std::string(text));
}

void print_warning(std::string_view text) {
  print_error(fmt::format("lookback: warning: {}\n", one_line(text)));
}

void print_last_error(std::string_view text) {
  silent = false;
  print_error(text);
}

void draw(std::string_view text) {
  if (silent) return;
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
  static_cast<void>(std::fflush(stderr));
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    auto valid = text.substr(0, json_tokenizer::valid_bytes(text));
    text.remove_prefix(valid.size());
    while (!valid.empty()) {
      const auto [code, bytes] = json_tokenizer::first_character(valid);
      const auto written = valid.substr(0, bytes);
      valid.remove_prefix(bytes);
      if (is_kept(code, valid)) {
        result += written;
      } else {
        result += code <= delete_character ? picture_of(code) : std::string(replacement);
      }
    }
    if (text.empty()) break;
    text.remove_prefix(json_tokenizer::invalid_bytes(text));
    result += replacement;
  }
  return result;
}

void Console::result(std::string_view text, const nlohmann::ordered_json& object) const {
  if (json()) {
    print(json_text(object));
  } else if (!text.empty()) {
    print(std::string(text) + "\n");
  }
}

void Console::summary(std::string_view text, const nlohmann::ordered_json& object) const {
  if (json()) return result(text, object);
  try {
    result(text, object);
  } catch (const Error& error) {
    print_warning(error.what());
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
