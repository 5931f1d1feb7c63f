#include "apps/report/html_report.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/report/page_files.h"
#include "apps/report/reduced_map.h"
#include "runtime/check.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t max_bytes = 5'000'000;

// Five digits are enough to look at; what is not finite becomes its name.
Json number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const auto digits = fmt::format("{:.5g}", value);
  double rounded = value;  // and stays it where five digits make more than the largest number
  std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
  return rounded;
}

Json numbers(const std::vector<double>& values) {
  auto array = Json::array();
  for (const double value : values) array.push_back(number(value));
  return array;
}

// Places on an axis: steps and tokens are counts, which no digit may be missing of.
Json places(const std::vector<double>& values) {
  constexpr double most = 1e15;
  auto array = Json::array();
  for (const double value : values) {
    const bool whole = std::floor(value) == value && std::abs(value) < most;
    array.push_back(whole ? Json(static_cast<std::int64_t>(value)) : number(value));
  }
  return array;
}

// As JSON that stands inside a <script> and is ASCII, whatever bytes the strings hold.
std::string dumped(const Json& object) {
  auto text = object.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<': safe += "\\u003c"; break;
      case '>': safe += "\\u003e"; break;
      case '&': safe += "\\u0026"; break;
      default: safe += c;
    }
  }
  return safe;
}

std::string escaped(std::string_view text) {
  // The same way out of bad bytes as for data: through JSON and back.
  const auto clean = Json::parse(Json(text).dump(-1, ' ', true, Json::error_handler_t::replace))
                         .get<std::string>();
  std::string safe;
  for (const char c : clean) {
    switch (c) {
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '&': safe += "&amp;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c;
    }
  }
  return safe;
}

// The template with its {{NAMES}} filled in; what is filled in is not looked at again.
std::string filled(std::string_view text,
                   const std::vector<std::pair<std::string_view, std::string_view>>& values) {
  std::string result;
  while (!text.empty()) {
    const auto open = std::min(text.find("{{"), text.size());
    result += text.substr(0, open);
    text.remove_prefix(open);
    if (text.empty()) break;
    const auto close = text.find("}}");
    const auto name = text.substr(2, close - 2);
    const auto found =
        std::ranges::find_if(values, [&](const auto& value) { return value.first == name; });
    result += found->second;
    text.remove_prefix(close + 2);
  }
  return result;
}

Json branch_json(const ReportTree::Branch& branch) {
  auto branches = Json::array();
  for (const auto& child : branch.branches) branches.push_back(branch_json(child));
  auto leaves = Json::array();
  for (const auto& leaf : branch.leaves) {
    leaves.push_back(Json::array({leaf.id, leaf.label, leaf.note, leaf.from}));
  }
  return {
      {"label", branch.label}, {"note", branch.note}, {"branches", branches}, {"leaves", leaves}};
}

std::int64_t reduction(const ReportMapGrid& grid) {
  const auto side = static_cast<std::int64_t>(grid.labels.size());
  std::int64_t maps = 0;
  for (const auto& cell : grid.cells) maps += static_cast<std::int64_t>(cell.maps.size());
  std::int64_t factor = 1;
  const auto bytes = [&] {
    const auto small = (side + factor - 1) / factor;
    return maps * ((small * small + 2) / 3 * 4 + 64);
  };
  while (factor < side && bytes() > grid.max_bytes) ++factor;
  return factor;
}

}  // namespace

HtmlReport::HtmlReport(std::string title) : title_(std::move(title)) {}

void HtmlReport::section(std::string id, std::string heading, std::string look_for) {
  sections_.push_back({std::move(id), std::move(heading), std::move(look_for), {}});
}

void HtmlReport::add(std::string panel) {
  Check{"report"}(!sections_.empty(), "a panel needs a section to stand in");
  sections_.back().panels.push_back(std::move(panel));
}

void HtmlReport::text(std::string_view paragraph) {
  add(dumped({{"kind", "text"}, {"text", paragraph}}));
}

void HtmlReport::facts(const std::vector<std::pair<std::string, std::string>>& pairs) {
  auto list = Json::array();
  for (const auto& [name, value] : pairs) list.push_back(Json::array({name, value}));
  add(dumped({{"kind", "facts"}, {"facts", list}}));
}

void HtmlReport::chart(const ReportChart& chart) {
  auto series = Json::array();
  for (const auto& one : chart.series) {
    series.push_back({{"name", one.name}, {"values", numbers(one.values)}});
  }
  add(dumped(
      {{"kind", "chart"},
       {"title", chart.title},
       {"xTitle", chart.x_title},
       {"yTitle", chart.y_title},
       {"labels", chart.labels},
       {"series", series},
       {"bridged", chart.gaps == ReportChart::Gaps::bridged},
       {"form", chart.kind == ReportChart::Kind::bars ? "bar" : "line"},
       {"scale", chart.scale == ReportChart::Scale::logarithmic ? "logarithmic" : "linear"}}));
}

