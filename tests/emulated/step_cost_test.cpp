// What a layer of the plain Llama costs a GPU in a training step in bfloat16, beside its products
// and its attention: kernels launched, and bytes that the others read and write. A step is queued
// on the emulated GPU without running; what differs between models of three and of two layers is a
// layer's, and of that what differs between two lengths is a token's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apps/profile/kernel_cost.h"
#include "apps/train/train_step.h"
#include "kernels/core/slot.h"
#include "kernels/cuda/emulated/queue.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

constexpr std::int64_t width = 1024;

struct StepCost {
  double launches = 0, elementwise_bytes = 0;
  StepCost operator-(const StepCost& other) const {
    return {launches - other.launches, elementwise_bytes - other.elementwise_bytes};
  }
};

// Products and attention are bound by arithmetic, and counted by themselves.
bool is_elementwise(std::string_view slot) {
  return slot != "matmul_forward" && slot != "sum_of_products_forward" &&
         slot.find("attention") == std::string_view::npos;
}

LlamaConfig plain_llama(std::int64_t layers) {
  LlamaConfig config;
  config.vocab_size = 64;
  config.hidden_size = width;
  config.intermediate_size = 2752;
  config.num_hidden_layers = layers;
  config.num_attention_heads = config.num_key_value_heads = 16;
  config.head_dim = 64;
  config.max_position_embeddings = 2048;
  return config;
}

// Of the second step: what is made once is there.
StepCost cost_of_step(std::int64_t layers, std::int64_t tokens) {
  const DefaultDevice on(gpu());
  const Llama llama(plain_llama(layers), precision_of(DType::bf16));
  AdamW adamw(llama.parameters(), {});
  TrainStep step(llama, adamw, {}, 1.0, Repetition::queued);
  const std::vector<std::int64_t> ids(static_cast<std::size_t>(tokens), 1);
  const std::vector<TokenBatch> batches{
      {.rows = 1, .columns = tokens, .inputs = ids, .targets = ids}};
  const device::emulated::CountInPlace counting;
  step.take(batches, 1e-3);
  const auto launches_before = counting.works();
  StepCost cost;
  const kernels::ObserveKernels observing(
      [&](const kernels::SlotBase& slot, const auto& inputs, const auto& outputs) {
        if (is_elementwise(slot.name)) cost.elementwise_bytes += bytes_of_kernel(inputs, outputs);
      });
  step.take(batches, 1e-3);
  cost.launches = static_cast<double>(counting.works() - launches_before);
  return cost;
}

TEST(EmulatedStepCost, OfALayerInBfloat16) {
  const auto layer_of = [](std::int64_t tokens) {
    return cost_of_step(3, tokens) - cost_of_step(2, tokens);
  };
  const auto shorter = layer_of(1024), longer = layer_of(2048);
  const auto bytes = (longer - shorter).elementwise_bytes / 1024 / static_cast<double>(width);
  EXPECT_LE(bytes, 160);
  EXPECT_LE(longer.launches, 50);
  // tests/gpu-count.sh prints them.
  RecordProperty("elementwise_bytes_per_token_and_layer_over_D", fmt::format("{:.1f}", bytes));
  RecordProperty("launches_per_layer", fmt::format("{}", longer.launches));
}

}  // namespace
}  // namespace lookback::testing
