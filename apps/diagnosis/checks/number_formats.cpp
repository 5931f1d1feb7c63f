// The number formats and instruction sets that training can run in: float32 under every instruction
// set of this processor, and float32 with products in bfloat16. Logits against the second opinion
// (reference/), in doubles, held to what rounding explains; gradients against those in doubles, by
// how much of each they hold: a factor or a use that one format leaves out, and no noise.
#include <algorithm>
#include <cmath>
#include <optional>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/model_run.h"
#include "apps/diagnosis/random_batch.h"
#include "apps/diagnosis/reference_runs.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/weight_scale.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "kernels/cpu/isa.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 2, most_tokens = 34, tokens_of_sharp_attention = 130;
// Beyond what a product adds up at once: 512 terms in bfloat16, 4096 along many threads.
constexpr std::int64_t a_thousand_positions = 1122;
constexpr std::int64_t many_positions = 4114, most_words = 61, inner_width = 61;
constexpr double affordable = 1e9;

struct Format {
  std::string name;
  DType dtype;
  std::optional<kernels::Isa> isa;  // none: the one that was chosen
};

std::vector<Format> formats_here() {
  std::vector<Format> formats;
  if (default_device().backend == Backend::cpu) {
    for (const auto isa : {kernels::Isa::baseline, kernels::Isa::avx2, kernels::Isa::avx512}) {
      if (kernels::supports(isa))
        formats.push_back({fmt::format("float32 on {}", name_of(isa)), DType::f32, isa});
    }
  } else {
    formats.push_back({"float32", DType::f32, {}});
  }
  formats.push_back({"bfloat16 products", DType::bf16, {}});
  return formats;
}

