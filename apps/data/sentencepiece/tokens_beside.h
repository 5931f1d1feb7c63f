// The tokens that stand in a text as they are, of a SentencePiece model in a folder of
// transformers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/sentencepiece/model_file.h"
#include "apps/data/tokenizer_config.h"

namespace lookback::sentencepiece_model {

struct Pieces {
  const ModelFile& model;
  std::int64_t count = 0;
  std::function<std::optional<std::int64_t>(const std::string&)> id_of;
  std::function<std::string(std::int64_t)> text_of;
};

// The model's control and user-defined symbols, what the files beside it add, in the order of their
// ids, and the special tokens they name: as transformers' fast tokenizer puts them together, where
// the first of equals counts and a token that the model lacks gets the next free id. Throws Error
// where a file says another id than that.
std::vector<json_tokenizer::AddedToken> tokens_beside(const Pieces& pieces,
                                                      const TokenizerConfig& config);

}  // namespace lookback::sentencepiece_model
