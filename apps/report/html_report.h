// One self-contained HTML page: text, tables, charts, heat maps and foldable trees. It opens from
// disk, asks nothing of a network, and is at most 5 MB.
//
//   HtmlReport report("Inspecting run");
//   report.section("loss", "Loss per token", "Look for tokens that nothing before them tells.");
//   report.chart({.title = "loss", .x_title = "token", .series = {{"nats", losses}}});
//   report.write(folder / "report.html");
//
// What is handed in may hold any bytes (prompts, names of files): it travels as data and never
// becomes markup. Numbers that are not finite are shown as such, and left out of charts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lookback {

// Lines or bars over common places on the x axis.
struct ReportChart {
  enum class Kind { lines, bars };
  enum class Scale { linear, logarithmic };
  // Whether lines go on over places without a value.
  enum class Gaps { shown, bridged };
  struct Series {
    std::string name = {};
    std::vector<double> values = {};  // NaN: nothing at that place
  };
  std::string title = {};
  std::string x_title = {}, y_title = {};
  std::vector<std::string> labels = {};  // of the places on the x axis
  std::vector<Series> series = {};
  Kind kind = Kind::lines;
  Scale scale = Scale::linear;
  Gaps gaps = Gaps::shown;
};

// Lines that have places of their own on the x axis. They are of groups (runs), which the reader
// shows and hides; which picture is shown, and over which x axis, is chosen on the page.
struct ReportCurves {
  enum class Stroke { strong, thin };
  struct Line {
    std::size_t group = 0;
    std::string name = {};                    // behind the group's, where it has several
    std::vector<std::vector<double>> x = {};  // by axis, each as long as y; NaN: not known there
    std::vector<double> y = {};
    Stroke stroke = Stroke::strong;
  };
  struct Picture {
    std::string name = {};
    std::vector<Line> lines = {};
  };
  std::string title = {}, y_title = {};
  std::vector<std::string> x_titles = {};
  std::vector<std::string> groups = {};
  std::vector<std::size_t> references = {};  // groups that others are held against, drawn dashed
  std::vector<Picture> pictures = {};
};

// causal: column s > row t is the future, where only 0 is allowed; it is drawn apart.
enum class ReportMapRule { none, causal };

// A small matrix whose numbers can be read one by one: at most a few thousand cells.
struct ReportHeatMap {
  // sequential: from 0 (or the least) to the largest; diverging: around 0.
  enum class Colors { sequential, diverging };
  std::string title = {};
  std::string row_title = {}, column_title = {};
  std::vector<std::string> row_labels = {}, column_labels = {};
  std::vector<double> values = {};  // row by row; NaN: an empty cell
  Colors colors = Colors::sequential;
  ReportMapRule rule = ReportMapRule::none;  // causal: of sequential colors
};

// A grid of large maps, all of the same rows and columns: small pictures, of which one is chosen
// and shown with its labels. Values are from 0 to 1 (attention weights).
struct ReportMapGrid {
  struct Map {
    std::string name = {};
    std::vector<float> values = {};  // row by row
  };
  struct Cell {
    std::vector<Map> maps = {};  // shown beside one another; the first is the small picture
  };
  std::string title = {};
  std::string grid_row_title = {}, grid_column_title = {};  // "layer", "head"
  std::int64_t grid_rows = 0, grid_columns = 0;
  std::vector<Cell> cells = {};  // grid row by grid row
  std::string row_title = {}, column_title = {};
  std::vector<std::string> labels = {};  // of both the rows and the columns of every map
  ReportMapRule rule = ReportMapRule::none;
  // The maps are reduced until they take no more than this: k x k values become their largest.
  std::int64_t max_bytes = 2'000'000;
};

// Layers that feed later layers: arcs from left to right.
struct ReportFlow {
  struct Edge {
    std::int64_t from = 0, to = 0;
    double weight = 0;      // the width of the arc
    double direction = 0;   // -1 .. 1: its color
    std::string note = {};  // one line about it
  };
  std::string title = {};
  std::vector<std::string> nodes = {};
  std::vector<Edge> edges = {};
};

// Cells that say "failed" are marked. A text that is a number, alone or with a unit of bytes,
// stands as numbers do.
struct ReportTable {
  using Cell = std::variant<std::string, double, std::int64_t>;
  std::string title = {};
  std::vector<std::string> columns = {};
  std::vector<std::vector<Cell>> rows = {};
};

// Foldable. A leaf may point at other leaves by their ids.
struct ReportTree {
  struct Leaf {
    std::int64_t id = 0;
    std::string label = {}, note = {};
    std::vector<std::int64_t> from = {};
  };
  struct Branch {
    std::string label = {}, note = {};
    std::vector<Branch> branches = {};
    std::vector<Leaf> leaves = {};
  };
  std::string title = {};
  Branch root = {};
};

class HtmlReport {
 public:
  explicit HtmlReport(std::string title);

  // The line under the title.
  void subtitle(std::string text) { under_title_ = std::move(text); }
  // Begins a section, which takes all that is added until the next. `id` is its place in links
  // (letters, digits and -); `look_for` tells the reader in a sentence what to look for.
  void section(std::string id, std::string heading, std::string look_for);

  void text(std::string_view paragraph);
  // Names with their values.
  void facts(const std::vector<std::pair<std::string, std::string>>& pairs);
  void chart(const ReportChart& chart);
  void curves(const ReportCurves& curves);
  void heat_map(const ReportHeatMap& map);
  void map_grid(const ReportMapGrid& grid);
  void flow(const ReportFlow& flow);
  void table(const ReportTable& table);
  void tree(const ReportTree& tree);

  // The page. Throws Error when it is larger than 5 MB.
  std::string html() const;
  // The file appears whole or not at all (runtime/replacing_file.h).
  void write(const std::filesystem::path& path) const;

 private:
  struct Section {
    std::string id, heading, look_for;
    std::vector<std::string> panels;  // JSON
  };
  void add(std::string panel);

  std::string title_, under_title_;
  std::vector<Section> sections_;
};

}  // namespace lookback
