#include "apps/data/sentencepiece/spaces.h"

#include <algorithm>

#include "apps/data/json_tokenizer/json_value.h"

namespace lookback::sentencepiece_model {
namespace {

using Before = Spaces::Before;
using json_tokenizer::shown;

bool as_llama(const TokenizerConfig& config) {
  if (!config.tokenizer_class.empty()) return config.is_of_llama();
  return config.legacy || config.add_prefix_space;
}

bool is_gemma(const TokenizerConfig& config) { return config.tokenizer_class.starts_with("Gemma"); }

}  // namespace

Spaces spaces_of(const ModelFile& model, const TokenizerConfig& config) {
  if (!as_llama(config)) {
    if (!model.keeps_text()) return {};
    return {.normalization = Spaces::Normalization::none,
            .before = model.adds_space ? Before::each_part : Before::nothing};
  }
  const bool legacy = config.legacy.value_or(true);
  Spaces spaces{.normalization = Spaces::Normalization::none,
                .before = legacy ? Before::each_part : Before::first_part,
                .normalizes_tokens = legacy};
  if (is_gemma(config) || !config.add_prefix_space.value_or(true)) spaces.before = Before::nothing;
  return spaces;
}

std::vector<std::string> differences_of_slow(
    const ModelFile& model, const TokenizerConfig& config,
    const std::vector<json_tokenizer::AddedToken>& tokens) {
  std::vector<std::string> lines;
  if (!as_llama(config) || is_gemma(config)) return lines;
  const auto spaces = spaces_of(model, config);
  const bool adds_space = spaces.before != Before::nothing;
  if (!model.keeps_text()) lines.emplace_back("the model's own normalization is left out");
  if (spaces.normalizes_tokens && adds_space != model.adds_space)
    lines.emplace_back(adds_space ? "a space is put in front" : "no space is put in front");
  const auto normalized = std::ranges::find(tokens, true, &json_tokenizer::AddedToken::normalized);
  if (spaces.normalizes_tokens && adds_space && normalized != tokens.end()) {
    lines.push_back(fmt::format("{} is found behind a space, or where a text begins, alone",
                                shown(normalized->content)));
  }
  if (spaces.before == Before::each_part && !model.user_defined.empty()) {
    lines.push_back(
        fmt::format("a space is put behind {}", shown(model.user_defined.front().text)));
  }
  const auto alone = std::ranges::find(tokens, true, &json_tokenizer::AddedToken::single_word);
  if (alone != tokens.end())
    lines.push_back(
        fmt::format("{} is found where no letter stands beside it, alone", shown(alone->content)));
  if (!spaces.normalizes_tokens)
    lines.emplace_back("a text that begins with a space gets no second one");
  return lines;
}

}  // namespace lookback::sentencepiece_model
