// report.json (CLI.md).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "apps/diagnosis/diagnosis.h"
#include "apps/diagnosis/subject.h"

namespace lookback {

// How to make the same report again.
struct Provenance {
  std::string command;
  std::string version;  // of the program
};

nlohmann::ordered_json report_json(const Subject& subject, const Diagnosis& diagnosis,
                                   const Provenance& provenance);

}  // namespace lookback
