// Gradients of streaming attention against those of explicit weights, in f64, in rows that end
// beside every tile edge of the kernels: what one tile, chunk or segment leaves out is missing in
// one of them. The model is the subject's kind, very small.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/as_reference.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/kernel_contracts.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "runtime/random.h"

namespace lookback {
namespace {

constexpr std::int64_t longest = 1026, most_words = 61;
constexpr SmallSize size{.layers = 2, .width = 16};

class GradientsOfLongRows final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_gradient; }
  void run(const Subject& given, Diagnosis& diagnosis) const override {
    if (!given.config.fault.empty())
      return diagnosis.not_applicable(name, "a model with a fault has one way of attending");
    auto subject = shrunk(given, size);
    subject.config.vocab_size = std::min(subject.config.vocab_size, most_words);
    subject.config.max_position_embeddings =
        std::min(given.config.max_position_embeddings, longest);
    const auto llama = subject.fresh_model(DType::f64);
    disturb(*llama, subject.seed);
    double worst = 0;
    std::string compared;
    for (const auto tokens :
         lengths_beside_edges(std::min(longest, subject.config.max_position_embeddings))) {
      const auto batch = batch_of(subject, tokens);
      const auto streaming = gradients(*llama, batch, AttentionPath::streaming);
      const auto weights = gradients(*llama, batch, AttentionPath::explicit_weights);
      for (std::size_t i = 0; i < streaming.size(); ++i) {
        const double off = difference(streaming[i].values, weights[i].values);
        worst = std::fmax(worst, off);
        if (!(off <= thresholds::rounding))
          return refuse(streaming[i].name, tokens, off, diagnosis);
      }
      compared += fmt::format("{}{}", compared.empty() ? "" : ", ", tokens);
    }
    if (compared.empty())
      return diagnosis.not_applicable(name, "its sequences are shorter than any tile");
    diagnosis.passed(
        name, worst, thresholds::rounding,
        fmt::format("gradients of every parameter, of rows of {} tokens, by streaming "
                    "attention and by explicit weights differ by {:.2g} of the largest",
                    compared, worst));
  }

 private:
  static constexpr const char* name = "gradients beside tile edges";

  struct Named {
    std::string name;
    std::vector<double> values;  // empty: it has none
  };

  static TokenBatch batch_of(const Subject& subject, std::int64_t tokens) {
    TokenBatch batch{.rows = 1, .columns = tokens, .inputs = {}, .targets = {}};
    RandomStream random(subject.seed, stream_of(RandomUse::diagnosis, 4000));
    const auto words = static_cast<std::uint64_t>(subject.config.vocab_size);
    for (std::int64_t i = 0; i < tokens; ++i) {
      batch.inputs.push_back(static_cast<std::int64_t>(random.below(words)));
      batch.targets.push_back(i % 3 == 1 ? ignored_target
                                         : static_cast<std::int64_t>(random.below(words)));
    }
    return batch;
  }

  static std::vector<Named> gradients(const Llama& llama, const TokenBatch& batch,
                                      AttentionPath path) {
    const auto parameters = llama.parameters();
    clear_gradients(parameters);
    accumulate_gradients(llama, {batch}, {.attention = path});
    std::vector<Named> all;
    for (const auto& parameter : parameters) {
      const auto found = gradient(parameter.tensor);
      all.push_back({parameter.name, found.defined() ? to_vector(found) : std::vector<double>{}});
    }
    clear_gradients(parameters);
    return all;
  }

  // Beside the largest of both; a missing gradient is zeros.
  static double difference(const std::vector<double>& a, const std::vector<double>& b) {
    double worst = 0, largest = 1e-9;
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      const double one = i < a.size() ? a[i] : 0, other = i < b.size() ? b[i] : 0;
      if (std::isnan(one) != std::isnan(other)) return std::nan("");
      worst = std::fmax(worst, std::abs(one - other));
      largest = std::fmax(largest, std::fmax(std::abs(one), std::abs(other)));
    }
    return worst / largest;
  }

  static void refuse(const std::string& parameter, std::int64_t tokens, double off,
                     Diagnosis& diagnosis) {
    diagnosis.failed(
        Verdict::wrong_gradient, name, off, thresholds::rounding,
        fmt::format(
            "{}: its gradient of a row of {} tokens by streaming attention differs by {:.2g} "
            "of its largest number from that by explicit weights",
            parameter, tokens, off));
  }
};

const DiagnosisChecks::Add registered{"gradients_of_long_rows",
                                      [] { return std::make_unique<GradientsOfLongRows>(); }};

}  // namespace
}  // namespace lookback
