// lookback report
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/compare/comparison.h"
#include "apps/compare/find_runs.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

class Report final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DIR",
                          .help = "folders of runs, or folders with runs in them",
                          .targets = &directories_});
    flags.add("output-dir", output_dir_, "OUT", "where report.html and report.json go");
    flags.add(
        "csv", csv_, "FILE",
        "every line of every run's metrics.jsonl as a row of one table, the run's name first");
  }

  ExitCode run(const Session& session) override {
    if (output_dir_.empty() && csv_.empty()) {
      usage_error(
          "--output-dir is missing: where report.html and report.json go (or --csv FILE for the "
          "numbers alone)");
    }
    const auto comparison = compare_runs(find_runs(directories_));
    auto object = comparison_json(comparison, ComparisonDetail::summary);
    auto text = summary_of(comparison);
    if (!csv_.empty()) {
      ReplacingFile file(csv_);
      file.write(metrics_csv(comparison));
      file.commit();
      object["csv"] = csv_;
      text += "; the numbers are in " + csv_;
    }
    if (!output_dir_.empty()) {
      write_comparison(comparison, output_dir_);
      const auto page = (std::filesystem::path(output_dir_) / "report.html").string();
      object["report"] = page;
      text += "; open " + page;
    }
    session.console.result(text, object);
    return ExitCode::good;
  }

 private:
  std::vector<std::string> directories_;
  std::string output_dir_, csv_;
};

const AddCommand<Report> registered{"report", "draws the curves of several runs on one page"};

}  // namespace
}  // namespace lookback
