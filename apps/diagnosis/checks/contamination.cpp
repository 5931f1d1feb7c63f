// Validation data that hold training data: tokens of a file that are in both, and spans that stand
// in both.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/token_spans.h"

namespace lookback {
namespace {

// Of an endless source so many are drawn; a text is read whole up to this.
constexpr std::int64_t drawn_tokens = 1 << 16, max_tokens = 1 << 24;

std::int64_t tokens_to_read(const TokenSource& source) {
  return source.tokens() ? max_tokens : drawn_tokens;
}

// How many tokens make a span that nobody writes twice.
std::int64_t span_tokens(const TokenSource& source, std::vector<std::int64_t> tokens) {
  constexpr std::size_t sample = 4096;
  constexpr std::string_view numbers = "numbers";  // they stand for no text
  constexpr std::int64_t least = thresholds::shared_span_tokens;
  std::erase(tokens, -1);
  tokens.resize(std::min(sample, tokens.size()));
  if (source.tokenizer().name() == numbers || tokens.empty()) return least;
  const auto bytes = static_cast<double>(source.tokenizer().decode(tokens).size());
  const double bytes_of_a_token = std::max(bytes / static_cast<double>(tokens.size()), 1.0);
  const double needed = std::ceil(thresholds::shared_span_bytes / bytes_of_a_token);
  return std::max(least, static_cast<std::int64_t>(needed));
}

class Contamination final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::contamination; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    shared_places(subject.data, diagnosis);
    shared_spans(subject.data, diagnosis);
  }

 private:
  static void shared_places(const TokenData& data, Diagnosis& diagnosis) {
    const std::string name = "tokens of a file in training and in validation";
    const auto trained = data.training->file_parts(), validated = data.validation->file_parts();
    if (trained.empty() || validated.empty()) {
      return diagnosis.not_applicable(name, "training or validation is not read from files");
    }
    std::map<std::filesystem::path, FilePart> by_place;
    for (const auto& part : trained) by_place[std::filesystem::weakly_canonical(part.path)] = part;
    std::int64_t shared = 0;
    std::string evidence = "no token of a file is in both";
    for (const auto& theirs : validated) {
      const auto found = by_place.find(std::filesystem::weakly_canonical(theirs.path));
      if (found == by_place.end()) continue;
      const auto& ours = found->second;
      const auto begin = std::max(ours.begin, theirs.begin), end = std::min(ours.end, theirs.end);
      if (begin >= end) continue;
      if (shared == 0) {
        evidence = fmt::format("tokens {} to {} of {} are in training and in validation", begin,
                               end - 1, ours.path);
      }
      shared += end - begin;
    }
    if (shared > 0) {
      diagnosis.failed(Verdict::contamination, name, static_cast<double>(shared), 0, evidence);
    } else {
      diagnosis.passed(name, 0, 0, evidence);
    }
  }

  static void shared_spans(const TokenData& data, Diagnosis& diagnosis) {
    const std::string name = "training data in validation";
    const auto& [training, validation] = data;
    const auto validated = evaluation_tokens(*validation, tokens_to_read(*validation));
    const auto span = span_tokens(*validation, validated);
    // So many lie side by side in it.
    const auto room = std::ssize(validated) / span;
    if (room < 2) {
      return diagnosis.not_applicable(
          name, fmt::format("validation has no two spans of {} tokens", span));
    }
    TokenSpans seen(span);
    seen.add(training_tokens(*training, tokens_to_read(*training)));
    const auto most = thresholds::times_of_a_copy * seen.rare();
    const auto [spans, found, apart] = seen.look_up(validated, most);
    const double share =
        static_cast<double>(found) / static_cast<double>(std::max<std::int64_t>(spans, 1));
    const auto evidence = fmt::format(
        "{:.2f} % of the spans of {} tokens in validation stand in the training data, and there {} "
        "times at most; {} of them do not overlap",
        100 * share, span, most, apart);
    const auto enough = std::clamp<std::int64_t>(room / 2, 2, thresholds::spans_apart);
    if (share > thresholds::shared_spans && apart >= enough) {
      diagnosis.failed(Verdict::contamination, name, share, thresholds::shared_spans, evidence);
    } else {
      diagnosis.passed(name, share, thresholds::shared_spans, evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"contamination",
                                      [] { return std::make_unique<Contamination>(); }};

}  // namespace
}  // namespace lookback
