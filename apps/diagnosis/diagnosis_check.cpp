#include "apps/diagnosis/diagnosis_check.h"

#include <algorithm>

#include "apps/diagnosis/ladder.h"

namespace lookback {
namespace {

// A fresh small model of a rung, on the subject's data.
Subject on_rung(const Subject& subject, const LlamaConfig& config) {
  constexpr std::int64_t tokens = 32;
  auto small = subject;
  small.config = shrunk(config);
  small.folder.reset();
  small.weights.reset();
  small.run.reset();
  small.effort = Effort::quick;
  small.block_size = std::min(tokens, small.config.max_position_embeddings);
  return small;
}

void climb(const Subject& subject, Diagnosis& diagnosis) {
  const auto rungs = ladder_to(subject.config);
  std::string first;
  for (const auto& [axis, config] : rungs) {
    const auto verdict = run_checks(on_rung(subject, config)).verdict();
    diagnosis.ladder.push_back({axis, verdict});
    if (first.empty() && verdict != Verdict::healthy) first = axis;
  }
  if (!first.empty() && rungs.size() > 1) {
    diagnosis.notes.push_back(
        fmt::format("the first step from the plain model that brings a fault: {}", first));
  }
}

}  // namespace

Diagnosis run_checks(const Subject& subject) {
  std::vector<std::pair<std::string, std::unique_ptr<DiagnosisCheck>>> checks;
  for (const auto& name : DiagnosisChecks::names())
    checks.emplace_back(name, DiagnosisChecks::make(name));
  std::ranges::stable_sort(checks, {}, [](const auto& check) { return check.second->looks_for(); });
  Diagnosis diagnosis;
  for (const auto& [name, check] : checks) {
    if (check->effort() == Effort::full && subject.effort == Effort::quick) continue;
    try {
      check->run(subject, diagnosis);
    } catch (const Error& error) {
      diagnosis.left_out(name, error.what());
    }
  }
  return diagnosis;
}

Diagnosis diagnose(const Subject& subject) {
  auto diagnosis = run_checks(subject);
  climb(subject, diagnosis);
  return diagnosis;
}

}  // namespace lookback
