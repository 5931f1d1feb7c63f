#include "apps/inspect/inspect_report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>

#include "apps/data/text_check.h"
#include "nn/layer/attention_options.h"

namespace lookback {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

// Whether text is whole, printable UTF-8 of one line; one wrong byte makes it false.
bool is_printable(std::string_view text) {
  const bool control =
      std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return !control && !first_not_utf8(std::as_bytes(std::span(text)));
}

std::string label_of(const Tokenizer& tokenizer, std::int64_t token) {
  const auto text = tokenizer.text_of(token);
  if (text == " ") return "␣";
  if (text == "\n") return "⏎";
  if (text == "\t") return "⇥";
  if (text.empty()) return fmt::format("#{}", token);
  if (!is_printable(text)) {
    std::string bytes = "0x";
    for (const char c : text) bytes += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return bytes;
  }
  return text.starts_with(' ') ? "␣" + text.substr(1) : text;
}

std::vector<std::string> token_labels(const Tokenizer& tokenizer,
                                      const std::vector<std::int64_t>& tokens) {
  std::vector<std::string> labels;
  for (const auto token : tokens) labels.push_back(label_of(tokenizer, token));
  return labels;
}

std::string described(const CrossLayerResidual& cross, std::string_view terms) {
  using Weights = CrossLayerResidual::Weights;
  const auto* sum = cross.weights == Weights::sum    ? "the sum"
                    : cross.weights == Weights::mean ? "the mean"
                                                     : "a learned average";
  return fmt::format("every layer adds {} of the {} outputs of all earlier layers, {}", sum,
                     cross.site == CrossLayerResidual::Site::mlp ? "MLP" : "attention", terms);
}

std::string variant_of(const LlamaConfig& config) {
  std::vector<std::string> parts;
  for (const auto& step : attention_steps(config)) parts.push_back(step.axis);
  if (const auto& cross = config.cross_layer_residual) {
    parts.push_back(described(*cross, residual_kind(config)->terms()));
  }
  if (!config.score_scale.empty()) {
    parts.push_back(fmt::format("scores of all layers so far, scale {}", config.score_scale));
  }
  if (parts.empty()) parts.push_back("the plain Llama: no layer looks back");
  if (!config.fault.empty()) parts.push_back(fmt::format("broken on purpose: {}", config.fault));
  return fmt::format("{}", fmt::join(parts, "; "));
}

// The values of a curve at these steps.
std::vector<double> at_steps(const RunHistory::Curve& curve, const std::set<std::int64_t>& steps) {
  std::map<std::int64_t, double> known;
  for (std::size_t i = 0; i < curve.steps.size(); ++i) known[curve.steps[i]] = curve.values[i];
  std::vector<double> values;
  for (const auto step : steps) values.push_back(known.contains(step) ? known[step] : nothing);
  return values;
}

void add_curve(HtmlReport& report, const RunHistory& history) {
  std::set<std::int64_t> steps;
  std::vector<ReportChart::Series> series;
  const std::pair<const char*, const RunHistory::Curve*> curves[] = {
      {"training", &history.loss},
      {"validation", &history.validation_loss},
      {"floor", &history.floor}};
  for (const auto& [name, curve] : curves) steps.insert(curve->steps.begin(), curve->steps.end());
  if (steps.empty()) return;
  ReportChart chart{.title = "The run so far",
                    .x_title = "step",
                    .y_title = "nats per token",
                    .gaps = ReportChart::Gaps::bridged};
  for (const auto step : steps) chart.labels.push_back(std::to_string(step));
  for (const auto& [name, curve] : curves) {
    if (!curve->steps.empty()) chart.series.push_back({name, at_steps(*curve, steps)});
  }
  report.chart(chart);
}

void add_overview(HtmlReport& report, const Inspection& inspection, const InspectedModel& model,
                  const std::vector<std::string>& labels) {
  const auto& config = model.llama.config;
  std::int64_t count = 0;
  for (const auto& parameter : inspection.parameters) count += parameter.shape.numel();
  report.section(
      "model", "The model and the prompt",
      fmt::format("Look for tokens whose bar is far above the others: nothing before them told "
                  "the model that they come. All bars near {:.2f}, the logarithm of the "
                  "vocabulary's size, are a model that knows nothing yet.",
                  std::log(static_cast<double>(config.vocab_size))));
  report.facts(
      {{"model", model.name},
       {"variant", variant_of(config)},
       {"shape",
        fmt::format("{} layers, {} heads ({} of keys and values), width {}, "
                    "vocabulary {}, {} parameters",
                    config.num_hidden_layers, config.num_attention_heads,
                    config.num_key_value_heads, config.hidden_size, config.vocab_size, count)},
       {"prompt", inspection.nats.empty() ? std::string("1 token")
                                          : fmt::format("{} tokens", inspection.tokens.size())},
       {"loss", inspection.nats.empty()
                    ? std::string("none: one token has no next one, so all gradients are 0")
                    : fmt::format("{:.4f} nats per token, perplexity {:.4g}", inspection.loss,
                                  std::exp(inspection.loss))}});
  if (!inspection.nats.empty()) {
    ReportChart chart{.title = "Cross entropy of each token, given those before it",
                      .x_title = "token",
                      .y_title = "nats",
                      .labels = {labels.begin() + 1, labels.end()},
                      .series = {{"nats", inspection.nats}},
                      .kind = ReportChart::Kind::bars};
    report.chart(chart);
  }
  add_curve(report, model.history);
}

}  // namespace

HtmlReport inspect_report(const Inspection& inspection, const InspectedModel& model,
                          const Tokenizer& tokenizer) {
  constexpr std::size_t max_shown = 300;
  const auto labels = token_labels(tokenizer, inspection.tokens);
  const auto prompt = tokenizer.decode(inspection.tokens);
  HtmlReport report("A look into " + model.name);
  report.subtitle(prompt.size() > max_shown ? prompt.substr(0, max_shown) + " …" : prompt);
  add_overview(report, inspection, model, labels);
  add_attention(report, inspection, labels);
  add_mechanism(report, inspection, model.llama.config, labels);
  add_feeding(report, inspection, model.llama.config);
  add_learned(report, inspection, model.history);
  add_gradients(report, inspection);
  add_updates(report, inspection, model.optimizer);
  add_stream(report, inspection);
  add_mask_path(report, inspection);
  add_tape(report, inspection.tape);
  return report;
}

}  // namespace lookback
