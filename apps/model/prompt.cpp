#include "apps/model/prompt.h"

#include "apps/cli/exit_code.h"
#include "apps/data/open.h"

namespace lookback {

Prompt read_prompt(const std::string& text, const std::string& tokenizer,
                   const LlamaConfig& config) {
  Prompt prompt{.words = make_tokenizer(tokenizer, config.vocab_size), .tokens = {}};
  const auto& words = *prompt.words;
  if (words.vocabulary_size() > config.vocab_size) {
    usage_error("--tokenizer {}: has {} words, the model {}", tokenizer, words.vocabulary_size(),
                config.vocab_size);
  }
  prompt.tokens = words.encode(text);
  if (prompt.tokens.empty() && words.document_end()) prompt.tokens.push_back(*words.document_end());
  if (prompt.tokens.empty()) usage_error("--prompt is empty: it needs at least one token");
  return prompt;
}

}  // namespace lookback
