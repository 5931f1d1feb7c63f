#include "apps/model/attention_storage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "apps/cli/console.h"
#include "nn/layer/attention_options.h"
#include "nn/layer/residual_scheme.h"

namespace lookback {
namespace {

// The machine's memory, or less where this process may not have as much.
double memory_bytes() {
  const double physical =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return physical;
  return std::min(physical, static_cast<double>(limit.rlim_cur));
}

// How many layers keep their weights for later ones whatever is asked for.
std::int64_t layers_that_keep_weights(const LlamaConfig& config) {
  if (!reruns_layers(config)) return 0;
  std::int64_t count = 0;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (attention_of(config, layer)->keeps_weights()) ++count;
  }
  return count;
}

std::string_view why_kept(const LlamaConfig& config, bool asked_for) {
  if (!config.fault.empty()) return "a model with a fault keeps them; take fewer tokens";
  if (!asked_for || layers_that_keep_weights(config) > 0) {
    return "this attention keeps them for later layers; take fewer tokens";
  }
  return "--attention-storage qk holds none of them";
}

const std::vector<AttentionStorage> all_storages = {AttentionStorage::weights,
                                                    AttentionStorage::qk};
constexpr auto help =
    "how attention is kept for later layers: its weights, or queries and keys from which they "
    "follow";

}  // namespace

std::string_view name_of(AttentionStorage storage) {
  return storage == AttentionStorage::weights ? "weights" : "qk";
}

void add_attention_storage_flag(Flags& flags, AttentionStorage& storage) {
  flags.add_choice("attention-storage", storage, all_storages, help).formerly("record");
}

void add_attention_storage_flag(Flags& flags, std::optional<AttentionStorage>& storage) {
  flags.add_choice("attention-storage", storage, all_storages, help).formerly("record");
}

void warn_of_kept_weights(const LlamaConfig& config, AttentionStorage storage) {
  const auto layers = layers_that_keep_weights(config);
  if (layers == 0 || storage == AttentionStorage::weights) return;
  print_warning(
      fmt::format("the attention of {} of {} layers keeps its weights for later layers, tokens x "
                  "tokens of each "
                  "head: --attention-storage qk is for the others",
                  layers, config.num_hidden_layers));
}

ForwardOptions forward_options(AttentionStorage storage, const Llama& llama,
                               std::int64_t batch_size, std::int64_t block_size,
                               Gradients gradients) {
  const auto& config = llama.config;
  const bool weights = storage == AttentionStorage::weights || !config.fault.empty();
  const auto always = layers_that_keep_weights(config);
  if (!weights && always == 0) return {};
  // With gradients every layer's weights wait for backward; without, one layer's are there at once.
  const auto kept = !weights ? always
                    : gradients == Gradients::wanted || config.cross_layer_residual
                        ? config.num_hidden_layers
                        : std::int64_t{1};
  const double numbers = static_cast<double>(kept) * static_cast<double>(batch_size) *
                         static_cast<double>(config.num_attention_heads) *
                         static_cast<double>(block_size) * static_cast<double>(block_size);
  const double bytes = numbers * static_cast<double>(size_of(llama.precision.storage));
  const double most = memory_bytes();
  if (bytes > most) {
    fail("attention",
         "the attention weights of {} layers, {} x {} x {} x {} (batch, heads, tokens, tokens), "
         "take {:.0f} bytes, and there are {:.0f}: {}",
         kept, batch_size, config.num_attention_heads, block_size, block_size, bytes, most,
         why_kept(config, weights));
  }
  return {.attention = weights ? AttentionPath::explicit_weights : AttentionPath::streaming};
}

ForwardOptions training_pass(AttentionStorage storage, const Llama& llama, std::int64_t batch_size,
                             std::int64_t block_size, Activations activations) {
  const bool kept = activations == Activations::kept;
  auto forward = forward_options(storage, llama, batch_size, block_size,
                                 kept ? Gradients::wanted : Gradients::none);
  forward.activations = activations;
  return forward;
}

}  // namespace lookback
