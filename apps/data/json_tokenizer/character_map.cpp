#include "apps/data/json_tokenizer/character_map.h"

#include <utf8proc.h>

#include <algorithm>
#include <boost/archive/iterators/binary_from_base64.hpp>
#include <boost/archive/iterators/transform_width.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/data/json_tokenizer/characters.h"
#include "runtime/check.h"

namespace lookback::json_tokenizer {
namespace {

constexpr std::string_view key = "precompiled_charsmap";
constexpr std::string_view rule = "base64 of a table that SentencePiece wrote would be right";
constexpr std::size_t unit_size = 4;

std::optional<std::string> from_base64(std::string_view text) {
  namespace iterators = boost::archive::iterators;
  using Bytes =
      iterators::transform_width<iterators::binary_from_base64<std::string_view::iterator>, 8, 6>;
  while (text.ends_with('=')) text.remove_suffix(1);
  const auto size = text.size() * 6 / 8;
  std::string bytes;
  bytes.reserve(size);
  try {
    Bytes next(text.begin());
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(*next++);
  } catch (const iterators::dataflow_exception&) {
    return std::nullopt;
  }
  return bytes;
}

std::uint32_t unit_at(std::string_view bytes, std::size_t begin) {
  std::uint32_t unit = 0;
  for (std::size_t i = unit_size; i-- > 0;) {
    unit = unit << 8 | static_cast<unsigned char>(bytes[begin + i]);
  }
  return unit;
}

// A unit of the double array: from a node's own place to its children's, the byte that leads to the
// node, and whether a key ends in it.
std::size_t children_of(std::uint32_t unit) {
  return static_cast<std::size_t>(unit >> 10) << ((unit & (1U << 9)) >> 6);
}
std::uint32_t label_of(std::uint32_t unit) { return unit & (1U << 31 | 0xffU); }
bool is_key(std::uint32_t unit) { return (unit >> 8 & 1U) != 0; }

class CharacterMap final : public NormalizerStep {
 public:
  CharacterMap(std::vector<std::uint32_t> trie, std::string texts, std::string where)
      : trie_(std::move(trie)), texts_(std::move(texts)), place_(std::move(where)) {}

  bool apply(Piece& piece, std::string& out, MatchMemory& /*memory*/) const override {
    out.clear();
    out.reserve(piece.text.size());
    std::size_t at_start = 0;
    bool changed = false;
    for (std::size_t begin = 0; begin < piece.text.size();) {
      const auto size = cluster_at_start(piece.text.substr(begin));
      changed |= add_cluster(piece.text.substr(begin, size), out);
      if (begin < piece.at_start) at_start = out.size();
      begin += size;
    }
    if (!changed) return false;
    // What follows a start that became nothing takes its place.
    if (piece.at_start > 0 && at_start == 0 && !out.empty()) at_start = first_character(out).bytes;
    piece.at_start = at_start;
    return true;
  }

  bool keeps(Seam& seam, MatchMemory& memory) const override {
    // A grapheme cluster of the next letter and marks may become anything.
    if (!std::exchange(seam.letter_follows, false)) return false;
    return is_inert(seam.behind) && keeps_character_by_character(*this, seam, memory);
  }

 private:
  static std::size_t cluster_at_start(std::string_view text) {
    auto last = first_character(text);
    auto size = last.bytes;
    utf8proc_int32_t state = 0;
    while (size < text.size()) {
      // Below U+0300, which is the first mark, a cluster of two is a line's end alone.
      if (last.code < 0x80 && last.code != '\r' && static_cast<unsigned char>(text[size]) < 0x80)
        break;
      const auto next = first_character(text.substr(size));
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last.code),
                                           static_cast<utf8proc_int32_t>(next.code), &state)) {
        break;
      }
      size += next.bytes;
      last = next;
    }
    return size;
  }

  // Whether it was changed.
  bool add_cluster(std::string_view cluster, std::string& out) const {
    constexpr std::size_t largest_key = 5;
    if (cluster.size() <= largest_key) {
      if (const auto text = text_of(cluster)) {
        out += *text;
        return true;
      }
    }
    bool changed = false;
    while (!cluster.empty()) {
      const auto character = cluster.substr(0, first_character(cluster).bytes);
      const auto text = text_of(character);
      out += text.value_or(character);
      changed |= text.has_value();
      cluster.remove_prefix(character.size());
    }
    return changed;
  }

  // Of the shortest key that `part` begins with.
  std::optional<std::string_view> text_of(std::string_view part) const {
    auto node = children_of(trie_[0]);
    for (const char c : part) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) break;
      node ^= byte;
      const auto unit = unit_of(node);
      if (label_of(unit) != byte) break;
      node ^= children_of(unit);
      if (is_key(unit)) return text_from(unit_of(node) & ~(1U << 31));
    }
    return std::nullopt;
  }

  std::uint32_t unit_of(std::size_t node) const {
    if (node >= trie_.size()) refuse();
    return trie_[node];
  }

  std::string_view text_from(std::size_t begin) const {
    if (begin > texts_.size()) refuse();
    const auto rest = std::string_view(texts_).substr(begin);
    const auto text = rest.substr(0, rest.find('\0'));
    if (valid_bytes(text) != text.size()) refuse();
    return text;
  }

  [[noreturn]] void refuse() const {
    fail(operation, "{}: the table points outside of itself: {}", place_, rule);
  }

  std::vector<std::uint32_t> trie_;
  std::string texts_, place_;
};

}  // namespace

std::unique_ptr<const NormalizerStep> read_character_map(const JsonValue& description) {
  const auto member = description.member(key, rule);
  const auto bytes = from_base64(member.text());
  if (!bytes || bytes->size() < unit_size) member.refuse("{}", rule);
  const std::size_t count = unit_at(*bytes, 0) / unit_size;
  const auto texts_begin = (count + 1) * unit_size;
  if (count == 0 || texts_begin > bytes->size()) member.refuse("{}", rule);
  std::vector<std::uint32_t> trie(count);
  for (std::size_t i = 0; i < count; ++i) trie[i] = unit_at(*bytes, (i + 1) * unit_size);
  return std::make_unique<CharacterMap>(std::move(trie), bytes->substr(texts_begin),
                                        member.where());
}

}  // namespace lookback::json_tokenizer
