#include "apps/diagnosis/diagnosis_check.h"

#include <algorithm>

namespace lookback {

Diagnosis diagnose(const Subject& subject) {
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

}  // namespace lookback
