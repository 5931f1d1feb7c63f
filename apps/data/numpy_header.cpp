#include "apps/data/numpy_header.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "runtime/check.h"
#include "runtime/json.h"

namespace lookback {
namespace {

using namespace std::string_view_literals;

constexpr auto mark = "\x93NUMPY"sv;
constexpr std::size_t version_at = 6, length_at = 8;
constexpr auto advice = "array.astype('<u4').reshape(-1) has tokens in a form that can be read";

struct NumberKind {
  std::string_view name;  // as NumPy writes it
  TokenType type;
};
// An int64 holds what a uint64 does, up to ids that no vocabulary has.
constexpr std::array number_kinds = {
    NumberKind{"|u1", TokenType::uint8},  NumberKind{"<u2", TokenType::uint16},
    NumberKind{"<u4", TokenType::uint32}, NumberKind{"<i4", TokenType::int32},
    NumberKind{"<i8", TokenType::int64},  NumberKind{"<u8", TokenType::int64}};

std::string read_text(const InputFile& file, std::size_t begin, std::size_t count) {
  std::string text(std::min(count, file.size() - std::min(begin, file.size())), '\0');
  file.read(begin, std::as_writable_bytes(std::span(text)));
  return text;
}

// What stands behind 'key': in a dictionary of Python; empty: nothing does.
std::string_view value_of(std::string_view dictionary, std::string_view key) {
  const auto at = dictionary.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos) return {};
  auto value = dictionary.substr(at + key.size() + 2);
  value.remove_prefix(std::min(value.find_first_not_of(" :"), value.size()));
  return value;
}

std::string_view up_to(std::string_view text, char last) {
  return text.substr(0, std::min(text.find(last), text.size() - 1) + 1);
}

std::size_t read_length(std::string_view shape, const std::string& path) {
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(shape.data() + 1, shape.data() + shape.size(), length);
  const std::string_view rest(end, static_cast<std::size_t>(shape.data() + shape.size() - end));
  const Check check{"data"};
  check(error == std::errc{} && (rest == ",)" || rest == ", )"),
        "{}: is a NumPy array of shape {}: tokens must have one dimension; {}", path,
        in_quotes(shape), advice);
  return length;
}

}  // namespace

bool is_numpy(const InputFile& file) { return read_text(file, 0, mark.size()) == mark; }

TokenLayout numpy_layout(const InputFile& file) {
  const Check check{"data"};
  const auto& path = file.path();
  const auto start = read_text(file, 0, 12);
  check(start.size() == 12, "{}: {} bytes are too few for a NumPy array", path, file.size());
  const int version = static_cast<unsigned char>(start[version_at]);
  check(1 <= version && version <= 3, "{}: is a NumPy array of version {}: 1 to 3 are known", path,
        version);
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  std::size_t length = 0;
  for (auto i = length_bytes; i-- > 0;)
    length = length * 256 + static_cast<unsigned char>(start[length_at + i]);
  const auto header_bytes = length_at + length_bytes + length;
  check(header_bytes <= file.size(), "{}: the header of the NumPy array has {} bytes, the file {}",
        path, header_bytes, file.size());
  constexpr std::size_t longest = 1024;  // of an array of one dimension: below 128
  const auto header = read_text(file, length_at + length_bytes, std::min(length, longest));
  const auto name = value_of(header, "descr");
  const auto shape = value_of(header, "shape");
  check(name.starts_with('\'') && shape.starts_with('('),
        "{}: the header of the NumPy array has no descr and shape of numbers", path);
  const auto quoted = name.substr(1, std::min(name.find('\'', 1), name.size()) - 1);
  const auto* kind = std::ranges::find(number_kinds, quoted, &NumberKind::name);
  check(kind != number_kinds.end(),
        "{}: is a NumPy array of {}: tokens must be u1, <u2, <u4, <i4 or <i8; {}", path,
        in_quotes(quoted), advice);
  const auto count = read_length(up_to(shape, ')'), path);
  const auto body = file.size() - header_bytes;
  check(count > 0, "{}: is a NumPy array without elements", path);
  check(body % bytes_of(kind->type) == 0 && body / bytes_of(kind->type) == count,
        "{}: the header says {} tokens of {}, but {} bytes follow it: was it cut short?", path,
        count, name_of(kind->type), body);
  return {.header_bytes = header_bytes, .type = kind->type, .said_by = TokenLayout::Source::file};
}

}  // namespace lookback
