#include "runtime/library_search.h"

#include <dlfcn.h>
#include <fmt/ranges.h>
#include <link.h>

#include <cstdlib>

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

}  // namespace lookback
