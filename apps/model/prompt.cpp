#include "apps/model/prompt.h"

#include "apps/cli/exit_code.h"
#include "apps/data/open.h"

namespace lookback {

Prompt read_prompt(const std::string& text, const std::string& tokenizer_name,
                   const LlamaConfig& config) {
  Prompt prompt{.tokenizer = make_tokenizer(tokenizer_name, config.vocab_size), .tokens = {}};
  const auto& tokenizer = *prompt.tokenizer;
  if (tokenizer.vocabulary_size() > config.vocab_size) {
    usage_error("--tokenizer {}: has {} words, the model {}", tokenizer_name,
                tokenizer.vocabulary_size(), config.vocab_size);
  }
  prompt.tokens = tokenizer.encode(text);
  if (prompt.tokens.empty() && tokenizer.document_end())
    prompt.tokens.push_back(*tokenizer.document_end());
  if (prompt.tokens.empty()) usage_error("--prompt is empty: it needs at least one token");
  return prompt;
}

}  // namespace lookback
