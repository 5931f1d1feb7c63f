#include "apps/train/run_entries.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <system_error>

#include "apps/folder/folder_entries.h"
#include "apps/model/folder_checksums.h"
#include "apps/train/event_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> run_files = {
    "config.json", "model.safetensors", checksums_name, "options.toml", "metrics.jsonl"};
// Of a run where there is one; alone they may be the user's.
constexpr std::array<std::string_view, 2> profile_files = {"profile.json", "trace.json"};
constexpr std::array<std::string_view, 6> tokenizer_files = {
    "tokenizer.model",         "tokenizer.json",    "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"};
constexpr std::string_view checkpoint_prefix = "checkpoint-";
constexpr std::array<std::string_view, 4> checkpoint_files = {
    "config.json", "model.safetensors", "optimizer.safetensors", "trainer_state.json"};
constexpr auto looks_folder = "inspect";
constexpr std::array<std::string_view, 2> look_files = {"report.html", "inspect.safetensors"};
constexpr std::string_view report_prefix = "step-";

template <std::size_t size>
bool is_one_of(const std::array<std::string_view, size>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_of_run(const fs::path& entry) {
  std::error_code ignored;
  if (fs::is_directory(entry, ignored)) return step_of_checkpoint(entry).has_value();
  return is_one_of(run_files, entry.filename().string()) || is_event_file(entry);
}

bool is_of_tokenizer(const fs::path& entry) {
  return is_one_of(tokenizer_files, entry.filename().string()) && !is_own_folder(entry);
}

bool is_of_profile(const fs::path& entry) {
  return is_one_of(profile_files, entry.filename().string()) && !is_own_folder(entry);
}

bool is_of_report(const fs::path& entry) {
  return is_one_of(look_files, entry.filename().string()) && !is_own_folder(entry);
}

// Reports on the model, and nothing else: a file of the user between them keeps them all.
bool is_of_looks(const fs::path& entry) {
  if (entry.filename() != looks_folder || !is_own_folder(entry)) return false;
  return std::ranges::all_of(names_in(entry), [&](const auto& name) {
    const auto path = entry / name;
    if (!name.starts_with(report_prefix) || !is_own_folder(path)) return is_of_report(path);
    return std::ranges::all_of(names_in(path),
                               [&](const auto& file) { return is_of_report(path / file); });
  });
}

}  // namespace

std::string checkpoint_name(std::int64_t step) {
  return std::string(checkpoint_prefix) + std::to_string(step);
}

std::optional<std::int64_t> step_of_checkpoint(const fs::path& path) {
  const auto name = path.filename().string();
  if (!name.starts_with(checkpoint_prefix)) return std::nullopt;
  std::int64_t step = 0;
  std::from_chars(name.data() + checkpoint_prefix.size(), name.data() + name.size(), step);
  return step >= 0 && name == checkpoint_name(step) ? std::optional(step) : std::nullopt;
}

std::vector<std::string> run_entries(const fs::path& folder) {
  std::vector<std::string> of_run, beside_it;
  for (const auto& name : names_in(folder)) {
    if (is_of_run(folder / name)) of_run.push_back(name);
    const auto entry = folder / name;
    if (is_of_tokenizer(entry) || is_of_looks(entry) || is_of_profile(entry))
      beside_it.push_back(name);
  }
  if (!of_run.empty()) of_run.insert(of_run.end(), beside_it.begin(), beside_it.end());
  return of_run;
}

std::vector<std::string> tokenizer_entries() {
  return {tokenizer_files.begin(), tokenizer_files.end()};
}

bool is_written_by_run(const fs::path& path, const fs::path& folder) {
  std::error_code ignored;
  const auto inside = fs::relative(path, folder, ignored);
  if (inside.empty() || *inside.begin() == "..") return false;
  const auto& first = *inside.begin();
  if (inside.has_parent_path()) return first == looks_folder || step_of_checkpoint(first);
  return is_one_of(run_files, first) || is_one_of(tokenizer_files, first) ||
         is_one_of(profile_files, first) || is_event_file(first);
}

std::vector<fs::path> example_paths_of_run() {
  std::vector<fs::path> paths = {"events.out.tfevents.1700000000.host.1"};
  paths.insert(paths.end(), run_files.begin(), run_files.end());
  paths.insert(paths.end(), profile_files.begin(), profile_files.end());
  for (const auto name : look_files) paths.push_back(fs::path(looks_folder) / "step-1" / name);
  for (const auto name : checkpoint_files) paths.push_back(fs::path(checkpoint_name(1)) / name);
  return paths;
}

}  // namespace lookback
