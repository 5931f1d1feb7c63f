// Splits text into words, each of which is then encoded by itself: the key "pre_tokenizer".
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/model.h"
#include "apps/data/json_tokenizer/pattern.h"
#include "apps/data/json_tokenizer/piece.h"
#include "apps/data/json_tokenizer/seam.h"

namespace lookback::json_tokenizer {

// What becomes of a text that is cut at a seam, beside what it is split into in one piece.
//   unknown: it cannot be told
//   kept: the same, but for another cut at the seam, unless there is one
//   parted: the same, which is cut there, so that whatever follows finds the same
enum class AtSeam { unknown, kept, parted };

class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  // Changes `seam` as the text is changed.
  virtual AtSeam at(Seam& seam, MatchMemory& memory) const = 0;
  // Calls `sink` with what a piece, which is not empty, is split into, in order; none is empty.
  virtual void split(Piece piece, MatchMemory& memory, const PieceSink& sink) const = 0;
};

class PreTokenizer {
 public:
  // None (the whole text is a word), ByteLevel, Split, Digits, Metaspace, WhitespaceSplit, or a
  // Sequence of those with ByteLevel at its end. Throws Error for others.
  explicit PreTokenizer(const std::optional<JsonValue>& description);

  // byte, where it ends with ByteLevel.
  WordUnit unit() const { return unit_; }
  // As a step does, after all steps.
  AtSeam at(Seam& seam, MatchMemory& memory) const;
  // Calls `word` with what a piece (valid UTF-8) is split into, in order.
  void split(Piece piece, MatchMemory& memory, const PieceSink& word) const {
    split_from(0, piece, memory, word);
  }

 private:
  void read_step(const JsonValue& description);
  void read_sequence(const JsonValue& description);
  void read_byte_level(const JsonValue& description);
  void split_from(std::size_t step, Piece piece, MatchMemory& memory, const PieceSink& word) const;

  std::vector<std::unique_ptr<const PreTokenizerStep>> steps_;
  WordUnit unit_ = WordUnit::character;
};

}  // namespace lookback::json_tokenizer
