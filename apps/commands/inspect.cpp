// lookback inspect
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/command.h"
#include "apps/data/document_start.h"
#include "apps/data/tokenizer_file.h"
#include "apps/folder/report_folder.h"
#include "apps/inspect/write_report.h"
#include "apps/model/attention_storage.h"
#include "apps/model/dtype_choice.h"
#include "apps/model/model_folder.h"
#include "apps/model/model_warnings.h"
#include "apps/model/prompt.h"
#include "apps/train/read_run_history.h"
#include "apps/train/run_options.h"
#include "apps/train/saved_optimizer.h"

namespace lookback {
namespace {

class Inspect final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DIR", .help = "a model folder", .target = &directory_});
    flags.add("prompt", prompt_, "TEXT", "what the model is shown");
    flags.add("output-dir", output_dir_, "OUT",
              "where inspect.safetensors and report.html go; without it DIR/inspect");
    flags.add("tokenizer", tokenizer_, "bytes|FILE",
              "or FILE.model, FILE.json, stories; without it the folder's own, or bytes");
    add_bos_flag(
        flags, add_bos_,
        "whether the tokenizer's first token (<s>) stands in front of the prompt; auto: as "
        "its files say, or as in the run's training");
    flags.add_choice("dtype", dtype_, floating_dtypes, "number format; without it the run's");
    add_attention_storage_flag(flags, attention_storage_);
  }

  ExitCode run(const Session& session) override {
    if (!prompt_) usage_error("--prompt is missing: the text that the model is shown");
    const auto run = run_options_for_reading(directory_);
    TrainOptions options;
    if (run) options = run->options;
    if (!dtype_) dtype_ = options.dtype;
    std::string without_tokenizer;
    if (tokenizer_.empty()) {
      without_tokenizer = folder_without_tokenizer(directory_, run);
      tokenizer_ = tokenizer_of(directory_, run);
    }
    if (!attention_storage_) attention_storage_ = options.attention_storage;
    const auto llama = load_model(directory_, precision_of(*dtype_));
    warn_of_model(llama->config);
    warn_of_kept_weights(llama->config, *attention_storage_);
    note_missing_checksums(session.console, directory_);
    if (!without_tokenizer.empty()) check_reads_bytes(without_tokenizer, llama->config.vocab_size);
    const auto [prompt_tokenizer, in_front, tokens] =
        read_prompt(*prompt_, tokenizer_, llama->config, add_bos_of(add_bos_, run));
    if (!session.flags->given("add-bos")) {
      for (const auto& note : tokenizer_notes(*prompt_tokenizer, in_front, TextKind::prompt))
        session.console.note(note);
    }
    std::filesystem::path folder = output_dir_;
    if (output_dir_.empty()) folder = std::filesystem::path(directory_) / "inspect";
    const ReportFolder made(folder);  // before the work: it may be refused

    const auto forward =
        forward_options(*attention_storage_, *llama, 1, static_cast<std::int64_t>(tokens.size()),
                        Gradients::wanted);
    const auto optimizer = optimizer_of(directory_, options);
    const auto inspection = inspect(*llama, tokens, forward, optimizer);
    write_report(folder, inspection,
                 {.name = directory_,
                  .llama = *llama,
                  .history = read_run_history(directory_),
                  .optimizer = optimizer},
                 *prompt_tokenizer);
    report(session, inspection, folder);
    session.note_device();
    return ExitCode::good;
  }

 private:
  static void report(const Session& session, const Inspection& inspection,
                     const std::filesystem::path& folder) {
    const auto page = (folder / "report.html").string();
    const auto loss =
        inspection.nats.empty()
            ? std::string("1 token: nothing to predict, so no loss")
            : fmt::format("{} tokens, loss {:.4f}", inspection.tokens.size(), inspection.loss);
    session.console.result(fmt::format("{}; open {}", loss, page),
                           {{"tokens", inspection.tokens},
                            {"loss", inspection.loss},  // null where there is none
                            {"report", page},
                            {"tensors", (folder / "inspect.safetensors").string()}});
  }

  std::string directory_, tokenizer_, output_dir_;
  AddBos add_bos_ = AddBos::automatic;
  std::optional<DType> dtype_;
  std::optional<AttentionStorage> attention_storage_;
  std::optional<std::string> prompt_;
};

const AddCommand<Inspect> registered{"inspect",
                                     "shows attention, gradients and the mask's path on a page"};

}  // namespace
}  // namespace lookback
