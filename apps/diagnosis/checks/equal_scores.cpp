// With every query zero all scores are equal, and so must be the weights of all keys that a row sees:
// a key that counts twice has more. What a row sees is then what has a weight at all, and is held
// against the pattern of config.json, written out here once more. In f64.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/weight_scale.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"
#include "kernels/fill.h"
#include "nn/layer/attention_options.h"

namespace lookback {
namespace {

constexpr std::int64_t max_tokens = 24;

// The keys of a layer's pattern that do not come about by chance.
struct SeenKeys {
  bool all = true;    // no pattern
  bool more = false;  // random blocks, beside those named here
  std::int64_t window = 1;
  std::vector<std::int64_t> dilation, global;  // by head; positions

  bool sees(std::int64_t head, std::int64_t query, std::int64_t key) const {
    if (key > query) return false;
    const auto is_global = [&](std::int64_t at) { return std::ranges::count(global, at) > 0; };
    if (all || is_global(key) || is_global(query)) return true;
    const auto step = dilation[static_cast<std::size_t>(head) % dilation.size()];
    return (query - key) % step == 0 && (query - key) / step < window;
  }
};

SeenKeys seen_keys(const AttentionOptions& options) {
  SeenKeys seen;
  const auto object = options.to_json();
  if (!object.contains("pattern")) return seen;
  const auto& pattern = object.at("pattern");
  seen.all = false;
  seen.window = pattern.value("sliding_window", std::int64_t{1});
  seen.more = pattern.value("num_random_blocks", std::int64_t{0}) > 0;
  seen.dilation = {1};
  if (pattern.contains("dilation")) {
    const auto& given = pattern.at("dilation");
    if (given.is_array()) {
      seen.dilation = given.get<std::vector<std::int64_t>>();
    } else {
      seen.dilation = {given.get<std::int64_t>()};
    }
  }
  if (!pattern.contains("global_tokens")) return seen;
  const auto& given = pattern.at("global_tokens");
  if (given.is_array()) {
    seen.global = given.get<std::vector<std::int64_t>>();
  } else {
    for (std::int64_t i = 0; i < given.get<std::int64_t>(); ++i) seen.global.push_back(i);
  }
  return seen;
}

class EqualScores final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_the_named_model; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const std::string name = "weights of equal scores";
    const auto llama = without_queries(subject);
    Trace trace;
    auto forward = subject.forward();
    forward.trace = &trace;
    llama->logits(subject.random_ids(1, std::min(subject.block_size, max_tokens), 22), forward);
    double worst = 0;
    std::string found;
    for (std::size_t l = 0; l < trace.attention_weights.size(); ++l) {
      const auto layer = static_cast<std::int64_t>(l);
      if (!is_softmax_of_products(subject.config, layer, trace)) continue;
      const auto seen = seen_keys(*attention_of(subject.config, layer));
      const auto what = look_at(trace.attention_weights[l], seen, worst);
      if (found.empty() && !what.empty()) {
        found = fmt::format("model.layers.{}.self_attn: {}", l, what);
      }
    }
    if (!found.empty()) {
      diagnosis.failed(Verdict::not_the_named_model, name, worst, thresholds::rounding, found);
    } else {
      diagnosis.passed(
          name, worst, thresholds::rounding,
          "keys that a row sees have equal weights where all scores are equal, and are "
          "those of its pattern");
    }
  }

 private:
  static std::unique_ptr<Llama> without_queries(const Subject& subject) {
    auto llama = subject.fresh_model(DType::f64);
    const auto queries = query_weights(*llama);
    for (const auto& [name, parameter, initial] : llama->parameters()) {
      if (!queries.contains(name) && !name.ends_with("content_bias.weight")) continue;
      kernels::fill(parameter.backend(), {.y = parameter, .value = 0});
    }
    return llama;
  }

  // A bias by distance, composed heads, and scores that are no softmax's have weights of their own.
  static bool is_softmax_of_products(const LlamaConfig& config, std::int64_t layer,
                                     const Trace& trace) {
    const auto options = attention_of(config, layer);
    return options->positions != Positions::alibi && !options->keeps_weights() &&
           trace.pieces.at(static_cast<std::size_t>(layer)).scales.defined();
  }

  // weights [1, H, T, T] -> what is wrong about them; empty: nothing
  static std::string look_at(const Tensor& weights, const SeenKeys& seen, double& worst) {
    const auto numbers = to_vector(weights);
    const auto heads = weights.size(1), tokens = weights.size(2);
    for (std::int64_t i = 0; i < heads * tokens; ++i) {
      const auto head = i / tokens, query = i % tokens;
      const auto* row = numbers.data() + i * tokens;
      const double largest = *std::max_element(row, row + tokens);
      for (std::int64_t key = 0; key <= query; ++key) {
        const bool shown = row[key] != 0, wanted = seen.sees(head, query, key);
        if (shown != wanted && !(shown && seen.more)) {
          worst = 1;
          return fmt::format("head {}: position {} {} position {}, against its pattern", head,
                             query, shown ? "sees" : "does not see", key);
        }
        if (!shown) continue;
        const double difference = 1 - row[key] / largest;
        worst = std::max(worst, difference);
        if (difference > thresholds::rounding) {
          return fmt::format(
              "head {}: position {} has the weight {:.3g} at position {} and {:.3g} at another, "
              "where all scores are equal: a key counts more than once",
              head, query, row[key], key, largest);
        }
      }
    }
    return "";
  }
};

const DiagnosisChecks::Add registered{"equal_scores",
                                      [] { return std::make_unique<EqualScores>(); }};

}  // namespace
}  // namespace lookback
