// What a SentencePiece model says of itself and the library has no function for. The file is a
// protocol buffer, ModelProto of sentencepiece_model.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lookback::sentencepiece_model {

struct Piece {
  std::string text;
  std::int64_t id = 0;
};

struct ModelFile {
  bool merges = false;  // BPE; else Unigram
  // Of its normalization: a table of characters, a space in front of a text, runs of spaces as one.
  bool has_character_table = false, adds_space = true, removes_spaces = true;
  // Symbols that a text is meant to hold as they stand, each by its type: <s>, and those that the
  // trainer was told of.
  std::vector<Piece> control, user_defined;

  // Whether a text comes back as it was, but for a space in front.
  bool keeps_text() const { return !has_character_table && !removes_spaces; }
};

// Of a file that the library has read. What is no such message ends the reading.
ModelFile read_model_file(std::string_view bytes);

// The same model, which keeps a text as it is and puts no space in front.
std::string without_normalization(std::string bytes);

}  // namespace lookback::sentencepiece_model
