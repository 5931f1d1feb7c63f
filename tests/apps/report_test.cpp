// The base of HTML reports: what is embedded cannot break out, and large maps are reduced.
#include "apps/report/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/report/reduced_map.h"
#include "runtime/check.h"
#include "tests/apps/program_run.h"
#include "tests/apps/sample_report.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

// The data of a page, as its script reads them.
Json data_of(const std::string& html) {
  const std::string open = "id=\"report-data\">";
  const auto begin = html.find(open) + open.size();
  return Json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

TEST(HtmlReport, HoldsEverythingAndNothingBreaksOut) {
  const auto html = sample_report().html();
  EXPECT_EQ(count(html, "</script>"), 3U) << "the data, Chart.js, and ours";
  EXPECT_EQ(count(html, "<img"), 0U);
  EXPECT_THAT(html, Not(HasSubstr("{{")));
  for (const char c : html.substr(0, html.find("<style>"))) EXPECT_NE(c, '\xff');
  const auto data = data_of(html);
  EXPECT_EQ(data.at("sections").size(), 4U);
  // Invalid UTF-8 became the sign for it, the rest is as it was.
  const auto text = data.at("sections")[0].at("panels")[0].at("text").get<std::string>();
  EXPECT_THAT(text,
              HasSubstr("</script><script>throw 'broke out'</script>\"'&<img src=x>\xef\xbf\xbd"));
}

TEST(HtmlReport, AsksNothingOfANetwork) {
  const auto html = sample_report().html();
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  EXPECT_EQ(count(html, "src=\"http"), 0U);
  EXPECT_EQ(count(html, "<link"), 0U);
  EXPECT_EQ(count(html, "@import"), 0U);
}

TEST(HtmlReport, SaysWhatIsNotFinite) {
  const auto panels = data_of(sample_report().html()).at("sections")[1].at("panels");
  EXPECT_EQ(panels[0].at("series")[0].at("values")[2], "NaN");
  EXPECT_EQ(panels[0].at("series")[1].at("values")[3], "inf");
}

TEST(HtmlReport, IsWrittenWholeAndRefusesWhatDoesNotFit) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "report.html";
  sample_report().write(path);
  EXPECT_EQ(read_text(path), sample_report().html());
  HtmlReport report("large");
  EXPECT_THROW(report.text("no section yet"), Error);
  report.section("a", "A", "");
  report.text(std::string(5'000'000, 'x'));
  EXPECT_THROW(report.write(path), Error);
  EXPECT_EQ(read_text(path), sample_report().html()) << "the old one is still there";
  EXPECT_THROW(report.heat_map({.title = "x", .row_labels = {"a"}, .column_labels = {"b"}}), Error);
}

TEST(HtmlReport, ReducesLargeMapsToTheirShare) {
  HtmlReport report("maps");
  report.section("a", "A", "");
  auto grid = sample_map_grid(40, ReportMapRule::causal);
  grid.max_bytes = 8 * (4 * 400 / 3 + 70);
  report.map_grid(grid);
  const auto panel = data_of(report.html()).at("sections")[0].at("panels")[0];
  EXPECT_EQ(panel.at("factor"), 2);
  EXPECT_EQ(panel.at("cells")[0][0].at("data").get<std::string>().size(), (400U + 2) / 3 * 4);
}

TEST(ReducedMap, KeepsTheLargestOfEachBlock) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_THAT(reduced_map(values, 3, 3, 1), testing::ElementsAreArray(values));
  EXPECT_THAT(reduced_map(values, 3, 3, 2), ElementsAre(5, 6, 8, 9));
  EXPECT_THAT(reduced_map(values, 3, 3, 3), ElementsAre(9));
  const std::vector<float> broken{0, std::nanf(""), 1, 0};
  EXPECT_TRUE(std::isnan(reduced_map(broken, 2, 2, 2)[0]));
}

TEST(ReducedMap, AWeightIsZeroOnThePageOnlyWhereItIsZero) {
  // Codes 0, 1, 127, 254, 255 and 0.
  EXPECT_EQ(encoded_map(std::vector<float>{0, 1e-30F, 0.25F, 1, std::nanf(""), 0}), "AAF//v8A");
  EXPECT_EQ(encoded_map(std::vector<float>{1}), "/g==");
  EXPECT_EQ(encoded_map(std::vector<float>{1, 1}), "/v4=");
}

}  // namespace
}  // namespace lookback::tests
