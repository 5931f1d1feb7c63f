// Picking the next token: frequencies against the softmax of the logits over the temperature, under
// top-k and top-p, the most likely token at temperature 0; and generation, which must pick from the
// logits of the model's own pass, with and without a cache.
#include <algorithm>
#include <array>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/sampling_frequencies.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"
#include "nn/llama/generate.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::array row{0.4, 1.6, 0.4, -0.7, 1.1, -0.2};
constexpr int draws_of_all = 10000, draws_of_few = 2000;

std::int64_t most_likely(const std::vector<double>& logits) {
  return std::ranges::max_element(logits) - logits.begin();
}

std::vector<double> last_row(const Llama& llama, const std::vector<std::int64_t>& tokens,
                             const ForwardOptions& forward) {
  const auto length = static_cast<std::int64_t>(tokens.size());
  const auto all =
      to_vector(llama.logits(to_default_device(from_values(tokens, {1, length})), forward));
  return {all.end() - llama.config.vocab_size, all.end()};
}

class Sampling final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    frequencies(subject.seed, diagnosis);
    greedy(subject.seed, diagnosis);
    generation(shrunk(subject), diagnosis);
  }

 private:
  static void frequencies(std::uint64_t seed, Diagnosis& diagnosis) {
    const std::string name = "frequencies of sampled tokens";
    Drawn worst;
    int all = 0;
    for (const double temperature : {0.5, 1.0, 2.0}) {
      for (const auto& [top_k, top_p] :
           {std::pair{0, 1.0}, std::pair{3, 1.0}, std::pair{0, 0.7}, std::pair{3, 0.7}}) {
        const SamplingOptions options{
            .temperature = temperature, .top_k = top_k, .top_p = top_p, .seed = seed};
        const int draws = top_k == 0 && top_p == 1 ? draws_of_all : draws_of_few;
        Sampler sampler(options);
        const auto found = draw(options, draws, [&](auto logits) { return sampler.pick(logits); });
        all += draws;
        if (!(found.of_bound <= worst.of_bound)) worst = found;
      }
    }
    if (!(worst.of_bound <= 1))
      return diagnosis.failed(Verdict::paths_disagree, name, worst.of_bound, 1, worst.evidence);
    diagnosis.compared(
        Verdict::paths_disagree, name, "the softmax over the temperature", worst.of_bound, 1,
        fmt::format("{} draws at three temperatures, under top-k and top-p, follow "
                    "the softmax; chi-square is {:.2g} of a bound that chance passes "
                    "once in a billion",
                    all, worst.of_bound));
  }

  static void greedy(std::uint64_t seed, Diagnosis& diagnosis) {
    const std::string name = "the most likely token, and seeds";
    Sampler at_zero({.temperature = 0, .seed = seed});
    const auto picked = at_zero.pick(row);
    const std::array<double, 4> tied{0.5, 2.0, 2.0, -1.0};
    const auto picked_of_tied = at_zero.pick(tied);
    const auto draws = [](std::uint64_t with_seed) {
      Sampler sampler({.seed = with_seed});
      std::vector<std::int64_t> tokens;
      for (int i = 0; i < 64; ++i) tokens.push_back(sampler.pick(row));
      return tokens;
    };
    std::string wrong;
    if (picked != 1 || picked_of_tied != 1) {
      wrong = fmt::format(
          "at temperature 0 token {} is picked and token 1 is the most likely one; where 1 and 2 "
          "are, {} is",
          picked, picked_of_tied);
    } else if (draws(seed) != draws(seed)) {
      wrong = "one seed draws other tokens the second time";
    } else if (draws(seed) == draws(seed + 1)) {
      wrong = "two seeds draw the same tokens";
    }
    if (!wrong.empty()) return diagnosis.failed(Verdict::paths_disagree, name, 1, 0, wrong);
    diagnosis.passed(name, 0, 0,
                     "temperature 0 takes the most likely token, of equal ones the smallest; a "
                     "seed repeats its draws, another has others");
  }

  static void generation(const Subject& subject, Diagnosis& diagnosis) {
    const std::string name = "generated tokens";
    constexpr std::int64_t prompt_tokens = 3, new_tokens = 4;
    if (subject.config.max_position_embeddings < prompt_tokens + new_tokens)
      return diagnosis.not_applicable(name, "the model has no room for a prompt and an answer");
    const NoGrad no_grad;
    const auto llama = subject.fresh_model(DType::f64);
    const auto ids = on_host(subject.random_ids(1, prompt_tokens, 4000));
    const std::vector<std::int64_t> prompt(ids.data<std::int64_t>(),
                                           ids.data<std::int64_t>() + prompt_tokens);
    const SamplingOptions random{.temperature = 0.8, .top_k = 5, .seed = subject.seed};
    for (const auto caching : {Caching::none, Caching::keys_and_values}) {
      for (const auto& sampling : {SamplingOptions{.temperature = 0}, random}) {
        const GenerationOptions options{
            .max_new_tokens = new_tokens, .caching = caching, .sampling = sampling};
        const auto wrong = wrong_token(*llama, prompt, options);
        if (!wrong.empty()) return diagnosis.failed(Verdict::paths_disagree, name, 1, 0, wrong);
      }
    }
    diagnosis.compared(Verdict::paths_disagree, name, "the logits of whole passes", 0, 0,
                       fmt::format("{} tokens, with a cache and without, are those that the logits "
                                   "of the whole pass give: the most likely ones, and the sampled",
                                   new_tokens));
  }

  // The first that the logits along the same way do not give; empty: all are. Whether a cache gives
  // the logits of the whole pass is another check's.
  static std::string wrong_token(const Llama& llama, const std::vector<std::int64_t>& prompt,
                                 const GenerationOptions& options) {
    const auto tokens = generate(llama, prompt, options).tokens;
    if (std::ssize(tokens) != options.max_new_tokens)
      return fmt::format("{} tokens are generated, {} were asked for", tokens.size(),
                         options.max_new_tokens);
    const bool cached = options.caching == Caching::keys_and_values;
    KeyValueCache cache(1, std::ssize(prompt) + options.max_new_tokens, llama.precision.storage);
    ForwardOptions forward;
    if (cached) forward.cache = &cache;
    Sampler sampler(options.sampling);
    auto context = prompt, input = prompt;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const auto logits = last_row(llama, cached ? input : context, forward);
      const bool is_greedy = options.sampling.temperature == 0;
      const auto wanted = is_greedy ? most_likely(logits) : sampler.pick(logits);
      const auto given = static_cast<std::size_t>(tokens[i]),
                 best = static_cast<std::size_t>(wanted);
      if (given >= logits.size() ||
          (given != best && !(is_greedy && logits[best] - logits[given] <=
                                               thresholds::rounding * std::fabs(logits[best])))) {
        return fmt::format("at {}, {}, generated token {} is {}, and by the logits of the pass {}",
                           in_words(options.sampling), cached ? "with a cache" : "without a cache",
                           i + 1, tokens[i], wanted);
      }
      context.push_back(tokens[i]);
      input = {tokens[i]};
    }
    return {};
  }
};

const DiagnosisChecks::Add registered{"sampling", [] { return std::make_unique<Sampling>(); }};

}  // namespace
}  // namespace lookback
