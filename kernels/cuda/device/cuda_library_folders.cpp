#include "kernels/cuda/device/cuda_library_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

namespace lookback {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Of every folder below `parent` whose name begins so; none where there is no such parent.
std::vector<fs::path> folders_below(const fs::path& parent, std::string_view prefix) {
  std::vector<fs::path> found;
  std::error_code ended;
  for (fs::directory_iterator entry(parent, ended), end; !ended && entry != end;
       entry.increment(ended)) {
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  }
  std::ranges::sort(found);
  return found;
}

// The folders of a python3 and of what it is a link to: a virtual environment's, then its base's.
std::vector<fs::path> folders_of(fs::path python) {
  constexpr int max_links = 8;
  std::vector<fs::path> found;
  std::error_code failed;
  for (int link = 0; link < max_links && fs::exists(python, failed); ++link) {
    found.push_back(python.parent_path());
    const auto target = fs::read_symlink(python, failed);
    if (failed) break;
    python = (python.parent_path() / target).lexically_normal();
  }
  return found;
}

// Where packages named nvidia-... have their libraries.
std::vector<fs::path> python_folders() {
  std::vector<fs::path> found;
  std::istringstream path(environment("PATH"));
  for (std::string entry; std::getline(path, entry, ':');) {
    for (const auto& binaries : folders_of(fs::path(entry) / "python3")) {
      for (const auto& python : folders_below(binaries.parent_path() / "lib", "python3")) {
        for (const char* packages : {"site-packages", "dist-packages"}) {
          for (const auto& package : folders_below(python / packages / "nvidia", "")) {
            found.push_back(package / "lib");
          }
        }
      }
    }
  }
  return found;
}

}  // namespace

std::vector<fs::path> cuda_library_folders(int major) {
  std::vector<fs::path> all;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const auto home = environment(variable); !home.empty()) {
      all.push_back(fs::path(home) / "lib64");
      all.push_back(fs::path(home) / "lib");
    }
  }
  const fs::path installed = "/usr/local";
  all.push_back(installed / "cuda" / "lib64");
  all.push_back(installed / fmt::format("cuda-{}", major) / "lib64");
  const auto of_python = python_folders();
  all.insert(all.end(), of_python.begin(), of_python.end());
  std::vector<fs::path> once;
  for (const auto& folder : all) {
    if (std::ranges::find(once, folder) == once.end()) once.push_back(folder);
  }
  return once;
}

}  // namespace lookback
