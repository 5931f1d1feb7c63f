#include "kernels/cuda/device/library_search.h"

#include <dlfcn.h>
#include <fmt/ranges.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Where the loader has found it.
fs::path path_of(void* handle, const fs::path& asked_for) {
  link_map* map = nullptr;
  const bool known = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr;
  return known && map->l_name[0] != '\0' ? fs::path(map->l_name) : asked_for;
}

std::vector<fs::path> places(const LibrarySearch& search) {
  if (const auto named = environment(search.variable.c_str()); !named.empty()) {
    std::error_code ignored;
    const fs::path path = named;
    return {fs::is_directory(path, ignored) ? path / search.file : fs::absolute(path)};
  }
  std::vector<fs::path> all{search.file};
  for (const auto& folder : search.folders) all.push_back(folder / search.file);
  return all;
}

// dlerror() repeats the path in front of what it says.
std::string loader_error(const fs::path& path) {
  const char* said = dlerror();
  std::string text = said == nullptr ? "cannot be opened" : said;
  const auto prefix = path.string() + ": ";
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
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

OpenedLibrary open_library(const LibrarySearch& search,
                           const std::function<std::string(void*)>& why_not) {
  std::vector<std::string> tried;
  for (const auto& path : places(search)) {
    void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      tried.push_back(fmt::format("{} ({})", path.string(), loader_error(path)));
      continue;
    }
    const auto found = path_of(handle, path);
    const auto problem = why_not(handle);
    if (problem.empty()) return {handle, found};
    tried.push_back(fmt::format("{} ({})", found.string(), problem));
    dlclose(handle);
  }
  fail(search.operation,
       "no {} that can be used; tried {}. {}, or let {} name the file or its folder", search.file,
       fmt::join(tried, ", "), search.advice, search.variable);
}

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
