#include "apps/diagnosis/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lookback {
namespace {

bool is_left_out(const CheckResult& check) { return check.result == CheckResult::Result::left_out; }

}  // namespace

std::string_view name_of(Statement statement) {
  switch (statement) {
    case Statement::proved: return "proved";
    case Statement::refuted: return "refuted";
    case Statement::not_refuted: return "not refuted";
  }
  return "not refuted";
}

std::string_view name_of(CheckResult::Result result) {
  switch (result) {
    case CheckResult::Result::passed: return "passed";
    case CheckResult::Result::failed: return "failed";
    case CheckResult::Result::left_out: return "left out";
    case CheckResult::Result::not_applicable: return "not applicable";
  }
  return "left out";
}

void Diagnosis::passed(std::string check, double value, double bound, std::string evidence) {
  checks.push_back(
      {std::move(check), CheckResult::Result::passed, value, bound, std::move(evidence), {}});
}

void Diagnosis::failed(Verdict finding, std::string check, double value, double bound,
                       std::string evidence) {
  checks.push_back(
      {std::move(check), CheckResult::Result::failed, value, bound, std::move(evidence), finding});
}

void Diagnosis::compared(Verdict finding, std::string check, std::string against, double value,
                         double bound, std::string evidence) {
  if (value <= bound) {
    passed(std::move(check), value, bound, std::move(evidence));
  } else {
    failed(finding, std::move(check), value, bound, std::move(evidence));
  }
  checks.back().against = std::move(against);
}

void Diagnosis::left_out(std::string check, std::string why) {
  checks.push_back({std::move(check), CheckResult::Result::left_out, 0, 0, std::move(why), {}});
}

void Diagnosis::not_applicable(std::string check, std::string why) {
  checks.push_back(
      {std::move(check), CheckResult::Result::not_applicable, 0, 0, std::move(why), {}});
}

std::vector<Verdict> Diagnosis::findings() const {
  std::vector<Verdict> found;
  for (const auto& check : checks) {
    if (check.finding) found.push_back(*check.finding);
  }
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  // Gradients are held against the model that the config names: of another one they say nothing.
  const auto other_model = std::ranges::find(found, Verdict::not_the_named_model);
  if (!found.empty() && found.front() == Verdict::wrong_gradient && other_model != found.end())
    std::rotate(found.begin(), other_model, other_model + 1);
  const bool whole = std::ranges::none_of(checks, is_left_out);
  if (found.empty() && !whole) found.push_back(Verdict::incomplete);
  return found;
}

Verdict Diagnosis::verdict() const {
  const auto found = findings();
  return found.empty() ? Verdict::healthy : found.front();
}

std::string Diagnosis::evidence() const {
  const auto wanted = verdict();
  for (const auto& check : checks) {
    if (check.finding == wanted) return check.evidence;
    if (wanted == Verdict::incomplete && is_left_out(check)) {
      return fmt::format("the check \"{}\" could not be made: {}", check.name, check.evidence);
    }
  }
  return fmt::format("{} checks passed; causality: {}",
                     std::ranges::count(checks, CheckResult::Result::passed, &CheckResult::result),
                     name_of(statement));
}

}  // namespace lookback
