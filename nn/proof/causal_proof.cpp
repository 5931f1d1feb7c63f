#include "nn/proof/causal_proof.h"

#include <algorithm>

#include "autograd/grad_mode.h"
#include "kernels/core/slot.h"
#include "kernels/taint/cells.h"
#include "nn/proof/taint_trace.h"

namespace lookback {
namespace {

constexpr std::int64_t sources_at_once = 64;  // bits of a set

// Token ids [1, tokens], the first at position `offset`: id t may be any token and is source t.
Tensor source_tokens(std::int64_t tokens, std::int64_t offset, std::int64_t first_source) {
  const auto ids = empty({1, tokens}, DType::i64, taint_device);
  const kernels::taint::Cells cells{kernels::Out(ids)};
  for (std::int64_t t = 0; t < tokens; ++t) {
    const auto bit = offset + t - first_source;
    const bool in_word = bit >= 0 && bit < sources_at_once;
    cells.depend(t, in_word ? kernels::taint::SourceSet{1} << bit : 0);
  }
  return ids;
}

struct Found {
  Leak leak;
  bool through_a_norm;
};

// The leak of one run over 64 sources, or none.
std::optional<Found> leak_in(const TaintTrace& trace, const Tensor& logits,
                             const TokenRows& tokens) {
  const auto ahead = look_ahead(logits.view(), 1, tokens);
  if (!ahead) return {};
  const auto* operation = trace.earliest_leak_to(logits);
  Found found{};
  found.leak.target = ahead->target;
  found.leak.source = ahead->source;
  if (operation != nullptr) {
    found.leak.module = operation->scope;
    found.leak.operation = operation->name;
    found.through_a_norm = operation->scope.ends_with("norm");
  }
  place_in_layers(found.leak);
  return found;
}

// The sizes of a model that a token axis must not be mistaken for.
std::vector<std::int64_t> sizes_of(const LlamaConfig& config) {
  const auto heads = config.num_attention_heads, groups = config.num_key_value_heads;
  return {config.hidden_size, 2 * config.intermediate_size, config.vocab_size,
          heads * config.head_dim, groups * config.head_dim};
}

// The nearest length that divides no other size of the model: rows can then be told apart. The
// length itself where there is none.
std::int64_t distinct_length(const LlamaConfig& config, std::int64_t wanted) {
  const auto sizes = sizes_of(config);
  const auto distinct = [&](std::int64_t length) {
    return length > 1 && length <= config.max_position_embeddings &&
           std::ranges::none_of(sizes, [&](auto size) { return size % length == 0; });
  };
  for (std::int64_t step = 0; step < config.max_position_embeddings; ++step) {
    if (distinct(wanted + step)) return wanted + step;
    if (distinct(wanted - step)) return wanted - step;
  }
  return wanted;
}

class Prover {
 public:
  explicit Prover(const LlamaConfig& config) : config_(config) {
    const DefaultDevice guard(taint_device);
    llama_ = std::make_unique<Llama>(config_, Precision{});
  }

  // The first leak at this length: that with the smallest target.
  std::optional<Found> leak(const RunPath& path, std::int64_t length) const {
    const DefaultDevice guard(taint_device);  // for constants made on the way
    std::optional<Found> first;
    for (std::int64_t source = 0; source < length; source += sources_at_once) {
      auto found = run(path, length, source);
      if (found && (!first || found->leak.target < first->leak.target)) first = std::move(found);
    }
    return first;
  }

 private:
  std::optional<Found> run(const RunPath& path, std::int64_t length,
                           std::int64_t first_source) const {
    if (path.mode == RunPath::Mode::decoding) return decode(path, length, first_source);
    std::optional<NoGrad> no_grad;
    if (path.mode == RunPath::Mode::evaluation) no_grad.emplace();
    const TokenRows tokens{.rows = length, .offset = 0, .first_source = first_source};
    TaintTrace trace;
    trace.begin(tokens);
    ForwardOptions options;
    options.attention = path.attention;
    const auto logits = llama_->logits(source_tokens(length, 0, first_source), options);
    return leak_in(trace, logits, tokens);
  }

  // In two parts, so that the second one meets a past.
  std::optional<Found> decode(const RunPath& path, std::int64_t length,
                              std::int64_t first_source) const {
    const NoGrad no_grad;
    const auto half = distinct_length(config_, std::max<std::int64_t>(2, length / 2));
    KeyValueCache cache(1, config_.max_position_embeddings, DType::f32);
    ForwardOptions options;
    options.attention = path.attention;
    options.cache = &cache;
    TaintTrace trace;
    std::int64_t offset = 0;
    for (const auto rows : {half, distinct_length(config_, half + 1)}) {
      if (offset + rows > config_.max_position_embeddings) break;
      const TokenRows tokens{.rows = rows, .offset = offset, .first_source = first_source};
      trace.begin(tokens);
      const auto logits = llama_->logits(source_tokens(rows, offset, first_source), options);
      if (auto found = leak_in(trace, logits, tokens)) return found;
      offset += rows;
    }
    return {};
  }

  const LlamaConfig& config_;
  std::unique_ptr<Llama> llama_;
};

}  // namespace

std::vector<RunPath> run_paths() {
  using Mode = RunPath::Mode;
  std::vector<RunPath> paths;
  for (const auto mode : {Mode::training, Mode::evaluation, Mode::decoding}) {
    const std::string name = mode == Mode::training     ? "training"
                             : mode == Mode::evaluation ? "evaluation"
                                                        : "decoding";
    paths.push_back({name, mode, AttentionPath::streaming});
    paths.push_back({name + " with explicit weights", mode, AttentionPath::explicit_weights});
  }
  return paths;
}

CausalProof prove_causal(const LlamaConfig& config, const std::vector<std::int64_t>& lengths,
                         const std::vector<RunPath>& paths) {
  CausalProof proof;
  for (const auto& path : paths) proof.paths.push_back(path.name);
  for (const auto length : lengths) {
    if (length < 1 || length > config.max_position_embeddings) {
      fail("proof", "a sequence of {} tokens: the model takes 1 to max_position_embeddings={}",
           length, config.max_position_embeddings);
    }
    proof.lengths.push_back(length);
  }
  try {
    const Prover prover(config);
    for (const auto& path : paths) {
      for (const auto length : proof.lengths) {
        auto found = prover.leak(path, length);
        if (!found) continue;
        // Its place is found where rows can be told apart from every other size.
        if (const auto placed = prover.leak(path, distinct_length(config, length))) found = placed;
        proof.leak = found->leak;
        proof.through_a_norm = found->through_a_norm;
        proof.leaking_path = path.name;
        proof.leaking_length = length;
        return proof;
      }
    }
  } catch (const kernels::UndeclaredDependency& undeclared) {
    proof.not_followed = undeclared.what();
  }
  return proof;
}

std::vector<std::int64_t> proof_lengths(std::int64_t block_size) {
  std::vector<std::int64_t> lengths;
  for (const std::int64_t length : {3, 33, 65}) {
    if (length < block_size) lengths.push_back(length);
  }
  lengths.push_back(block_size);
  return lengths;
}

}  // namespace lookback
