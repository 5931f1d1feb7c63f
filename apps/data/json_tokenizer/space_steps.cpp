#include "apps/data/json_tokenizer/space_steps.h"

#include <string>
#include <string_view>
#include <utility>

#include "apps/data/json_tokenizer/characters.h"

namespace lookback::json_tokenizer {
namespace {

class PrefixSpace final : public PreTokenizerStep {
 public:
  AtSeam at(Seam& seam, MatchMemory& /*memory*/) const override {
    return seam.behind == " " ? AtSeam::kept : AtSeam::unknown;
  }
  void split(Piece piece, MatchMemory& /*memory*/, const PieceSink& sink) const override {
    if (piece.text.starts_with(' ')) return sink(piece);
    std::string with_space;
    with_space.reserve(piece.text.size() + 1);
    with_space += ' ';
    with_space += piece.text;
    sink({with_space, piece.at_start > 0 ? piece.at_start + 1 : 0});
  }
};

class WhiteSpaceSplit final : public PreTokenizerStep {
 public:
  AtSeam at(Seam& seam, MatchMemory& /*memory*/) const override {
    return is_white_space(first_character(seam.behind).code) ? AtSeam::parted : AtSeam::kept;
  }
  void split(Piece piece, MatchMemory& /*memory*/, const PieceSink& sink) const override {
    const auto text = piece.text;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
      const auto character = first_character(text.substr(i));
      const auto end = i + character.bytes;
      if (is_white_space(character.code)) {
        if (begin < i) sink(piece.part(begin, i));
        begin = end;
      }
      i = end;
    }
    if (begin < text.size()) sink(piece.part(begin, text.size()));
  }
};

enum class Prepend { always, first, never };

class Metaspace final : public PreTokenizerStep {
 public:
  Metaspace(std::string mark, Prepend prepend, bool splits)
      : mark_(std::move(mark)), prepend_(prepend), splits_(splits) {}

  AtSeam at(Seam& seam, MatchMemory& /*memory*/) const override {
    if (seam.behind != " " && seam.behind != mark_)
      return prepend_ == Prepend::always ? AtSeam::unknown : AtSeam::kept;
    seam.behind = mark_;
    return splits_ ? AtSeam::parted : AtSeam::kept;
  }

  void split(Piece piece, MatchMemory& /*memory*/, const PieceSink& sink) const override {
    std::string marked;
    marked.reserve(piece.text.size() + piece.text.size() / 2 + mark_.size());
    const bool has_mark = piece.text.starts_with(' ') || piece.text.starts_with(mark_);
    const bool prepends =
        prepend_ == Prepend::always || (prepend_ == Prepend::first && piece.at_start > 0);
    if (prepends && !has_mark) marked += mark_;
    auto at_start = piece.at_start > 0 ? piece.at_start + marked.size() : 0;
    for (std::size_t i = 0; i < piece.text.size(); ++i) {
      if (piece.text[i] != ' ') {
        marked += piece.text[i];
        continue;
      }
      marked += mark_;
      if (i < piece.at_start) at_start += mark_.size() - 1;
    }
    emit({marked, at_start}, sink);
  }

 private:
  void emit(Piece marked, const PieceSink& sink) const {
    if (!splits_) return sink(marked);
    const auto text = marked.text;
    for (std::size_t begin = 0; begin < text.size();) {
      const auto end = std::min(text.find(mark_, begin + 1), text.size());
      sink(marked.part(begin, end));
      begin = end;
    }
  }

  std::string mark_;
  Prepend prepend_;
  bool splits_;
};

// Old files say add_prefix_space in its place.
Prepend read_prepend(const JsonValue& description) {
  const auto scheme = description.find("prepend_scheme");
  const auto adds = description.find("add_prefix_space");
  auto prepend = Prepend::always;
  if (scheme) {
    const auto& name = scheme->text();
    prepend = name == "always"  ? Prepend::always
              : name == "first" ? Prepend::first
                                : Prepend::never;
    if (prepend == Prepend::never && name != "never")
      scheme->refuse("always, first and never can be read");
  }
  if (adds && !adds->truth() && prepend != Prepend::never)
    adds->refuse(R"(prepend_scheme must be "never" beside it)");
  return prepend;
}

}  // namespace

std::unique_ptr<const PreTokenizerStep> read_metaspace(const JsonValue& description) {
  const auto replacement = description.member("replacement", "the character in place of a space");
  const auto& mark = replacement.text();
  if (mark.empty() || first_character(mark).bytes != mark.size())
    replacement.refuse("must be one character");
  const auto splits = description.find("split");
  return std::make_unique<Metaspace>(mark, read_prepend(description), !splits || splits->truth());
}

std::unique_ptr<const PreTokenizerStep> white_space_split() {
  return std::make_unique<WhiteSpaceSplit>();
}

std::unique_ptr<const PreTokenizerStep> prefix_space() { return std::make_unique<PrefixSpace>(); }

}  // namespace lookback::json_tokenizer
