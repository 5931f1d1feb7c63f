// Opens a shared library that the program needs and does not bring: where the loader finds none,
// also where its users are known to keep it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace lookback {

struct LibrarySearch {
  std::string operation;  // of the error
  std::string file;       // libcublas.so.13
  // Of the environment: names the file, or the folder it lies in. Where it is set nothing else is
  // tried.
  std::string variable;
  std::vector<std::filesystem::path> folders;  // tried in this order, behind the loader's own
  std::string advice;                          // closes the error: how to get one
};

struct OpenedLibrary {
  void* handle;  // for as long as the process lives
  std::filesystem::path path;
};

// The first one that opens and that `why_not` (of its handle) has nothing against, an empty text.
// Throws Error that names every place that was tried, and what was wrong there.
OpenedLibrary open_library(const LibrarySearch& search,
                           const std::function<std::string(void*)>& why_not);

}  // namespace lookback
