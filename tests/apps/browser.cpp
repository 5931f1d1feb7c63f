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

// A browser's own window has a least width, a frame in it has none. What the page told, and what
// became of its document, is copied into the frame's own, which the browser then prints.
std::string frame_around(const fs::path& page, int width) {
  return fmt::format(R"(<!doctype html><html><body>
<iframe style="border: 0" width="{}" height="900" src="file://{}"></iframe>
<script>addEventListener("load", () => {{
  const inner = document.querySelector("iframe").contentDocument;
  setTimeout(() => {{
    Object.assign(document.documentElement.dataset, inner.documentElement.dataset);
    document.body.innerHTML = inner.body.innerHTML;
  }}, 1000);
}});</script></body></html>)",
                     width, fs::absolute(page).string());
}

RenderedPage render(const fs::path& page, int width, ColorScheme scheme) {
  const TemporaryDirectory scratch;
  const auto dom = scratch.path() / "dom", log = scratch.path() / "log";
  const auto frame = scratch.path() / "frame.html";
  write_text(frame, frame_around(page, width));
  const auto command = fmt::format(
      "timeout 120 '{}' --headless --no-sandbox --disable-gpu --user-data-dir='{}' "
      "--allow-file-access-from-files --window-size=1400,1000 --virtual-time-budget=8000 "
      "--blink-settings=preferredColorScheme={} --enable-logging=stderr --dump-dom 'file://{}' "
      ">'{}' 2>'{}'",
      find_browser()->string(), (scratch.path() / "profile").string(),
      scheme == ColorScheme::dark ? 0 : 1, frame.string(), dom.string(), log.string());
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
