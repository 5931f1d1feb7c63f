// Texts in the tokens of a tokenizer, document by document.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "apps/data/tokenizer.h"

namespace lookback {

struct EncodingOptions {
  std::vector<std::int64_t> in_front = {};  // of each document
  bool begins_document = true;              // whether the text does; else it goes on with one
  // Hears, on any thread, of which share of the text has been encoded, from 0 to 1.
  std::function<void(double)> told = {};
};

struct EncodedText {
  std::vector<std::uint32_t> tokens;
  std::vector<std::int64_t> document_ends;  // tokens before each; empty: the text is one
};

// Each document by itself, on all threads. `ends`: the bytes of the text before each document's end
// (records.h). Behind such a document stands the tokenizer's document_end(), if it has one, in
// place of its line break; what follows the last is encoded as it is.
EncodedText encode_documents(std::string_view text, std::span<const std::int64_t> ends,
                             const Tokenizer& tokenizer, const EncodingOptions& options = {});

}  // namespace lookback
