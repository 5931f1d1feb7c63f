// Single parameters that do not learn: not given to the optimizer, without a gradient while others
// of their layer have one, or unchanged by a step that ought to change them.
#include <map>
#include <set>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/step_probe.h"
#include "apps/diagnosis/thresholds.h"
#include "nn/llama/inert_parameters.h"

namespace lookback {
namespace {

// "model.layers.3" of its parameters; "" of those of no layer.
std::string layer_of(const std::string& name) {
  const std::string prefix = "model.layers.";
  return name.starts_with(prefix) ? name.substr(0, name.find('.', prefix.size())) : "";
}

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > most ? fmt::format("{} and {} more", text, names.size() - most) : text;
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
  static void report(const std::string& name, const std::vector<std::string>& found,
                     const std::string& what, Diagnosis& diagnosis) {
    const auto count = static_cast<double>(found.size());
    if (found.empty()) {
      diagnosis.passed(name, count, 0, "0 parameters: " + what);
    } else {
      diagnosis.failed(Verdict::unregistered_parameter, name, count, 0,
                       fmt::format("{} parameters: {}: {}", found.size(), what, joined(found)));
    }
  }
};

const DiagnosisChecks::Add registered{"unregistered_parameter",
                                      [] { return std::make_unique<UnregisteredParameter>(); }};

}  // namespace
}  // namespace lookback
