// Documents that run into each other: training rows are read back, with the document of each token.
// A joint is a target that begins another document than its input's. It says nothing false where a
// token closes the document before; without one, the model is asked to guess, within a text, how an
// unrelated one begins.
#include <algorithm>
#include <optional>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

// Rows long enough to hold documents, whatever the block size of training.
constexpr std::int64_t steps = 8, rows = 4, longest_row = 1024;

struct Joint {
  std::int64_t last = 0, first = 0;     // tokens: a document's last, the next one's first
  std::int64_t ended = 0, entered = 0;  // documents
};

struct Joints {
  std::int64_t targets = 0, separated = 0, unseparated = 0;
  std::optional<Joint> example;  // of the unseparated ones
};

Joints read_joints(const TokenSource& source, std::int64_t columns) {
  const auto separator = source.separator();
  Joints found;
  for (std::int64_t step = 0; step < steps; ++step) {
    const auto batch = source.training_batch(step, 0, rows, columns);
    const auto documents = source.training_documents(step, 0, rows, columns);
    found.targets += batch.scored();
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto in_row = static_cast<std::size_t>(i + i / columns);
      const Joint joint{.last = batch.inputs[at],
                        .first = batch.targets[at],
                        .ended = documents[in_row],
                        .entered = documents[in_row + 1]};
      if (joint.first == ignored_target || joint.ended == joint.entered) continue;
      if (joint.last == separator) {
        ++found.separated;
      } else {
        ++found.unseparated;
        if (!found.example) found.example = joint;
      }
    }
  }
  return found;
}

std::string in_words(const TokenSource& source, std::int64_t token) {
  const auto text = source.tokenizer().text_of(token);
  const bool plain = std::ranges::all_of(text, [](char c) { return ' ' < c && c <= '~'; });
  return plain ? fmt::format("\"{}\"", text) : fmt::format("token {}", token);
}

class DocumentJoints final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::misaligned_targets; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto& source = *subject.data.training;
    const auto all = source.tokens().value_or(longest_row + 1);
    const auto found = read_joints(source, std::min(longest_row, all - 1));
    const std::string name = "documents that run into each other";
    if (found.targets == 0) return diagnosis.left_out(name, "no target counts");
    const auto share = static_cast<double>(found.unseparated) / static_cast<double>(found.targets);
    const auto bound = thresholds::unseparated_targets;
    if (share > bound) {
      diagnosis.failed(Verdict::misaligned_targets, name, share, bound, evidence(source, found));
    } else {
      diagnosis.passed(name, share, bound, evidence(source, found));
    }
  }

 private:
  static std::string evidence(const TokenSource& source, const Joints& found) {
    auto text = fmt::format("{} of {} targets begin another document with nothing between",
                            found.unseparated, found.targets);
    if (found.separated > 0) text += fmt::format(", {} behind a separator", found.separated);
    if (const auto& joint = found.example) {
      text += fmt::format(": {} of {} is asked for {} of {}", in_words(source, joint->last),
                          source.document_name(joint->ended), in_words(source, joint->first),
                          source.document_name(joint->entered));
    }
    return text;
  }
};

const DiagnosisChecks::Add registered{"joined_documents",
                                      [] { return std::make_unique<DocumentJoints>(); }};

}  // namespace
}  // namespace lookback
