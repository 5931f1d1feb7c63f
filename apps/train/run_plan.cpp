#include "apps/train/run_plan.h"

#include <bit>

#include "apps/cli/size_text.h"
#include "apps/model/machine_memory.h"
#include "apps/model/step_memory.h"
#include "runtime/parallel.h"

namespace lookback {
namespace {

// Of the machine's own memory; a device says itself what does not fit.
void check_memory(std::int64_t needed, const std::string& by, const std::string& what_needs_less) {
  const auto available = available_bytes();
  if (default_device().backend != Backend::cpu || !available || needed <= *available) return;
  fail("train", "{} {} of memory, and {} are free here: {} needs less", by, size_text(needed),
       size_text(*available), what_needs_less);
}

std::string tokens_of(const TokenSource& source) {
  const auto tokens = source.tokens();
  return tokens ? fmt::format("{} tokens", *tokens) : std::string("as many as are asked for");
}

// What L lanes on this rank take beyond the gradients of one, less the moments that other ranks
// hold.
std::int64_t bytes_of_lanes(std::int64_t parameters, std::int64_t lanes, std::int64_t ranks) {
  const auto set = parameters * static_cast<std::int64_t>(sizeof(float));
  const auto more = std::bit_width(static_cast<std::uint64_t>(lanes / ranks)) - 1;
  return more * set - 2 * set * (ranks - 1) / ranks;
}

}  // namespace

void check_least_memory(const LlamaConfig& config, const TrainOptions& options) {
  check_memory(least_step_bytes(config, precision_of(options.dtype).storage),
               "weights, their gradients and AdamW's moments alone need",
               "only a smaller model (--config)");
}

std::string what_is_to_be_done(const Llama& llama, const TokenData& data,
                               const TrainOptions& options, int ranks) {
  std::int64_t parameters = 0;
  for (const auto& parameter : llama.parameters()) parameters += parameter.tensor.numel();
  auto text = fmt::format(
      "{} parameters; to train on: {}; to validate on: {}; {} steps of {} x {} tokens", parameters,
      tokens_of(*data.training), tokens_of(*data.validation), *options.max_steps,
      options.batch_size * options.gradient_accumulation_steps, options.block_size);
  if (ranks > 1) text += fmt::format("; {} ranks, {} threads each", ranks, num_threads());
  const auto tokens = options.batch_size * options.block_size;
  const bool keeps_all = llama.config.fault.empty() && !options.gradient_checkpointing &&
                         options.attention_storage == AttentionStorage::qk;
  auto bytes = keeps_all ? step_bytes(llama, tokens) : std::nullopt;
  if (bytes) {
    *bytes += bytes_of_lanes(parameters, options.gradient_lanes.value_or(1), ranks);
    check_memory(*bytes, "a step needs about",
                 fmt::format("a smaller model (--config), a smaller --batch-size ({}) or "
                             "--block-size ({}), or --gradient-checkpointing",
                             options.batch_size, options.block_size));
    text += fmt::format("; a step needs about {} of memory", size_text(*bytes));
  }
  return text;
}

}  // namespace lookback
