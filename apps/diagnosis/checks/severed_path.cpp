// Paths that are cut. The stream: with every o_proj (the experts' outputs, of a mixture) and
// down_proj zero a layer adds nothing, and must hand on what it was given. Gradients: from each
// layer's output back to its input.
#include <algorithm>
#include <array>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/hidden_gradients.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "autograd/grad_mode.h"
#include "kernels/fill.h"

namespace lookback {
namespace {

class SeveredPath final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::severed_path; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    stream(subject, diagnosis);
    gradients(subject, diagnosis);
  }

 private:
  // Of the projections through which a layer adds to the stream.
  static bool adds(const std::string& name) {
    constexpr std::array<std::string_view, 4> parts{".o_proj.", ".down_proj.",
                                                    ".experts.output_linear.", ".experts.bias"};
    return std::ranges::any_of(parts,
                               [&](std::string_view part) { return name.find(part) != name.npos; });
  }

  static std::unique_ptr<Llama> that_adds_nothing(const Subject& subject) {
    auto llama = subject.model();
    for (const auto& [name, parameter, initial] : llama->parameters()) {
      if (!adds(name)) continue;
      kernels::fill(parameter.backend(), {.y = parameter, .value = 0});
    }
    return llama;
  }

  static void stream(const Subject& subject, Diagnosis& diagnosis) {
    const NoGrad no_grad;
    const std::string name = "residual stream without additions";
    const auto llama = that_adds_nothing(subject);
    Trace trace;
    auto forward = subject.forward();
    forward.trace = &trace;
    llama->logits(subject.random_ids(1, std::min<std::int64_t>(subject.block_size, 16)), forward);
    const auto& hidden = trace.hidden_states;
    for (std::size_t l = 0; l + 1 < hidden.size(); ++l) {
      const double difference = largest_difference(hidden[l], hidden[l + 1]);
      if (difference == 0) continue;
      if (std::isnan(difference)) return diagnosis.left_out(name, "the stream is not finite");
      return diagnosis.failed(
          Verdict::severed_path, name, difference, 0,
          fmt::format("model.layers.{}: with o_proj and down_proj zero its output differs from its "
                      "input by {:.3g}: the residual stream is cut or changed",
                      l, difference));
    }
    diagnosis.passed(name, 0, 0,
                     "with every o_proj and down_proj zero each layer hands on its input");
  }

  static void gradients(const Subject& subject, Diagnosis& diagnosis) {
    const std::string name = "gradients between layers";
    const auto edges = layer_edges(subject);
    for (std::size_t l = 0; l < edges.size(); ++l) {
      if (edges[l] != 0) continue;
      return diagnosis.failed(
          Verdict::severed_path, name, 0, 0,
          fmt::format("model.layers.{}: no gradient goes from its output to its input", l));
    }
    const auto least = edges.empty() ? edges.begin() : std::ranges::min_element(edges);
    diagnosis.passed(name, least == edges.end() ? 0 : *least, 0,
                     "a gradient goes through every layer");
  }
};

const DiagnosisChecks::Add registered{"severed_path",
                                      [] { return std::make_unique<SeveredPath>(); }};

}  // namespace
}  // namespace lookback
