// Checks: each is one file in checks/ that registers itself, so that a new one needs no edit
// elsewhere.
//
//   class BrokenTying final : public DiagnosisCheck {
//     Verdict looks_for() const override { return Verdict::broken_tying; }
//     void run(const Subject& subject, Diagnosis& diagnosis) const override { ... }
//   };
//   const DiagnosisChecks::Add registered{"broken_tying",
//                                         [] { return std::make_unique<BrokenTying>(); }};
#pragma once

#include <memory>

#include "apps/diagnosis/diagnosis.h"
#include "apps/diagnosis/subject.h"
#include "runtime/registry.h"

namespace lookback {

class DiagnosisCheck {
 public:
  static constexpr std::string_view family = "check";
  virtual ~DiagnosisCheck() = default;
  // The first class it may find: checks run in the order of the classes, then by name.
  virtual Verdict looks_for() const = 0;
  // Of a full diagnosis only.
  virtual Effort effort() const { return Effort::quick; }
  // Adds its results. Changes nothing else: it makes its own models. An exception is a check that
  // could not be made; it is left out, with the reason, and the verdict is never `healthy`.
  virtual void run(const Subject& subject, Diagnosis& diagnosis) const = 0;
};

using DiagnosisChecks = Registry<DiagnosisCheck>;

// All checks of the subject's effort.
Diagnosis run_checks(const Subject& subject);

// The same, and the ladder from the plain model to the subject's variant (ladder.h), run with
// the quick checks on small fresh models.
Diagnosis diagnose(const Subject& subject);

}  // namespace lookback
