// The gradient of a batch of many rows against the second opinion (reference/): one direction of
// all parameters at once, four points of the loss. Kernels cut many rows into chunks, and what one
// chunk leaves out shows in no smaller batch. Heads of ten and an odd inner width leave a rest in
// every vector. Where it is wrong, the same is asked of single parameters.
#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/reference_runs.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "runtime/random.h"

namespace lookback {
namespace {

// 2052 rows of 40 numbers: more than any chunk of the kernels has.
constexpr std::int64_t rows = 2, longest = 1026, most_words = 61;
constexpr std::int64_t columns_of_routers = 41;
constexpr SmallSize size{.layers = 2, .width = 40};
constexpr std::int64_t inner_width = 61;
constexpr double affordable = 1.5e9;  // multiply-adds of one loss
// Of a weight. Where a choice may turn, a hundredth of that: rounding then leaves a millionth.
constexpr double step_of_most = 3e-4, step_of_routers = 3e-6;
constexpr int most_places = 24;  // parameters that a wrong one is looked for among

struct Parameter {
  std::string name;
  reference::NamedValues values;
  std::vector<double> direction;
  double slope = 0;  // by the gradient
};

class GradientsOfManyRows final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_gradient; }
  void run(const Subject& given, Diagnosis& diagnosis) const override {
    try {
      auto subject = shrunk(given, size);
      auto& config = subject.config;
      config.intermediate_size = inner_width;
      config.vocab_size = std::min(config.vocab_size, most_words);
      config.max_position_embeddings = std::min(given.config.max_position_embeddings, longest);
      const auto llama = subject.fresh_model(DType::f64);
      disturb(*llama, subject.seed);
      compare(subject, *llama, diagnosis);
    } catch (const reference::UnknownToReference& error) {
      diagnosis.not_applicable(name, error.what());
    }
  }

 private:
  static constexpr const char* name = "gradients of many rows";

  static void compare(const Subject& subject, const Llama& llama, Diagnosis& diagnosis) {
    const auto config = reference_config(subject.config);
    auto weights = reference_weights(llama);
    const auto batch = batch_of(subject, columns_of(subject, weights));
    const auto what = fmt::format("of {} rows of {} tokens", rows, batch.columns);
    const auto [our_loss, gradients] = gradients_of(llama, batch, subject);
    const double loss = reference_loss(config, weights, batch);
    if (!(std::abs(our_loss - loss) <= thresholds::rounding * std::abs(loss))) {
      return diagnosis.compared(
          Verdict::not_the_named_model, name, "plain loops over doubles",
          std::abs(our_loss / loss - 1), thresholds::rounding,
          fmt::format("the loss {} is {:.8g}, and by plain loops {:.8g}", what, our_loss, loss));
    }
    const bool routed = has_router(subject.config);
    const double step = routed ? step_of_routers : step_of_most;
    const double bound = routed ? thresholds::slope : thresholds::slope_of_all;
    const auto slope_of = [&](const std::vector<const Parameter*>& some) {
      const auto difference = [&](double distance) {
        return loss_at(config, weights, batch, some, distance) -
               loss_at(config, weights, batch, some, -distance);
      };
      return (8 * difference(step) - difference(2 * step)) / (12 * step);  // error step^4
    };
    // What a router chooses may turn between the points: not along every direction.
    const int tries = routed ? 3 : 1;
    for (int direction = 0; direction < tries; ++direction) {
      const auto parameters = along(gradients, weights, subject.seed, direction);
      const auto [off, theirs, ours] = error_of(parameters, slope_of);
      if (!(off <= bound) && direction + 1 < tries) continue;
      if (!(off <= bound)) {
        return diagnosis.failed(Verdict::wrong_gradient, name, off, bound,
                                place_of(parameters, slope_of) + " " + what);
      }
      return diagnosis.compared(
          Verdict::wrong_gradient, name, "difference quotients of plain loops over doubles", off,
          bound,
          fmt::format("along a random direction of all {} parameters the loss {} changes by "
                      "{:.8g}, and by the gradient {:.8g}",
                      parameters.size(), what, theirs, ours));
    }
  }

  static std::int64_t columns_of(const Subject& subject, const reference::Weights& weights) {
    auto columns = subject.config.max_position_embeddings;
    if (has_router(subject.config)) columns = std::min(columns, columns_of_routers);
    while (columns > 16 && rows * cost_of_run(weights, subject.config, columns) > affordable)
      columns /= 2;
    return columns - (rows * columns % 64 == 0 ? 1 : 0);  // chunks leave a rest
  }

