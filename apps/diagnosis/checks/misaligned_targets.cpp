// What each position is asked for: distinct tokens are fed in, so that every target says where it
// comes from. The loader's own batches are held against the same rule.
#include <cmath>
#include <map>
#include <numeric>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/train/accumulate_gradients.h"
#include "apps/train/token_tensors.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// A target's place relative to its input.
struct Offset {
  std::int64_t rows = 0, columns = 0;
  auto operator<=>(const Offset&) const = default;
};

std::string in_words(const Offset& offset) {
  if (offset.rows != 0) return fmt::format("tokens of row {:+}", offset.rows);
  switch (offset.columns) {
    case 0: return "the input itself (labels that are not shifted)";
    case 1: return "the next token";
    case 2: return "the token after the next (labels shifted twice)";
    default: return fmt::format("the token at {:+}", offset.columns);
  }
}

// Rows of T + 1 tokens, all distinct; as long as the vocabulary allows.
TokenBatch distinct_tokens(const Subject& subject) {
  const std::int64_t rows = 2;
  const auto columns = std::min(subject.block_size, subject.config.vocab_size / rows - 1);
  TokenBatch batch{.rows = rows, .columns = columns, .inputs = {}, .targets = {}};
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const auto token = row * (columns + 1) + column;
      batch.inputs.push_back(token);
      batch.targets.push_back(token + 1);
    }
  }
  return batch;
}

class MisalignedTargets final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::misaligned_targets; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    if (subject.config.vocab_size < 8 || subject.block_size < 3) {
      return diagnosis.not_applicable(
          "offset of the targets", "the vocabulary or the block is too small for distinct tokens");
    }
    const auto llama = subject.fresh_model();
    offsets(*llama, distinct_tokens(subject), diagnosis);
    loader(subject.batch(), diagnosis);
    padding(*llama, distinct_tokens(subject), diagnosis);
  }

 private:
  static void report(const std::string& name, const std::map<Offset, std::int64_t>& found,
                     std::int64_t targets, Diagnosis& diagnosis) {
    std::int64_t right = 0, most = 0;
    Offset commonest;
    for (const auto& [offset, count] : found) {
      if (offset == Offset{0, 1}) right = count;
      if (count > most) commonest = offset;
      most = std::max(most, count);
    }
    if (targets == 0) return diagnosis.left_out(name, "no target counts");
    const auto share = static_cast<double>(right) / static_cast<double>(targets);
    const auto evidence = fmt::format("{} of {} targets are the next token; the commonest is {}",
                                      right, targets, in_words(commonest));
    if (right < targets) {
      diagnosis.failed(Verdict::misaligned_targets, name, share, 1, evidence);
    } else {
      diagnosis.passed(name, share, 1, evidence);
    }
  }

  // What the model's loss is taken against.
  static void offsets(const Llama& llama, const TokenBatch& batch, Diagnosis& diagnosis) {
    const auto [ids, targets] = token_tensors(batch);
    const auto asked = on_host(llama.model.hooks().targets(ids, targets));
    const auto width = batch.columns + 1;
    std::map<Offset, std::int64_t> found;
    std::int64_t counted = 0;
    for (std::int64_t i = 0; i < asked.numel(); ++i) {
      const auto target = asked.data<std::int64_t>()[i];
      if (target == ignored_target) continue;
      ++counted;
      ++found[{target / width - i / batch.columns, target % width - i % batch.columns}];
    }
    report("offset of the targets", found, counted, diagnosis);
  }

  // What the loader hands over: each target that counts must be the input that follows.
  static void loader(const TokenBatch& batch, Diagnosis& diagnosis) {
    std::map<Offset, std::int64_t> found;
    std::int64_t counted = 0;
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      for (std::int64_t t = 0; t + 1 < batch.columns; ++t) {
        const auto at = static_cast<std::size_t>(row * batch.columns + t);
        const auto target = batch.targets[at];
        if (target == ignored_target) continue;
        ++counted;
        const Offset offset{0, target == batch.inputs[at + 1] ? 1
                               : target == batch.inputs[at]   ? 0
                                                              : 2};
        ++found[offset];
      }
    }
    report("offset of the loader's targets", found, counted, diagnosis);
  }

  // Half of the targets are ignored: a mean must not count them.
  static void padding(const Llama& llama, TokenBatch batch, Diagnosis& diagnosis) {
    const std::string name = "targets in the mean";
    for (std::size_t i = 0; i < batch.targets.size(); i += 2) batch.targets[i] = ignored_target;
    const auto [ids, targets] = token_tensors(batch);
    std::int64_t valid = 0;
    const auto asked = on_host(llama.model.hooks().targets(ids, targets));
    for (const auto target : asked.elements<std::int64_t>()) {
      valid += target != ignored_target;
    }
    if (valid == 0) return diagnosis.left_out(name, "no target counts");
    const auto measures = accumulate_gradients(llama, {batch});
    const auto counted = static_cast<double>(measures.targets);
    const auto evidence = fmt::format("of {} positions {} have a target; the mean is over {}",
                                      batch.targets.size(), valid, measures.targets);
    if (measures.targets != valid) {
      diagnosis.failed(Verdict::misaligned_targets, name, counted, static_cast<double>(valid),
                       "ignored positions count in the mean: " + evidence);
    } else {
      diagnosis.passed(name, counted, static_cast<double>(valid), evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"misaligned_targets",
                                      [] { return std::make_unique<MisalignedTargets>(); }};

}  // namespace
}  // namespace lookback
