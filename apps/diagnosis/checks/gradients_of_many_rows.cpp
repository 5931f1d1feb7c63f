// The gradient of large batches against the second opinion (reference/): one direction of all
// parameters at once, four points of the loss. Kernels cut many rows, wide rows and large
// vocabularies into chunks, and what one chunk leaves out shows in no smaller model. Heads of six
// and an odd inner width leave a rest in every vector, and limits are such that they act. Where it
// is wrong, the same is asked of single parameters.
#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/random_batch.h"
#include "apps/diagnosis/reached_limits.h"
#include "apps/diagnosis/reference_runs.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "runtime/random.h"

namespace lookback {
namespace {

struct Plan {
  std::string what;
  SmallSize size;
  std::int64_t words, positions;  // at least so many, as far as costs allow
};

// More positions than a product sums up in one piece (4096, kernels/cpu/gemm.cpp), in rows beyond
// every tile; more columns than any row is cut into; and as many rows of logits as a step of the
// run has, or 2^24 logits.
constexpr std::int64_t many_positions = 4104, longest = 1026, most_words = 61;
// Some chunks of a sum, where all of them are one thread's (kernels/cpu/sum.cpp).
constexpr std::int64_t hundreds_of_positions = 330;
constexpr std::int64_t wide = 264, most_logits = 1 << 24, telling_logits = 1 << 20;
constexpr std::int64_t positions_of_routers = 82, columns_of_routers = 41;
constexpr std::int64_t inner_width = 37;
constexpr double affordable = 1.5e9;  // multiply-adds of one loss
// Of a weight. Where a choice or a clamp may turn, so much less that few do: rounding then leaves
// a millionth.
constexpr double step_of_most = 3e-4, step_where_it_turns = 1e-6;

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
    for (const auto& plan : plans_of(given)) {
      try {
        compare(given, plan, diagnosis);
      } catch (const reference::UnknownToReference& error) {
        diagnosis.not_applicable("gradients of " + plan.what, error.what());
      }
    }
  }

 private:
  static std::vector<Plan> plans_of(const Subject& subject) {
    const auto words = subject.config.vocab_size;
    const auto few_words = std::min(words, most_words);
    std::vector<Plan> plans{
        {"many rows", {.layers = 2, .width = 24}, few_words, many_positions},
        {"hundreds of rows", {.layers = 2, .width = 24}, few_words, hundreds_of_positions}};
    if (subject.config.hidden_size >= wide)
      plans.push_back({"wide rows", {.layers = 2, .width = wide}, few_words, 18});
    const auto positions =
        std::min(subject.options.batch_size * subject.options.block_size, most_logits / words);
    if (positions * words >= telling_logits)
      plans.push_back({"many logits", {.layers = 2, .width = 16}, words, positions});
    return plans;
  }

  static Subject subject_of(const Subject& given, const Plan& plan) {
    auto subject = shrunk(with_usual_weights(given), plan.size);
    auto& config = subject.config;
    config.intermediate_size = inner_width;
    config.vocab_size = plan.words;
    config.max_position_embeddings = std::min(given.config.max_position_embeddings, longest);
    config = with_reached_limits(config);
    return subject;
  }

  static void compare(const Subject& given, const Plan& plan, Diagnosis& diagnosis) {
    const auto name = "gradients of " + plan.what;
    const auto subject = subject_of(given, plan);
    const auto llama = subject.fresh_model(DType::f64);
    disturb(*llama, subject.seed);
    const auto config = reference_config(subject.config);
    auto weights = reference_weights(*llama);
    const auto batch = batch_of(subject, plan.positions, weights);
    const auto what = fmt::format("of {} rows of {} tokens", batch.rows, batch.columns);
    const auto [our_loss, gradients] = gradients_of(*llama, batch, subject);
    const double loss = reference_loss(config, weights, batch);
    if (!(std::abs(our_loss - loss) <= thresholds::rounding * std::abs(loss))) {
      return diagnosis.compared(
          Verdict::not_the_named_model, name, "plain loops over doubles",
          std::abs(our_loss / loss - 1), thresholds::rounding,
          fmt::format("the loss {} is {:.8g}, and by plain loops {:.8g}", what, our_loss, loss));
    }
    const bool turns = has_router(subject.config) || has_clamp(subject.config);
    const double step = turns ? step_where_it_turns : step_of_most;
    const double bound = turns ? thresholds::slope : thresholds::slope_of_all;
    const auto slope_of = [&](const std::vector<const Parameter*>& some) {
      const auto difference = [&](double distance) {
        return loss_at(config, weights, batch, some, distance) -
               loss_at(config, weights, batch, some, -distance);
      };
      return (8 * difference(step) - difference(2 * step)) / (12 * step);  // error step^4
    };
    // What is chosen or clamped may turn between the points: not along every direction.
    const int tries = turns ? 3 : 1;
    for (int direction = 0; direction < tries; ++direction) {
      const auto parameters = along(gradients, weights, subject.seed, direction);
      const auto [off, theirs, ours] = error_of(parameters, slope_of);
      if (!(off <= bound) && direction + 1 < tries) continue;
      if (!(off <= bound)) {
        return diagnosis.failed(Verdict::wrong_gradient, name, off, bound,
                                place_of(parameters, slope_of, bound) + " " + what);
      }
      return diagnosis.compared(
          Verdict::wrong_gradient, name, "difference quotients of plain loops over doubles", off,
          bound,
          fmt::format("along a random direction of all {} parameters the loss {} changes by "
                      "{:.8g}, and by the gradient {:.8g}",
                      parameters.size(), what, theirs, ours));
    }
  }

  struct Error {
    double of_all, theirs, ours;
  };
  template <class SlopeOf>
  static Error error_of(std::span<const Parameter> parameters, const SlopeOf& slope_of) {
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

  // Backward comes from the loss: the last wrong parameter is nearest to where it begins. It is
  // found by halves.
  template <class SlopeOf>
  static std::string place_of(std::span<const Parameter> parameters, const SlopeOf& slope_of,
                              double bound) {
    while (parameters.size() > 1) {
      const auto half = parameters.size() / 2;
      const auto behind = parameters.subspan(half);
      const bool right = error_of(behind, slope_of).of_all <= bound;
      parameters = right ? parameters.first(half) : behind;
    }
    const auto [off, theirs, ours] = error_of(parameters, slope_of);
    return fmt::format(
        "{}: along a random direction the loss changes by {:.6g}, and by the gradient {:.6g}, in a "
        "batch",
        parameters[0].name, theirs, ours);
  }

  // As long as costs allow: what attention costs grows with a row's length.
  static TokenBatch batch_of(const Subject& subject, std::int64_t positions,
                             const reference::Weights& weights) {
    auto columns = std::min(subject.config.max_position_embeddings, positions);
    if (has_router(subject.config)) {
      columns = std::min(columns, columns_of_routers);
      positions = std::min(positions, positions_of_routers);
    }
    const auto rows_of = [&] { return (positions + columns - 1) / columns; };
    const auto cost = [&] {
      return static_cast<double>(rows_of()) * cost_of_run(weights, subject.config, columns);
    };
    while (columns > 16 && cost() > affordable) columns /= 2;
    const auto rows = rows_of();
    columns -= rows * columns % 64 == 0 ? 1 : 0;  // chunks leave a rest
    return random_batch(
        subject.seed,
        {.rows = rows, .columns = columns, .words = subject.config.vocab_size, .stream = 4100});
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
