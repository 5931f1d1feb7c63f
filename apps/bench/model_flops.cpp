#include "apps/bench/model_flops.h"

#include <vector>

#include "kernels/cpu/shown_keys.h"
#include "nn/layer/attention_options.h"

namespace lookback {
namespace {

// How many keys a row sees. `marks`, one for each key, is 0 before and after.
std::int64_t keys_of_row(const kernels::VisibleKeys& rule, std::int64_t head, std::int64_t row,
                         std::vector<std::uint8_t>& marks) {
  const auto keys = static_cast<std::int64_t>(marks.size());
  std::int64_t seen = 0;
  const auto for_each_key = [&](const auto& body) {
    kernels::for_each_run(rule, 0, head, row, keys, [&](const kernels::KeyRun& run) {
      for (auto key = run.first; key < run.last; key += run.step) {
        body(marks[static_cast<std::size_t>(key)]);
      }
    });
  };
  for_each_key([&](std::uint8_t& mark) {
    if (mark == 0) ++seen;
    mark = 1;
  });
  for_each_key([](std::uint8_t& mark) { mark = 0; });
  return seen;
}

bool is_of_attention(const std::string& parameter) {
  return parameter.find(".self_attn.") != std::string::npos;
}

}  // namespace

double mean_keys_seen(const LlamaConfig& config, std::int64_t layer, std::int64_t tokens) {
  const auto options = attention_of(config, layer);
  if (options->pattern.empty()) return static_cast<double>(tokens) / 2;
  const auto heads = config.num_attention_heads;
  const auto mask = with_pattern(
      {}, options->pattern, {.layer = layer, .heads = heads, .end = tokens, .device = cpu_device});
  const auto view = mask.view();
  const auto rule = view.rule();
  std::vector<std::uint8_t> marks(static_cast<std::size_t>(tokens));
  std::int64_t seen = 0;
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t row = 0; row < tokens; ++row) seen += keys_of_row(rule, head, row, marks);
  }
  return static_cast<double>(seen) / static_cast<double>(heads * tokens);
}

double model_flops_per_token(const Llama& llama, std::int64_t block_size) {
  const auto& config = llama.config;
  double multiply_adds = 0;
  for (const auto& parameter : llama.parameters()) {
    const bool is_lookup =
        parameter.name == "model.embed_tokens.weight" && !config.tie_word_embeddings;
    if (parameter.tensor.rank() != 2 || is_lookup || is_of_attention(parameter.name)) continue;
    multiply_adds += static_cast<double>(parameter.tensor.numel());
  }
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto keys = mean_keys_seen(config, layer, block_size);
    multiply_adds += attention_of(config, layer)->work(config).at(keys);
  }
  return 6 * multiply_adds;
}

}  // namespace lookback