  struct Error {
    double of_all, theirs, ours;
  };
  template <class SlopeOf>
  static Error error_of(const std::vector<Parameter>& parameters, const SlopeOf& slope_of) {
    std::vector<const Parameter*> all;
    double ours = 0, squares = 1e-300;
    for (const auto& each : parameters) {
      all.push_back(&each);
      ours += each.slope;
      squares += each.slope * each.slope;
    }
    const double theirs = slope_of(all);
    return {std::abs(ours - theirs) / std::sqrt(squares), theirs, ours};
  }

  // Backward comes from the loss: the last wrong parameter is nearest to where it begins.
  template <class SlopeOf>
  static std::string place_of(const std::vector<Parameter>& parameters, const SlopeOf& slope_of) {
    int looked_at = 0;
    for (auto each = parameters.rbegin(); each != parameters.rend() && looked_at < most_places;
         ++each, ++looked_at) {
      const double theirs = slope_of({&*each});
      const double largest =
          std::max({std::abs(theirs), std::abs(each->slope), thresholds::slope_that_counts});
      if (std::abs(theirs - each->slope) <= thresholds::slope * largest) continue;
      return fmt::format(
          "{}: along a random direction the loss changes by {:.6g}, and by the "
          "gradient {:.6g}, in a batch",
          each->name, theirs, each->slope);
    }
    return "some parameter: along a random direction of all of them the loss changes otherwise "
           "than "
           "the gradient says, in a batch";
  }

  static TokenBatch batch_of(const Subject& subject, std::int64_t columns) {
    TokenBatch batch{.rows = rows, .columns = columns, .inputs = {}, .targets = {}};
    RandomStream random(subject.seed, stream_of(RandomUse::diagnosis, 4100));
    const auto words = static_cast<std::uint64_t>(subject.config.vocab_size);
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      batch.inputs.push_back(static_cast<std::int64_t>(random.below(words)));
      batch.targets.push_back(i % 3 == 1 ? ignored_target
                                         : static_cast<std::int64_t>(random.below(words)));
    }
    return batch;
  }

  struct Named {
    std::string name;
    std::vector<double> gradient;  // of the mean loss; empty: none
  };

  // The loss, and the gradients.
  static std::pair<double, std::vector<Named>> gradients_of(const Llama& llama,
                                                            const TokenBatch& batch,
                                                            const Subject& subject) {
    const auto parameters = llama.parameters();
    clear_gradients(parameters);
    const auto measures = accumulate_gradients(llama, {batch}, subject.forward());
    std::vector<Named> all;
    for (const auto& each : parameters) {
      const auto found = gradient(each.tensor);
      all.push_back({each.name, found.defined() ? to_vector(found) : std::vector<double>{}});
      for (double& number : all.back().gradient) number *= measures.loss_scale;
    }
    clear_gradients(parameters);
    return {measures.loss + measures.auxiliary_loss.value_or(0), std::move(all)};
  }

  // A random direction of every parameter, of the size of its values.
  static std::vector<Parameter> along(const std::vector<Named>& gradients,
                                      const reference::Weights& weights, std::uint64_t seed,
                                      int number) {
    RandomStream random(seed,
                        stream_of(RandomUse::diagnosis, 4101 + static_cast<std::uint64_t>(number)));
    std::vector<Parameter> all;
    for (const auto& [parameter, gradient] : gradients) {
      Parameter moved{.name = parameter, .values = weights.at(parameter), .direction = {}};
      double squares = 0;
      for (const double value : moved.values.values) squares += value * value;
      const auto count = moved.values.values.size();
      const double scale = std::sqrt(squares / static_cast<double>(count)) + 1e-2;
      for (std::size_t i = 0; i < count; ++i) moved.direction.push_back(scale * random.normal());
      for (std::size_t i = 0; i < gradient.size(); ++i)
        moved.slope += gradient[i] * moved.direction[i];
      all.push_back(std::move(moved));
    }
    return all;
  }

  static double loss_at(const reference::Config& config, reference::Weights& weights,
                        const TokenBatch& batch, const std::vector<const Parameter*>& moved,
                        double distance) {
    for (const auto* each : moved) {
      auto values = each->values;
      for (std::size_t i = 0; i < values.values.size(); ++i)
        values.values[i] += distance * each->direction[i];
      weights.set(each->name, values);
    }
    const double loss = reference_loss(config, weights, batch);
    for (const auto* each : moved) weights.set(each->name, each->values);
    return loss;
  }
};

const DiagnosisChecks::Add registered{"gradients_of_many_rows",
                                      [] { return std::make_unique<GradientsOfManyRows>(); }};

}  // namespace
}  // namespace lookback
