// The sections about depth: gradients, updates, and the residual stream, layer by layer.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "apps/inspect/inspect_report.h"

namespace lookback {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> layer_labels(std::size_t count) {
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < count; ++i) labels.push_back(std::to_string(i));
  return labels;
}

// "model.layers.3.mlp.up_proj.weight": its layer, and what it is called in every layer.
struct PlaceInLayer {
  std::int64_t layer;
  std::string name;
};

std::optional<PlaceInLayer> place_in_layer(const std::string& name) {
  constexpr std::string_view before = "model.layers.";
  if (!name.starts_with(before)) return std::nullopt;
  const auto dot = name.find('.', before.size());
  return PlaceInLayer{std::stoll(name.substr(before.size(), dot - before.size())),
                      name.substr(dot + 1)};
}

// One line per kind of parameter over the layers that have it.
ReportChart by_layer(const Inspection& inspection, const std::string& title,
                     const std::string& y_title,
                     const std::function<double(const ParameterMeasures&)>& measure) {
  const auto layers = inspection.attention.size();
  ReportChart chart{.title = title,
                    .x_title = "layer",
                    .y_title = y_title,
                    .labels = layer_labels(layers),
                    .scale = ReportChart::Scale::logarithmic};
  std::map<std::string, std::size_t> lines;
  for (const auto& parameter : inspection.parameters) {
    const auto place = place_in_layer(parameter.name);
    if (!place) continue;
    const auto [line, fresh] = lines.try_emplace(place->name, chart.series.size());
    if (fresh) chart.series.push_back({place->name, std::vector<double>(layers, nothing)});
    chart.series[line->second].values[static_cast<std::size_t>(place->layer)] = measure(parameter);
  }
  return chart;
}

void add_series(ReportChart& chart, const std::string& name, std::vector<double> values) {
  values.resize(chart.labels.size(), nothing);
  chart.series.push_back({name, std::move(values)});
}

ReportChart by_depth(const std::string& title, const std::string& y_title,
                     const NormsByDepth& norms) {
  ReportChart chart{.title = title,
                    .x_title = "layer",
                    .y_title = y_title,
                    .labels = layer_labels(norms.hidden_states.size()),
                    .scale = ReportChart::Scale::logarithmic};
  chart.labels.back() = "out";
  add_series(chart, "stream before the layer", norms.hidden_states);
  add_series(chart, "attention's output", norms.attention_outputs);
  add_series(chart, "MLP's output", norms.mlp_outputs);
  return chart;
}

double ratio(double part, double whole) { return whole > 0 ? part / whole : nothing; }

// The names of parameters that no gradient reached; empty: each got one.
std::string unreached(const std::vector<ParameterMeasures>& parameters) {
  constexpr std::size_t max_names = 20;
  std::vector<std::string> names;
  for (const auto& each : parameters) {
    if (std::isnan(each.gradient_norm)) names.push_back(each.name);
  }
  if (names.empty()) return {};
  const auto count = names.size();
  names.resize(std::min(count, max_names));
  return fmt::format("No gradient reached {} of {} parameters: {}{}", count, parameters.size(),
                     fmt::join(names, ", "), count > max_names ? ", .." : "");
}

}  // namespace

void add_gradients(HtmlReport& report, const Inspection& inspection) {
  report.section(
      "gradients", "Gradients by depth",
      "Look for lines that run level. A line that falls by a factor at each step towards layer 0 "
      "is a vanishing gradient, one that rises an exploding one; a gap is a parameter "
      "that no gradient reached.");
  report.chart(by_depth("Gradient of the loss by activations", "norm over all tokens",
                        inspection.gradients));
  report.chart(by_layer(inspection, "Gradient of the loss by parameters", "norm",
                        [](const ParameterMeasures& each) { return each.gradient_norm; }));
  if (const auto names = unreached(inspection.parameters); !names.empty()) report.text(names);
  ReportTable table{.title = "Every parameter",
                    .columns = {"parameter", "shape", "norm", "gradient norm", "gradient / norm"}};
  for (const auto& each : inspection.parameters) {
    table.rows.push_back({each.name, to_string(each.shape), each.weight_norm, each.gradient_norm,
                          ratio(each.gradient_norm, each.weight_norm)});
  }
  report.table(table);
}

void add_updates(HtmlReport& report, const Inspection& inspection, const OptimizerView& optimizer) {
  report.section(
      "updates", "Update to weight",
      "Look for ratios around 1e-3. Far above 1e-2 a step overturns what was learned; far below "
      "1e-5, or a gap, the parameter stands still.");
  report.text(fmt::format("The step is that of {}; learning rate {:.3g}, weight decay {:.3g}.",
                          optimizer.origin, optimizer.learning_rate,
                          optimizer.options.weight_decay));
  const auto update_ratio = [](const ParameterMeasures& each) {
    return ratio(each.update_norm, each.weight_norm);
  };
  report.chart(
      by_layer(inspection, "Norm of one step over the norm of the weight", "ratio", update_ratio));
  ReportTable table{.title = "Outside of the layers",
                    .columns = {"parameter", "update norm", "norm", "ratio"}};
  for (const auto& each : inspection.parameters) {
    if (place_in_layer(each.name)) continue;
    table.rows.push_back({each.name, each.update_norm, each.weight_norm, update_ratio(each)});
  }
  report.table(table);
}

void add_stream(HtmlReport& report, const Inspection& inspection) {
  report.section(
      "stream", "The residual stream",
      "Look for a stream that grows slowly. Outputs as large as the stream rewrite it at every "
      "layer; outputs far below it mean layers that hardly act.");
  report.chart(by_depth("Norms of activations", "norm over all tokens", inspection.activations));
}

}  // namespace lookback
