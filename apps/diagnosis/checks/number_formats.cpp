// The number formats and instruction sets that training can run in against the second opinion
// (reference/), in doubles: float32 under every instruction set of this processor, and float32 with
// products in bfloat16. Held to what rounding explains.
#include <cmath>
#include <optional>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/reference_runs.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
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
      for (const auto& format : formats_here()) hold(subject, format, ids, theirs, diagnosis);
    } catch (const reference::UnknownToReference& error) {
      diagnosis.not_applicable("number formats", error.what());
    }
  }

 private:
  static void hold(const Subject& subject, const Format& format, const Tensor& ids,
                   const std::vector<reference::Run>& theirs, Diagnosis& diagnosis) {
    std::optional<kernels::HeldIsa> held;
    if (format.isa) held.emplace(*format.isa);
    const auto llama = subject.model(format.dtype);
    const double difference =
        usual_difference_of_logits(llama->logits(ids, subject.forward()), theirs);
    const double bound = bound_of(format.dtype, subject.config);
    const auto name = "second opinion, " + format.name;
    const auto evidence = fmt::format(
        "logits of {} rows of {} tokens in {} differ by {:.2g} of their size from a model written "
        "out in plain loops over doubles; rounding explains {:.2g}",
        rows, ids.size(1), format.name, difference, bound);
    diagnosis.compared(Verdict::paths_disagree, name, "plain loops over doubles", difference, bound,
                       evidence);
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
