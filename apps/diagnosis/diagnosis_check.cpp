#include "apps/diagnosis/diagnosis_check.h"

#include <algorithm>
#include <exception>

#include "apps/diagnosis/ladder.h"

namespace lookback {
namespace {

void run_ablation_ladder(const Subject& subject, Diagnosis& diagnosis) {
  const auto rungs = ladder_to(subject.config);
  std::string first;
  for (const auto& [axis, config] : rungs) {
    auto small = subject;
    small.config = config;
    const auto verdict = run_checks(shrunk(small)).verdict();
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
    } catch (const std::exception& error) {
      diagnosis.left_out(name, error.what());
    }
  }
  return diagnosis;
}

Diagnosis diagnose(const Subject& subject) {
  auto diagnosis = run_checks(subject);
  run_ablation_ladder(subject, diagnosis);
  return diagnosis;
}

}  // namespace lookback
