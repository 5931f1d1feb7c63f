#include "apps/data/split_names.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>

#include "apps/data/token_array.h"
#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<std::string>;

enum class Purpose { unsaid, training, validation, test };

Purpose purpose_of_word(std::string_view word) {
  constexpr std::array training = {"train", "training"};
  constexpr std::array validation = {"val", "valid", "validation", "dev", "eval"};
  if (std::ranges::find(training, word) != training.end()) return Purpose::training;
  if (std::ranges::find(validation, word) != validation.end()) return Purpose::validation;
  return word == "test" ? Purpose::test : Purpose::unsaid;
}

// Of a name that says two things: unsaid.
Purpose purpose_of_name(std::string_view name) {
  std::set<Purpose> found;
  std::string word;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    const auto c = i < name.size() ? static_cast<unsigned char>(name[i]) : '.';
    if (std::isalpha(c) != 0) {
      word.push_back(static_cast<char>(std::tolower(c)));
      continue;
    }
    found.insert(purpose_of_word(word));
    word.clear();
  }
  found.erase(Purpose::unsaid);
  return found.size() == 1 ? *found.begin() : Purpose::unsaid;
}

// Folders tell files apart only where there are several.
Purpose purpose_of(const fs::path& path, const Paths& all) {
  const auto own = purpose_of_name(path.filename().string());
  const auto folder = path.parent_path();
  const bool one_folder = std::ranges::all_of(
      all, [&](const fs::path& other) { return other.parent_path() == folder; });
  if (own != Purpose::unsaid || one_folder) return own;
  return purpose_of_name(folder.filename().string());
}

bool is_tokens(const std::string& path) { return format_of(path) == TokenFormat::bin; }

// What other programs write beside data, and nobody trains on.
bool is_companion(const fs::path& path) {
  auto name = path.filename().string();
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto ending = fs::path(name).extension().string();
  return name.starts_with("readme") || name.starts_with("license") || ending == ".py" ||
         ending == ".pkl";
}

bool is_companion_of_tokens(const fs::path& path, const Paths& files) {
  const auto name = path.filename().string();
  auto bin = path;
  bin.replace_extension(".bin");
  const bool is_index =
      path.extension() == ".idx" && std::ranges::find(files, bin.string()) != files.end();
  return is_index || name == "meta.pkl" || name == "index.json" || name.ends_with(".csv.gz");
}

std::string names_of(const Paths& files) {
  constexpr std::size_t most = 3;
  Paths names;
  for (const auto& file : files) {
    if (names.size() < most) names.push_back(fs::path(file).filename().string());
  }
  const auto list = fmt::format("{}", fmt::join(names, ", "));
  return files.size() <= most ? list : fmt::format("{}, .. ({} files)", list, files.size());
}

using ByPurpose = std::map<Purpose, Paths>;

ByPurpose by_purpose(const Paths& files) {
  ByPurpose found;
  for (const auto& file : files) found[purpose_of(file, files)].push_back(file);
  return found;
}

// Whether all say something, and not all the same.
bool are_apart(const ByPurpose& files) {
  return !files.contains(Purpose::unsaid) && files.contains(Purpose::training) && files.size() > 1;
}

DataFiles apart(const std::string& spec, ByPurpose files, Paths left_out) {
  const auto& tests = files[Purpose::test];
  left_out.insert(left_out.begin(), tests.begin(), tests.end());
  DataFiles found{.training = files[Purpose::training], .validation = files[Purpose::validation]};
  found.note = fmt::format(
      "{}: as the names say, {} for training, {} for validation{}", spec, names_of(found.training),
      found.validation.empty() ? "the last 5 % of it" : names_of(found.validation),
      left_out.empty() ? "" : ", without " + names_of(left_out));
  return found;
}

// Moves the files that `is_other` says into `others`.
template <class IsOther>
void take_out(Paths& files, Paths& others, const IsOther& is_other) {
  const auto rest = std::stable_partition(files.begin(), files.end(),
                                          [&](const auto& file) { return !is_other(file); });
  others.insert(others.end(), rest, files.end());
  files.erase(rest, files.end());
}

// What is said of all of them being one text.
std::string note_on_joined(const std::string& spec, ByPurpose files) {
  const auto& validation = files[Purpose::validation];
  const auto& tests = files[Purpose::test];
  const auto& unsaid = files[Purpose::unsaid];
  const auto& held_out = validation.empty() ? tests : validation;
  if (held_out.empty() || unsaid.empty()) return {};
  return fmt::format(
      "{}: {} is trained on like the rest, though its name says {}: {} says nothing of the kind; "
      "--data and --validation-data name them apart",
      spec, names_of(held_out), validation.empty() ? "test" : "validation", names_of(unsaid));
}

}  // namespace

DataFiles split_by_name(const std::string& spec, Paths files) {
  Paths tokens = files, others;
  take_out(tokens, others, [](const auto& file) { return !is_tokens(file); });
  if (const auto purposes = by_purpose(tokens); are_apart(purposes)) {
    std::erase_if(others, [](const fs::path& path) { return path.extension() == ".idx"; });
    return apart(spec, purposes, others);
  }
  Paths left_out;
  if (!tokens.empty()) {
    Paths companions;
    const auto all = files;
    take_out(files, companions,
             [&](const auto& file) { return is_companion_of_tokens(file, all); });
  }
  auto texts = files;
  take_out(texts, left_out, is_companion);
  if (const auto purposes = by_purpose(texts); are_apart(purposes))
    return apart(spec, purposes, left_out);
  return {.training = files, .note = note_on_joined(spec, by_purpose(files))};
}

}  // namespace lookback
