// Gradients against the second opinion (reference/): along a random direction of each parameter,
// the difference quotient of its loss and the gradient that backward gives, in f64. The batch has
// repeated tokens and ignored targets; every way that training can take is held against it. The
// model is the subject's kind, small, with gains and biases that are not at their start.
#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/random_batch.h"
#include "apps/diagnosis/reference_runs.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "runtime/random.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 2, longest = 19;
constexpr std::int64_t different_tokens = 7, most_words = 61;
constexpr SmallSize size{.layers = 3, .width = 32};
// Of a weight, on average. Four points: the fifth derivative leaves 1e-14 of itself. A choice or a
// clamp may change sides between two points, and where two experts are nearly equal it does so
// along nearly every direction: others are tried, with steps that a hundredth as many choices lie
// within. The smallest leaves 1e-9 of rounding: thresholds::slope of a slope_that_counts.
constexpr std::array steps_tried = {3e-4, 3e-4, 3e-5, 3e-6, 3e-6};

struct Way {
  std::string name;
  ForwardOptions options;
};

std::vector<Way> ways_of(const Subject& subject) {
  auto again = subject.forward();
  again.activations = Activations::recomputed;
  std::vector<Way> ways{{"as it trains", subject.forward()},
                        {"with activations computed again", again}};
  if (subject.config.fault.empty())
    ways.push_back({"with explicit weights", {.attention = AttentionPath::explicit_weights}});
  return ways;
}

TokenBatch batch_of(const Subject& subject) {
  return random_batch(subject.seed,
                      {.rows = rows,
                       .columns = std::min(longest, subject.config.max_position_embeddings),
                       .words = std::min(different_tokens, subject.config.vocab_size),
                       .stream = 1000});
}

struct OurStep {
  double loss = 0;
  std::vector<std::vector<double>> gradients;  // by parameter; empty: none
};

OurStep our_step(const Llama& llama, const TokenBatch& batch, const ForwardOptions& options) {
  clear_gradients(llama.parameters());
  const auto measures = accumulate_gradients(llama, {batch}, options);
  OurStep ours{.loss = measures.loss + measures.auxiliary_loss.value_or(0), .gradients = {}};
  for (const auto& parameter : llama.parameters()) {
    const auto found = gradient(parameter.tensor);
    auto values = found.defined() ? to_vector(found) : std::vector<double>();
    for (double& value : values) value *= measures.loss_scale;
    ours.gradients.push_back(std::move(values));
  }
  return ours;
}

struct Slope {
  double reference = 0;
  std::vector<double> ours;  // of each way
};

struct Wrong {
  std::string parameter;
  Slope slope = {};
  double off = 0;
  std::size_t way = 0;
};

