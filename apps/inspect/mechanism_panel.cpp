// The section about what is particular to a layer's attention.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/inspect/inspect_report.h"
#include "apps/inspect/numbers.h"
#include "nn/layer/attention_options.h"

namespace lookback {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
// A map of gates holds its numbers as text.
constexpr std::size_t max_tokens = 96;

std::string cache_in_words(const CacheSizes& cache) {
  std::string text;
  if (cache.per_token > 0) text = fmt::format("{} bytes per token", cache.per_token);
  if (cache.per_sequence > 0) {
    text += fmt::format("{}{} bytes per sequence, however long it is",
                        text.empty() ? "" : "; rings and states take at most ", cache.per_sequence);
  }
  return fmt::format("{}; a plain Llama of these sizes keeps {} per token", text,
                     cache.plain_per_token);
}

// gates [T, N], as N rows over the first tokens; empty where one was not chosen.
ReportHeatMap gate_map(std::int64_t layer, const Tensor& gates, const std::string& what,
                       const std::vector<std::string>& labels) {
  const auto numbers = to_vector(gates);
  const auto count = static_cast<std::size_t>(gates.size(1));
  const auto shown = std::min(labels.size(), max_tokens);
  ReportHeatMap map{
      .title = fmt::format("Layer {}: gate of each {} and token", layer, what),
      .row_title = what,
      .column_title = "token",
      .column_labels = {labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(shown)}};
  for (std::size_t row = 0; row < count; ++row) {
    map.row_labels.push_back(std::to_string(row));
    for (std::size_t token = 0; token < shown; ++token) {
      const double gate = numbers[token * count + row];
      map.values.push_back(gate == 0 ? nothing : gate);
    }
  }
  return map;
}

// The share of the tokens that chose each, layer by layer; empty where a layer has fewer.
ReportHeatMap share_map(const std::map<std::int64_t, Tensor>& all, const std::string& what) {
  std::int64_t most = 0;
  for (const auto& [layer, gates] : all) most = std::max(most, gates.size(1));
  ReportHeatMap map{.title = fmt::format("Share of the tokens that chose each {}", what),
                    .row_title = "layer",
                    .column_title = what};
  for (std::int64_t i = 0; i < most; ++i) map.column_labels.push_back(std::to_string(i));
  for (const auto& [layer, gates] : all) {
    map.row_labels.push_back(std::to_string(layer));
    const auto numbers = to_vector(gates);
    const auto count = static_cast<std::size_t>(gates.size(1));
    for (std::size_t i = 0; i < static_cast<std::size_t>(most); ++i) {
      std::size_t chosen = 0;
      for (std::size_t k = i; i < count && k < numbers.size(); k += count) {
        chosen += numbers[k] != 0 ? 1 : 0;
      }
      const auto share = static_cast<double>(chosen) / static_cast<double>(gates.size(0));
      map.values.push_back(i < count ? share : nothing);
    }
  }
  return map;
}

void add_patterns(HtmlReport& report, const std::map<std::int64_t, PatternUse>& patterns) {
  ReportTable table{.title = "Patterns",
                    .columns = {"layer", "pattern", "keys a query sees", "without it",
                                "largest weight on a hidden key"}};
  for (const auto& [layer, use] : patterns) {
    table.rows.push_back({layer, use.described, fmt::format("{:.1f}", use.keys_seen),
                          fmt::format("{:.1f}", use.all_keys),
                          fmt::format("{:.3g}", use.largest_hidden)});
  }
  report.table(table);
}

void add_gates(HtmlReport& report, const Inspection& inspection, const LlamaConfig& config,
               const std::vector<std::string>& labels) {
  std::map<std::string, std::map<std::int64_t, Tensor>> by_kind;
  for (const auto& [layer, gates] : inspection.gates) {
    by_kind[std::string(attention_of(config, layer)->gated())][layer] = gates;
  }
  for (const auto& [what, all] : by_kind) {
    report.heat_map(share_map(all, what));
    for (const auto& [layer, gates] : all) report.heat_map(gate_map(layer, gates, what, labels));
  }
  if (!by_kind.empty() && labels.size() > max_tokens) {
    report.text(
        fmt::format("Gates of the first {} of {} tokens are drawn. The tensors file holds "
                    "all.",
                    max_tokens, labels.size()));
  }
}

}  // namespace

void add_mechanism(HtmlReport& report, const Inspection& inspection, const LlamaConfig& config,
                   const std::vector<std::string>& labels) {
  if (config.attention.empty()) return;
  std::string look_for = "Look at what it keeps of each token, against the plain Llama.";
  if (!inspection.patterns.empty()) {
    look_for += " What the pattern hides is shaded in the maps above, and its weight must be 0.";
  }
  if (!inspection.gates.empty()) {
    look_for +=
        " Gates: rows that are alike from token to token do not choose at all, and a share of 0 "
        "is one that nothing reaches. An empty cell was not chosen.";
  }
  report.section("mechanism", "What is particular to this attention", look_for);
  report.facts({{"attention_mechanism", attention_json(config).dump()},
                {"cache", cache_in_words(inspection.cache)}});
  if (!inspection.patterns.empty()) add_patterns(report, inspection.patterns);
  add_gates(report, inspection, config, labels);
}

}  // namespace lookback
