#include <algorithm>
#include <cmath>
#include <map>

#include "apps/cli/progress.h"
#include "apps/compare/comparison.h"
#include "apps/report/html_report.h"
#include "runtime/check.h"

namespace lookback {
namespace {

using Cell = ReportTable::Cell;

// Points of all lines of a panel, so that a page of hundreds of runs still opens.
constexpr std::size_t max_points = 40'000, max_line_points = 500, min_line_points = 20;
// Above it the lines of training would hide those of validation.
constexpr std::size_t max_runs_in_one_picture = 4;

const std::vector<std::string> axes = {"step", "tokens", "seconds"};

std::size_t points_per_line(std::size_t lines) {
  return std::clamp(max_points / std::max<std::size_t>(lines, 1), min_line_points, max_line_points);
}

// The mean of each so many neighbors.
RunCurve reduced(const RunCurve& curve, std::size_t most) {
  const auto together = (curve.size() + most - 1) / most;
  if (together <= 1) return curve;
  RunCurve result;
  for (std::size_t begin = 0; begin < curve.size(); begin += together) {
    const auto end = std::min(begin + together, curve.size());
    RunPoint mean{.step = curve[(begin + end - 1) / 2].step};
    const auto count = static_cast<double>(end - begin);
    for (auto i = begin; i < end; ++i) {
      mean.tokens += curve[i].tokens / count;
      mean.seconds += curve[i].seconds / count;
      mean.value += curve[i].value / count;
    }
    result.push_back(mean);
  }
  return result;
}

ReportCurves::Line line_of(const RunCurve& curve, std::size_t group, std::size_t most) {
  ReportCurves::Line line{.group = group, .x = std::vector<std::vector<double>>(axes.size())};
  for (const auto& point : reduced(curve, most)) {
    line.x[0].push_back(static_cast<double>(point.step));
    line.x[1].push_back(point.tokens);
    line.x[2].push_back(point.seconds);
    line.y.push_back(point.value);
  }
  return line;
}

std::string loss_text(const std::optional<double>& loss) {
  return loss ? fmt::format("{:.4f}", *loss) : std::string("–");
}

std::string size_text(const std::optional<std::int64_t>& bytes) {
  if (!bytes) return "–";
  const auto size = static_cast<double>(*bytes);
  return size < 1e9 ? fmt::format("{:.0f} MB", size / 1e6) : fmt::format("{:.2f} GB", size / 1e9);
}

// A number, or a dash where there is none.
template <class T>
Cell cell(const std::optional<T>& value) {
  return value ? Cell(*value) : Cell(std::string("–"));
}

std::string steps_text(const RunRecord& run) {
  if (!run.max_steps || *run.max_steps == run.step) return std::to_string(run.step);
  return fmt::format("{} of {}", run.step, *run.max_steps);
}

// Columns without a number in any run are left out.
ReportTable table_of_runs(const Comparison& comparison) {
  struct Column {
    std::string title;
    Cell (*of)(const RunRecord&);
  };
  const std::vector<Column> columns = {
      {"run", [](const RunRecord& run) { return Cell(run.name); }},
      {"state", [](const RunRecord& run) { return Cell(std::string(name_of(run.state))); }},
      {"steps", [](const RunRecord& run) { return Cell(steps_text(run)); }},
      {"training loss", [](const RunRecord& run) { return Cell(loss_text(run.last_loss())); }},
      {"validation loss",
       [](const RunRecord& run) { return Cell(loss_text(run.last_validation_loss())); }},
      {"lowest",
       [](const RunRecord& run) {
         const auto* best = run.best_evaluation();
         return best == nullptr ? Cell(std::string("–")) : Cell(loss_text(best->value));
       }},
      {"at step",
       [](const RunRecord& run) {
         const auto* best = run.best_evaluation();
         return best == nullptr ? Cell(std::string("–")) : Cell(best->step);
       }},
      {"floor", [](const RunRecord& run) { return Cell(loss_text(run.floor)); }},
      {"tokens/s",
       [](const RunRecord& run) {
         const auto rate = run.tokens_per_second();
         return rate ? Cell(static_cast<std::int64_t>(std::llround(*rate)))
                     : Cell(std::string("–"));
       }},
      {"time",
       [](const RunRecord& run) {
         return Cell(run.seconds ? duration_text(*run.seconds) : std::string("–"));
       }},
      {"peak memory", [](const RunRecord& run) { return Cell(size_text(run.peak_bytes)); }},
      {"parameters", [](const RunRecord& run) { return cell(run.parameters); }}};
  ReportTable table{.title = "Losses in nats per token; time spent on training, in h:min:s"};
  table.rows.resize(comparison.runs.size());
  for (const auto& column : columns) {
    std::vector<Cell> cells;
    for (const auto& run : comparison.runs) cells.push_back(column.of(run));
    if (std::ranges::all_of(cells, [](const Cell& each) { return each == Cell("–"); })) continue;
    table.columns.push_back(column.title);
    for (std::size_t i = 0; i < cells.size(); ++i) table.rows[i].push_back(cells[i]);
  }
  return table;
}

void add_runs(HtmlReport& report, const Comparison& comparison) {
  report.section(
      "runs", "The runs",
      fmt::format("{}A run that is not far above its floor, where there is one, has little left to "
                  "learn; a lowest loss long before the last step is overfitting.",
                  comparison.best() == nullptr
                      ? "Look at the validation loss of each run by itself. "
                      : "Look at the first row: the runs stand by their last validation loss. "));
  for (const auto& note : comparison.notes) report.text(note);
  report.table(table_of_runs(comparison));
}

// One line for each text that has a floor, over the whole width: that of the last evaluation.
void add_floors(ReportCurves& curves, const Comparison& comparison) {
  std::map<std::string, double> floors;
  std::vector<double> farthest(axes.size(), 0);
  for (const auto& run : comparison.runs) {
    if (run.floor) floors.emplace(run.option("data"), *run.floor);
    for (const auto* curve : {&run.loss, &run.validation_loss}) {
      if (curve->empty()) continue;
      const auto& end = curve->back();
      const double places[] = {static_cast<double>(end.step), end.tokens, end.seconds};
      for (std::size_t axis = 0; axis < axes.size(); ++axis)
        farthest[axis] = std::fmax(farthest[axis], places[axis]);
    }
  }
  for (const auto& [data, floor] : floors) {
    const auto group = curves.groups.size();
    curves.groups.push_back(data.empty() ? "floor" : "floor of " + data);
    curves.references.push_back(group);
    ReportCurves::Line line{.group = group, .y = {floor, floor, floor}};
    for (const auto end : farthest) line.x.push_back({0, end / 2, end});
    for (auto& picture : curves.pictures) picture.lines.push_back(line);
  }
}

void add_losses(HtmlReport& report, const Comparison& comparison) {
  const auto& runs = comparison.runs;
  ReportCurves curves{
      .title = "Training and validation loss", .y_title = "nats per token", .x_titles = axes};
  ReportCurves::Picture training{.name = "training"}, validation{.name = "validation"};
  const auto most = points_per_line(4 * runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    curves.groups.push_back(runs[i].name);
    if (!runs[i].validation_loss.empty())
      validation.lines.push_back(line_of(runs[i].validation_loss, i, most));
    if (!runs[i].loss.empty()) training.lines.push_back(line_of(runs[i].loss, i, most));
  }
  if (training.lines.empty() && validation.lines.empty()) return;
  ReportCurves::Picture both{.name = "training (thin) and validation"};
  for (auto line : training.lines) {
    line.name = "training";
    line.stroke = ReportCurves::Stroke::thin;
    both.lines.push_back(std::move(line));
  }
  for (auto line : validation.lines) {
    line.name = "validation";
    both.lines.push_back(std::move(line));
  }
  const bool few = runs.size() <= max_runs_in_one_picture;
  if (few) curves.pictures.push_back(both);
  if (!validation.lines.empty()) curves.pictures.push_back(std::move(validation));
  if (!training.lines.empty()) curves.pictures.push_back(std::move(training));
  if (!few) curves.pictures.push_back(std::move(both));
  add_floors(curves, comparison);
  report.section("loss", "Loss",
                 "Look over seconds for which run is the fastest, over tokens for which one learns "
                 "most from what it is fed. A name below the picture hides its run, or brings it "
                 "back; a training loss is the mean since the last line.");
  report.curves(curves);
}

// By run and then by index; of one run alone the indices have the colors.
void add_learned_lines(ReportCurves& curves, const Comparison& comparison, std::size_t& left_out) {
  const auto& runs = comparison.runs;
  const auto with_learned =
      std::ranges::count_if(runs, [](const auto& run) { return !run.learned.empty(); });
  std::map<std::string, ReportCurves::Picture> pictures;
  std::size_t lines = 0, widest = 0, points = 0;
  for (const auto& run : runs) {
    for (const auto& [name, values] : run.learned) {
      lines += values.size();
      widest = std::max(widest, values.size());
    }
    if (with_learned > 1) curves.groups.push_back(run.name);
  }
  for (std::size_t i = 0; with_learned == 1 && i < widest; ++i)
    curves.groups.push_back(fmt::format("[{}]", i));
  const auto most = points_per_line(lines);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (points > max_points && !runs[i].learned.empty()) {
      ++left_out;
      continue;
    }
    for (const auto& [name, values] : runs[i].learned) {
      auto& picture = pictures[name];
      picture.name = name;
      for (std::size_t index = 0; index < values.size(); ++index) {
        auto line = line_of(values[index], with_learned > 1 ? i : index, most);
        if (with_learned > 1) line.name = fmt::format("[{}]", index);
        points += line.y.size();
        picture.lines.push_back(std::move(line));
      }
    }
  }
  for (auto& [name, picture] : pictures) curves.pictures.push_back(std::move(picture));
}

void add_learned(HtmlReport& report, const Comparison& comparison) {
  const auto& runs = comparison.runs;
  if (std::ranges::all_of(runs, [](const auto& run) { return run.learned.empty(); })) return;
  ReportCurves curves{
      .title = "Their values at each evaluation", .y_title = "value", .x_titles = axes};
  std::size_t left_out = 0;
  add_learned_lines(curves, comparison, left_out);
  report.section("learned", "Learned weights and scales",
                 "Look for lines that part from one another: the model chooses between layers. "
                 "Lines that stay where they began, evaluation after evaluation, get no gradient.");
  if (left_out > 0)
    report.text(fmt::format("Those of the last {} runs are in report.json alone.", left_out));
  report.curves(curves);
}

ReportTable table_of(const Comparison& comparison, const DifferingSettings& settings,
                     std::string title) {
  ReportTable table{.title = std::move(title), .columns = {"run"}};
  table.columns.insert(table.columns.end(), settings.keys.begin(), settings.keys.end());
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    std::vector<Cell> row = {comparison.runs[i].name};
    for (const auto& value : settings.values[i])
      row.push_back(value.empty() ? std::string("–") : value);
    table.rows.push_back(std::move(row));
  }
  return table;
}

void add_differences(HtmlReport& report, const Comparison& comparison) {
  if (comparison.runs.size() < 2) return;
  report.section("differences", "What differs",
                 "Look here for the reason of a difference above. What is the same in all runs is "
                 "left out.");
  const bool same = comparison.options.keys.empty() && comparison.config.keys.empty();
  if (same) report.text("No option and no key of config.json differs.");
  if (!comparison.options.keys.empty())
    report.table(table_of(comparison, comparison.options, "Options (options.toml)"));
  if (!comparison.config.keys.empty())
    report.table(table_of(comparison, comparison.config, "Model (config.json)"));
}

}  // namespace

void write_comparison_page(const Comparison& comparison, const std::filesystem::path& path) {
  const auto& runs = comparison.runs;
  HtmlReport report(runs.size() == 1 ? "The run " + runs.front().name
                                     : fmt::format("{} runs beside one another", runs.size()));
  report.subtitle(states_of(comparison));
  add_runs(report, comparison);
  add_losses(report, comparison);
  add_learned(report, comparison);
  add_differences(report, comparison);
  report.write(path);
}

}  // namespace lookback
