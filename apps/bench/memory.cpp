// bench memory: what a training step should need, from a formula, beside what it does need.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/bench/train_step.h"
#include "runtime/allocator.h"

namespace lookback {
namespace {

// Bytes of a training step of the plain Llama at its peak, by what is alive then. N = B T tokens.
//
// Weights and AdamW's two moments are always there. Forward keeps, per layer and token:
//   the residual stream before either norm, and both norms' outputs     4 D
//   q and attention's output; k and v                                   2 H dk + 2 G dk
//   gate, up and their product                                          3 F
//   a log-sum-exp per head, an inverse rms per norm                     H + 2
// and behind the last layer the stream, its norm, and the gradients that the loss made of them: 3
// D, and V D of the projection's weight. Backward then frees a layer's share and makes its weights'
// gradients instead: the peak is at the loss, or where backward has least gained, or at the
// optimiser, when all gradients are there.
struct StepMemory {
  double always = 0;          // weights and moments
  double layer_saved = 0;     // activations of one layer
  double layer_weights = 0;   // of one layer: the size of its gradients
  double ends_saved = 0;      // activations behind the last layer
  double head_gradient = 0;   // of the projection to the vocabulary
  double table_gradient = 0;  // of the embedding
  double loss_scratch = 0;    // a chunk of logits
  double layer_scratch = 0;   // gradients on their way through one MLP

  StepMemory(const Llama& llama, double tokens) {
    const auto& c = llama.config;
    const auto number = [](std::int64_t x) { return static_cast<double>(x); };
    const double element = static_cast<double>(size_of(llama.precision.storage));
    const double hidden = number(c.hidden_size), ffn = number(c.intermediate_size);
    const double queries = number(c.num_attention_heads * c.head_dim);
    const double keys = number(c.num_key_value_heads * c.head_dim);
    double all = 0;
    for (const auto& parameter : llama.parameters()) all += number(parameter.tensor.numel());
    const double table = number(c.vocab_size) * hidden;
    const double tables = c.tie_word_embeddings ? table : 2 * table;
    always = 3 * element * all;
    layer_saved =
        element * tokens *
        (4 * hidden + 2 * queries + 2 * keys + 3 * ffn + number(c.num_attention_heads) + 2);
    layer_weights = element * (all - tables - hidden) / number(c.num_hidden_layers);
    ends_saved = element * tokens * 3 * hidden;
    head_gradient = table_gradient = element * table;
    loss_scratch = element * std::min(tokens * number(c.vocab_size), loss_chunk_logits);
    layer_scratch = element * tokens * (3 * ffn + 2 * hidden);
  }

  double peak_bytes(std::int64_t layers) const {
    const auto count = static_cast<double>(layers);
    const double fixed = always + head_gradient;
    double peak = fixed + count * layer_saved + ends_saved + loss_scratch;
    for (double done = 0; done < count; ++done) {
      const double saved = (count - done) * layer_saved;
      peak = std::max(peak, fixed + saved + done * layer_weights + layer_scratch);
    }
    return std::max(peak, fixed + count * layer_weights + table_gradient);
  }

  static constexpr double loss_chunk_logits = 1 << 23;  // linear_cross_entropy's
};

nlohmann::ordered_json bench_memory(const BenchOptions& options, const Session& session) {
  const auto llama = bench_model(options, session.seed);
  const auto tokens = static_cast<double>(options.batch_size * options.block_size);
  const auto predicted = StepMemory(*llama, tokens).peak_bytes(llama->config.num_hidden_layers);
  BenchStep step(*llama, options);
  for (std::uint64_t i = 0; i < 2; ++i) step.run(session.seed + i);
  return {{"predicted_bytes", static_cast<std::uint64_t>(predicted)},
          {"measured_bytes", memory_stats(session.device).peak_bytes}};
}

const BenchmarkRegistration registered{"memory", bench_memory};

}  // namespace
}  // namespace lookback
