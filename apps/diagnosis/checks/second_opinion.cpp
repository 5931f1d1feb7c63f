// The model against the second opinion (reference/): logits and losses of every way of running it,
// in f64, with its own weights and with gains, biases and learned numbers that are no longer what
// they start from. Ways that differ from one another are one finding; ways that agree, and not with
// the reference, are another, with the layer where they part.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/kernel_contracts.h"
#include "apps/diagnosis/model_run.h"
#include "apps/diagnosis/reference_runs.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/weight_scale.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"
#include "nn/layer/bounded_attention.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 2;
// Multiply-adds that the reference may take: a few seconds.
constexpr double affordable = 2e9;

struct Way {
  std::string name;
  Verdict alone;  // the class where this way is the one that differs
  std::function<Tensor(const Llama&, const Tensor& ids)> logits;
};

Way whole(const std::string& name, const ForwardOptions& options) {
  return {name, Verdict::paths_disagree,
          [options](const Llama& llama, const Tensor& ids) { return llama.logits(ids, options); }};
}

// As it trains: with a tape.
Way recorded(const std::string& name, const ForwardOptions& options) {
  return {name, Verdict::paths_disagree, [options](const Llama& llama, const Tensor& ids) {
            const EnableGrad with_gradients;
            return llama.logits(ids, options).detach();
          }};
}

// A prompt, and the tokens behind it one by one or in chunks.
Way cached(const std::string& name, AttentionPath path, std::int64_t behind, std::int64_t chunk,
           const CachePolicy& policy = {}) {
  return {name, Verdict::cache_mismatch,
          [path, behind, chunk, policy](const Llama& llama, const Tensor& ids) {
            return decoded(llama, ids, {.prompt = ids.size(1) - behind, .behind = chunk},
                           {.attention = path}, policy);
          }};
}

// The policies that drop tokens, with these sizes: those that the model can follow.
std::vector<CachePolicy> policies_of(const LlamaConfig& config, CachePolicy policy) {
  std::vector<CachePolicy> policies;
  for (const auto kind : cache_policies) {
    if (kind == CachePolicy::Kind::full) continue;
    policy.kind = kind;
    try {
      check_cache_policy(config, policy);
    } catch (const Error&) {
      continue;
    }
    policies.push_back(policy);
  }
  return policies;
}

void add_policies(std::vector<Way>& ways, const LlamaConfig& config) {
  for (const auto& policy :
       policies_of(config, {.sinks = 4, .recent = 1 << 20, .heavy = 1 << 20})) {
    ways.push_back(cached(fmt::format("decoding under {}, with room for all", name_of(policy.kind)),
                          AttentionPath::streaming, 5, 1, policy));
  }
}

std::vector<Way> ways_of(const Subject& subject) {
  using enum AttentionPath;
  if (!subject.config.fault.empty()) return {whole("explicit weights", subject.forward())};
  constexpr std::int64_t all = std::numeric_limits<std::int64_t>::max() / 2;
  std::vector ways{
      whole("streaming attention", {.attention = streaming}),
      recorded("streaming attention in training", {.attention = streaming}),
      recorded("explicit weights in training, computed again",
               {.attention = explicit_weights, .activations = Activations::recomputed}),
      cached("decoding token by token", streaming, 5, 1),
      cached("decoding in chunks of seven", streaming, all, 7),
      cached("decoding with explicit weights", explicit_weights, 5, 2),
      whole("explicit weights", {.attention = explicit_weights})};
  add_policies(ways, subject.config);
  return ways;
}

