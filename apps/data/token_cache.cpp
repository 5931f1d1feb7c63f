#include "apps/data/token_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "apps/data/tokenizer_config.h"
#include "apps/data/tokenizer_file.h"
#include "runtime/check.h"
#include "runtime/checksum.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view ending = ".tokens";
// A new one where the ids of a tokenizer, or the form of the files, change.
constexpr std::string_view version = "lookback tokens 2";

template <class Number>
std::span<const std::byte> bytes_of(const std::vector<Number>& numbers) {
  return std::as_bytes(std::span(numbers));
}

template <class Number>
void add_numbers(RunningChecksum& sum, std::span<const Number> numbers) {
  const std::array<std::uint64_t, 1> size = {numbers.size()};
  sum.add(std::as_bytes(std::span(size)));
  sum.add(std::as_bytes(numbers));
}

std::string key_of(std::string_view text, std::span<const std::int64_t> ends,
                   const Tokenizer& tokenizer, const EncodingOptions& options) {
  RunningChecksum sum;
  sum.add(version);
  sum.add(to_string(checksum_of_tokenizer(tokenizer.name())));
  add_numbers(sum, std::span<const std::int64_t>(options.in_front));
  sum.add(options.begins_document ? "begins" : "goes on");
  add_numbers(sum, ends);
  sum.add(text);
  return fmt::format("{}-{}{}", to_string(sum.value()), text.size(), ending);
}

// How many tokens, how many ends, both, and the checksum of all that.
struct Sizes {
  std::uint64_t tokens = 0, ends = 0;
};

std::optional<EncodedText> read_entry(const fs::path& path, std::int64_t vocabulary) {
  std::error_code missing;
  if (!fs::exists(path, missing)) return std::nullopt;
  const auto content = read_file(path, "cache");
  Sizes sizes;
  Checksum sum;
  if (content.size() < sizeof sizes + sizeof sum) return std::nullopt;
  const auto body = content.size() - sizeof sizes - sizeof sum;
  std::memcpy(&sizes, content.data(), sizeof sizes);
  std::memcpy(&sum, content.data() + content.size() - sizeof sum, sizeof sum);
  EncodedText text;
  const auto width = sizeof text.tokens[0], end_width = sizeof text.document_ends[0];
  if (sizes.tokens > body / width || sizes.ends > body / end_width ||
      sizes.tokens * width + sizes.ends * end_width != body ||
      checksum_of(std::string_view(content).substr(0, content.size() - sizeof sum)) != sum)
    return std::nullopt;
  text.tokens.resize(sizes.tokens);
  text.document_ends.resize(sizes.ends);
  const auto* begin = content.data() + sizeof sizes;
  if (sizes.tokens > 0) std::memcpy(text.tokens.data(), begin, sizes.tokens * width);
  if (sizes.ends > 0)
    std::memcpy(text.document_ends.data(), begin + sizes.tokens * width, sizes.ends * end_width);
  const bool fits = std::ranges::all_of(text.tokens, [&](auto id) { return id < vocabulary; });
  return fits ? std::optional(std::move(text)) : std::nullopt;
}

void write_entry(const fs::path& path, const EncodedText& text) {
  ReplacingFile file(path);
  RunningChecksum sum;
  const std::array<Sizes, 1> sizes = {{{text.tokens.size(), text.document_ends.size()}}};
  const auto add = [&](std::span<const std::byte> part) {
    file.write(part);
    sum.add(part);
  };
  add(std::as_bytes(std::span(sizes)));
  add(bytes_of(text.tokens));
  add(bytes_of(text.document_ends));
  const std::array<Checksum, 1> last = {sum.value()};
  file.write(std::as_bytes(std::span(last)));
  file.commit();
}

// Until all together are no more than that; also what killed processes left half written.
void remove_oldest(const fs::path& folder, std::int64_t most_bytes) {
  struct Entry {
    fs::file_time_type used;
    std::int64_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  std::int64_t all = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    entries.push_back(
        {entry.last_write_time(), static_cast<std::int64_t>(entry.file_size()), entry.path()});
    all += entries.back().bytes;
  }
  std::ranges::sort(entries, {}, &Entry::used);
  for (const auto& [used, bytes, path] : entries) {
    if (all <= most_bytes) return;
    fs::remove(path);
    all -= bytes;
  }
}

std::int64_t bytes_of_entry(const EncodedText& text) {
  return static_cast<std::int64_t>(bytes_of(text.tokens).size() +
                                   bytes_of(text.document_ends).size());
}

}  // namespace

TokenCacheLimits token_cache_limits() {
  constexpr auto variable = "LOOKBACK_TOKEN_CACHE";
  TokenCacheLimits limits;
  const char* value = std::getenv(variable);
  if (value == nullptr) return limits;
  const std::string_view text(value);
  if (text == "off") return {.most_bytes = 0};
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), limits.most_bytes);
  const Check check{"cache"};
  check(error == std::errc{} && end == text.data() + text.size() && limits.most_bytes >= 0,
        "{}={}: must be off, or how many bytes may be kept", variable, text);
  return limits;
}

std::optional<fs::path> token_cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  // As the XDG Base Directory Specification has it, a relative path counts for nothing.
  if (cache != nullptr && fs::path(cache).is_absolute())
    return fs::path(cache) / "lookback" / "tokens";
  const char* home = std::getenv("HOME");
  if (home == nullptr || !fs::path(home).is_absolute()) return std::nullopt;
  return fs::path(home) / ".cache" / "lookback" / "tokens";
}

EncodedText cached_encoding(std::string_view text, std::span<const std::int64_t> ends,
                            const Tokenizer& tokenizer, const EncodingOptions& options) {
  const auto limits = token_cache_limits();
  const auto folder = token_cache_folder();
  if (limits.most_bytes == 0 || std::ssize(text) < limits.least_text_bytes || !folder ||
      !is_tokenizer_file(tokenizer.name()))
    return encode_documents(text, ends, tokenizer, options);
  const auto path = *folder / key_of(text, ends, tokenizer, options);
  std::error_code ignored;
  try {
    if (auto kept = read_entry(path, tokenizer.vocabulary_size())) {
      fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
      return *std::move(kept);
    }
  } catch (const Error&) {  // it cannot be read: as if it were not there
  }
  auto encoded = encode_documents(text, ends, tokenizer, options);
  if (bytes_of_entry(encoded) > limits.most_bytes) return encoded;
  try {
    fs::create_directories(*folder);
    write_entry(path, encoded);
    remove_oldest(*folder, limits.most_bytes);
  } catch (const Error&) {  // no room, or no right to write: the next start takes as long
  } catch (const fs::filesystem_error&) {
  }
  return encoded;
}

}  // namespace lookback
