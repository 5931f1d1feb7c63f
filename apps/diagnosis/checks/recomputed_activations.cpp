// A step whose layers are run again for their gradients against one that keeps what backward needs,
// in f64: the same gradients.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"

namespace lookback {
namespace {

class RecomputedActivations final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "gradients of layers that are run again";
    const auto llama = subject.model(DType::f64);
    const auto kept = gradients(subject, *llama, Activations::kept);
    const auto again = gradients(subject, *llama, Activations::recomputed);
    double size = 0, largest = 0;
    for (const auto& each : kept) size = std::fmax(size, largest_number(each));
    if (!std::isfinite(size)) return diagnosis.left_out(name, "the gradients are not finite");
    std::string where = "any parameter";
    const auto parameters = llama->parameters();
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (!kept[i].defined() || !again[i].defined()) continue;
      const double difference = largest_difference(kept[i], again[i]) / std::max(size, 1e-300);
      if (difference <= largest) continue;
      largest = difference;
      where = parameters[i].name;
    }
    const auto evidence = fmt::format(
        "the gradient of {} differs by {:.2g} of the largest gradient from that of a "
        "step that keeps its activations",
        where, largest);
    diagnosis.compared(Verdict::paths_disagree, name, "a step that keeps its activations", largest,
                       thresholds::rounding, evidence);
  }

 private:
  static std::vector<Tensor> gradients(const Subject& subject, const Llama& llama,
                                       Activations activations) {
    clear_gradients(llama.parameters());
    auto forward = subject.forward();
    forward.activations = activations;
    accumulate_gradients(llama, {subject.batch()}, forward);
    std::vector<Tensor> all;
    for (const auto& parameter : llama.parameters()) {
      const auto grad = gradient(parameter.tensor);
      all.push_back(grad.defined() ? grad * 1 : grad);  // apart from what the next step clears
    }
    return all;
  }
};

const DiagnosisChecks::Add registered{"recomputed_activations",
                                      [] { return std::make_unique<RecomputedActivations>(); }};

}  // namespace
}  // namespace lookback