class NumberFormats final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    try {
      const auto own = trial_of(subject, {}, most_tokens);
      if (!own.agrees_in_double)
        return diagnosis.not_applicable("number formats",
                                        "in doubles the model is not that of the second opinion");
      std::vector trials{own};
      const auto sharp = sharpened(own.theirs);
      if (sharp) trials.push_back(trial_of(subject, *sharp, tokens_of_sharp_attention));
      const auto batches = batches_of(subject);
      // Of fresh weights: gradients of trained ones may be sums that cancel but for rounding.
      std::vector<std::vector<Named>> exact;
      for (const auto& each : batches)
        exact.push_back(gradients_of(each, *each.subject.fresh_model(DType::f64)));
      // Of products in float32 avx512bf16 has those of avx512.
      const auto chosen = std::min(kernels::product_isa(), kernels::Isa::avx512);
      for (const auto& format : formats_here()) {
        std::optional<kernels::HeldIsa> held;
        if (format.isa) held.emplace(*format.isa);
        for (const auto& trial : trials) {
          // Scores of 16 in products of bfloat16 are off by a tenth.
          if (format.dtype != DType::bf16 || trial.scale.name.empty())
            hold(subject, trial, format, diagnosis);
        }
        for (std::size_t i = 0; i < batches.size(); ++i) {
          // Thousands of rows are for the instruction set that trains.
          const bool trains = !format.isa || *format.isa == chosen;
          if (trains || !batches[i].is_large)
            hold_gradients(batches[i], format, exact[i], diagnosis);
        }
      }
    } catch (const reference::UnknownToReference& error) {
      diagnosis.not_applicable("number formats", error.what());
    }
  }

 private:
  // Weights, tokens and what the second opinion makes of them.
  struct Trial {
    WeightScale scale;
    Tensor ids;
    std::vector<reference::Run> theirs;
    bool agrees_in_double = false;
  };

  static Trial trial_of(const Subject& subject, const WeightScale& scale, std::int64_t most) {
    const auto exact = subject.model(DType::f64);
    apply(scale, *exact);
    const auto weights = reference_weights(*exact);
    auto tokens = std::min(most, subject.config.max_position_embeddings);
    while (tokens > 2 && rows * cost_of_run(weights, subject.config, tokens) > affordable)
      tokens /= 2;
    const auto ids = subject.random_ids(rows, tokens, 32);
    auto theirs = runs_of(reference_config(subject.config), weights, ids);
    const double in_double =
        usual_difference_of_logits(exact->logits(ids, subject.forward()), theirs);
    return {scale, ids, std::move(theirs), in_double <= thresholds::rounding};
  }

  // Queries and keys so that attention weights differ by e^16 in a row, if they do not yet: those
  // of fresh weights are nearly equal, and show nothing of how small ones are made. What attention
  // says is made loud by as much.
  static std::optional<WeightScale> sharpened(const std::vector<reference::Run>& runs) {
    constexpr double wanted = 16;
    double spread = 0;
    for (const auto& run : runs) {
      for (const auto& weights : run.looks.at(0).weights)
        spread = std::fmax(spread, spread_of_last_row(weights));
    }
    if (!(spread > 0) || spread >= wanted) return std::nullopt;
    return WeightScale{"sharper attention", std::sqrt(wanted / spread), [](const Llama& llama) {
                         auto names = queries_and_keys(llama);
                         for (const auto& [name, tensor, initial] : llama.parameters()) {
                           if (name.ends_with("o_proj.weight")) names.insert(name);
                         }
                         return names;
                       }};
  }

  // ln of the largest by the least that is not 0.
  static double spread_of_last_row(const reference::Matrix& weights) {
    double least = INFINITY, most = 0;
    for (const double each : weights.row(weights.rows() - 1)) {
      if (each <= 0) continue;
      least = std::fmin(least, each);
      most = std::fmax(most, each);
    }
    return most > 0 ? std::log(most / least) : 0;
  }

  static void hold(const Subject& subject, const Trial& trial, const Format& format,
                   Diagnosis& diagnosis) {
    const auto llama = subject.model(format.dtype);
    apply(trial.scale, *llama);
    const double bound = bound_of(format.dtype, subject.config);
    const auto compare = [&](const std::string& way, Verdict finding, const Tensor& logits) {
      const double difference = usual_difference_of_logits(logits, trial.theirs);
      const auto with = trial.scale.name.empty() ? std::string() : ", with " + trial.scale.name;
      diagnosis.compared(
          finding, fmt::format("second opinion, {}{}{}", format.name, way, with),
          "plain loops over doubles", difference, bound,
          fmt::format("logits of {} rows of {} tokens in {}{}{} differ by {:.2g} of their size "
                      "from a model written out in plain loops over doubles; rounding explains "
                      "{:.2g}",
                      rows, trial.ids.size(1), format.name, way, with, difference, bound));
    };
    compare("", Verdict::paths_disagree, llama->logits(trial.ids, subject.forward()));
    // Products of few rows have kernels of their own.
    if (subject.config.fault.empty() && trial.scale.name.empty())
      compare(", token by token", Verdict::cache_mismatch, decoded(*llama, trial.ids, {}));
  }

  // A batch, and the model whose gradients are asked.
  struct GradientBatch {
    std::string name;
    Subject subject;
    TokenBatch tokens;
    bool is_large = false;
  };

  // The subject's own model; and a small one, with more positions than a sum takes at once, and
  // with few.
  static std::vector<GradientBatch> batches_of(const Subject& subject) {
    const auto columns = std::min(subject.block_size, most_tokens);
    const auto fresh = with_usual_weights(subject);
    std::vector<GradientBatch> batches{
        {"", fresh, subject.data.training->training_batch(0, 0, rows, columns)}};
    if (!subject.config.fault.empty()) return batches;
    auto small = shrunk(fresh);
    small.config.vocab_size = std::min(small.config.vocab_size, most_words);
    small.config.intermediate_size = inner_width;
    const auto add = [&](const std::string& name, std::int64_t count, std::int64_t length) {
      batches.push_back({name, small,
                         random_batch(subject.seed, {.rows = count,
                                                     .columns = length,
                                                     .words = small.config.vocab_size,
                                                     .stream = 4200}),
                         count * length > a_thousand_positions / 2});
    };
    for (const auto& [name, positions] : {std::pair{" of a thousand rows", a_thousand_positions},
                                          std::pair{" of many rows", many_positions}}) {
      add(name, (positions + columns - 1) / columns, columns);
    }
    // Products of fewer than four rows have kernels of their own.
    add(" of three rows", 1, std::min<std::int64_t>(3, columns));
    return batches;
  }

  struct Named {
    std::string name;
    std::vector<double> values;
  };

  static std::vector<Named> gradients_of(const GradientBatch& batch, const Llama& llama) {
    const EnableGrad with_gradients;
    const auto parameters = llama.parameters();
    clear_gradients(parameters);
    const auto measures = accumulate_gradients(llama, {batch.tokens}, batch.subject.forward());
    std::vector<Named> all;
    for (const auto& parameter : parameters) {
      const auto found = gradient(parameter.tensor);
      all.push_back({parameter.name, found.defined() ? to_vector(found) : std::vector<double>{}});
      for (double& each : all.back().values) each *= measures.loss_scale;
    }
    clear_gradients(parameters);
    return all;
  }

  // The part of each gradient in doubles that the format's holds: its projection.
  static void hold_gradients(const GradientBatch& batch, const Format& format,
                             const std::vector<Named>& exact, Diagnosis& diagnosis) {
    const auto name = fmt::format("gradients{} in {}", batch.name, format.name);
    // Rounding may turn a router, and an expert that is not chosen has no gradient.
    if (has_router(batch.subject.config))
      return diagnosis.not_applicable(name, "what routers choose may turn on rounding");
    const auto rounded = gradients_of(batch, *batch.subject.fresh_model(format.dtype));
    const double bound = format.dtype == DType::bf16 ? thresholds::gradient_in_bfloat16
                                                     : thresholds::gradient_in_float32;
    double worst = 0, whole = 0;
    std::string where = "any parameter";
    for (const auto& each : exact) whole = std::fmax(whole, product(each.values, each.values));
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const auto& [parameter, values] = exact[i];
      const double squares = product(values, values);
      // So small beside others, it is rounding itself: a bias of keys, which softmax cancels.
      if (squares <= whole * thresholds::gradient_of_rounding) continue;
      const double off = std::abs(product(values, rounded[i].values) / squares - 1);
      if (off <= worst) continue;
      worst = off;
      where = parameter;
    }
    diagnosis.compared(
        Verdict::wrong_gradient, name, "gradients in doubles", worst, bound,
        fmt::format("the gradient of {} in {} is {:.4g} of the one in doubles, at most "
                    "{:.2g} away from 1 by rounding",
                    where, format.name, 1 - worst, bound));
  }

  static double product(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) sum += a[i] * b[i];
    return sum;
  }

  // Each layer rounds its numbers at so many places one after the other, each by half of epsilon at
  // most, and independently of each other: sqrt of their number. A float32 sum of n terms is off by
  // sqrt(n) of these; the products of bfloat16 are added up in float32.
  static double bound_of(DType dtype, const LlamaConfig& config) {
    const auto depth =
        thresholds::roundings_of_a_layer * static_cast<double>(config.num_hidden_layers + 1);
    if (dtype == DType::bf16)
      return thresholds::format_factor * std::ldexp(1, -9) * std::sqrt(depth);
    const auto terms = static_cast<double>(std::max(config.intermediate_size, config.hidden_size));
    return thresholds::format_factor * std::ldexp(1, -24) * std::sqrt(depth * terms);
  }
};

const DiagnosisChecks::Add registered{"number_formats",
                                      [] { return std::make_unique<NumberFormats>(); }};

}  // namespace
}  // namespace lookback
