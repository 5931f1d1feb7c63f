// A headless Chromium that opens a page from disk.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lookback::tests {

// Where it is; none: this machine has none on its PATH.
std::optional<std::filesystem::path> find_browser();

struct RenderedPage {
  bool rendered = false;  // the page told how it fared
  std::map<std::string, std::string>
      told;                          // errors, canvases, blank, arcs, width, overflow (page.js)
  std::vector<std::string> console;  // what it wrote to the console
  std::string dom;                   // the document as scripts left it
};

enum class ColorScheme { light, dark };
RenderedPage render(const std::filesystem::path& page, int width, ColorScheme scheme);

}  // namespace lookback::tests
