#include "nn/llama/generate.h"

#include <algorithm>
#include <optional>

#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"
#include "autograd/rounded_weights.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/bounded_attention.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

void check_request(const LlamaConfig& config, const std::vector<std::int64_t>& prompt,
                   const GenerationOptions& options) {
  const Check check{"generate"};
  check(!prompt.empty(), "the prompt has no token: at least one is needed");
  check(options.max_new_tokens >= 0, "max_new_tokens {} must be 0 or more", options.max_new_tokens);
  const auto tokens = static_cast<std::int64_t>(prompt.size());
  check(options.max_new_tokens <= config.max_position_embeddings - tokens,
        "a prompt of {} tokens and {} new ones do not fit max_position_embeddings={}", tokens,
        options.max_new_tokens, config.max_position_embeddings);
  check_cache_policy(config, options.cache_policy);
}

}  // namespace

Generation generate(const Llama& llama, const std::vector<std::int64_t>& prompt,
                    const GenerationOptions& options) {
  check_request(llama.config, prompt, options);
  const NoGrad no_grad;
  RoundedWeights rounded_weights;
  const RoundedWeights::Use in_use(rounded_weights);
  Generation result;
  std::optional<KeyValueCache> cache;
  ForwardOptions forward;
  const auto room = static_cast<std::int64_t>(prompt.size()) + options.max_new_tokens;
  if (options.caching == Caching::keys_and_values) {
    cache.emplace(1, room,
                  attention_dtype(llama.precision, forward, llama.model.norm.weight.device()),
                  options.cache_policy);
  }
  forward.cache = cache ? &*cache : nullptr;
  Sampler sampler(options.sampling);
  auto context = prompt;
  auto next_input = prompt;
  while (!result.ended &&
         static_cast<std::int64_t>(result.tokens.size()) < options.max_new_tokens) {
    const auto length = static_cast<std::int64_t>(next_input.size());
    const auto logits =
        llama.last_logits(to_default_device(from_values(next_input, {1, length})), forward);
    const auto token = sampler.pick(to_vector(logits));
    result.tokens.push_back(token);
    if (options.on_token) options.on_token(token);
    result.ended = std::ranges::find(options.end_tokens, token) != options.end_tokens.end();
    context.push_back(token);
    next_input = cache ? std::vector<std::int64_t>{token} : context;
  }
  if (cache) {
    result.cache_bytes_per_token = cache->bytes_per_token();
    result.cache_bytes_per_sequence = cache->bytes_per_sequence();
  }
  return result;
}

}  // namespace lookback
