#include "apps/diagnosis/report_html.h"

#include "apps/report/html_report.h"

namespace lookback {
namespace {

// What stands behind a verdict: everything that was computed a second time.
void add_comparisons(HtmlReport& report, const Diagnosis& diagnosis) {
  ReportTable table{.title = "What was compared with what",
                    .columns = {"computed", "a second time", "largest difference", "bound",
                                "share of the bound"}};
  for (const auto& check : diagnosis.checks) {
    if (check.against.empty()) continue;
    table.rows.push_back({check.name, check.against, check.value, check.bound,
                          check.bound > 0 ? check.value / check.bound : check.value});
  }
  if (!table.rows.empty()) report.table(table);
}

void add_verdict(HtmlReport& report, const Subject& subject, const Diagnosis& diagnosis,
                 const Provenance& provenance) {
  const auto& found = class_of(diagnosis.verdict());
  report.section("verdict", fmt::format("Verdict: {}", found.name),
                 "The first class of the list that holds; other findings stand below it.");
  report.text(std::string(found.meaning) + " " + std::string(found.remedy));
  std::vector<std::pair<std::string, std::string>> facts{
      {"evidence", diagnosis.evidence()}, {"causality", std::string(name_of(diagnosis.statement))}};
  if (diagnosis.leak) facts.emplace_back("leak", describe(*diagnosis.leak));
  std::string findings;
  for (const auto finding : diagnosis.findings()) {
    findings += (findings.empty() ? "" : ", ") + std::string(name_of(finding));
  }
  facts.emplace_back("findings", findings.empty() ? "none" : findings);
  facts.emplace_back("seed", std::to_string(subject.seed));
  facts.emplace_back("to repeat it", provenance.command);
  report.facts(facts);
  for (const auto& note : diagnosis.notes) report.text(note);
  add_comparisons(report, diagnosis);
}

void add_checks(HtmlReport& report, const Diagnosis& diagnosis) {
  report.section("checks", "What was checked",
                 "Look at how far each value stays from its bound, not only at passed and failed.");
  ReportTable table{.columns = {"check", "result", "value", "bound", "evidence"}};
  for (const auto& check : diagnosis.checks) {
    table.rows.push_back(
        {check.name, std::string(name_of(check.result)), check.value, check.bound, check.evidence});
  }
  report.table(table);
  if (diagnosis.inert.empty()) return;
  ReportTable inert{.title = "Parameters without a gradient, by construction",
                    .columns = {"parameter"}};
  for (const auto& name : diagnosis.inert) inert.rows.push_back({name});
  report.table(inert);
}

void add_pictures(HtmlReport& report, const Diagnosis& diagnosis) {
  for (std::size_t i = 0; i < diagnosis.pictures.size(); ++i) {
    const auto& picture = diagnosis.pictures[i];
    // One section for the embeddings, one for all layers.
    if (i == 0) report.section("gradient", picture.title, picture.look_for);
    if (i == 1) report.section("gradient-layers", "Where the leak enters", picture.look_for);
    report.heat_map({.title = picture.title,
                     .row_title = "logits at position",
                     .column_title = "position it depends on",
                     .row_labels = picture.row_labels,
                     .column_labels = picture.column_labels,
                     .values = picture.values,
                     .rule = ReportMapRule::causal});
  }
  for (std::size_t i = 0; i < diagnosis.curves.size(); ++i) {
    const auto& curve = diagnosis.curves[i];
    report.section(fmt::format("curve-{}", i), curve.title, curve.look_for);
    ReportChart chart{.title = curve.title,
                      .x_title = curve.x_title,
                      .y_title = curve.y_title,
                      .labels = curve.labels};
    for (const auto& line : curve.lines) chart.series.push_back({line.name, line.values});
    report.chart(chart);
  }
}

void add_ladder(HtmlReport& report, const Diagnosis& diagnosis) {
  if (diagnosis.ladder.empty()) return;
  report.section("ladder", "From the plain model to this one",
                 "Look for the first step whose verdict is not healthy: it brings the fault.");
  ReportTable table{.columns = {"step", "verdict"}};
  for (const auto& step : diagnosis.ladder) {
    table.rows.push_back({step.axis, std::string(name_of(step.verdict))});
  }
  report.table(table);
}

}  // namespace

void write_report_html(const Subject& subject, const Diagnosis& diagnosis,
                       const Provenance& provenance, const std::filesystem::path& path) {
  HtmlReport report("Diagnosis");
  const auto model = subject.folder ? subject.folder->string() : std::string("fresh weights");
  report.subtitle(fmt::format("{} layers, {} tokens per sequence, {}",
                              subject.config.num_hidden_layers, subject.block_size, model));
  add_verdict(report, subject, diagnosis, provenance);
  add_ladder(report, diagnosis);
  add_pictures(report, diagnosis);
  add_checks(report, diagnosis);
  report.write(path);
}

}  // namespace lookback
