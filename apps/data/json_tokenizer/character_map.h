// The table of characters that a SentencePiece model brings along: the normalizer Precompiled.
#pragma once

#include <memory>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/normalizer.h"

namespace lookback::json_tokenizer {

// "precompiled_charsmap" is base64 of: the size of a trie in bytes (32 bits, little-endian); the
// trie, a double array of 32-bit units as the library Darts-clone lays it out; texts, each with a
// zero byte behind it. A leaf of the trie says where its text begins.
//
// As the library `tokenizers` reads it: a grapheme cluster below 6 bytes becomes the text of the
// shortest key that it begins with; of others, and those without one, each character does.
// Throws Error for what is no such table.
std::unique_ptr<const NormalizerStep> read_character_map(const JsonValue& description);

}  // namespace lookback::json_tokenizer
