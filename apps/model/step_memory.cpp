#include "apps/model/step_memory.h"

#include <algorithm>

#include "autograd/ops/linear_cross_entropy.h"
#include "nn/layer/attention_options.h"
#include "runtime/allocator.h"
#include "runtime/device.h"

namespace lookback {
namespace {

// Bytes of a training step at its peak, by what is alive then. N = B T tokens.
//
// Weights and AdamW's two moments are always there, and where products round, the weights that they
// read in bf16. Forward keeps, per layer and token:
//   the residual stream before either norm, and both norms' outputs     4 D
//   q and attention's output; k and v                                   2 H dk + 2 G dk
//   gate, up and their product                                          3 F
//   a log-sum-exp per head, an inverse rms per norm                     H + 2
// where products round their operands, the norms' outputs and the product in bf16, and attention's
// output in bf16 as well; on a GPU all of attention's in bf16 alone. Behind the last layer: the
// stream, its norm, and the gradient that the loss made of it, 3 D; and V D of the projection's
// weight. Backward then frees a layer's share and makes its weights' gradients instead: the peak is
// at the loss, or where backward has least gained, or at the optimizer, when all gradients are
// there. Every tensor counts as the block it is given.
//
// Earlier layers that run again keep, per pair of layers and token, their values and what attention
// made of them, G dk + H dk, and at the MLP site what their norm read and wrote, gate, up and their
// product, 2 D + 3 F + 1; each layer but the first its normalized input, D + 1; and all layers
// their folded value weights. Learned weights keep what they are multiplied with: this layer's own
// output, and the scaled projection of each pair (or the stored outputs). The gradients of what
// goes into a sum of projections appear together.
class StepMemory {
 public:
  StepMemory(const Llama& model, std::int64_t tokens)
      : llama_(model),
        count_(tokens),
        element_(static_cast<std::int64_t>(size_of(model.precision.storage))) {}

  std::int64_t peak_bytes() const {
    const auto& c = llama_.config;
    const auto layers = c.num_hidden_layers;
    const auto saved = layer_activations();
    const auto variant = variant_activations(layers);
    const auto gradients = layer_weights();
    const auto table = block(c.vocab_size * c.hidden_size);
    const auto fixed = weights_and_moments() + table;
    auto peak = fixed + layers * saved + variant + 3 * per_token(c.hidden_size) + loss_scratch();
    peak = std::max(peak, fixed + layers * saved + variant + variant_gradients());
    for (std::int64_t done = 0; done < layers; ++done) {
      // In the MLP: gradients of gate, up and their product (the product itself is gone by then),
      // of the stream, and of the MLP's output.
      const auto scratch = 2 * multiplied(c.intermediate_size) + per_token(c.hidden_size) +
                           multiplied(c.hidden_size);
      // The last layer's earlier ones ran behind its MLP, or before it.
      const auto ran = layers - done;
      const auto left = variant_activations(runs_behind_mlp() ? ran - 1 : ran);
      peak = std::max(peak, fixed + ran * saved + left + done * gradients + scratch);
    }
    return std::max(peak, fixed + layers * gradients + table);
  }

 private:
  std::int64_t block(std::int64_t elements) const {
    return static_cast<std::int64_t>(block_bytes_of(static_cast<std::size_t>(elements * element_)));
  }
  std::int64_t per_token(std::int64_t elements) const { return block(count_ * elements); }

