#include "apps/compare/comparison.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/compare/find_runs.h"
#include "apps/data/tokenizer_file.h"
#include "apps/folder/report_folder.h"
#include "runtime/checksum.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// Where a run lies differs in all of them and says nothing.
constexpr std::string_view place_of_run = "output_dir";

std::vector<std::string> keys_of(const std::vector<RunRecord>& runs,
                                 RunRecord::Settings RunRecord::*settings) {
  std::vector<std::string> keys;
  std::set<std::string_view> seen = {place_of_run};
  for (const auto& run : runs) {
    for (const auto& [key, value] : run.*settings) {
      if (seen.insert(key).second) keys.push_back(key);
    }
  }
  return keys;
}

DifferingSettings differing(const std::vector<RunRecord>& runs,
                            RunRecord::Settings RunRecord::*settings) {
  DifferingSettings result;
  result.values.resize(runs.size());
  std::vector<std::map<std::string_view, std::string_view>> known;
  for (const auto& run : runs) {
    known.emplace_back();
    for (const auto& [key, value] : run.*settings) known.back().emplace(key, value);
  }
  for (const auto& key : keys_of(runs, settings)) {
    std::vector<std::string> column;
    for (const auto& each : known) {
      const auto found = each.find(key);
      column.emplace_back(found == each.end() ? std::string_view() : found->second);
    }
    if (std::ranges::all_of(column, [&](const auto& value) { return value == column.front(); }))
      continue;
    result.keys.push_back(key);
    for (std::size_t i = 0; i < runs.size(); ++i) result.values[i].push_back(column[i]);
  }
  return result;
}

// Runs by something that they must share to be compared.
using Groups = std::map<std::string, std::vector<std::string>>;  // names of runs

template <class Key>
Groups grouped(const std::vector<RunRecord>& runs, const Key& key) {
  Groups groups;
  for (const auto& run : runs) {
    if (const auto value = key(run); !value.empty()) groups[value].push_back(run.name);
  }
  return groups;
}

// "256 words, bytes": what a token is. Tokenizers of one name that differ have other checksums.
std::string vocabulary_of(const RunRecord& run) {
  const auto size = run.config_value("vocab_size");
  if (size.empty()) return {};
  auto tokenizer = run.option("tokenizer");
  if (tokenizer.empty()) return size + " tokens";
  if (is_tokenizer_file(tokenizer)) {
    const fs::path own = tokenizer_in(run.folder);
    tokenizer = fs::path(tokenizer).filename().string();
    if (!own.empty()) tokenizer += " " + to_string(checksum_of(read_file(own, "report")));
  }
  return fmt::format("{} tokens, {}", size, tokenizer);
}

std::string validated_on(const RunRecord& run) {
  const auto data = run.option("data"), validation = run.option("validation_data");
  return validation.empty() ? data : validation;
}

// "a and b: 256 tokens, bytes; c: ..."
std::string listed(const Groups& groups) {
  constexpr std::size_t most = 10;
  std::string text;
  std::size_t shown = 0;
  for (const auto& [value, names] : groups) {
    if (shown++ == most) return text + fmt::format("; and {} more", groups.size() - most);
    const auto first = std::min<std::size_t>(names.size(), 3);
    text += fmt::format(
        "{}{}{}: {}", text.empty() ? "" : "; ",
        fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(first), ", "),
        first < names.size() ? fmt::format(" and {} more", names.size() - first) : "", value);
  }
  return text;
}

void judge(Comparison& comparison) {
  const auto& runs = comparison.runs;
  const auto vocabularies = grouped(runs, vocabulary_of);
  const auto texts = grouped(runs, validated_on);
  const auto lengths = grouped(runs, [](const auto& run) { return run.option("block_size"); });
  comparison.comparable = vocabularies.size() < 2 && texts.size() < 2;
  if (vocabularies.size() > 1) {
    comparison.notes.push_back(
        "The vocabularies differ, so a token is not the same in all runs, and their losses per "
        "token cannot be compared: " +
        listed(vocabularies) + ".");
  }
  if (texts.size() > 1) {
    comparison.notes.push_back(
        "The runs were validated on different data, so their validation losses cannot be "
        "compared: " +
        listed(texts) + ".");
  }
  if (lengths.size() > 1) {
    comparison.notes.push_back(
        "The runs have different block sizes: more context by itself lowers a loss: " +
        listed(lengths) + ".");
  }
}

void sort_by_loss(std::vector<RunRecord>& runs) {
  std::ranges::stable_sort(runs, [](const RunRecord& a, const RunRecord& b) {
    const auto ours = a.last_validation_loss(), theirs = b.last_validation_loss();
    return ours && (!theirs || *ours < *theirs);
  });
}

}  // namespace

const RunRecord* Comparison::best() const {
  const bool there = comparable && runs.size() > 1 && runs.front().last_validation_loss();
  return there ? &runs.front() : nullptr;
}

std::int64_t Comparison::count(RunState state) const {
  return std::ranges::count(runs, state, &RunRecord::state);
}

Comparison compare_runs(const std::vector<fs::path>& folders) {
  Comparison comparison;
  const auto names = short_names(folders);
  for (std::size_t i = 0; i < folders.size(); ++i) {
    comparison.runs.push_back(read_run_record(folders[i]));
    comparison.runs.back().name = names[i];
  }
  judge(comparison);
  if (comparison.comparable) sort_by_loss(comparison.runs);
  comparison.options = differing(comparison.runs, &RunRecord::options);
  comparison.config = differing(comparison.runs, &RunRecord::config);
  return comparison;
}

std::string states_of(const Comparison& comparison) {
  std::string text;
  for (const auto state :
       {RunState::ended, RunState::stopped, RunState::running, RunState::unknown}) {
    const auto count = comparison.count(state);
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count,
                        state == RunState::unknown ? "of unknown state" : name_of(state));
  }
  return text;
}

std::string summary_of(const Comparison& comparison) {
  const auto& runs = comparison.runs;
  auto text = runs.size() == 1 ? fmt::format("1 run ({})", states_of(comparison))
                               : fmt::format("{} runs ({})", runs.size(), states_of(comparison));
  if (const auto* best = comparison.best()) {
    text += fmt::format("; the lowest validation loss, {:.4f}, is that of {}",
                        *best->last_validation_loss(), best->name);
  } else if (!comparison.comparable) {
    text += "; their losses cannot be compared: the page says why";
  }
  return text;
}

void write_comparison(const Comparison& comparison, const fs::path& folder) {
  const ReportFolder made(folder);
  write_comparison_page(comparison, folder / "report.html");
  ReplacingFile file(folder / "report.json");
  file.write(comparison_json(comparison, ComparisonDetail::curves)
                 .dump(1, ' ', false, nlohmann::json::error_handler_t::replace) +
             "\n");
  file.commit();
}

}  // namespace lookback
