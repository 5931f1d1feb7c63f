// From what people write after --prompt to what a model is fed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/data/document_start.h"
#include "apps/data/tokenizer.h"
#include "nn/layer/config.h"

namespace lookback {

struct Prompt {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<std::int64_t> in_front;  // document_start.h
  std::vector<std::int64_t> tokens;    // at least one: those in front, and the text's
};

// In front stand the tokens that `add_bos` asks for. Without them an empty text starts where a
// document starts, for tokenizers that know such a place. Throws
// UsageError for other empty texts and for a tokenizer with more words than the model, Error for a
// text that it has no ids for.
Prompt read_prompt(const std::string& text, const std::string& tokenizer_name,
                   const LlamaConfig& config, AddBos add_bos);

}  // namespace lookback
