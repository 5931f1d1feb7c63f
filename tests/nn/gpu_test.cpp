// Models on a GPU beside the same ones on the CPU: weights, a training run, decoding.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/to_vector.h"
#include "nn/adamw.h"
#include "nn/llama/generate.h"
#include "tests/gpu.h"
#include "tests/nn/attention_config.h"

namespace lookback::testing {
namespace {

class ModelOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

std::unique_ptr<Llama> llama_on(Device device, DType dtype) {
  const DefaultDevice on(device);
  return make_llama(small_config(), dtype);
}

TEST_F(ModelOnGpu, FreshWeightsAreTheSameBits) {
  for (const auto dtype : {DType::f32, DType::f64}) {
    const auto here = llama_on(cpu_device, dtype), there = llama_on(gpu(), dtype);
    for (std::size_t i = 0; i < here->parameters().size(); ++i) {
      const auto& parameter = here->parameters()[i];
      EXPECT_EQ(there->parameters()[i].tensor.device(), gpu());
      EXPECT_EQ(bits_of(parameter.tensor), bits_of(there->parameters()[i].tensor))
          << parameter.name;
    }
  }
}

// The losses of some steps on a batch of its own each.
std::vector<double> losses_on(Device device, DType dtype, int steps) {
  std::vector<Tensor> batches;
  for (int step = 0; step < steps; ++step) {
    batches.push_back(some_ids(3, 9, small_config().vocab_size, step + 1));
  }
  const DefaultDevice on(device);
  const auto llama = make_llama(small_config(), dtype);
  AdamW adamw(llama->parameters(), {});
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const auto on_device = to_device(batches[static_cast<std::size_t>(step)], device);
    const auto loss = mean_loss(llama->loss(on_device, next_token_targets(on_device), {}));
    losses.push_back(loss.item());
    clear_gradients(llama->parameters());
    backward(loss);
    const auto norm = gradient_norm(llama->parameters());
    adamw.step(1e-2, clipping_factor(norm, 1.0));
  }
  return losses;
}

TEST_F(ModelOnGpu, TrainsAsTheCpuDoes) {
  for (const auto dtype : {DType::f64, DType::f32}) {
    const auto here = losses_on(cpu_device, dtype, 8), there = losses_on(gpu(), dtype, 8);
    for (std::size_t i = 0; i < here.size(); ++i) {
      EXPECT_NEAR(there[i], here[i], here[i] * 1e3 * epsilon_of(dtype)) << "step " << i;
    }
  }
}

TEST_F(ModelOnGpu, TheSameRunTwiceGivesTheSameBits) {
  EXPECT_EQ(losses_on(gpu(), DType::f32, 4), losses_on(gpu(), DType::f32, 4));
}

TEST_F(ModelOnGpu, GeneratesWhatTheCpuDoes) {
  const auto tokens_on = [](Device device) {
    const DefaultDevice on(device);
    GenerationOptions options;
    options.max_new_tokens = 8;
    return generate(*make_llama(small_config()), {1, 2, 3}, options).tokens;
  };
  EXPECT_EQ(tokens_on(gpu()), tokens_on(cpu_device));
}

// Behind a ring keys stand elsewhere than at their positions.
TEST_F(ModelOnGpu, GeneratesThroughARingWhatTheCpuDoes) {
  for (const auto& pattern : {R"({"sliding_window": 3})", R"({"sliding_window": 3, "dilation": 2})",
                              R"({"sliding_window": 2, "global_tokens": [0, 3]})"}) {
    const auto config = with_attention({{"pattern", nlohmann::json::parse(pattern)}});
    const auto tokens_on = [&](Device device) {
      const DefaultDevice on(device);
      GenerationOptions options;
      options.max_new_tokens = 12;
      return generate(*make_llama(config), {1, 2, 3, 4, 5}, options).tokens;
    };
    EXPECT_EQ(tokens_on(gpu()), tokens_on(cpu_device)) << pattern;
  }
}

TEST_F(ModelOnGpu, ATokenOutsideTheVocabularyIsNamedWhenAResultIsRead) {
  const DefaultDevice on(gpu());
  const auto llama = make_llama(small_config());
  const auto ids = from_values<std::int64_t>({1, 99, 3}, {1, 3});
  try {
    static_cast<void>(to_vector(llama->logits(to_device(ids, gpu()))));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[embedding] id 99 at (0, 1) of (1, 3) must be in [0, 13)");
  }
}

TEST_F(ModelOnGpu, MemoryOfTheHostIsRefused) {
  const auto here = zeros({2}, DType::f32, cpu_device), there = zeros({2}, DType::f32, gpu());
  EXPECT_THROW(static_cast<void>(there.data<float>()), Error);
  EXPECT_EQ(to_device(there, cpu_device).data<float>()[1], 0);
  EXPECT_EQ(to_device(here, gpu()).device(), gpu());
}

}  // namespace
}  // namespace lookback::testing
