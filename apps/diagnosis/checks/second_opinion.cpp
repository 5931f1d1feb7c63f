// The model against the second opinion (reference/): logits of every way of running it, in f64,
// with its own weights and with gains, biases and learned numbers that are no longer what they
// start from. Ways that differ from one another are one finding; ways that agree, and not with the
// reference, are another, with the layer where they part.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "apps/diagnosis/as_reference.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"
#include "autograd/ops/to_vector.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 2;
// On either side of a tile of 16 and of 64 rows.
constexpr std::array<std::int64_t, 3> lengths{2, 17, 66};
// Multiply-adds that the reference may take: a few seconds.
constexpr double affordable = 2e9;

struct Way {
  std::string name;
  ForwardOptions options;
};

std::vector<Way> ways_of(const Subject& subject) {
  if (!subject.config.fault.empty()) return {{"explicit weights", subject.forward()}};
  return {{"streaming", {.attention = AttentionPath::streaming}},
          {"explicit weights", {.attention = AttentionPath::explicit_weights}}};
}

// The largest |a - b| of row `row` of ours [B, ..], beside the largest |b|; NaN where one is.
double difference_of(const Tensor& ours, std::int64_t row, std::span<const double> theirs) {
  const auto values = to_vector(slice(ours, 0, row, row + 1));
  double worst = 0, size = 1e-300;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double difference = std::abs(values[i] - theirs[i]);
    if (std::isnan(difference)) return difference;
    worst = std::max(worst, difference);
    size = std::fmax(size, std::abs(theirs[i]));
  }
  return worst / size;
}

double difference_of(const Tensor& ours, const std::vector<reference::Run>& theirs,
                     reference::Matrix reference::Run::*part) {
  double worst = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto& run = theirs[static_cast<std::size_t>(row)];
    const double difference = difference_of(ours, row, (run.*part).values());
    if (std::isnan(difference)) return difference;
    worst = std::max(worst, difference);
  }
  return worst;
}

// The first thing that differs, of a run that was written down.
std::string first_difference(const Trace& trace, const std::vector<reference::Run>& theirs) {
  const auto differs = [&](const Tensor& ours, const auto& values_of) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto& run = theirs[static_cast<std::size_t>(row)];
      if (!(difference_of(ours, row, values_of(run)) <= thresholds::rounding)) return true;
    }
    return false;
  };
  const auto layers = trace.attention_outputs.size();
  for (std::size_t i = 0; i < layers; ++i) {
    const auto part = [&](const auto& list) {
      return [&, list](const reference::Run& run) { return (run.*list)[i].values(); };
    };
    const auto weights = [&](const reference::Run& run) {
      std::vector<double> all;
      for (const auto& head : run.looks[i].weights)
        all.insert(all.end(), head.values().begin(), head.values().end());
      return all;
    };
    if (differs(trace.hidden_states[i], part(&reference::Run::hidden)))
      return i == 0 ? "model.embed_tokens" : fmt::format("the sum behind model.layers.{}", i - 1);
    if (differs(trace.attention_weights[i], weights))
      return fmt::format("model.layers.{}.self_attn, in its weights", i);
    if (differs(trace.attention_outputs[i], part(&reference::Run::attention_outputs)))
      return fmt::format("model.layers.{}.self_attn, in what it says of its values", i);
    if (differs(trace.mlp_outputs[i], part(&reference::Run::mlp_outputs)))
      return fmt::format("model.layers.{}.mlp", i);
  }
  return layers == 0 ? "the model"
                     : fmt::format("the sum behind model.layers.{} or what follows", layers - 1);
}

