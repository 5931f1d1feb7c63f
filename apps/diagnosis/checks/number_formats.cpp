// The number formats and instruction sets that training can run in: float32 under every instruction
// set of this processor, and float32 with products in bfloat16. Logits against the second opinion
// (reference/), in doubles, held to what rounding explains; gradients against those in doubles, by
// how much of each they hold: a factor or a use that one format leaves out, and no noise.
#include <algorithm>
#include <cmath>
#include <optional>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/reference_runs.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "kernels/cpu/isa.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 2, most_tokens = 34;
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
      const auto config = reference_config(subject.config);
      const auto exact = subject.model(DType::f64);
      const auto weights = reference_weights(*exact);
      auto tokens = std::min(most_tokens, subject.config.max_position_embeddings);
      while (tokens > 2 && rows * cost_of_run(weights, subject.config, tokens) > affordable)
        tokens /= 2;
      const auto ids = subject.random_ids(rows, tokens, 32);
      const auto theirs = runs_of(config, weights, ids);
      const double in_double =
          usual_difference_of_logits(exact->logits(ids, subject.forward()), theirs);
      if (!(in_double <= thresholds::rounding))
        return diagnosis.not_applicable("number formats",
                                        "in doubles the model is not that of the second opinion");
      // Of fresh weights: gradients of trained ones may be sums that cancel but for rounding.
      const auto gradients = gradients_of(subject, *subject.fresh_model(DType::f64));
      for (const auto& format : formats_here()) {
        std::optional<kernels::HeldIsa> held;
        if (format.isa) held.emplace(*format.isa);
        hold(subject, *subject.model(format.dtype), format, ids, theirs, diagnosis);
        hold_gradients(subject, *subject.fresh_model(format.dtype), format, gradients, diagnosis);
      }
    } catch (const reference::UnknownToReference& error) {
      diagnosis.not_applicable("number formats", error.what());
    }
  }

 private:
  static void hold(const Subject& subject, const Llama& llama, const Format& format,
                   const Tensor& ids, const std::vector<reference::Run>& theirs,
                   Diagnosis& diagnosis) {
    const double difference =
        usual_difference_of_logits(llama.logits(ids, subject.forward()), theirs);
    const double bound = bound_of(format.dtype, subject.config);
    const auto name = "second opinion, " + format.name;
    const auto evidence = fmt::format(
        "logits of {} rows of {} tokens in {} differ by {:.2g} of their size from a model written "
        "out in plain loops over doubles; rounding explains {:.2g}",
        rows, ids.size(1), format.name, difference, bound);
    diagnosis.compared(Verdict::paths_disagree, name, "plain loops over doubles", difference, bound,
                       evidence);
  }

  struct Named {
    std::string name;
    std::vector<double> values;
  };

  static std::vector<Named> gradients_of(const Subject& subject, const Llama& llama) {
    const EnableGrad with_gradients;
    const auto parameters = llama.parameters();
    clear_gradients(parameters);
    const auto measures = accumulate_gradients(llama, {small_batch(subject)}, subject.forward());
    std::vector<Named> all;
    for (const auto& parameter : parameters) {
      const auto found = gradient(parameter.tensor);
      all.push_back({parameter.name, found.defined() ? to_vector(found) : std::vector<double>{}});
      for (double& each : all.back().values) each *= measures.loss_scale;
    }
    clear_gradients(parameters);
    return all;
  }

  static TokenBatch small_batch(const Subject& subject) {
    const auto columns = std::min(subject.block_size, most_tokens);
    return subject.data.training->training_batch(0, 0, rows, columns);
  }

  // The part of each gradient in doubles that the format's holds: its projection.
  static void hold_gradients(const Subject& subject, const Llama& llama, const Format& format,
                             const std::vector<Named>& exact, Diagnosis& diagnosis) {
    const auto name = "gradients in " + format.name;
    // Rounding may turn a router, and an expert that is not chosen has no gradient.
    if (has_router(subject.config))
      return diagnosis.not_applicable(name, "what routers choose may turn on rounding");
    const auto rounded = gradients_of(subject, llama);
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
