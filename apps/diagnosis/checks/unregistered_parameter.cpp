// Single parameters that do not learn: not given to the optimizer, without a gradient while others
// of their layer have one, or unchanged by a step that ought to change them.
#include <map>
#include <set>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/step_probe.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/zero_weights.h"
#include "nn/llama/inert_parameters.h"

namespace lookback {
namespace {

// "model.layers.3" of its parameters; "" of those of no layer.
std::string layer_of(const std::string& name) {
  const std::string prefix = "model.layers.";
  return name.starts_with(prefix) ? name.substr(0, name.find('.', prefix.size())) : "";
}

class UnregisteredParameter final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::unregistered_parameter; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto inert = inert_parameters(*subject.fresh_model());
    diagnosis.inert.assign(inert.begin(), inert.end());
    const auto probe = probe_step(subject);
    std::map<std::string, bool> learning;  // layers of which a parameter has a gradient
    for (const auto& each : probe.parameters) learning[layer_of(each.name)] |= each.gradient != 0;
    std::vector<std::string> forgotten, idle, unmoved;
    for (const auto& each : probe.parameters) {
      const bool moves = each.gradient > thresholds::gradient_that_moves && each.optimized;
      if (!each.optimized) forgotten.push_back(each.name);
      if (each.gradient == 0 && learning[layer_of(each.name)] && !inert.contains(each.name))
        idle.push_back(each.name);
      if (moves && !each.changed && probe.learning_rate > 0) unmoved.push_back(each.name);
    }
    if (!idle.empty()) leave_out_waiting(subject, idle, diagnosis);
    report("parameters of the optimizer", forgotten, "not given to the optimizer", diagnosis);
    if (subject.block_size >= thresholds::tokens_that_differ) {
      report("gradients by parameter", idle, "no gradient, while others of the layer have one",
             diagnosis);
    } else {
      diagnosis.not_applicable("gradients by parameter",
                               "few tokens may all be equal: then queries and keys have none");
    }
    report("parameters that a step moves", unmoved, "a gradient, and unchanged by a step",
           diagnosis);
  }

 private:
  // Behind a projection that starts at 0, as in a block that was added to a trained model,
  // gradients come with the second step.
  static void leave_out_waiting(const Subject& subject, std::vector<std::string>& idle,
                                Diagnosis& diagnosis) {
    const auto zero = zero_weights(subject);
    const auto waiting =
        std::erase_if(idle, [&](const auto& name) { return zero.waiting.contains(name); });
    if (waiting == 0 || !zero.norms.empty()) return;
    diagnosis.notes.push_back(
        fmt::format("{} parameters have no gradient at first, as these weights are 0: {}; training "
                    "moves them from the second step on",
                    waiting, listed(zero.matrices)));
  }

  static void report(const std::string& name, const std::vector<std::string>& found,
                     const std::string& what, Diagnosis& diagnosis) {
    const auto count = static_cast<double>(found.size());
    if (found.empty()) {
      diagnosis.passed(name, count, 0, "0 parameters: " + what);
    } else {
      diagnosis.failed(Verdict::unregistered_parameter, name, count, 0,
                       fmt::format("{} parameters: {}: {}", found.size(), what, listed(found)));
    }
  }
};

const DiagnosisChecks::Add registered{"unregistered_parameter",
                                      [] { return std::make_unique<UnregisteredParameter>(); }};

}  // namespace
}  // namespace lookback