class SecondOpinion final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    try {
      const auto config = reference_config(subject.config);
      const auto llama = subject.model(DType::f64);
      compare(subject, config, *llama, "weights as they are", diagnosis);
      disturb(*llama, subject.seed);
      compare(subject, config, *llama, "gains and biases disturbed", diagnosis);
    } catch (const reference::UnknownToReference& error) {
      diagnosis.left_out("second opinion", error.what());
    }
  }

 private:
  static void compare(const Subject& subject, const reference::Config& config, const Llama& llama,
                      const std::string& which, Diagnosis& diagnosis) {
    const auto weights = reference_weights(llama);
    double cost = 0;  // of a token
    for (const auto& [name, values] : weights.all())
      cost += static_cast<double>(values.values.size());
    double spent = 0, worst = 0;
    std::string compared;
    for (const auto length : lengths) {
      const auto tokens = std::min(length, subject.config.max_position_embeddings);
      spent += cost * static_cast<double>(rows * tokens);
      if (spent > affordable && !compared.empty()) break;
      const auto found = difference(subject, config, llama, weights, tokens, which, diagnosis);
      if (!found) return;
      worst = std::fmax(worst, *found);
      compared += fmt::format("{}{}", compared.empty() ? "" : ", ", tokens);
    }
    diagnosis.passed(
        "second opinion, " + which, worst, thresholds::rounding,
        fmt::format("logits of {} rows of {} tokens, every way of running them, differ "
                    "by {:.2g} of the largest from a model written out in plain loops",
                    rows, compared, worst));
  }

  // Of the largest logit; nothing where it is a finding, or cannot be told.
  static std::optional<double> difference(const Subject& subject, const reference::Config& config,
                                          const Llama& llama, const reference::Weights& weights,
                                          std::int64_t tokens, const std::string& which,
                                          Diagnosis& diagnosis) {
    const auto name = "second opinion, " + which;
    const auto ids = subject.random_ids(rows, tokens, 31);
    const auto theirs = runs_of(config, weights, ids);
    const auto ways = ways_of(subject);
    std::vector<double> off;
    std::vector<Tensor> logits;
    for (const auto& way : ways) {
      logits.push_back(llama.logits(ids, way.options));
      if (!std::isfinite(largest_number(logits.back()))) {
        diagnosis.left_out(name, "the logits are not finite");
        return std::nullopt;
      }
      off.push_back(difference_of(logits.back(), theirs, &reference::Run::logits));
    }
    const double worst = std::ranges::max(off);
    const auto agrees = [](double each) { return each <= thresholds::rounding; };  // NaN does not
    if (std::ranges::all_of(off, agrees)) return worst;
    const double apart = largest_difference(logits.front(), logits.back()) /
                         std::max(largest_number(logits.front()), 1e-300);
    if (apart > thresholds::rounding) {
      const auto wrong = static_cast<std::size_t>(std::ranges::max_element(off) - off.begin());
      diagnosis.failed(Verdict::paths_disagree, name, apart, thresholds::rounding,
                       fmt::format("logits of {} tokens by {} attention differ by {:.2g} of the "
                                   "largest from those of another way, and by {:.2g} from a model "
                                   "written out in plain loops",
                                   tokens, ways[wrong].name, apart, off[wrong]));
      return std::nullopt;
    }
    Trace trace;
    auto options = ways.back().options;
    options.trace = &trace;
    llama.logits(ids, options);
    diagnosis.failed(
        Verdict::not_the_named_model, name, worst, thresholds::rounding,
        fmt::format("{}: logits of {} tokens differ by {:.2g} of the largest from the model of the "
                    "config, written out in plain loops; this is where they part first",
                    first_difference(trace, theirs), tokens, worst));
    return std::nullopt;
  }

  static std::vector<reference::Run> runs_of(const reference::Config& config,
                                             const reference::Weights& weights, const Tensor& ids) {
    std::vector<reference::Run> runs;
    const auto tokens = to_device(ids, cpu_device);
    const auto* first = tokens.data<std::int64_t>();
    for (std::int64_t row = 0; row < rows; ++row, first += ids.size(1))
      runs.push_back(reference::run(config, weights, {first, first + ids.size(1)}));
    return runs;
  }
};

const DiagnosisChecks::Add registered{"second_opinion",
                                      [] { return std::make_unique<SecondOpinion>(); }};

}  // namespace
}  // namespace lookback
