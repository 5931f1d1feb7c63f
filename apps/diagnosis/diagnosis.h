// What a diagnosis finds.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/diagnosis/verdict.h"
#include "nn/proof/leak.h"

namespace lookback {

// About causality only (docs/diagnosis.md).
enum class Statement { proved, refuted, not_refuted };
std::string_view name_of(Statement statement);

struct CheckResult {
  std::string name = {};  // what was checked: "suffix swap, evaluation"
  // left_out: it ought to have been made and could not be. not_applicable: there is nothing to
  // check.
  enum class Result { passed, failed, left_out, not_applicable } result = Result::passed;
  double value = 0, bound = 0;          // what was measured, and what it is held against
  std::string evidence = {};            // one sentence, with the place
  std::optional<Verdict> finding = {};  // where it failed
  std::string against = {};             // of a comparison: what it was compared with
};
std::string_view name_of(CheckResult::Result result);

// A matrix to look at: the gradient picture, a curve's points.
struct DiagnosisPicture {
  std::string title = {}, look_for = {};
  std::vector<std::string> row_labels = {}, column_labels = {};
  std::vector<double> values = {};  // row by row
};
struct DiagnosisCurve {
  std::string title = {}, look_for = {}, x_title = {}, y_title = {};
  std::vector<std::string> labels = {};
  struct Line {
    std::string name;
    std::vector<double> values;
  };
  std::vector<Line> lines = {};
};

struct LadderStep {
  std::string axis;
  Verdict verdict;
};

struct Diagnosis {
  std::vector<CheckResult> checks = {};
  Statement statement = Statement::not_refuted;
  std::optional<Leak> leak = {};
  std::vector<std::string> inert = {};  // parameters that never get a gradient, by construction
  std::vector<LadderStep> ladder = {};
  std::vector<DiagnosisPicture> pictures = {};
  std::vector<DiagnosisCurve> curves = {};
  std::vector<std::string> notes = {};  // what a curve shows, what was left out and why

  // A check of `value` against `bound` that held, or did not: a finding.
  void passed(std::string check, double value, double bound, std::string evidence);
  void failed(Verdict finding, std::string check, double value, double bound, std::string evidence);
  // A comparison: `value` is the largest difference from `against`. A finding where it is more than
  // `bound`, or NaN.
  void compared(Verdict finding, std::string check, std::string against, double value, double bound,
                std::string evidence);
  // A check that could not be made: without another finding the verdict is `incomplete`.
  void left_out(std::string check, std::string why);
  // A check of something that this subject does not have.
  void not_applicable(std::string check, std::string why);

  // Findings without repetition, in the order of the classes, but for a wrong gradient of another
  // model, which comes behind that; never `healthy`; `incomplete` alone.
  std::vector<Verdict> findings() const;
  // The first finding, or healthy.
  Verdict verdict() const;
  // The evidence of the verdict: that of the first check that found it, or that was left out.
  std::string evidence() const;
};

}  // namespace lookback
