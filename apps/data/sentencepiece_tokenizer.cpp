#include "apps/data/sentencepiece_tokenizer.h"

#include "runtime/check.h"

#ifdef LOOKBACK_NO_SENTENCEPIECE

namespace lookback {

std::shared_ptr<const Tokenizer> read_sentencepiece_tokenizer(const std::string& path) {
  fail(
      "tokenizer",
      "{}: this build of lookback has no SentencePiece; take a tokenizer.json with byte-level BPE, "
      "or a build that is not portable",
      path);
}

}  // namespace lookback

#else

#include <sentencepiece_processor.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/data/json_tokenizer/added_tokens.h"
#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/seam.h"
#include "apps/data/memory_pool.h"
#include "apps/data/sentencepiece/model_file.h"
#include "apps/data/sentencepiece/parts.h"
#include "apps/data/sentencepiece/spaces.h"
#include "apps/data/sentencepiece/tokens_beside.h"
#include "apps/data/tokenizer_config.h"
#include "runtime/other_content.h"
#include "runtime/parallel.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using namespace sentencepiece_model;
using json_tokenizer::AddedToken;
using json_tokenizer::AddedTokenFinder;
using Ids = std::vector<int>;
using Before = Spaces::Before;

AddedTokenFinder finder_of(const std::vector<AddedToken>& tokens, bool normalized,
                           const Spaces& spaces) {
  std::vector<AddedToken> chosen;
  for (auto token : tokens) {
    if (token.normalized != normalized) continue;
    if (normalized && spaces.normalizes_tokens) {
      token.content = with_marks(token.content);
      if (spaces.before == Before::each_part) token.content.insert(0, space_mark);
    }
    chosen.push_back(std::move(token));
  }
  return AddedTokenFinder(std::move(chosen));
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(const std::string& path);

  std::string_view name() const override { return path_; }
  std::int64_t vocabulary_size() const override { return size_; }
  std::optional<std::int64_t> document_end() const override { return end_; }
  std::vector<std::string> notes() const override { return notes_; }
  std::vector<std::int64_t> encode(std::string_view text) const override {
    return encode_rest(text, 0);
  }
  std::optional<std::size_t> last_cut(std::string_view text) const override {
    return seams_.last(text);
  }
  std::vector<std::int64_t> encode_rest(std::string_view text,
                                        std::size_t first_byte) const override;
  std::string decode(std::span<const std::int64_t> tokens) const override;
  std::string text_of(std::int64_t token) const override;

 private:
  class Encoding;

  void load(const std::string& bytes);
  void read_tokens(const TokenizerConfig& config);
  void find_cuts();
  void find_seams();
  void checked(const sentencepiece::util::Status& status) const {
    if (!status.ok()) fail("tokenizer", "{}: {}", path_, status.ToString());
  }
  std::optional<std::int64_t> id_of(const std::string& piece) const {
    const auto id = processor_.PieceToId(piece);
    if (processor_.IdToPiece(id) != piece) return std::nullopt;  // the id of unknown ones
    return id;
  }
  Ids ids_of(std::string_view text) const {
    Ids ids;
    checked(processor_.Encode({text.data(), text.size()}, &ids));
    return ids;
  }
  // Of a part that is cut where cuts_ says.
  void encode_part(std::string_view text, bool is_first, WordMemory& memory, Ids& ids) const;
  std::vector<std::int64_t> encode_parts(const std::vector<Part>& parts) const;

  std::string path_;
  ModelFile model_;
  Spaces spaces_;
  sentencepiece::SentencePieceProcessor processor_;
  std::vector<AddedToken> added_;
  std::unordered_map<std::int64_t, std::string> text_of_added_;
  std::optional<AddedTokenFinder> raw_, normalized_;
  Cuts cuts_;
  json_tokenizer::Seams seams_;
  std::ptrdiff_t dropped_ = 0;  // pieces in front of a text, where its normalization puts some
  std::int64_t size_ = 0;
  std::optional<std::int64_t> end_;
  std::vector<std::string> notes_;
  mutable MemoryPool<WordMemory> memories_;
};

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& path) : path_(path) {
  auto bytes = read_file(path_, "tokenizer");
  load(bytes);
  model_ = read_model_file(bytes);
  const auto config = read_tokenizer_config(std::filesystem::path(path_).parent_path());
  spaces_ = spaces_of(model_, config);
  if (spaces_.normalization == Spaces::Normalization::none)
    load(without_normalization(std::move(bytes)));
  read_tokens(config);
  find_cuts();
  find_seams();
}

void SentencePieceTokenizer::load(const std::string& bytes) {
  const Check check{"tokenizer"};
  if (const auto other = other_content(bytes); !other.empty())
    fail("tokenizer", "{}: {}", path_, other);
  const auto status = processor_.LoadFromSerializedProto(bytes);
  check(status.ok() && processor_.GetPieceSize() > 0,
        "{}: is no SentencePiece model: a .model file as sentencepiece's trainer writes it would "
        "be right",
        path_);
}

