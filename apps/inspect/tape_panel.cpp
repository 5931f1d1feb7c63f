// The tape as a foldable graph: modules, their operations, and where their inputs come from.
#include <fmt/format.h>

#include <algorithm>

#include "apps/inspect/inspect_report.h"

namespace lookback {
namespace {

constexpr std::size_t max_entries = 12'000;

// "model.layers.3.mlp" -> model, layers.3, mlp: numbers stay with what they number.
std::vector<std::string> parts_of(std::string_view scope) {
  std::vector<std::string> parts;
  while (!scope.empty()) {
    const auto dot = std::min(scope.find('.'), scope.size());
    const auto part = scope.substr(0, dot);
    const bool number = std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    if (number && !parts.empty()) {
      parts.back() += fmt::format(".{}", part);
    } else {
      parts.emplace_back(part);
    }
    scope.remove_prefix(std::min(dot + 1, scope.size()));
  }
  return parts;
}

ReportTree::Branch& child_of(ReportTree::Branch& branch, const std::string& label) {
  const auto found = std::ranges::find(branch.branches, label, &ReportTree::Branch::label);
  if (found != branch.branches.end()) return *found;
  branch.branches.push_back({.label = label});
  return branch.branches.back();
}

std::string note_of(const TapeEntry& entry) {
  std::string shapes;
  for (const auto& shape : entry.outputs) shapes += to_string(shape) + " ";
  return fmt::format("{}{}, gradient norm {:.3g}", shapes, name_of(entry.dtype),
                     entry.gradient_norm);
}

std::size_t write_counts(ReportTree::Branch& branch) {
  auto count = branch.leaves.size();
  for (auto& child : branch.branches) count += write_counts(child);
  branch.note = fmt::format("{} {}", count, count == 1 ? "entry" : "entries");
  return count;
}

}  // namespace

void add_tape(HtmlReport& report, const std::vector<TapeEntry>& tape) {
  report.section(
      "tape", "The tape",
      "Look for the way of a gradient: open a module, follow \"from\" back to where its input "
      "was made, and watch the norms. An operation with gradient norm 0 passes nothing "
      "on to what came before it.");
  const auto operations =
      std::ranges::count_if(tape, [](const TapeEntry& entry) { return !entry.is_parameter(); });
  report.text(fmt::format(
      "{} operations and {} parameters made this loss, in the order of their numbers; backward "
      "runs them from the last to the first.",
      operations, static_cast<std::int64_t>(tape.size()) - operations));
  ReportTree tree{.root = {.label = "the loss"}};
  const auto shown = std::min(tape.size(), max_entries);
  if (shown < tape.size()) {
    report.text(fmt::format("The last {} of {} entries are shown.", shown, tape.size()));
  }
  for (const auto& entry : std::span(tape).last(shown)) {
    auto parts = parts_of(entry.scope);
    std::string label = entry.operation;
    if (entry.is_parameter() && !parts.empty()) {
      label = "parameter " + parts.back();
      parts.pop_back();
    }
    auto* branch = &tree.root;
    for (const auto& part : parts) branch = &child_of(*branch, part);
    branch->leaves.push_back({entry.id, label, note_of(entry), entry.from});
  }
  write_counts(tree.root);
  report.tree(tree);
}

}  // namespace lookback
