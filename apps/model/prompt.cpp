#include "apps/model/prompt.h"

#include "apps/cli/exit_code.h"
#include "apps/data/open.h"

namespace lookback {

Prompt read_prompt(const std::string& text, const std::string& tokenizer_name,
                   const LlamaConfig& config, AddBos add_bos) {
  Prompt prompt{
      .tokenizer = make_tokenizer(tokenizer_name, config.vocab_size), .in_front = {}, .tokens = {}};
  const auto& tokenizer = *prompt.tokenizer;
  if (tokenizer.vocabulary_size() > config.vocab_size) {
    usage_error("--tokenizer {}: has {} words, the model {}", tokenizer_name,
                tokenizer.vocabulary_size(), config.vocab_size);
  }
  prompt.in_front = tokens_in_front(tokenizer, add_bos, TextKind::prompt);
  prompt.tokens = prompt.in_front;
  const auto tokens = tokenizer.encode(text);
  prompt.tokens.insert(prompt.tokens.end(), tokens.begin(), tokens.end());
  if (prompt.tokens.empty() && tokenizer.document_end())
    prompt.tokens.push_back(*tokenizer.document_end());
  if (prompt.tokens.empty()) usage_error("--prompt is empty: it needs at least one token");
  return prompt;
}

}  // namespace lookback
