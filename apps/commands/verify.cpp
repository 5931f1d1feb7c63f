// lookback verify: our model against reference files.
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/command.h"
#include "apps/model/attention_storage.h"
#include "apps/model/dtype_choice.h"
#include "apps/verify/compare.h"
#include "apps/verify/reference_run.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

struct Verdict {
  std::string file, preset;
  DType dtype = DType::f64;
  Comparison comparison;

  std::string line() const {
    const auto& worst = comparison.worst();
    const auto why = worst.problem.empty() ? fmt::format("error {:.2e}, tolerance {:.1e}",
                                                         worst.error, worst.tolerance)
                                           : worst.problem;
    return fmt::format("{} {}{}: {} tensors in {}, worst {}: {}",
                       comparison.passed() ? "passed" : "FAILED", file,
                       preset.empty() ? "" : " (" + preset + ")", comparison.tensors.size(), dtype,
                       worst.name, why);
  }

  // JSON has no infinity: an error that is no number is null, and `problem` says why.
  Json summary() const {
    const auto& worst = comparison.worst();
    Json object{{"file", file},
                {"preset", preset},
                {"passed", comparison.passed()},
                {"worst_tensor", worst.name},
                {"worst_error", worst.error},
                {"tensors", comparison.tensors.size()}};
    if (!worst.problem.empty()) object["problem"] = worst.problem;
    return object;
  }

  Json every_tensor() const {
    auto tensors = Json::array();
    for (const auto& tensor : comparison.tensors) {
      tensors.push_back({{"name", tensor.name},
                         {"error", tensor.error},
                         {"tolerance", tensor.tolerance},
                         {"passed", tensor.passed()}});
      if (!tensor.problem.empty()) tensors.back()["problem"] = tensor.problem;
    }
    return {{"file", file},
            {"preset", preset},
            {"dtype", name_of(dtype)},
            {"passed", comparison.passed()},
            {"tensors", tensors}};
  }
};

class Verify final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional(
        {.placeholder = "REFERENCE", .help = "files as oracle.py makes them", .targets = &files_});
    flags.add_choice("dtype", dtype_, floating_dtypes,
                     "number format of the model; without it the file's");
    flags.add("tolerance", tolerance_, non_negative,
              "for every tensor, in place of its group's own");
    add_attention_storage_flag(flags, attention_storage_);
    flags.add("report", report_, "FILE", "writes the error of every tensor, as JSON");
  }

  ExitCode run(const Session& session) override {
    std::optional<ReplacingFile> report_file;  // before the work: it may be refused
    if (!report_.empty()) report_file.emplace(report_);
    std::string lines;
    Json summaries = Json::array(), details = Json::array();
    bool passed = true;
    for (const auto& file : files_) {
      const auto verdict = verify(file);
      passed &= verdict.comparison.passed();
      lines += (lines.empty() ? "" : "\n") + verdict.line();
      summaries.push_back(verdict.summary());
      details.push_back(verdict.every_tensor());
    }
    if (report_file) {
      report_file->write(Json{{"files", details}, {"passed", passed}}.dump(1) + "\n");
      report_file->commit();
    }
    session.console.result(lines, {{"files", summaries}, {"passed", passed}});
    session.note_device();
    return passed ? ExitCode::good : ExitCode::fault_found;
  }

 private:
  Verdict verify(const std::string& file) const {
    const auto reference = SafetensorsFile::open(file);
    const auto preset = reference.metadata().find("preset");
    Verdict verdict{.file = file,
                    .preset = preset == reference.metadata().end() ? "" : preset->second,
                    .dtype = dtype_ ? *dtype_ : dtype_of_reference(reference),
                    .comparison = {}};
    const auto ours =
        run_reference(reference, {.dtype = verdict.dtype, .attention_storage = attention_storage_});
    verdict.comparison = compare_with_reference(reference, ours, verdict.dtype, tolerance_);
    return verdict;
  }

  std::vector<std::string> files_;
  std::string report_;
  std::optional<DType> dtype_;
  AttentionStorage attention_storage_ = AttentionStorage::qk;
  std::optional<double> tolerance_;
};

const AddCommand<Verify> registered{"verify", "holds the model against reference files"};

}  // namespace
}  // namespace lookback
