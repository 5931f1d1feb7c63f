// Whether gradients explode or vanish on their way down. Exploding: |gradient| x |value| of the
// stream, which does not depend on the stream's scale. Vanishing: layer by layer, for another path
// around a layer would hide it.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/hidden_gradients.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

class GradientByDepth final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::exploding_gradient; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "gradient by depth";
    const auto hidden = hidden_states(subject);
    draw(hidden, diagnosis);
    growth_of_stream(hidden, diagnosis);
    shares(layer_edges(subject), diagnosis);
    const auto steps = static_cast<double>(hidden.values.size()) - 1;
    if (steps == 0) return diagnosis.not_applicable(name, "one layer has no depth");
    const auto pull = [](double value, double gradient) { return value * gradient; };
    const double growth = std::pow(pull(hidden.values.front(), hidden.gradients.front()) /
                                       pull(hidden.values.back(), hidden.gradients.back()),
                                   1 / steps);
    if (!std::isfinite(growth) || growth == 0) {
      return diagnosis.left_out(name, "no gradient goes from the last layer to the first");
    }
    const auto evidence = fmt::format(
        "the gradient of the stream, times its size, grows by {:.3g} per layer on its way down",
        growth);
    if (growth > thresholds::exploding_per_layer) {
      diagnosis.failed(Verdict::exploding_gradient, name, growth, thresholds::exploding_per_layer,
                       evidence);
    } else {
      diagnosis.passed(name, growth, thresholds::exploding_per_layer, evidence);
    }
  }

 private:
  static void growth_of_stream(const HiddenStates& hidden, Diagnosis& diagnosis) {
    const std::string name = "stream by depth";
    const double growth = hidden.values.back() / hidden.values.front();
    const auto evidence =
        fmt::format("the norm of the stream goes from {:.3g} to {:.3g} over the layers",
                    hidden.values.front(), hidden.values.back());
    if (growth > thresholds::stream_growth) {
      diagnosis.failed(Verdict::exploding_gradient, name, growth, thresholds::stream_growth,
                       evidence);
    } else {
      diagnosis.passed(name, growth, thresholds::stream_growth, evidence);
    }
  }

  static void shares(const std::vector<double>& edges, Diagnosis& diagnosis) {
    const std::string name = "share of the gradient a layer hands back";
    const auto least = std::ranges::min_element(edges);
    if (*least == 0) return diagnosis.left_out(name, "a path is cut");
    const auto evidence = fmt::format(
        "model.layers.{} hands back {:.3g} of the gradient it is given, the least of "
        "all layers",
        least - edges.begin(), *least);
    if (*least < thresholds::share_handed_back) {
      diagnosis.failed(Verdict::vanishing_gradient, name, *least, thresholds::share_handed_back,
                       evidence);
    } else {
      diagnosis.passed(name, *least, thresholds::share_handed_back, evidence);
    }
  }

  // Of a norm; what is not there is drawn at the bottom.
  static double drawn(double norm) { return std::log10(std::max(norm, 1e-30)); }

  static void draw(const HiddenStates& hidden, Diagnosis& diagnosis) {
    DiagnosisCurve curve{
        .title = "The stream and its gradient by depth",
        .look_for = "Lines that rise or fall by powers of ten from layer to layer.",
        .x_title = "input of layer",
        .y_title = "log10 of the norm"};
    DiagnosisCurve::Line values{.name = "stream", .values = {}},
        gradients{.name = "its gradient", .values = {}};
    for (std::size_t l = 0; l < hidden.values.size(); ++l) {
      curve.labels.push_back(std::to_string(l));
      values.values.push_back(drawn(hidden.values[l]));
      gradients.values.push_back(drawn(hidden.gradients[l]));
    }
    curve.lines = {values, gradients};
    diagnosis.curves.push_back(std::move(curve));
  }
};

const DiagnosisChecks::Add registered{"gradient_by_depth",
                                      [] { return std::make_unique<GradientByDepth>(); }};

}  // namespace
}  // namespace lookback
