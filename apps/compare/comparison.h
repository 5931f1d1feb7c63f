// Several runs beside one another: what differs in how they were trained, whether their losses can
// be compared, and which came furthest.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/compare/run_record.h"

namespace lookback {

// Settings that are not the same in all runs. A row of `values` per run, a column per key; empty:
// the run has none of that key.
struct DifferingSettings {
  std::vector<std::string> keys = {};
  std::vector<std::vector<std::string>> values = {};
};

struct Comparison {
  // By their last validation loss where losses are comparable, those without one behind; else as
  // they were named.
  std::vector<RunRecord> runs;
  DifferingSettings options, config;
  // Of one vocabulary and one validation text: nats per token mean the same in all of them.
  bool comparable = true;
  // What a reader of the losses must know, a sentence each.
  std::vector<std::string> notes;

  // The first of several comparable runs, where it has a validation loss.
  const RunRecord* best() const;
  std::int64_t count(RunState state) const;
};

// Of folders that find_runs() gave. Prints the warnings of read_run_record().
Comparison compare_runs(const std::vector<std::filesystem::path>& folders);

// "3 runs (2 ended, 1 stopped); the lowest validation loss, 1.2345, is that of lr-1".
std::string summary_of(const Comparison& comparison);
// "2 ended, 1 stopped".
std::string states_of(const Comparison& comparison);

// FOLDER/report.html and FOLDER/report.json; the folder is made where it is missing. Each file
// appears whole or not at all.
void write_comparison(const Comparison& comparison, const std::filesystem::path& folder);

// The page with curves and tables.
void write_comparison_page(const Comparison& comparison, const std::filesystem::path& path);

// The numbers of the page: "runs" (each with its curves), "comparable", "best", "notes"; what is
// not known is null. summary: without the curves.
enum class ComparisonDetail { summary, curves };
nlohmann::ordered_json comparison_json(const Comparison& comparison, ComparisonDetail detail);

// All lines of all runs' metrics.jsonl as one table (RFC 4180: commas, CRLF, quotes where a text
// needs them): "run", then the numbers of train's lines in an order that is always the same, then
// learned weights as learned/NAME/INDEX, and other numbers that a line has, by name. What a line
// does not have is empty.
std::string metrics_csv(const Comparison& comparison);

}  // namespace lookback
