#include "tests/apps/run_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/apps/event_reader.h"
#include "tests/apps/program_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The lines of `text` as `change` leaves them.
template <class Change>
std::string each_line(const std::string& text, const Change& change) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) result += change(line);
  return result;
}

std::string without_times(const std::string& text) {
  auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) return text + "\n";
  for (const auto* key : {"seconds", "tokens_per_second", "peak_bytes"}) object.erase(key);
  if (object.contains("unlogged")) object["unlogged"].erase("seconds");
  return object.dump() + "\n";
}

std::string of_any_folder(const std::string& line) {
  for (const auto* start : {"# resumed from ", "# checksum ", "output_dir", "threads"}) {
    if (line.starts_with(start)) return {};
  }
  return line + "\n";
}

// A line per scalar.
std::string events_text(const fs::path& run) {
  std::string text;
  for (const auto& event : joined_events(run)) {
    for (const auto& [tag, value] : event.scalars) {
      if (tag == "train/tokens_per_second") continue;
      text += fmt::format("{} {} {}\n", event.step, tag, value);
    }
  }
  return text;
}

}  // namespace

RunFiles run_files(const fs::path& run) {
  RunFiles files{{"events", events_text(run)}};
  const auto parts = event_files(run);
  for (const auto& entry : fs::recursive_directory_iterator(run)) {
    if (!entry.is_regular_file() || std::ranges::find(parts, entry.path()) != parts.end()) continue;
    auto& text = files[fs::relative(entry.path(), run).string()];
    text = read_text(entry.path());
    const auto name = entry.path().filename();
    if (name == "metrics.jsonl") text = each_line(text, without_times);
    if (name == "options.toml") text = each_line(text, of_any_folder);
    if (name == "trainer_state.json") text = without_times(text);
  }
  return files;
}

std::string differing_files(const RunFiles& ours, const RunFiles& theirs) {
  std::string names;
  const auto add_unless_in = [&](const RunFiles& files, const RunFiles& others) {
    for (const auto& [name, text] : files) {
      const auto other = others.find(name);
      if (other == others.end()) names += name + " is missing; ";
      if (other != others.end() && &files == &ours && other->second != text) names += name + "; ";
    }
  };
  add_unless_in(ours, theirs);
  add_unless_in(theirs, ours);
  return names;
}

}  // namespace lookback::tests
