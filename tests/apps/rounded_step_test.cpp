// Steps of training in bfloat16 round a weight once, and from then on the optimizer writes what
// products read.
#include <gtest/gtest.h>

#include <set>

#include "apps/train/train_step.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/copy_of.h"
#include "kernels/core/slot.h"
#include "tests/gpu.h"
#include "tests/nn/small_llama.h"

namespace lookback::testing {
namespace {

TokenBatch batch_of(std::int64_t start) {
  const auto ids = some_ids(2, 7, small_config().vocab_size, start);
  const auto values = ids.elements<std::int64_t>();
  const std::vector<std::int64_t> tokens(values.begin(), values.end());
  return {.rows = 2, .columns = 7, .inputs = tokens, .targets = tokens};
}

std::vector<std::vector<unsigned char>> bits_of_weights(const Llama& llama) {
  std::vector<std::vector<unsigned char>> bits;
  for (const auto& parameter : llama.parameters()) bits.push_back(bits_of(parameter.tensor));
  return bits;
}

// Halves one weight of a joint product and one that stands alone, between two steps.
void change_weights(const Llama& llama) {
  const NoGrad no_grad;
  const auto& layer = *llama.model.layers[1];
  for (const auto& weight : {layer.mlp.up_proj.weight, layer.mlp.down_proj.weight})
    copy_into(affine(weight.detach(), 0.5, 0), weight);
}

enum class Change { none, after_two_steps };

// Without kept copies: forward, backward and the optimizer, as train_step.h says in its head.
std::vector<std::vector<unsigned char>> trained_in_the_open(Change change) {
  const auto llama = make_llama(small_config(), DType::bf16);
  AdamW adamw(llama->parameters(), {});
  for (int s = 0; s < 4; ++s) {
    if (s == 2 && change == Change::after_two_steps) change_weights(*llama);
    const auto batch = batch_of(10 * s);
    const auto [ids, targets] = token_tensors(batch);
    backward(llama->loss(ids, targets).loss_sum);
    adamw.step(1e-2, {.scale = 1.0 / static_cast<double>(batch.scored()),
                      .max_norm = 0.5,
                      .norm = gradient_norm_tensor(llama->parameters())});
    clear_gradients(llama->parameters());
  }
  return bits_of_weights(*llama);
}

std::vector<std::vector<unsigned char>> trained_in_steps(Change change) {
  const auto llama = make_llama(small_config(), DType::bf16);
  AdamW adamw(llama->parameters(), {});
  TrainStep step(*llama, adamw, {}, 0.5, Repetition::queued);
  for (int s = 0; s < 4; ++s) {
    if (s == 2 && change == Change::after_two_steps) change_weights(*llama);
    step.take({batch_of(10 * s)}, 1e-2);
  }
  return bits_of_weights(*llama);
}

TEST(RoundedStep, HasTheBitsOfRoundingInEachProduct) {
  for (const auto change : {Change::none, Change::after_two_steps})
    EXPECT_EQ(trained_in_steps(change), trained_in_the_open(change));
}

TEST(RoundedStep, RoundsNoWeightFromTheSecondStepOn) {
  const auto llama = make_llama(small_config(), DType::bf16);
  AdamW adamw(llama->parameters(), {});
  TrainStep step(*llama, adamw, {}, 0.5, Repetition::queued);
  const auto rounded_weights = [&] {
    std::set<const void*> weights;
    for (const auto& parameter : llama->parameters()) weights.insert(parameter.tensor.raw_data());
    int count = 0;
    const kernels::ObserveKernels watch([&](const auto& slot, const auto& in, const auto& out) {
      const bool rounds = slot.name == "copy_forward" && out[0].dtype == DType::bf16;
      count += rounds && weights.contains(in[0].data) ? 1 : 0;
    });
    step.take({batch_of(1), batch_of(2)}, 1e-2);
    return count;
  };
  // q, k, v by themselves on the CPU, o, gate and up together, down, of two layers; the vocabulary.
  EXPECT_EQ(rounded_weights(), 2 * 6 + 1);
  EXPECT_EQ(rounded_weights(), 0);
}

}  // namespace
}  // namespace lookback::testing
