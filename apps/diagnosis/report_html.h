// report.html: the verdict, its evidence and its pictures as one page (apps/report/).
#pragma once

#include <filesystem>

#include "apps/diagnosis/report_json.h"

namespace lookback {

// The file appears whole or not at all.
void write_report_html(const Subject& subject, const Diagnosis& diagnosis,
                       const Provenance& provenance, const std::filesystem::path& path);

}  // namespace lookback