  std::int64_t weights_and_moments() const {
    std::int64_t sum = 0;
    for (const auto& parameter : llama_.parameters()) sum += 3 * block(parameter.tensor.numel());
    return sum + rounded_weights();
  }
  // The layers' matrices, and that of the vocabulary.
  std::int64_t rounded_weights() const {
    if (!rounds()) return 0;
    auto sum = block(llama_.config.vocab_size * llama_.config.hidden_size) / 2;
    for (const auto& layer : llama_.model.layers) {
      for (const auto& parameter : layer->parameters()) {
        if (parameter.tensor.rank() == 2) sum += block(parameter.tensor.numel()) / 2;
      }
    }
    return sum;
  }
  std::int64_t layer_weights() const {
    std::int64_t sum = 0;
    for (const auto& parameter : llama_.model.layers.front()->parameters()) {
      sum += block(parameter.tensor.numel());
    }
    return sum;
  }
  std::int64_t layer_activations() const {
    const auto& c = llama_.config;
    return 2 * per_token(c.hidden_size) + 2 * multiplied(c.hidden_size) + attended() +
           2 * per_token(c.intermediate_size) + multiplied(c.intermediate_size) +
           per_token(c.num_attention_heads) + 2 * per_token(1);
  }
  bool rounds() const { return llama_.precision.products == Products::bfloat16; }
  // What a product reads, so many numbers per token.
  std::int64_t multiplied(std::int64_t elements) const {
    return rounds() ? per_token(elements) / 2 : per_token(elements);
  }
  // Queries, keys, values, and attention's output.
  std::int64_t attended() const {
    const auto& c = llama_.config;
    const auto read = per_token(c.num_attention_heads * c.head_dim) +
                      per_token(c.num_key_value_heads * c.head_dim);
    return attended_again() + (rounds_attention() ? read / 2 : read);
  }
  // The values and the output of attention, as it keeps them and as a product reads them.
  std::int64_t attended_again() const {
    const auto& c = llama_.config;
    const auto output = c.num_attention_heads * c.head_dim;
    const auto kept = per_token(output) + per_token(c.num_key_value_heads * c.head_dim);
    if (!rounds()) return kept;
    return rounds_attention() ? kept / 2 : kept + multiplied(output);
  }
  bool rounds_attention() const {
    return rounds() && llama_.model.norm.weight.device().backend == Backend::cuda;
  }
  const CrossLayerResidual* recomputed() const {
    const auto& cross = llama_.config.cross_layer_residual;
    return reruns_layers(llama_.config) ? &*cross : nullptr;
  }
  // What goes into the output projection of an earlier layer.
  std::int64_t projected(const CrossLayerResidual& cross) const {
    const auto& c = llama_.config;
    return cross.site == CrossLayerResidual::Site::mlp ? c.intermediate_size
                                                       : c.num_attention_heads * c.head_dim;
  }

  bool runs_behind_mlp() const {
    return recomputed() != nullptr && recomputed()->site == CrossLayerResidual::Site::mlp;
  }

  // Of the first so many layers.
  std::int64_t variant_activations(std::int64_t layers) const {
    const auto& c = llama_.config;
    const auto& cross = c.cross_layer_residual;
    if (!cross || layers < 1) return 0;
    const auto pairs = layers * (layers - 1) / 2;
    const bool learned = cross->weights == CrossLayerResidual::Weights::learned;
    const auto own = learned ? (layers - 1) * per_token(c.hidden_size) : 0;
    if (recomputed() == nullptr) return learned ? own + per_token(c.hidden_size) : 0;
    auto pair = attended_again();
    if (cross->site == CrossLayerResidual::Site::mlp) {
      pair += per_token(c.hidden_size) + multiplied(c.hidden_size) +
              2 * per_token(c.intermediate_size) + multiplied(c.intermediate_size) + per_token(1);
    }
    if (learned) pair += block(c.hidden_size * projected(*cross));
    return own + pairs * pair + (layers - 1) * (multiplied(c.hidden_size) + per_token(1)) +
           layers * block(c.num_key_value_heads * c.head_dim * c.hidden_size);
  }

  // Of the last layer's terms.
  std::int64_t variant_gradients() const {
    const auto* cross = recomputed();
    if (cross == nullptr) return 0;
    return (llama_.config.num_hidden_layers - 1) * per_token(projected(*cross)) +
           2 * per_token(llama_.config.hidden_size);
  }

  // The chunk of logits that exists at one time (linear_cross_entropy), as f32 and, where products
  // round, as bf16 beside the rounded operands.
  std::int64_t loss_scratch() const {
    const auto vocabulary = llama_.config.vocab_size, hidden = llama_.config.hidden_size;
    const auto rows = logit_rows_at_once(count_, vocabulary, default_device().backend);
    const auto own = block(rows * vocabulary) + per_token(1);
    if (llama_.precision.products == Products::native) return own;
    return own + (block(rows * vocabulary) + per_token(hidden)) / 2;
  }

  const Llama& llama_;
  std::int64_t count_, element_;
};

// StepMemory counts the tensors of plain attention; a pattern changes none of them.
bool can_be_predicted(const LlamaConfig& config) {
  return std::ranges::all_of(config.attention, [](const AttentionChoice& choice) {
    return choice.options->type() == AttentionOptions::default_type;
  });
}

}  // namespace

std::optional<std::int64_t> step_bytes(const Llama& llama, std::int64_t tokens) {
  if (!can_be_predicted(llama.config)) return std::nullopt;
  return StepMemory(llama, tokens).peak_bytes();
}

std::int64_t least_step_bytes(const LlamaConfig& config, DType storage) {
  const auto tables = (config.tie_word_embeddings ? 1 : 2) * config.vocab_size * config.hidden_size;
  const auto mlps = config.num_hidden_layers * 3 * config.hidden_size * config.intermediate_size;
  return 4 * (tables + mlps) * static_cast<std::int64_t>(size_of(storage));
}

}  // namespace lookback
