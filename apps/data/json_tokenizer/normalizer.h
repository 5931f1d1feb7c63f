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

namespace lookback::json_tokenizer {

class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  // Writes the changed text, which may be empty, to `out`, and piece.at_start for it; false where
  // nothing changes.
  virtual bool apply(Piece& piece, std::string& out, MatchMemory& memory) const = 0;
};

class Normalizer {
 public:
  // None, NFC, NFD, NFKC, NFKD, Precompiled, Lowercase, StripAccents, Strip, Replace, Prepend, or a
  // Sequence of those. Throws Error for others.
  explicit Normalizer(const std::optional<JsonValue>& description);

  // A piece, valid UTF-8, as the steps leave it: itself, or a view of `buffer`.
  Piece normalized(Piece piece, std::string& buffer, MatchMemory& memory) const;

 private:
  void read_step(const JsonValue& description);

  std::vector<std::unique_ptr<const NormalizerStep>> steps_;
};

}  // namespace lookback::json_tokenizer
