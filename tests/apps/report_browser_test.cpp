// Reports in a real browser: nothing on the console, and something drawn on every canvas.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/browser.h"
#include "tests/apps/program_run.h"
#include "tests/apps/sample_report.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ReportInABrowser : public testing::Test {
 protected:
  void SetUp() override {
    if (!find_browser()) {
      GTEST_SKIP() << "there is no Chromium: bash third_party/install_packages.sh browser";
    }
  }
  std::filesystem::path page() const { return folder_.path() / "a report.html"; }

  TemporaryDirectory folder_;
};

TEST_F(ReportInABrowser, DrawsEveryPanelAtBothWidthsInBothSchemes) {
  sample_report().write(page());
  for (const int width : {1280, 390}) {
    for (const auto scheme : {ColorScheme::light, ColorScheme::dark}) {
      const auto result = render(page(), width, scheme);
      ASSERT_TRUE(result.rendered) << result.dom.substr(0, 300);
      EXPECT_THAT(result.console, IsEmpty());
      EXPECT_EQ(result.told.at("width"), std::to_string(width));
      EXPECT_EQ(result.told.at("errors"), "0");
      // Two charts, curves, two heat maps, four small maps, two large ones and their difference.
      EXPECT_EQ(result.told.at("canvases"), "12");
      EXPECT_EQ(result.told.at("blank"), "0");
      EXPECT_EQ(result.told.at("arcs"), "2");
      EXPECT_EQ(result.told.at("overflow"), "0") << "wider than its window of " << width;
      // The one weight on the future is found.
      EXPECT_THAT(result.dom, HasSubstr("reads the future in 1 cell<"));
    }
  }
}

TEST_F(ReportInABrowser, TextNeverBecomesMarkup) {
  sample_report().write(page());
  const auto result = render(page(), 1280, ColorScheme::light);
  ASSERT_TRUE(result.rendered);
  EXPECT_THAT(result.dom, Not(HasSubstr("<img src")));
  EXPECT_THAT(result.dom, HasSubstr("&lt;/script&gt;&lt;script&gt;throw 'broke out'"));
}

// Keys move over maps and through small pictures, and a pointer of the tree unfolds the way.
TEST_F(ReportInABrowser, WorksWithTheKeyboard) {
  auto html = sample_report().html();
  const std::string end = "</body>";
  html.insert(html.rfind(end), R"(<script>window.addEventListener("load", () => {
    const told = document.documentElement.dataset;
    const press = (at, key) => at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    const map = document.querySelector("figure canvas[tabindex]");
    for (const key of ["ArrowRight", "ArrowRight", "ArrowDown"]) press(map, key);
    told.read = map.closest("figure").querySelector("output").textContent;
    press(document.querySelectorAll(".grid button")[0], "ArrowDown");
    told.chosen = document.querySelector(".grid + *, h3[aria-live]").textContent;
    told.focused = document.activeElement.title;
    press(document.querySelectorAll(".flow g")[0], "ArrowRight");
    told.fed = document.querySelector(".flow ~ ul").textContent;
    document.querySelector(".tree button").click();
    told.leaf = document.activeElement.dataset.leaf;
    told.open = String(document.querySelectorAll(".tree details[open]").length);
  });</script>)");
  write_text(page(), html);
  const auto result = render(page(), 1280, ColorScheme::light);
  ASSERT_TRUE(result.rendered);
  EXPECT_THAT(result.console, IsEmpty());
  EXPECT_EQ(result.told.at("read"), "layer 1, head 1: 0.25");
  EXPECT_EQ(result.told.at("chosen"), "layer 1, head 0");
  EXPECT_EQ(result.told.at("focused"), "layer 1, head 0");
  EXPECT_EQ(result.told.at("fed"), "layer 0 gives half");
  EXPECT_EQ(result.told.at("leaf"), "7");
  EXPECT_EQ(result.told.at("open"), "2");
}

// A name hides its lines, also with the keyboard; other axes and pictures are drawn at once.
TEST_F(ReportInABrowser, CurvesAreChosenAndHidden) {
  auto html = sample_report().html();
  const std::string end = "</body>";
  html.insert(html.rfind(end), R"(<script>window.addEventListener("load", () => {
    const told = document.documentElement.dataset;
    const figure = document.querySelector(".choices").closest("figure");
    const chart = () => Chart.getChart(figure.querySelector("canvas"));
    const labels = () => chart().data.datasets.map((set) => set.label).join("|");
    const points = () => chart().data.datasets.map((set) => set.data.length).join("|");
    told.first = points();
    const [one, other] = figure.querySelectorAll(".groups button");
    other.click();
    told.left = labels();
    told.pressed = other.getAttribute("aria-pressed");
    other.click();
    const choose = (at, index) => {
      const select = figure.querySelectorAll("select")[at];
      select.selectedIndex = index;
      select.dispatchEvent(new Event("change"));
    };
    choose(1, 1);
    told.tokens = chart().data.datasets.map((set) => set.data.at(-1).x).join("|");
    choose(2, 1);
    told.half = points();
    choose(0, 1);
    told.none = points();
  });</script>)");
  write_text(page(), html);
  const auto result = render(page(), 1280, ColorScheme::light);
  ASSERT_TRUE(result.rendered);
  EXPECT_THAT(result.console, IsEmpty());
  EXPECT_EQ(result.told.at("first"), "2|1|2") << "without what is not a number";
  EXPECT_EQ(result.told.at("left"), "one run|floor");
  EXPECT_EQ(result.told.at("pressed"), "false");
  EXPECT_EQ(result.told.at("tokens"), "10|20|30");
  EXPECT_EQ(result.told.at("half"), "1|1") << "behind 15 tokens";
  EXPECT_EQ(result.told.at("none"), "") << "infinity is not drawn";
}

// What the tests above rely on: an error and an empty canvas are seen.
TEST_F(ReportInABrowser, ABrokenPageIsNoticed) {
  auto html = sample_report().html();
  const std::string begin = "const panels = {";
  html.replace(html.find(begin), begin.size(),
               "document.body.append(document.createElement('canvas'));"
               "setTimeout(() => { throw new Error('broken'); }); " +
                   begin);
  write_text(page(), html);
  const auto result = render(page(), 1280, ColorScheme::light);
  ASSERT_TRUE(result.rendered);
  EXPECT_THAT(result.console, Not(IsEmpty()));
  EXPECT_EQ(result.told.at("errors"), "1");
  EXPECT_EQ(result.told.at("blank"), "1");
}

}  // namespace
}  // namespace lookback::tests
