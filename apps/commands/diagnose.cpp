// lookback diagnose
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/report_html.h"
#include "apps/diagnosis/report_json.h"
#include "apps/diagnosis/subject_choice.h"
#include "apps/diagnosis/test_subjects.h"
#include "apps/folder/report_folder.h"
#include "apps/model/model_folder.h"
#include "apps/model/model_warnings.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

class Diagnose final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DIR",
                          .help = "a model folder or a run; without it --config and --preset",
                          .target = &choice_.folder,
                          .presence = Positional::Presence::optional});
    flags.add("config", choice_.config, "FILE|DIR|NAME", "a model to start from its config");
    flags.add("preset", choice_.presets, "NAME", "a variant laid over the config");
    flags.add("fault", choice_.fault, "NAME", "makes a known mistake (presets --faults)");
    flags.add("data", choice_.data, "SPEC", "what it trains on; without it the run's, or built-in");
    flags.add("tokenizer", choice_.tokenizer, "bytes|FILE",
              "of a text: FILE.model or FILE.json; without it the folder's own, or bytes");
    choice_.data_flags.declare(flags);
    flags.add("block-size", choice_.block_size, at_least_one, "tokens of a sequence (64)");
    flags.add_toggle("quick", quick_, "the checks of a minute: the default");
    flags.add_toggle("full", full_, "also trains the probes");
    flags.add_toggle("table", table_, "diagnoses every preset and every fault on small models");
    flags.add("seeds", seeds_, at_least_one, "of --table: from 0 on");
    flags.add("subject", subjects_, "NAME", "of --table: this preset or fault alone; repeatable");
    flags.add("output-dir", output_dir_, "DIR", "where the reports go");
  }

  ExitCode run(const Session& session) override {
    check_flags(*session.flags);
    if (table_) {
      const auto tests = test_subjects(subjects_);
      session.note_device();
      return diagnose_all(session, tests);
    }
    choice_.effort = full_ ? Effort::full : Effort::quick;
    choice_.seed = session.seed;
    const auto subject = choose_subject(choice_);
    warn_of_model(subject.config);
    if (subject.folder) note_missing_checksums(session.console, *subject.folder);
    const ReportFolder made(output_dir_);  // before an hour of work
    const auto diagnosis = diagnose(subject);
    const Provenance provenance{.command = command(session), .version = session.version};
    const auto report = report_json(subject, diagnosis, provenance);
    write(subject, diagnosis, provenance, report.dump(2) + "\n");
    session.console.result(summary(diagnosis, provenance), report);
    session.note_device();
    return diagnosis.verdict() == Verdict::healthy ? ExitCode::good : ExitCode::fault_found;
  }

 private:
  void check_flags(const Flags& flags) const {
    for (const auto* of_table : {"seeds", "subject"}) {
      if (flags.given(of_table) && !table_) usage_error("--{} goes with --table", of_table);
    }
    if (table_) return;
    if (quick_ && full_) usage_error("--quick and --full exclude each other");
    if (choice_.folder.empty() && choice_.config.empty()) {
      usage_error("which model? a folder, or --config smoke, tiny, 124m or a config.json");
    }
    if (!choice_.folder.empty() && !choice_.config.empty()) {
      usage_error("{} and --config {}: give one of them", choice_.folder, choice_.config);
    }
    if (!choice_.folder.empty() && flags.given("preset")) {
      usage_error("{} and --preset {}: a folder's config names its variant", choice_.folder,
                  *flags.value("preset"));
    }
    if (output_dir_.empty()) usage_error("--output-dir is empty: it must name a folder");
    if (fs::exists(output_dir_) && !fs::is_directory(output_dir_)) {
      usage_error("--output-dir {}: it is there, and is no folder", output_dir_);
    }
  }

  // One line per test, on stderr while it goes on.
  ExitCode diagnose_all(const Session& session, const std::vector<TestSubject>& tests) const {
    std::vector<TestSubjectResult> results;
    auto listed = nlohmann::ordered_json::array();
    bool all_right = true;
    for (const auto& test : tests) {
      const auto result = diagnose_with_seeds(test, seeds_);
      session.console.note(fmt::format("{}: {} of {} {}", test.name, result.right, result.diagnoses,
                                       name_of(test.expected)));
      listed.push_back({{"name", test.name},
                        {"expected", name_of(test.expected)},
                        {"diagnoses", result.diagnoses},
                        {"right", result.right},
                        {"verdicts", result.verdicts},
                        {"place", result.place},
                        {"misses", result.misses},
                        {"seconds", result.seconds}});
      all_right &= result.right == result.diagnoses;
      results.push_back(result);
    }
    session.console.result(table_of(results), {{"patients", listed}, {"passed", all_right}});
    return all_right ? ExitCode::good : ExitCode::fault_found;
  }

  std::string command(const Session& session) const {
    std::string text = "lookback diagnose";
    const auto flag = [&](const std::string& name, const std::string& value) {
      if (!value.empty()) text += " --" + name + " " + shell_word(value);
    };
    if (!choice_.folder.empty()) text += " " + shell_word(choice_.folder);
    flag("config", choice_.config);
    if (choice_.folder.empty()) {
      for (const auto& preset : choice_.presets) flag("preset", preset);
    }
    flag("fault", choice_.fault);
    flag("data", choice_.data);
    flag("tokenizer", choice_.tokenizer);
    if (const auto type = choice_.data_flags.bin_dtype)
      flag("bin-dtype", std::string(name_of(*type)));
    if (const auto& field = choice_.data_flags.text_field; field != DataFlags().text_field)
      flag("text-field", field);
    if (const auto choice = choice_.data_flags.add_bos; choice != AddBos::automatic)
      flag("add-bos", std::string(name_of(choice)));
    if (choice_.block_size) flag("block-size", std::to_string(*choice_.block_size));
    text += full_ ? " --full" : " --quick";
    flag("seed", std::to_string(session.seed));
    flag("output-dir", output_dir_);
    return text;
  }

  // The page first: where report.json is, both are whole.
  void write(const Subject& subject, const Diagnosis& diagnosis, const Provenance& provenance,
             const std::string& json) const {
    write_report_html(subject, diagnosis, provenance, fs::path(output_dir_) / "report.html");
    ReplacingFile file(fs::path(output_dir_) / "report.json");
    file.write(json);
    file.commit();
  }

  std::string summary(const Diagnosis& diagnosis, const Provenance& provenance) const {
    const auto& found = class_of(diagnosis.verdict());
    auto text = fmt::format("verdict: {}. {}\ncausality: {}\nevidence: {}\n", found.name,
                            found.meaning, name_of(diagnosis.statement), diagnosis.evidence());
    const auto others = diagnosis.findings();
    for (std::size_t i = 1; i < others.size(); ++i) {
      text += fmt::format("also: {}. {}\n", name_of(others[i]), class_of(others[i]).meaning);
    }
    if (found.verdict != Verdict::healthy) text += fmt::format("to mend it: {}\n", found.remedy);
    for (const auto& note : diagnosis.notes) text += fmt::format("note: {}\n", note);
    return text + fmt::format("reports: {0}/report.html, {0}/report.json\nto repeat it: {1}",
                              output_dir_, provenance.command);
  }

  SubjectChoice choice_;
  bool quick_ = false, full_ = false, table_ = false;
  std::int64_t seeds_ = 1;
  std::vector<std::string> subjects_;  // empty: all
  std::string output_dir_ = "diagnosis";
};

const AddCommand<Diagnose> registered{
    "diagnose", "proves that a model never looks ahead, and says why its loss is what it is"};

}  // namespace
}  // namespace lookback
