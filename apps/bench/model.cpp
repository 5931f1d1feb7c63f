#include <algorithm>

#include "apps/bench/benchmark.h"
#include "apps/model/model_choice.h"
#include "apps/train/train_options.h"
#include "nn/initialize.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {

std::unique_ptr<Llama> bench_model(const BenchOptions& options, std::uint64_t seed) {
  const auto config = choose_model(options.config, options.presets).config;
  if (options.block_size > config.max_position_embeddings) {
    usage_error("--block-size {}: must be at most max_position_embeddings={} of the config",
                options.block_size, config.max_position_embeddings);
  }
  check_batch(options.batch_size, options.block_size);
  auto llama = std::make_unique<Llama>(config, precision_of(options.dtype));
  initialize(llama->parameters(), config.initializer_range, seed);
  return llama;
}

std::vector<std::int64_t> random_tokens(std::int64_t count, std::int64_t vocabulary,
                                        std::uint64_t seed) {
  RandomStream random(seed, stream_of(RandomUse::training_data, 0));
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(count));
  std::ranges::generate(tokens, [&] {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(vocabulary)));
  });
  return tokens;
}

}  // namespace lookback