void SentencePieceTokenizer::read_tokens(const TokenizerConfig& config) {
  added_ = tokens_beside(
      {.model = model_,
       .count = processor_.GetPieceSize(),
       .id_of = [this](const std::string& piece) { return id_of(piece); },
       .text_of = [this](std::int64_t id) { return processor_.IdToPiece(static_cast<int>(id)); }},
      config);
  raw_.emplace(finder_of(added_, false, spaces_));
  normalized_.emplace(finder_of(added_, true, spaces_));
  size_ = processor_.GetPieceSize();
  const auto end_text = config.names("eos_token") ? config.content_of("eos_token") : "";
  if (processor_.eos_id() >= 0) end_ = processor_.eos_id();
  for (const auto& token : added_) {
    size_ = std::max(size_, token.id + 1);
    if (token.id != processor_.unk_id()) text_of_added_.emplace(token.id, token.content);
    if (token.content == end_text) end_ = token.id;
  }
  for (const auto& line : differences_of_slow(model_, config, added_)) {
    notes_.push_back(fmt::format(
        "{}: {}, as in transformers' fast tokenizer, which it takes by itself; its slow one "
        "(use_fast=False) gives other ids",
        path_, line));
  }
}

// Where no piece reaches across. What is left of a text that the model normalizes then begins with
// the pieces that it puts before every text (Llama: one space), to be dropped.
void SentencePieceTokenizer::find_cuts() {
  const bool keeps = spaces_.normalization == Spaces::Normalization::none;
  cuts_ = {.before_lines = true, .before_spaces = keeps, .at_words = keeps && model_.merges};
  for (int id = 0; id < processor_.GetPieceSize(); ++id) {
    const auto& piece = processor_.IdToPiece(id);
    if (stands_within(piece, space_mark)) cuts_.before_spaces = false;
    if (stands_within(piece, "\n") || (!keeps && stands_within(piece, space_mark)))
      cuts_.before_lines = false;
  }
  if (keeps || !cuts_.before_lines) return;
  const auto whole = ids_of("x\nx"), rest = ids_of("\nx");
  cuts_.before_lines = false;
  for (std::ptrdiff_t dropped = 0; dropped <= 1 && !cuts_.before_lines; ++dropped) {
    auto joined = ids_of("x");
    joined.insert(joined.end(), rest.begin() + std::min(dropped, std::ssize(rest)), rest.end());
    cuts_.before_lines = joined == whole;
    dropped_ = dropped;
  }
}

// Of the places where a text is cut for the threads, those that no token beside the model sees, and
// behind which no unknown piece stands, which would be joined with one before.
void SentencePieceTokenizer::find_seams() {
  if (std::ranges::any_of(added_, &AddedToken::normalized)) return;
  for (const char behind : json_tokenizer::seam_characters) {
    const std::string first(1, behind);
    const bool is_cut = behind == ' ' ? cuts_.before_spaces : cuts_.before_lines;
    if (!is_cut || !raw_->keeps({.behind = first})) continue;
    WordMemory memory;
    Ids ids;
    encode_part(first + "x", false, memory, ids);
    if (!ids.empty() && ids.front() != processor_.unk_id()) seams_.allow(behind);
  }
}

void SentencePieceTokenizer::encode_part(std::string_view text, bool is_first, WordMemory& memory,
                                         Ids& ids) const {
  if (!cuts_.at_words) {
    const auto found = ids_of(text);
    const auto dropped = is_first ? 0 : std::min(dropped_, std::ssize(found));
    append_joined(ids, std::span(found).subspan(static_cast<std::size_t>(dropped)),
                  processor_.unk_id());
    return;
  }
  while (!text.empty()) {
    const auto word = text.substr(0, next_cut(text, 1, cuts_));
    const auto& found = memory.of(word, [this](std::string_view w) { return ids_of(w); });
    append_joined(ids, found, processor_.unk_id());
    text.remove_prefix(word.size());
  }
}

std::vector<std::int64_t> SentencePieceTokenizer::encode_parts(
    const std::vector<Part>& parts) const {
  std::vector<Ids> encoded(parts.size());
  const auto count = std::ssize(parts);
  // So many that no thread waits long.
  const auto chunk = std::max<std::int64_t>(1, count / (8 * num_threads()));
  parallel_for(count, chunk, [&](std::int64_t begin, std::int64_t end) {
    MemoryPool<WordMemory>::Lease lease(memories_);
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (parts[i].token) {
        encoded[i] = {static_cast<int>(*parts[i].token)};
      } else {
        encode_part(parts[i].text, parts[i].is_first, lease.memory(), encoded[i]);
      }
    }
  });
  std::vector<std::int64_t> tokens;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool goes_on = !parts[i].token && !parts[i].is_first;
    append_joined(tokens, encoded[i], goes_on ? processor_.unk_id() : -1);
  }
  return tokens;
}

