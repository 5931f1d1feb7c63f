// A report with a panel of every kind, and texts that try to break out of the page.
#pragma once

#include <cmath>
#include <limits>

#include "apps/report/html_report.h"

namespace lookback::tests {

inline constexpr auto hostile =
    "</script><script>throw 'broke out'</script>\"'&<img src=x>\xff\xe2\x80\xa8";

inline ReportMapGrid sample_map_grid(std::int64_t side, ReportMapRule rule) {
  ReportMapGrid grid{.title = "attention",
                     .grid_row_title = "layer",
                     .grid_column_title = "head",
                     .grid_rows = 2,
                     .grid_columns = 2,
                     .row_title = "query",
                     .column_title = "key",
                     .rule = rule};
  for (std::int64_t i = 0; i < side; ++i) grid.labels.push_back("w" + std::to_string(i));
  for (int cell = 0; cell < 4; ++cell) {
    std::vector<float> values;
    for (std::int64_t row = 0; row < side; ++row) {
      for (std::int64_t column = 0; column < side; ++column) {
        values.push_back(column <= row ? 1.0F / static_cast<float>(row + 1) : 0.0F);
      }
    }
    auto leaking = values;
    leaking[1] = 0.25F;
    grid.cells.push_back({{{"first run", values}, {"run again", cell == 3 ? leaking : values}}});
  }
  return grid;
}

inline HtmlReport sample_report() {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  HtmlReport report(std::string("A report of ") + hostile);
  report.subtitle(hostile);
  report.section("words", "Words", hostile);
  report.text(hostile);
  report.facts({{"tokens", "12"}, {hostile, hostile}});
  report.table({.title = "numbers",
                .columns = {"what", "how much", "how many", "where"},
                .rows = {{hostile, 0.5, std::int64_t{3}, "nn/llama/llama.cpp:12"},
                         {"none", nan, std::int64_t{0}, "model.layers.0.mlp"}}});
  report.section("charts", "Charts", "Lines that rise.");
  const std::vector<std::string> labels{"a", hostile, "c", "d"};
  report.chart({.title = "lines",
                .x_title = "place",
                .y_title = "nats",
                .labels = labels,
                .series = {{"one", {1, 2, nan, 4}}, {hostile, {4, 3, 2, infinity}}}});
  report.chart({.title = "bars",
                .labels = labels,
                .series = {{"small", {1e-6, 1e-4, 1e-2, 1}}},
                .kind = ReportChart::Kind::bars,
                .scale = ReportChart::Scale::logarithmic});
  report.curves({.title = "curves",
                 .y_title = "nats",
                 .x_titles = {"step", "tokens"},
                 .groups = {"one run", hostile, "floor"},
                 .references = {2},
                 .pictures = {{"both",
                               {{0, "", {{1, 2, 3}, {10, 20, nan}}, {3, nan, 1}},
                                {1, hostile, {{2}, {20}}, {2}, ReportCurves::Stroke::thin},
                                {2, "", {{0, 3}, {0, 30}}, {0.5, 0.5}}}},
                              {"one alone", {{0, "", {{1}, {10}}, {infinity}}}}}});
  report.section("maps", "Maps", "Cells that are red.");
  report.heat_map({.title = "shares",
                   .row_title = "layer",
                   .column_title = "head",
                   .row_labels = {"0", "1"},
                   .column_labels = {"0", "1", hostile},
                   .values = {0, 0.5, 1, nan, 0.25, infinity}});
  report.heat_map({.title = "directions",
                   .row_title = "to",
                   .column_title = "from",
                   .row_labels = {"0", "1"},
                   .column_labels = {"0", "1"},
                   .values = {-1, 0.5, 1, -0.25},
                   .colors = ReportHeatMap::Colors::diverging});
  report.map_grid(sample_map_grid(12, ReportMapRule::causal));
  report.section("graphs", "Graphs", "Arcs that are wide.");
  report.flow({.title = "who feeds whom",
               .nodes = {"layer 0", "layer 1", "layer 2"},
               .edges = {{0, 1, 0.5, 0.9, "layer 0 gives half"}, {0, 2, 2, -0.5, hostile}}});
  report.tree({.title = "modules",
               .root = {.label = "model",
                        .note = "2 operations",
                        .branches = {{.label = hostile,
                                      .note = "",
                                      .branches = {},
                                      .leaves = {{7, "matmul", "(2, 3)", {}}}}},
                        .leaves = {{8, "add", hostile, {7}}}}});
  return report;
}

}  // namespace lookback::tests
