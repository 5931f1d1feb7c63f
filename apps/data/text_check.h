// Whether a file that was named as text is one. Its first 64 KiB are looked at: enough for every
// kind of file there is, and no wait where a corpus is large.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace lookback {

// Of a file that is longer, this much of its beginning says as much as all of it: a character that
// begins in the part that is looked at may end behind.
inline constexpr std::size_t text_check_bytes = (std::size_t{64} << 10) + 3;

// Throws Error that says what the file looks like, and what would be right, where it begins as a
// known binary format does or holds a byte 0: the sign that grep and git go by too, since no text
// has one, in whatever 8-bit encoding, and binary data are hardly ever without.
void check_is_text(std::span<const std::byte> file, const std::string& path);

// The same of a file that is named as tokens, by its first text_check_bytes: a known binary format,
// or text. Marks of one and two bytes count for nothing: tokens may begin with any.
void check_is_no_other_format(std::span<const std::byte> beginning, const std::string& path);

// Where the first byte lies that makes it no UTF-8; none: it is UTF-8. Another encoding is no
// error: bytes are what is trained on.
std::optional<std::size_t> first_not_utf8(std::span<const std::byte> file);
// What is said of that byte.
std::string not_utf8_warning(const std::string& path, std::size_t byte);

}  // namespace lookback