// What a text is made of: tokens that are found as they stand, and what is between.
class SentencePieceTokenizer::Encoding {
 public:
  explicit Encoding(const SentencePieceTokenizer& used) : by_(used) {}

  // A whole text, or the rest of one.
  void add(std::string_view text, bool is_rest) {
    by_.raw_->split(
        {text},
        [&](json_tokenizer::Piece part) {
          const bool is_at_start = part.text.data() == text.data();
          if (is_at_start && is_rest) return add_text(part.text, false);
          add_between(part.text, is_at_start);
        },
        [this](std::int64_t token) { add_token(token); });
  }

  std::vector<Part> parts;

 private:
  void add_token(std::int64_t token) { parts.push_back({.text = {}, .token = token}); }

  void add_between(std::string_view text, bool is_at_start) {
    const bool starts_with_space = text.starts_with(' ') || text.starts_with(space_mark);
    const auto before = by_.spaces_.before;
    const bool space = before == Before::each_part ||
                       (before == Before::first_part && is_at_start && !starts_with_space);
    const bool splits = std::ranges::any_of(by_.added_, &AddedToken::normalized);
    if (!space && !splits) return add_text(text);
    if (splits && !by_.spaces_.normalizes_tokens) return split_again(text, space);
    // Only what comes before the first cut must be copied.
    const auto cut =
        splits ? text.size()
               : next_cut(text, by_.cuts_.at_words ? 1 : by_.cuts_.part_bytes(), by_.cuts_);
    kept_.emplace_back(!space ? "" : splits ? space_mark : " ");
    kept_.back() += splits ? with_marks(text) : std::string(text.substr(0, cut));
    if (splits) return split_again(kept_.back(), false);
    add_text(kept_.back());
    if (cut < text.size()) add_text(text.substr(cut), false);
  }

  void split_again(std::string_view text, bool space) {
    by_.normalized_->split(
        {text},
        [&](json_tokenizer::Piece part) {
          if (!space || part.text.data() != text.data()) return add_text(part.text);
          kept_.push_back(std::string(" ").append(part.text));
          add_text(kept_.back());
        },
        [this](std::int64_t token) { add_token(token); });
  }

  void add_text(std::string_view text, bool is_first = true) {
    while (!text.empty()) {
      const auto part = text.substr(0, next_cut(text, by_.cuts_.part_bytes(), by_.cuts_));
      parts.push_back({.text = part, .is_first = is_first});
      text.remove_prefix(part.size());
      is_first = false;
    }
  }

  const SentencePieceTokenizer& by_;
  std::deque<std::string> kept_;
};

std::vector<std::int64_t> SentencePieceTokenizer::encode_rest(std::string_view text,
                                                              std::size_t first_byte) const {
  std::string valid;
  if (json_tokenizer::valid_bytes(text) < text.size()) text = valid = json_tokenizer::in_utf8(text);
  Encoding encoding(*this);
  encoding.add(text, first_byte > 0);
  return encode_parts(encoding.parts);
}

std::string SentencePieceTokenizer::decode(std::span<const std::int64_t> tokens) const {
  check_tokens(tokens);
  std::string text, part;
  Ids run;
  const auto end_run = [&] {
    if (run.empty()) return;
    checked(processor_.Decode(run, &part));
    text += part;
    run.clear();
  };
  for (const auto token : tokens) {
    const auto added = text_of_added_.find(token);
    if (added != text_of_added_.end()) {
      end_run();
      text += added->second;
    } else if (token < processor_.GetPieceSize()) {  // else a number that no token has
      run.push_back(static_cast<int>(token));
    }
  }
  end_run();
  // The one that encode() puts there.
  if (spaces_.before != Before::nothing && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

std::string SentencePieceTokenizer::text_of(std::int64_t token) const {
  check_tokens({&token, 1});
  if (const auto added = text_of_added_.find(token); added != text_of_added_.end())
    return added->second;
  const auto id = static_cast<int>(token);
  if (id >= processor_.GetPieceSize()) return {};
  const auto& piece = processor_.IdToPiece(id);  // of a byte: <0x0A>
  if (processor_.IsByte(id)) return {static_cast<char>(std::stoi(piece.substr(1), nullptr, 16))};
  std::string text;
  for (std::string_view rest = piece; !rest.empty();) {
    const bool space = rest.starts_with(space_mark);
    text += space ? ' ' : rest.front();
    rest.remove_prefix(space ? space_mark.size() : 1);
  }
  return text;
}

}  // namespace

std::shared_ptr<const Tokenizer> read_sentencepiece_tokenizer(const std::string& path) {
  return std::make_shared<SentencePieceTokenizer>(path);
}

}  // namespace lookback

#endif
