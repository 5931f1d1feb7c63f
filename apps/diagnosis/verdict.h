// The classes of verdict, in their order: a diagnosis comes to the first that holds.
#pragma once

#include <span>
#include <string_view>

namespace lookback {

enum class Verdict {
  not_deterministic,
  non_finite,
  no_valid_targets,
  misaligned_targets,
  wrong_normalisation,
  causal_leak,
  rows_mixed,
  paths_disagree,
  cache_mismatch,
  double_softmax,
  frozen,
  wrong_step,
  severed_path,
  unregistered_parameter,
  broken_tying,
  exploding_gradient,
  vanishing_gradient,
  wrong_gradient,
  accumulation_mismatch,
  wrong_data,
  contamination,
  memorisation,
  not_the_named_model,
  incomplete,
  healthy,
};

struct VerdictClass {
  Verdict verdict;
  std::string_view name;     // "causal-leak"
  std::string_view meaning;  // one sentence
  std::string_view remedy;   // one sentence
};

// All of them, in their order.
std::span<const VerdictClass> verdict_classes();
const VerdictClass& class_of(Verdict verdict);
inline std::string_view name_of(Verdict verdict) { return class_of(verdict).name; }

}  // namespace lookback
