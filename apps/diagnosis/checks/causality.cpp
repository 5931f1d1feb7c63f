// The proofs of docs/diagnosis.md: taint, the kernels held to what they declare, suffix swap,
// gradient. Together they make the statement about causality; a difference that a suffix swap or a
// kernel shows is a finding, and the proof or the kernel names its place.
#include <algorithm>
#include <utility>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/gradient_picture.h"
#include "apps/diagnosis/kernel_contracts.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/leak_size.h"
#include "apps/diagnosis/suffix_swap.h"
#include "apps/diagnosis/weight_scale.h"
#include "nn/proof/causal_proof.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::int64_t picture_tokens = 32;    // of the gradient picture: T backward passes at once
constexpr std::int64_t every_cut_tokens = 17;  // so long a sequence is cut at every place
constexpr std::int64_t tile_edge_tokens = 258;  // lengths up to this are tried beside tile edges
constexpr SmallSize size_of_swaps{};

struct Shown {
  SwapDifference difference;
  std::string how;  // "evaluation, fresh weights, queries and keys times 1024"
};

std::string joined(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (const auto number : numbers) text += fmt::format("{}{}", text.empty() ? "" : ", ", number);
  return text;
}

class Causality final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_normalisation; }

  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto proof = prove(subject, diagnosis);
    const auto kernels = hold_kernels(subject);
    auto shown = swap(subject);
    if (!shown) shown = swap_beside_edges(subject);
    const auto mixed = shown && !shown->difference.alone ? std::exchange(shown, {}) : std::nullopt;
    const bool looks_ahead =
        kernels.broken && kernels.broken->kind == BrokenContract::Kind::looks_ahead;
    diagnosis.statement = shown || looks_ahead                          ? Statement::refuted
                          : proof.proved() && !kernels.broken && !mixed ? Statement::proved
                                                                        : Statement::not_refuted;
    if (diagnosis.statement == Statement::refuted) diagnosis.leak = place(proof, kernels, shown);
    report_proof(proof, kernels, shown, diagnosis);
    report_kernels(kernels, diagnosis);
    if (mixed) return report_mixed(*mixed, diagnosis);
    report_swap(subject, proof, shown, diagnosis);
    report_gradient(subject, diagnosis);
  }

 private:
  static CausalProof prove(const Subject& subject, Diagnosis& diagnosis) {
    try {
      return prove_causal(subject.config, proof_lengths(subject.block_size));
    } catch (const Error& error) {
      // An operation that reads numbers itself (a sort on the host) cannot run on sets.
      diagnosis.notes.push_back(
          fmt::format("the proof could not follow the model: {}", error.what()));
      CausalProof none;
      none.not_followed = error.what();
      return none;
    }
  }

  static std::vector<std::int64_t> edge_lengths(const Subject& subject) {
    return lengths_beside_edges(std::min(subject.config.max_position_embeddings,
                                         std::max(tile_edge_tokens, subject.block_size)));
  }

  // At the subject's own widths, strides and dtype, at lengths with a row on either side of each
  // tile edge, and at its own block size.
  static KernelContracts hold_kernels(const Subject& subject) {
    std::vector<Tensor> ids;
    auto lengths = edge_lengths(subject);
    if (lengths.empty() || lengths.back() < subject.block_size)
      lengths.push_back(subject.block_size);
    std::uint64_t stream = 40;
    for (const auto length : lengths) ids.push_back(subject.random_ids(2, length, stream++));
    return hold_kernels_to_contracts(*subject.model(), run_paths(), ids);
  }

  struct Trial {
    Tensor ids, other;
    std::vector<std::int64_t> cuts;
  };

  // A short sequence, cut everywhere, and a whole one, cut at some places.
  static std::vector<Trial> trials(const Subject& subject) {
    std::vector<Trial> result;
    const auto add = [&](std::int64_t tokens, const std::vector<std::int64_t>& cuts) {
      if (cuts.empty()) return;
      const auto ids = subject.random_ids(1, tokens, 10);
      result.push_back({ids, different(ids, subject.config.vocab_size), cuts});
    };
    const auto tokens = std::min(subject.block_size, every_cut_tokens);
    add(tokens, every_cut(tokens));
    if (subject.block_size > tokens) add(subject.block_size, some_cuts(subject.block_size));
    return result;
  }

  // The first difference over models, weight scales, paths and sequences.
  static std::optional<Shown> swap(const Subject& subject) {
    const auto all_trials = trials(subject);
    const auto try_model = [&](const auto& make, const std::string& weights) {
      for (const auto& scale : weight_scales()) {
        const auto llama = make();
        apply(scale, *llama);
        for (const auto& path : run_paths()) {
          for (const auto& [ids, other, cuts] : all_trials) {
            const auto found = suffix_swap(*llama, path, ids, other, cuts);
            if (!found) continue;
            return std::optional(
                Shown{*found, fmt::format("{}, {}, {}", path.name, weights, scale.name)});
          }
        }
      }
      return std::optional<Shown>();
    };
    auto shown = try_model([&] { return subject.fresh_model(); }, "fresh weights");
    if (!shown && subject.has_weights()) {
      shown = try_model([&] { return subject.model(); }, "the trained weights");
    }
    return shown;
  }

  // Sequences of one token fewer to two more than each tile, on a small model of the kind, cut
  // beside the tile's edge.
  static std::optional<Shown> swap_beside_edges(const Subject& subject) {
    auto small = shrunk(subject, size_of_swaps);
    small.config.max_position_embeddings = subject.config.max_position_embeddings;
    const auto llama = small.fresh_model();
    for (const auto length : edge_lengths(subject)) {
      for (auto tokens = length - 3; tokens <= length; ++tokens) {
        const auto ids = small.random_ids(1, tokens, 12);
        const auto other = different(ids, small.config.vocab_size);
        std::vector<std::int64_t> cuts;
        for (auto cut = length - 4; cut + 1 < tokens; ++cut) cuts.push_back(cut);
        for (const auto& path : run_paths()) {
          const auto found = suffix_swap(*llama, path, ids, other, cuts);
          if (found)
            return Shown{*found,
                         fmt::format("{}, {} tokens, a small fresh model", path.name, tokens)};
        }
      }
    }
    return std::nullopt;
  }

  // Another token at every place.
  static Tensor different(const Tensor& ids, std::int64_t vocabulary) {
    const auto here = on_host(ids);
    const auto other = empty_like(here);
    for (std::int64_t i = 0; i < ids.numel(); ++i) {
      const auto id = here.data<std::int64_t>()[i];
      other.data<std::int64_t>()[i] =
          (id + 1 + i % std::max<std::int64_t>(1, vocabulary - 1)) % vocabulary;
    }
    return to_device(other, ids.device());
  }

  static Leak place(const CausalProof& proof, const KernelContracts& kernels,
                    const std::optional<Shown>& shown) {
    if (proof.leak) return *proof.leak;
    Leak leak;
    if (kernels.broken) {
      leak.module = kernels.broken->module;
      leak.operation = kernels.broken->operation;
      leak.target = kernels.broken->target;
      leak.source = kernels.broken->source;
      place_in_layers(leak);
      return leak;
    }
    leak.module = "unknown";
    leak.operation = "a kernel that breaks its declared dependency";
    leak.target = shown->difference.target;
    leak.source = shown->difference.cut + 1;
    return leak;
  }

  static void report_proof(const CausalProof& proof, const KernelContracts& kernels,
                           const std::optional<Shown>& shown, Diagnosis& diagnosis) {
    const auto where = fmt::format("sequences of {} tokens, {} ways to run", joined(proof.lengths),
                                   proof.paths.size());
    if (proof.proved() && (shown || kernels.broken)) {
      diagnosis.notes.push_back(
          "the proof holds and numbers refute it: a kernel breaks its declared dependency");
    }
    if (proof.proved()) {
      diagnosis.passed("taint", 0, 0,
                       fmt::format("proved for all weights and all tokens: {}", where));
    } else if (!proof.leak) {
      diagnosis.left_out("taint", proof.not_followed);
    } else if (shown) {
      diagnosis.failed(proof.through_a_norm ? Verdict::wrong_normalisation : Verdict::causal_leak,
                       "taint", 1, 0,
                       fmt::format("{}, {}, {} tokens", describe(*proof.leak), proof.leaking_path,
                                   proof.leaking_length));
    } else {
      diagnosis.left_out("taint",
                         fmt::format("not refuted: {} may look ahead, and no suffix swap shows it",
                                     describe(*proof.leak)));
    }
  }

  static Verdict verdict_of(BrokenContract::Kind kind) {
    switch (kind) {
      case BrokenContract::Kind::looks_ahead: return Verdict::causal_leak;
      case BrokenContract::Kind::mixes_rows: return Verdict::rows_mixed;
      case BrokenContract::Kind::undeclared: return Verdict::paths_disagree;
      case BrokenContract::Kind::not_repeatable: return Verdict::not_deterministic;
    }
    return Verdict::causal_leak;
  }

  static void report_kernels(const KernelContracts& kernels, Diagnosis& diagnosis) {
    const std::string name = "kernels keep to what they declare";
    if (kernels.broken) {
      diagnosis.failed(verdict_of(kernels.broken->kind), name, 1, 0, kernels.broken->describe());
      return;
    }
    if (kernels.calls == 0) {
      return diagnosis.not_applicable(
          name,
          "only kernels of the CPU run again here: those of a GPU are held to it by the tests");
    }
    diagnosis.compared(
        Verdict::causal_leak, name, "what their operations declare", 0, 0,
        fmt::format("{} slices of the inputs of {} calls were changed, one at a time, "
                    "beside the edges of tiles, in "
                    "sequences of {} tokens: nothing else changed than is declared",
                    kernels.changes, kernels.calls, joined(kernels.lengths)));
  }

  // The sequence alone does not look ahead: it sees another one of its batch.
  static void report_mixed(const Shown& shown, Diagnosis& diagnosis) {
    diagnosis.failed(Verdict::rows_mixed, "suffix swap", shown.difference.largest, 0,
                     fmt::format("logits of position {} change with another sequence of the batch, "
                                 "and with no later token of their own ({})",
                                 shown.difference.target, shown.how));
  }

  static void report_swap(const Subject& subject, const CausalProof& proof,
                          const std::optional<Shown>& shown, Diagnosis& diagnosis) {
    if (!shown) {
      diagnosis.compared(Verdict::causal_leak, "suffix swap", "the same tokens with another end", 0,
                         0,
                         fmt::format("logits up to each cut are equal to the bit, {} ways to run",
                                     run_paths().size()));
      return;
    }
    const auto& difference = shown->difference;
    const auto kind = proof.through_a_norm ? Verdict::wrong_normalisation : Verdict::causal_leak;
    diagnosis.failed(kind, "suffix swap", difference.largest, 0,
                     fmt::format("logits of position {} change with tokens after position {} ({})",
                                 difference.target, difference.cut, shown->how));
    const auto tokens = std::min(subject.block_size, picture_tokens);
    const auto batch = subject.batch();
    const auto ids = empty({1, tokens}, DType::i64, cpu_device);
    std::copy_n(batch.inputs.begin(), tokens, ids.data<std::int64_t>());
    diagnosis.notes.push_back(
        fmt::format("the leak is worth {:.4f} nats per token with the weights as they are",
                    leak_size(*subject.model(), to_default_device(ids), subject.forward())));
  }

  // That of the embeddings; where something leaks, that of every layer's input too.
  static void draw(const GradientPicture& picture, Diagnosis& diagnosis) {
    std::vector<std::string> labels;
    for (std::int64_t t = 0; t < picture.tokens; ++t) labels.push_back(std::to_string(t));
    const auto add = [&](std::size_t layer, std::string title, std::string look_for) {
      diagnosis.pictures.push_back({.title = std::move(title),
                                    .look_for = std::move(look_for),
                                    .row_labels = labels,
                                    .column_labels = labels,
                                    .values = picture.layers[layer]});
    };
    add(0, "Gradient of each position's logits to each position's embedding",
        "Everything right of the diagonal must be empty: it is the future.");
    if (diagnosis.statement != Statement::refuted) return;
    for (std::size_t layer = 1; layer < picture.layers.size(); ++layer) {
      const bool last = layer + 1 == picture.layers.size();
      add(layer,
          last ? std::string("The same, to the output of the last layer")
               : fmt::format("The same, to the input of layer {}", layer),
          "The first picture without red comes after the layer where the leak enters.");
    }
  }

  static void report_gradient(const Subject& subject, Diagnosis& diagnosis) {
    const auto tokens = std::min(subject.block_size, picture_tokens);
    const auto picture = gradient_picture(*subject.model(), subject.random_ids(1, tokens, 11),
                                          subject.forward(), subject.seed);
    draw(picture, diagnosis);
    const auto ahead = picture.largest_ahead(0);
    if (!(ahead > 0)) {
      diagnosis.passed("gradient", ahead, 0, "no gradient flows from a position to later ones");
      return;
    }
    auto last = picture.layers.size();
    while (last > 0 && !(picture.largest_ahead(last - 1) > 0)) --last;
    diagnosis.failed(class_of_gradient(diagnosis), "gradient", ahead, 0,
                     fmt::format("gradients reach later positions; from the input of layer {} on "
                                 "they do not",
                                 last));
  }

  // Where no value looks ahead, it is the gradient that is wrong.
  static Verdict class_of_gradient(const Diagnosis& diagnosis) {
    if (diagnosis.statement == Statement::proved) return Verdict::wrong_gradient;
    return diagnosis.findings().empty() ? Verdict::causal_leak : diagnosis.findings().front();
  }
};

const DiagnosisChecks::Add registered{"causality", [] { return std::make_unique<Causality>(); }};

}  // namespace
}  // namespace lookback