class SecondOpinion final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    try {
      const auto config = reference_config(subject.config);
      const auto llama = subject.model(DType::f64);
      const auto all = lengths(subject);
      compare(subject, config, *llama, {"weights as they are", all}, diagnosis);
      disturb(*llama, subject.seed);
      const bool agrees =
          compare(subject, config, *llama, {"gains and biases disturbed", all}, diagnosis);
      if (agrees && subject.config.fault.empty()) within_budget(subject, config, *llama, diagnosis);
      // What only large numbers show: a clamp, a score that is left out, a sum that loses its end.
      const std::vector short_ones(all.begin(), std::min(all.begin() + 3, all.end()));
      for (const auto& scale : weight_scales()) {
        if (!scale.scaled) continue;
        const auto scaled = subject.model(DType::f64);
        apply(scale, *scaled);
        compare(subject, config, *scaled,
                {scale.name, short_ones, thresholds::rounding_of_large_scores}, diagnosis);
      }
    } catch (const reference::UnknownToReference& error) {
      diagnosis.not_applicable("second opinion", error.what());
    }
  }

 private:
  // Token by token, with caches that drop what does not fit.
  static void within_budget(const Subject& subject, reference::Config config, const Llama& llama,
                            Diagnosis& diagnosis) {
    const auto tokens = std::min<std::int64_t>(17, subject.config.max_position_embeddings);
    const auto ids = subject.random_ids(rows, tokens, 33);
    const auto weights = reference_weights(llama);
    for (const auto& policy : policies_of(subject.config, {.sinks = 2, .recent = 5, .heavy = 3})) {
      config.budget = {.policy = std::string(name_of(policy.kind)),
                       .sinks = static_cast<std::size_t>(policy.sinks),
                       .recent = static_cast<std::size_t>(policy.recent),
                       .heavy = static_cast<std::size_t>(policy.heavy)};
      const auto theirs = runs_of(config, weights, ids);
      const double off =
          difference_of_logits(decoded(llama, ids, {}, subject.forward(), policy), theirs);
      diagnosis.compared(
          Verdict::cache_mismatch,
          fmt::format("second opinion, decoding under {}", name_of(policy.kind)),
          "plain loops over doubles", off, thresholds::rounding,
          fmt::format("logits of {} rows of {} tokens, decoded with a cache that drops tokens "
                      "({} sinks, {} recent, {} heavy), differ by {:.2g} of the largest from a "
                      "model written out in plain loops that drops the same ones",
                      rows, tokens, policy.sinks, policy.recent, policy.heavy, off));
    }
  }

  struct Trial {
    std::string weights;
    std::vector<std::int64_t> lengths;
    double bound = thresholds::rounding;
  };

  // A few tokens, and a row on either side of each tile of the kernels.
  static std::vector<std::int64_t> lengths(const Subject& subject) {
    const auto most = subject.config.max_position_embeddings;
    std::vector<std::int64_t> all;
    for (const std::int64_t few : {2, 17}) {
      if (few <= most) all.push_back(few);
    }
    for (const auto each :
         lengths_beside_edges(std::min(most, std::max<std::int64_t>(258, subject.block_size))))
      all.push_back(each);
    if (all.empty()) all.push_back(most);
    return all;
  }

  // Whether they agree.
  static bool compare(const Subject& subject, const reference::Config& config, const Llama& llama,
                      const Trial& trial, Diagnosis& diagnosis) {
    const auto weights = reference_weights(llama);
    double spent = 0, worst = 0;
    std::string compared;
    for (const auto tokens : trial.lengths) {
      spent += rows * cost_of_run(weights, subject.config, tokens);
      if (spent > affordable && !compared.empty()) break;
      const auto ids = subject.random_ids(rows, tokens, 31);
      const auto theirs = runs_of(config, weights, ids);
      const auto found = difference(subject, llama, ids, theirs, trial, diagnosis);
      if (!found || !same_loss(subject, llama, ids, theirs, trial, diagnosis)) return false;
      worst = std::fmax(worst, *found);
      compared += fmt::format("{}{}", compared.empty() ? "" : ", ", tokens);
    }
    diagnosis.compared(
        Verdict::paths_disagree, "second opinion, " + trial.weights, "plain loops over doubles",
        worst, trial.bound,
        fmt::format("logits of {} rows of {} tokens, {} ways of running them, differ "
                    "by {:.2g} of the largest from a model written out in plain loops",
                    rows, compared, ways_of(subject).size(), worst));
    return true;
  }

  // Of the largest logit; nothing where it is a finding, or cannot be told.
  static std::optional<double> difference(const Subject& subject, const Llama& llama,
                                          const Tensor& ids,
                                          const std::vector<reference::Run>& theirs,
                                          const Trial& trial, Diagnosis& diagnosis) {
    const auto name = "second opinion, " + trial.weights;
    const auto ways = ways_of(subject);
    std::vector<double> off, apart;
    Tensor first;
    for (const auto& way : ways) {
      const auto logits = way.logits(llama, ids);
      if (!std::isfinite(largest_number(logits))) {
        diagnosis.left_out(name, "the logits are not finite");
        return std::nullopt;
      }
      if (!first.defined()) first = logits;
      off.push_back(difference_of_logits(logits, theirs));
      apart.push_back(largest_difference(logits, first) / std::max(largest_number(first), 1e-300));
    }
    const auto agrees = [&](double each) { return each <= trial.bound; };  // NaN does not
    if (std::ranges::all_of(off, agrees)) return std::ranges::max(off);
    const auto tokens = ids.size(1);
    if (!std::ranges::all_of(apart, agrees)) {
      const auto wrong = static_cast<std::size_t>(std::ranges::max_element(off) - off.begin());
      const bool others = std::ranges::any_of(off, agrees);
      diagnosis.failed(
          ways[wrong].alone, name, off[wrong], trial.bound,
          fmt::format("logits of {} tokens by {} differ by {:.2g} of the largest from a model "
                      "written out in plain loops; {}",
                      tokens, ways[wrong].name, off[wrong],
                      others
                          ? "other ways of running it agree with that"
                          : "no way of running it agrees with that, nor do they with each other"));
      return std::nullopt;
    }
    Trace trace;
    auto options = subject.forward();
    options.attention = AttentionPath::explicit_weights;
    options.trace = &trace;
    llama.logits(ids, options);
    diagnosis.failed(
        Verdict::not_the_named_model, name, std::ranges::max(off), trial.bound,
        fmt::format("{}: logits of {} tokens differ by {:.2g} of the largest from the model of the "
                    "config, written out in plain loops; this is where they part first",
                    first_difference(trace, theirs, trial.bound), tokens, std::ranges::max(off)));
    return std::nullopt;
  }

  // The loss is that of the logits: each position's, and their sum.
  static bool same_loss(const Subject& subject, const Llama& llama, const Tensor& ids,
                        const std::vector<reference::Run>& theirs, const Trial& trial,
                        Diagnosis& diagnosis) {
    if (!subject.config.fault.empty()) return true;  // a fault of the loss has a class of its own
    const auto targets = on_host(next_token_targets(ids));
    const auto numbers = targets.elements<std::int64_t>();
    for (std::size_t i = 1; i < numbers.size(); i += 3) numbers[i] = ignored_target;
    double book = 0, twice = 0;
    const auto tokens = static_cast<std::size_t>(ids.size(1));
    for (std::size_t row = 0; row < theirs.size(); ++row) {
      const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(row * tokens);
      const std::vector<std::int64_t> own(begin, begin + static_cast<std::ptrdiff_t>(tokens));
      book += reference::sum_of_losses(theirs[row], own);
      twice += reference::sum_of_losses(distributions(theirs[row]), own);
    }
    const auto at = to_device(targets, ids.device());
    const auto evaluated = llama.loss(ids, at, {.keep_nats = true});
    const EnableGrad with_gradients;
    const auto trained = llama.loss(ids, at);
    const auto size = std::max(std::abs(book), 1e-300);
    for (const double each :
         {evaluated.loss_sum.item(), sum_of(evaluated.nats), trained.loss_sum.detach().item()}) {
      if (std::abs(each - book) <= trial.bound * size) continue;
      if (std::abs(each - twice) <= trial.bound * size) return true;  // double-softmax
      diagnosis.failed(Verdict::paths_disagree, "second opinion, " + trial.weights,
                       std::abs(each - book) / size, trial.bound,
                       fmt::format("the loss of {} tokens is {:.8g}, and that of their own logits, "
                                   "by -log softmax, {:.8g}: the loss is not one of the logits",
                                   tokens, each, book));
      return false;
    }
    return true;
  }

  // The run as it would be if its logits passed a softmax.
  static reference::Run distributions(const reference::Run& run) {
    auto result = run;
    const auto values = result.logits.values();
    const auto words = values.size() / result.logits.rows();
    for (std::size_t at = 0; at < values.size(); at += words) {
      const auto row = values.subspan(at, words);
      const double most = std::ranges::max(row);
      double sum = 0;
      for (double& each : row) sum += each = std::exp(each - most);
      for (double& each : row) each /= sum;
    }
    return result;
  }

  static double sum_of(const Tensor& x) {
    double sum = 0;
    for (const double each : to_vector(x)) sum += each;
    return sum;
  }
};

const DiagnosisChecks::Add registered{"second_opinion",
                                      [] { return std::make_unique<SecondOpinion>(); }};

}  // namespace
}  // namespace lookback
