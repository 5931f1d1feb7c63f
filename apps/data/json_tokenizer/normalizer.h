// What is changed in a text before it is split: the key "normalizer" of a tokenizer.json.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/pattern.h"
#include "apps/data/json_tokenizer/piece.h"
#include "apps/data/json_tokenizer/seam.h"

namespace lookback::json_tokenizer {

class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  // Writes the changed text, which may be empty, to `out`, and piece.at_start for it; false where
  // nothing changes.
  virtual bool apply(Piece& piece, std::string& out, MatchMemory& memory) const = 0;
  // Whether a text that is cut at the seam becomes what it becomes in one piece, with the seam as
  // `seam`, which is changed as the text is, then says. False where that cannot be told.
  virtual bool keeps(Seam& seam, MatchMemory& memory) const = 0;
};

// keeps() of a step that changes each character by itself, or grapheme clusters: whether every
// letter of seams stays one, and what the character behind the seam becomes is one, too.
bool keeps_character_by_character(const NormalizerStep& step, Seam& seam, MatchMemory& memory);

class Normalizer {
 public:
  // None, NFC, NFD, NFKC, NFKD, Precompiled, Lowercase, StripAccents, Strip, Replace, Prepend, or a
  // Sequence of those. Throws Error for others.
  explicit Normalizer(const std::optional<JsonValue>& description);

  // A piece, valid UTF-8, as the steps leave it: itself, or a view of `buffer`.
  Piece normalized(Piece piece, std::string& buffer, MatchMemory& memory) const;
  // As a step does.
  bool keeps(Seam& seam, MatchMemory& memory) const;

 private:
  void read_step(const JsonValue& description);

  std::vector<std::unique_ptr<const NormalizerStep>> steps_;
};

}  // namespace lookback::json_tokenizer
