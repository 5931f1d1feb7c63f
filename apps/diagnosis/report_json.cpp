#include "apps/diagnosis/report_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/cpu/isa.h"
#include "nn/llama/config_file.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

Json optional_number(const std::optional<std::int64_t>& number) {
  return number ? Json(*number) : Json(nullptr);
}

// JSON has no number for these.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(fmt::format("{}", value));
}

Json leak_json(const std::optional<Leak>& leak) {
  if (!leak) return nullptr;
  return {{"module", leak->module},
          {"operation", leak->operation},
          {"layer", optional_number(leak->layer)},
          {"recomputed_layer", optional_number(leak->recomputed_layer)},
          {"target", leak->target},
          {"source", leak->source}};
}

}  // namespace

Json report_json(const Subject& subject, const Diagnosis& diagnosis, const Provenance& provenance) {
  auto findings = Json::array();
  for (const auto finding : diagnosis.findings()) findings.push_back(name_of(finding));
  auto checks = Json::array();
  for (const auto& check : diagnosis.checks) {
    checks.push_back({{"name", check.name},
                      {"result", name_of(check.result)},
                      {"value", number(check.value)},
                      {"bound", number(check.bound)},
                      {"against", check.against.empty() ? Json(nullptr) : Json(check.against)},
                      {"evidence", check.evidence},
                      {"finding", check.finding ? Json(name_of(*check.finding)) : Json(nullptr)}});
  }
  auto ladder = Json::array();
  for (const auto& step : diagnosis.ladder) {
    ladder.push_back({{"axis", step.axis}, {"verdict", name_of(step.verdict)}});
  }
  return {{"verdict", name_of(diagnosis.verdict())},
          {"evidence", diagnosis.evidence()},
          {"statement", name_of(diagnosis.statement)},
          {"leak", leak_json(diagnosis.leak)},
          {"findings", findings},
          {"checks", checks},
          {"inert", diagnosis.inert},
          {"ladder", ladder},
          {"notes", diagnosis.notes},
          {"seed", subject.seed},
          {"model", Json::parse(to_json(subject.config))},
          {"command", provenance.command},
          {"versions", {{"lookback", provenance.version}, {"isa", kernels::isa_description()}}}};
}

}  // namespace lookback