void HtmlReport::curves(const ReportCurves& curves) {
  auto pictures = Json::array();
  for (const auto& picture : curves.pictures) {
    auto lines = Json::array();
    for (const auto& line : picture.lines) {
      auto x = Json::array();
      for (const auto& axis : line.x) {
        Check{"report"}(axis.size() == line.y.size(), "curve {}: {} places for {} values",
                        line.name, axis.size(), line.y.size());
        x.push_back(places(axis));
      }
      lines.push_back({{"group", line.group},
                       {"name", line.name},
                       {"thin", line.stroke == ReportCurves::Stroke::thin},
                       {"x", std::move(x)},
                       {"y", numbers(line.y)}});
    }
    pictures.push_back({{"name", picture.name}, {"lines", std::move(lines)}});
  }
  add(dumped({{"kind", "curves"},
              {"title", curves.title},
              {"yTitle", curves.y_title},
              {"xTitles", curves.x_titles},
              {"groups", curves.groups},
              {"references", curves.references},
              {"pictures", std::move(pictures)}}));
}

void HtmlReport::heat_map(const ReportHeatMap& map) {
  Check{"report"}(map.values.size() == map.row_labels.size() * map.column_labels.size(),
                  "heat map {}: {} values for {} x {} labels", map.title, map.values.size(),
                  map.row_labels.size(), map.column_labels.size());
  const bool diverging = map.colors == ReportHeatMap::Colors::diverging;
  add(dumped({{"kind", "heatMap"},
              {"title", map.title},
              {"rowTitle", map.row_title},
              {"columnTitle", map.column_title},
              {"rowLabels", map.row_labels},
              {"columnLabels", map.column_labels},
              {"values", numbers(map.values)},
              {"diverging", diverging},
              {"causal", map.rule == ReportMapRule::causal}}));
}

void HtmlReport::map_grid(const ReportMapGrid& grid) {
  const Check check{"report"};
  check(static_cast<std::int64_t>(grid.cells.size()) == grid.grid_rows * grid.grid_columns,
        "map grid {}: {} cells for {} x {}", grid.title, grid.cells.size(), grid.grid_rows,
        grid.grid_columns);
  const auto side = static_cast<std::int64_t>(grid.labels.size());
  const auto factor = reduction(grid);
  auto cells = Json::array();
  for (const auto& cell : grid.cells) {
    auto maps = Json::array();
    for (const auto& map : cell.maps) {
      check(static_cast<std::int64_t>(map.values.size()) == side * side,
            "map {} of {}: {} values for {} labels on each side", map.name, grid.title,
            map.values.size(), side);
      const auto small = reduced_map(map.values, side, side, factor);
      maps.push_back({{"name", map.name}, {"data", encoded_map(small)}});
    }
    cells.push_back(std::move(maps));
  }
  add(dumped({{"kind", "mapGrid"},
              {"title", grid.title},
              {"gridRowTitle", grid.grid_row_title},
              {"gridColumnTitle", grid.grid_column_title},
              {"gridRows", grid.grid_rows},
              {"gridColumns", grid.grid_columns},
              {"rowTitle", grid.row_title},
              {"columnTitle", grid.column_title},
              {"labels", grid.labels},
              {"causal", grid.rule == ReportMapRule::causal},
              {"factor", factor},
              {"cells", std::move(cells)}}));
}

void HtmlReport::flow(const ReportFlow& flow) {
  auto edges = Json::array();
  for (const auto& edge : flow.edges) {
    edges.push_back({{"from", edge.from},
                     {"to", edge.to},
                     {"weight", number(edge.weight)},
                     {"direction", number(edge.direction)},
                     {"note", edge.note}});
  }
  add(dumped({{"kind", "flow"}, {"title", flow.title}, {"nodes", flow.nodes}, {"edges", edges}}));
}

void HtmlReport::table(const ReportTable& table) {
  auto rows = Json::array();
  for (const auto& row : table.rows) {
    auto cells = Json::array();
    for (const auto& cell : row) {
      if (const auto* real = std::get_if<double>(&cell)) {
        cells.push_back(Json{{"n", number(*real)}});
      } else if (const auto* whole = std::get_if<std::int64_t>(&cell)) {
        cells.push_back(Json{{"n", *whole}});
      } else {
        cells.push_back(std::get<std::string>(cell));
      }
    }
    rows.push_back(std::move(cells));
  }
  add(dumped(
      {{"kind", "table"}, {"title", table.title}, {"columns", table.columns}, {"rows", rows}}));
}

void HtmlReport::tree(const ReportTree& tree) {
  add(dumped({{"kind", "tree"}, {"title", tree.title}, {"root", branch_json(tree.root)}}));
}

std::string HtmlReport::html() const {
  std::string data =
      "{\"title\":" + dumped(title_) + ",\"subtitle\":" + dumped(under_title_) + ",\"sections\":[";
  for (const auto& section : sections_) {
    if (data.back() != '[') data += ',';
    data += "{\"id\":" + dumped(section.id) + ",\"heading\":" + dumped(section.heading) +
            ",\"lookFor\":" + dumped(section.look_for) + ",\"panels\":[";
    for (const auto& panel : section.panels) {
      if (data.back() != '[') data += ',';
      data += panel;
    }
    data += "]}";
  }
  data += "]}";
  auto page = filled(page_files::page_html, {{"TITLE", escaped(title_)},
                                             {"STYLE", page_files::page_css},
                                             {"DATA", data},
                                             {"CHART", page_files::chart_js},
                                             {"SCRIPTS", page_files::page_js}});
  if (page.size() > max_bytes) {
    fail("report", "a page of {} bytes: at most {}", page.size(), max_bytes);
  }
  return page;
}

void HtmlReport::write(const std::filesystem::path& path) const {
  const auto page = html();
  ReplacingFile file(path);
  file.write(page);
  file.commit();
}

}  // namespace lookback
