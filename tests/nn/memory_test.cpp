#include <gtest/gtest.h>

#include "autograd/gradient.h"
#include "nn/adamw.h"
#include "runtime/allocator.h"
#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

TEST(Memory, LiveBytesAreTheSameAfterTenAndAfterAHundredSteps) {
  const auto start = memory_stats().live_bytes;
  {
    const auto config = small_config();
    const auto llama = make_llama(config, DType::f32);
    const auto parameters = llama->parameters();
    AdamW optimizer(parameters, {});
    const auto ids = some_ids(2, 16, config.vocab_size);
    const auto targets = next_token_targets(ids);
    std::size_t after_ten = 0;
    for (int step = 1; step <= 100; ++step) {
      backward(mean_loss(llama->loss(ids, targets)));
      optimizer.step(1e-3, clipping_factor(gradient_norm(parameters), 1));
      clear_gradients(parameters);
      if (step == 10) after_ten = memory_stats().live_bytes;
    }
    EXPECT_EQ(memory_stats().live_bytes, after_ten);
    EXPECT_GT(after_ten, start);
  }
  EXPECT_EQ(memory_stats().live_bytes, start) << "something is kept after the model is gone";
}

TEST(Memory, StreamingAttentionHoldsNoMatrixOfScores) {
  auto config = small_config();
  config.max_position_embeddings = 2048;
  const auto llama = make_llama(config, DType::f32);
  const auto peak_of = [&](std::int64_t tokens) {
    const auto ids = some_ids(1, tokens, config.vocab_size);
    reset_peak_bytes();
    const auto before = memory_stats().live_bytes;
    backward(mean_loss(llama->loss(ids, next_token_targets(ids))));
    clear_gradients(llama->parameters());
    return static_cast<double>(memory_stats().peak_bytes - before);
  };
  peak_of(2048);
  EXPECT_LT(peak_of(2048) / peak_of(1024), 2.3) << "four times would be T x T";
}

}  // namespace
}  // namespace lookback::testing
