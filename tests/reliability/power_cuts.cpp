#include "tests/reliability/power_cuts.h"

#include <random>
#include <set>
#include <string_view>
#include <vector>

#include "tests/apps/program_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using Fate = DiskModel::Fate;
using Fates = std::vector<Fate>;

constexpr std::size_t few = 5, random_subsets = 12;

std::vector<Fates> subsets_of(std::size_t open, std::mt19937& random) {
  std::vector<Fates> subsets;
  if (open <= few) {
    for (std::size_t bits = 0; bits < std::size_t{1} << open; ++bits) {
      Fates fates(open, Fate::lost);
      for (std::size_t i = 0; i < open; ++i) {
        if ((bits >> i & 1) != 0) fates[i] = Fate::kept;
      }
      subsets.push_back(fates);
    }
    return subsets;
  }
  subsets = {Fates(open, Fate::kept), Fates(open, Fate::lost)};
  // The newest: what came long before is decided much as it was at an earlier moment.
  for (std::size_t i = open - few; i < open; ++i) {
    for (const auto other : {Fate::kept, Fate::lost}) {
      subsets.emplace_back(open, other);
      subsets.back()[i] = other == Fate::kept ? Fate::lost : Fate::kept;
    }
  }
  for (std::size_t n = 0; n < random_subsets; ++n) {
    Fates fates;
    for (std::size_t i = 0; i < open; ++i) fates.push_back(static_cast<Fate>(random() % 3));
    subsets.push_back(fates);
  }
  return subsets;
}

}  // namespace

std::size_t fingerprint(const Tree& tree) {
  std::size_t sum = 0;
  for (const auto& [path, bytes] : tree) {
    const std::string_view content = bytes ? std::string_view(*bytes) : "/";
    for (const auto text : {std::string_view(path), content}) {
      sum = (sum ^ std::hash<std::string_view>()(text)) * 0x9e3779b97f4a7c15U + 1;
    }
  }
  return sum;
}

fs::path TreeMaker::make(const Tree& tree) {
  const auto root = store_.path() / "tree";
  fs::remove_all(root);
  fs::create_directory(root);
  for (const auto& [path, bytes] : tree) {
    if (!bytes) {
      fs::create_directories(root / path);
      continue;
    }
    auto& file = files_[*bytes];
    if (file.empty()) {
      file = store_.path() / std::to_string(files_.size());
      write_text(file, *bytes);
    }
    fs::create_directories((root / path).parent_path());
    fs::create_hard_link(file, root / path);
  }
  return root;
}

void for_each_power_cut(const DiskModel& disk,
                        const std::function<void(std::size_t, const Tree&)>& check) {
  std::mt19937 random(1);
  for (std::size_t moment = 0; moment <= disk.changes(); ++moment) {
    std::set<std::size_t> seen;
    for (const auto& fates : subsets_of(disk.open_at(moment).size(), random)) {
      const auto tree = disk.after_cut(moment, fates);
      if (seen.insert(fingerprint(tree)).second) check(moment, tree);
    }
  }
}

}  // namespace lookback::tests
