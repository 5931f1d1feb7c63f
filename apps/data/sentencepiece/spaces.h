// Which spaces a text gets before a SentencePiece model sees it.
#pragma once

#include <string>
#include <vector>

#include "apps/data/sentencepiece/model_file.h"
#include "apps/data/tokenizer_config.h"

namespace lookback::sentencepiece_model {

struct Spaces {
  // Whether the model's own normalization runs, or a text is kept, but for a space in front.
  enum class Normalization { own, none };
  // Of what a space is put in front: of nothing, of a text's first part where that begins with
  // none, or of each part. (Parts lie between tokens that are found as they stand.)
  enum class Before { nothing, first_part, each_part };

  Normalization normalization = Normalization::own;
  Before before = Before::nothing;
  // Whether tokens that say "normalized" are looked for behind that space, with it.
  bool normalizes_tokens = false;
};

// As transformers' fast tokenizer of Llama's class does it, where a config speaks of it (a class,
// or `legacy` or `add_prefix_space`); else as the model says.
Spaces spaces_of(const ModelFile& model, const TokenizerConfig& config);

// In what its slow tokenizer (use_fast=False) differs from that; empty: in nothing known.
std::vector<std::string> differences_of_slow(const ModelFile& model, const TokenizerConfig& config,
                                             const std::vector<json_tokenizer::AddedToken>& tokens);

}  // namespace lookback::sentencepiece_model
