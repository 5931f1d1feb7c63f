#include "apps/data/json_tokenizer/text_changes.h"

#include <utf8proc.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/replacement.h"

namespace lookback::json_tokenizer {
namespace {

// Each character changed by itself: change(code, out) appends what it becomes.
template <class Change>
bool change_characters(Piece& piece, std::string& out, const Change& change) {
  out.clear();
  out.reserve(piece.text.size());
  std::size_t at_start = 0;
  for (std::size_t i = 0; i < piece.text.size();) {
    const auto character = first_character(piece.text.substr(i));
    change(character.code, out);
    if (i < piece.at_start) at_start = out.size();
    i += character.bytes;
  }
  piece.at_start = at_start;
  return true;
}

class Lowercase final : public NormalizerStep {
 public:
  bool keeps(Seam& seam, MatchMemory& memory) const override {
    return keeps_character_by_character(*this, seam, memory);
  }
  bool apply(Piece& piece, std::string& out, MatchMemory& /*memory*/) const override {
    return change_characters(piece, out, [](char32_t code, std::string& changed) {
      constexpr char32_t i_with_dot = 0x130, dot_above = 0x307;  // the one that becomes two
      if (code == i_with_dot) {
        changed += 'i';
        append_character(changed, dot_above);
      } else {
        append_character(
            changed, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))));
      }
    });
  }
};

class StripAccents final : public NormalizerStep {
 public:
  bool keeps(Seam& seam, MatchMemory& memory) const override {
    return keeps_character_by_character(*this, seam, memory);
  }
  bool apply(Piece& piece, std::string& out, MatchMemory& /*memory*/) const override {
    return change_characters(piece, out, [](char32_t code, std::string& changed) {
      if (!is_mark(code)) append_character(changed, code);
    });
  }
};

class Strip final : public NormalizerStep {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  // Letters on both sides keep white space from being taken away, but for the one behind the seam.
  bool keeps(Seam& /*seam*/, MatchMemory& /*memory*/) const override { return true; }

  bool apply(Piece& piece, std::string& out, MatchMemory& /*memory*/) const override {
    const auto begin = left_ && !piece.goes_on ? white_space_at_start(piece.text) : 0;
    const auto end =
        piece.text.size() - (right_ ? white_space_at_end(piece.text.substr(begin)) : 0);
    if (begin == 0 && end == piece.text.size()) return false;
    const auto rest = piece.part(begin, end);
    out = rest.text;
    piece.at_start = rest.at_start;
    return true;
  }

 private:
  bool left_, right_;
};

class Replace final : public NormalizerStep {
 public:
  explicit Replace(Replacement replacement) : replacement_(std::move(replacement)) {}

  bool keeps(Seam& seam, MatchMemory& /*memory*/) const override {
    return replacement_.keeps(seam);
  }

  bool apply(Piece& piece, std::string& out, MatchMemory& memory) const override {
    out.clear();
    piece.at_start = replacement_.apply(piece.text, piece.at_start, memory, out);
    return true;
  }

 private:
  Replacement replacement_;
};

class Prepend final : public NormalizerStep {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}

  bool keeps(Seam& /*seam*/, MatchMemory& /*memory*/) const override { return true; }

  bool apply(Piece& piece, std::string& out, MatchMemory& /*memory*/) const override {
    if (piece.goes_on) return false;
    out.clear();
    out.reserve(prefix_.size() + piece.text.size());
    out += prefix_;
    out += piece.text;
    if (piece.at_start > 0) piece.at_start += prefix_.size();
    return true;
  }

 private:
  std::string prefix_;
};

}  // namespace

std::unique_ptr<const NormalizerStep> lowercase() { return std::make_unique<Lowercase>(); }

std::unique_ptr<const NormalizerStep> strip_accents() { return std::make_unique<StripAccents>(); }

std::unique_ptr<const NormalizerStep> read_strip(const JsonValue& description) {
  const auto side = [&](std::string_view key) {
    return description.member(key, "true or false is needed").truth();
  };
  return std::make_unique<Strip>(side("strip_left"), side("strip_right"));
}

std::unique_ptr<const NormalizerStep> read_replace(const JsonValue& description) {
  return std::make_unique<Replace>(Replacement(description));
}

std::unique_ptr<const NormalizerStep> read_prepend(const JsonValue& description) {
  return std::make_unique<Prepend>(description.member("prepend", "what is put in front").text());
}

}  // namespace lookback::json_tokenizer
