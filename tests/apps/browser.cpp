#include "tests/apps/browser.h"

#include <fmt/format.h>

#include <cstdlib>
#include <regex>
#include <sstream>

#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {

namespace fs = std::filesystem;

std::optional<fs::path> find_browser() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    for (const auto* name : {"chromium", "chromium-browser", "google-chrome"}) {
      std::error_code ignored;
      if (fs::is_regular_file(fs::path(folder) / name, ignored)) return fs::path(folder) / name;
    }
  }
  return std::nullopt;
}

RenderedPage render(const fs::path& page, int width, ColourScheme scheme) {
  const TemporaryDirectory scratch;
  const auto dom = scratch.path() / "dom", log = scratch.path() / "log";
  const auto command = fmt::format(
      "timeout 120 '{}' --headless --no-sandbox --disable-gpu --user-data-dir='{}' "
      "--window-size={},900 --virtual-time-budget=8000 --blink-settings=preferredColorScheme={} "
      "--enable-logging=stderr --dump-dom 'file://{}' >'{}' 2>'{}'",
      find_browser()->string(), (scratch.path() / "profile").string(), width,
      scheme == ColourScheme::dark ? 0 : 1, fs::absolute(page).string(), dom.string(),
      log.string());
  RenderedPage result;
  if (std::system(command.c_str()) != 0)
    return result;  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  result.dom = read_text(dom);
  const auto root = result.dom.substr(result.dom.find("<html"));
  const std::string tag = root.substr(0, root.find('>'));
  static const std::regex data_attribute("data-([a-z]+)=\"([^\"]*)\"");
  for (std::sregex_iterator match(tag.begin(), tag.end(), data_attribute), end; match != end;
       ++match) {
    result.told[(*match)[1]] = (*match)[2];
  }
  result.rendered = result.told.contains("canvases");
  std::istringstream lines(read_text(log));
  for (std::string line; std::getline(lines, line);) {
    if (line.find("CONSOLE") != std::string::npos) result.console.push_back(line);
  }
  return result;
}

}  // namespace lookback::tests