class GradientByDifference final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_gradient; }
  void run(const Subject& given, Diagnosis& diagnosis) const override {
    try {
      auto subject = shrunk(with_usual_weights(given), size);
      subject.config.vocab_size = std::min(subject.config.vocab_size, most_words);
      const auto llama = subject.fresh_model(DType::f64);
      disturb(*llama, subject.seed);
      compare(subject, reference_config(subject.config), *llama, diagnosis);
    } catch (const reference::UnknownToReference& error) {
      diagnosis.not_applicable(name, error.what());
    }
  }

 private:
  static constexpr const char* name = "gradients by difference quotients";

  static void compare(const Subject& subject, const reference::Config& config, const Llama& llama,
                      Diagnosis& diagnosis) {
    const auto batch = batch_of(subject);
    auto weights = reference_weights(llama);
    const double loss = reference_loss(config, weights, batch);
    std::vector<OurStep> steps;
    const auto ways = ways_of(subject);
    for (const auto& way : ways) {
      steps.push_back(our_step(llama, batch, way.options));
      if (!(std::abs(steps.back().loss - loss) <= thresholds::rounding * std::abs(loss)))
        return diagnosis.left_out(name, "the loss is not that of the reference: no slope of it is");
    }
    const auto parameters = llama.parameters();
    double worst = 0;
    std::vector<Wrong> wrong;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Wrong found{.parameter = parameters[i].name};
      for (std::uint64_t direction = 0; direction < steps_tried.size(); ++direction) {
        found.slope = slope_along(config, weights, batch, parameters[i].name, i, steps,
                                  subject.seed, direction);
        std::tie(found.off, found.way) = error_of(found.slope);
        if (found.off <= thresholds::slope) break;
      }
      worst = std::fmax(worst, found.off);
      if (!(found.off <= thresholds::slope)) wrong.push_back(found);  // NaN too
    }
    if (!wrong.empty()) return refuse(wrong, ways, diagnosis);
    diagnosis.compared(
        Verdict::wrong_gradient, name, "difference quotients of plain loops over doubles", worst,
        thresholds::slope,
        fmt::format("along a random direction of each of {} parameters the gradient, by "
                    "{} ways, is the slope of the loss of a model written out in plain "
                    "loops, but for {:.2g} of it",
                    parameters.size(), ways.size(), worst));
  }

  // The slopes along a random direction of one parameter, whose size is that of its values.
  static Slope slope_along(const reference::Config& config, reference::Weights& weights,
                           const TokenBatch& batch, const std::string& parameter, std::size_t index,
                           const std::vector<OurStep>& steps, std::uint64_t seed,
                           std::uint64_t number) {
    const auto kept = weights.at(parameter);
    const double step = steps_tried[number];
    double squares = 0;
    for (const double value : kept.values) squares += value * value;
    const double scale = std::sqrt(squares / static_cast<double>(kept.values.size())) + 1e-2;
    RandomStream random(
        seed, stream_of(RandomUse::diagnosis, 2000 + steps_tried.size() * index + number));
    std::vector<double> direction;
    for (std::size_t i = 0; i < kept.values.size(); ++i)
      direction.push_back(scale * random.normal());
    const auto loss_at = [&](double distance) {
      auto moved = kept;
      for (std::size_t i = 0; i < moved.values.size(); ++i)
        moved.values[i] += distance * direction[i];
      weights.set(parameter, moved);
      return reference_loss(config, weights, batch);
    };
    Slope slope;
    const auto difference = [&](double distance) { return loss_at(distance) - loss_at(-distance); };
    slope.reference = (8 * difference(step) - difference(2 * step)) / (12 * step);  // error step^4
    weights.set(parameter, kept);
    for (const auto& each : steps) {
      double along = 0;
      const auto& gradient = each.gradients[index];
      for (std::size_t i = 0; i < gradient.size(); ++i) along += gradient[i] * direction[i];
      slope.ours.push_back(along);
    }
    return slope;
  }

  // Relative to the slope, or to one that rounding hides; and the way that is off by it.
  static std::pair<double, std::size_t> error_of(const Slope& slope) {
    std::pair<double, std::size_t> worst{0, 0};
    for (std::size_t way = 0; way < slope.ours.size(); ++way) {
      const double largest = std::max(
          {std::abs(slope.reference), std::abs(slope.ours[way]), thresholds::slope_that_counts});
      const double error = std::abs(slope.ours[way] - slope.reference) / largest;
      if (std::isnan(error)) return {error, way};
      if (error > worst.first) worst = {error, way};
    }
    return worst;
  }

  // Backward comes from the loss: what is wrong at a parameter is wrong at those before it, too.
  // The last one is nearest to where it begins.
  static void refuse(const std::vector<Wrong>& wrong, const std::vector<Way>& ways,
                     Diagnosis& diagnosis) {
    const auto& last = wrong.back();
    const double ours = last.slope.ours[last.way];
    const auto others =
        wrong.size() == 1
            ? std::string()
            : fmt::format("; {} parameters before it are wrong as well", wrong.size() - 1);
    diagnosis.failed(
        Verdict::wrong_gradient, name, last.off, thresholds::slope,
        fmt::format("{}: along a random direction the loss changes by {:.6g}, the gradient {} says "
                    "{:.6g}{}{}",
                    last.parameter, last.slope.reference, ways[last.way].name, ours,
                    shape_of(ours / last.slope.reference), others));
  }

  static std::string shape_of(double ratio) {
    if (ratio == 0) return ": a use is missing";
    if (std::abs(ratio + 1) < 1e-3) return ": the sign is wrong";
    return fmt::format(", {:.4g} times as much", ratio);
  }
};

const DiagnosisChecks::Add registered{"gradient_by_difference",
                                      [] { return std::make_unique<GradientByDifference>(); }};

}  // namespace
}  // namespace lookback
