// The sections about what layers read: attention, who feeds whom, and learned weights.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/inspect/inspect_report.h"
#include "apps/inspect/numbers.h"

namespace lookback {
namespace {

std::vector<std::string> numbered(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

// One head of weights [H, T, T].
std::vector<float> head_of(const Tensor& weights, std::int64_t head) {
  const auto tokens = weights.size(1);
  const auto one = weights.alias({tokens, tokens}, {tokens, 1}, head * tokens * tokens);
  const auto numbers = to_vector(one);
  return {numbers.begin(), numbers.end()};
}

bool equal(const Tensor& a, const Tensor& b) { return to_vector(a) == to_vector(b); }

// Replays of one source that gave the same weights, and the layers that ran them.
struct SameReplays {
  Tensor weights;
  std::vector<std::int64_t> layers;

  std::string name() const {
    const bool run = layers.size() > 3 &&
                     layers.back() - layers.front() + 1 == static_cast<std::int64_t>(layers.size());
    if (run) return fmt::format("run again by layers {} to {}", layers.front(), layers.back());
    return fmt::format("run again by layer{} {}", layers.size() > 1 ? "s" : "",
                       fmt::join(layers, ", "));
  }
};

std::vector<SameReplays> replays_of(const Inspection& inspection, std::int64_t source) {
  std::vector<SameReplays> groups;
  for (const auto& replay : inspection.replays) {
    if (replay.source != source) continue;
    const auto same = std::ranges::find_if(groups, [&](const SameReplays& group) {
      return group.weights.is(replay.weights) || equal(group.weights, replay.weights);
    });
    if (same == groups.end()) {
      groups.push_back({replay.weights, {replay.layer}});
    } else {
      same->layers.push_back(replay.layer);
    }
  }
  return groups;
}

ReportHeatMap per_head(const std::string& title, const std::vector<double>& values,
                       std::int64_t layers) {
  const auto heads = static_cast<std::int64_t>(values.size()) / layers;
  return {.title = title,
          .row_title = "layer",
          .column_title = "head",
          .row_labels = numbered(layers),
          .column_labels = numbered(heads),
          .values = values};
}

// A matrix of layers and what feeds them.
ReportHeatMap per_pair(const std::string& title, const LayerMatrix& matrix,
                       ReportHeatMap::Colors colors) {
  return {.title = title,
          .row_title = "layer",
          .column_title = "fed by layer",
          .row_labels = numbered(matrix.layers),
          .column_labels = numbered(matrix.layers),
          .values = matrix.values,
          .colors = colors};
}

// Amounts as shares of each layer's own; `own` per layer.
LayerMatrix shares(const LayerMatrix& amount, const std::vector<double>& own) {
  auto result = amount;
  for (std::int64_t layer = 0; layer < amount.layers; ++layer) {
    for (std::int64_t source = 0; source < amount.layers; ++source) {
      result.at(layer, source) /= own[static_cast<std::size_t>(layer)];
    }
  }
  return result;
}

ReportFlow flow_of(const std::string& title, const LayerMatrix& share,
                   const LayerMatrix& direction) {
  ReportFlow flow{.title = title};
  for (std::int64_t layer = 0; layer < share.layers; ++layer) {
    flow.nodes.push_back(fmt::format("layer {}", layer));
    for (std::int64_t source = 0; source < layer; ++source) {
      const double weight = share.at(layer, source);
      if (std::isnan(weight)) continue;
      flow.edges.push_back(
          {source, layer, weight, direction.at(layer, source),
           fmt::format("layer {} gives {:.3g} of layer {}'s own, direction {:+.2f}", source, weight,
                       layer, direction.at(layer, source))});
    }
  }
  return flow;
}

}  // namespace

void add_attention(HtmlReport& report, const Inspection& inspection,
                   const std::vector<std::string>& labels) {
  const auto layers = static_cast<std::int64_t>(inspection.attention.size());
  const auto heads = inspection.attention[0].size(0);
  const bool replayed = !inspection.replays.empty();
  const bool composed = !inspection.plain_attention.empty();
  report.section(
      "attention", "Attention",
      std::string(
          "Look for heads with a picture of their own: a diagonal reads the token before, a first "
          "column reads nothing in particular, spots far from both found something. "
          "Anything red reads a token that has not come yet.") +
          (composed ? " Not composed is what the softmax of the head's own scores is: where the "
                      "difference is not 0, the other heads have had their say. A weight below "
                      "0 is drawn as 0."
                    : "") +
          (replayed ? " Where a layer is run again, its map there must equal the first." : ""));
  ReportMapGrid grid{.title = "Weights, layer by layer and head by head",
                     .grid_row_title = "layer",
                     .grid_column_title = "head",
                     .grid_rows = layers,
                     .grid_columns = heads,
                     .row_title = "query",
                     .column_title = "key",
                     .labels = labels,
                     .rule = ReportMapRule::causal};
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto again = replays_of(inspection, layer);
    const auto plain = inspection.plain_attention.find(layer);
    for (std::int64_t head = 0; head < heads; ++head) {
      ReportMapGrid::Cell cell;
      cell.maps.push_back(
          {"first run", head_of(inspection.attention[static_cast<std::size_t>(layer)], head)});
      if (plain != inspection.plain_attention.end()) {
        cell.maps.push_back({"not composed", head_of(plain->second, head)});
      }
      for (const auto& group : again) {
        cell.maps.push_back({group.name(), head_of(group.weights, head)});
      }
      grid.cells.push_back(std::move(cell));
    }
  }
  report.map_grid(grid);
  report.text(
      "Entropy tells how widely a head reads: 0 is one token, the largest possible is the "
      "logarithm of the number of tokens seen. A first-token mass near 1 is a head that has "
      "nothing to say here.");
  report.heat_map(per_head("Entropy of attention, nats", inspection.heads.entropy, layers));
  report.heat_map(per_head("Weight on the first token", inspection.heads.first_token_mass, layers));
}

void add_feeding(HtmlReport& report, const Inspection& inspection, const LlamaConfig& config) {
  report.section(
      "feeding", "Who feeds whom",
      "Look for wide arcs: a layer that lives on an earlier one. Blue pushes the same way as the "
      "layer's own output, orange against it; no arc at all where one should be is a "
      "path that is cut.");
  if (inspection.outputs.empty() && inspection.scores.empty()) {
    report.text("No layer of this model looks back: each is fed by the residual stream alone.");
  }
  using Colors = ReportHeatMap::Colors;
  if (const auto& fed = inspection.outputs; !fed.empty()) {
    const bool mlp = config.cross_layer_residual->site == CrossLayerResidual::Site::mlp;
    const auto& activations = inspection.activations;
    const auto share =
        shares(fed.amount, mlp ? activations.mlp_outputs : activations.attention_outputs);
    const std::string what = mlp ? "MLP" : "attention";
    report.flow(flow_of(fmt::format("Outputs of earlier layers' {}", what), share, fed.direction));
    report.heat_map(
        per_pair(fmt::format("Norm of each term, in units of the layer's own {} output", what),
                 share, Colors::sequential));
    report.heat_map(per_pair("Direction: cosine with the layer's own output", fed.direction,
                             Colors::diverging));
  }
  if (const auto& fed = inspection.scores; !fed.empty()) {
    std::vector<double> own;
    for (std::int64_t layer = 0; layer < fed.amount.layers; ++layer) {
      const double amount = fed.amount.at(layer, layer);
      own.push_back(std::isnan(amount) || amount == 0 ? 1 : amount);
    }
    const auto share = shares(fed.amount, own);
    report.flow(flow_of("Scores of earlier layers", share, fed.direction));
    report.heat_map(per_pair("Norm of each layer's scores, in units of the layer's own", share,
                             Colors::sequential));
    report.heat_map(per_pair("Direction: cosine with the layer's own scores", fed.direction,
                             Colors::diverging));
  }
}

void add_learned(HtmlReport& report, const Inspection& inspection, const RunHistory& history) {
  if (inspection.learned.empty()) return;
  report.section(
      "learned", "Learned weights and scales",
      "Look for lines that part from one another: the model chooses between layers. Lines that "
      "stay where they began, step after step, get no gradient.");
  for (const auto& [name, now] : inspection.learned) {
    const auto count = static_cast<std::int64_t>(now.size());
    const auto found = history.learned.find(name);
    if (found == history.learned.end() || found->second.size() < 2) {
      report.chart({.title = name + ", now",
                    .x_title = "layer",
                    .labels = numbered(count),
                    .series = {{"value", now}},
                    .kind = ReportChart::Kind::bars});
      continue;
    }
    ReportChart chart{.title = name, .x_title = "step"};
    for (const auto step : history.learned_steps) chart.labels.push_back(std::to_string(step));
    for (std::size_t i = 0; i < now.size(); ++i) {
      ReportChart::Series series{.name = fmt::format("layer {}", i)};
      for (const auto& values : found->second) {
        series.values.push_back(i < values.size() ? values[i]
                                                  : std::numeric_limits<double>::quiet_NaN());
      }
      chart.series.push_back(std::move(series));
    }
    report.chart(chart);
  }
}

}  // namespace lookback
