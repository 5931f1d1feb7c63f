// lookback convert: a model folder made of another one.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/command.h"
#include "apps/data/tokenizer_file.h"
#include "apps/folder/folder_entries.h"
#include "apps/folder/work_folder.h"
#include "apps/model/model_folder.h"
#include "apps/model/model_warnings.h"
#include "apps/train/output_folder.h"
#include "apps/train/run_entries.h"
#include "nn/llama/pool_heads.h"
#include "nn/precision.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

class Convert final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DIR", .help = "a model folder", .target = &directory_});
    flags.add("num-key-value-heads", heads_, at_least_one,
              "as many key and value heads, each made of a group of those there are");
    flags.add_choice("key-value-init", pooled_, {PooledHead::mean, PooledHead::first},
                     "what a new head is made of its group");
    flags.add("output-dir", output_dir_, "DIR", "where the new model goes");
  }

  ExitCode run(const Session& session) override {
    if (!heads_) usage_error("--num-key-value-heads is missing: how many there shall be");
    if (output_dir_.empty()) usage_error("--output-dir is missing: it must name a new folder");
    // Reading it checks names, shapes and checksums; what is written comes from the file as it is.
    const auto config = load_model(directory_, precision_of(DType::f32))->config;
    const auto reason = reason_against_pooling(config, *heads_);
    if (!reason.empty()) usage_error("--num-key-value-heads {}: {}", *heads_, reason);
    warn_of_model(config);
    note_missing_checksums(session.console, directory_);
    write(config);
    session.console.result(fmt::format("{} key and value heads of {}; the model is in {}", *heads_,
                                       config.num_key_value_heads, output_dir_),
                           {{"num_key_value_heads", *heads_}, {"output_dir", output_dir_}});
    return ExitCode::good;
  }

 private:
  void write(const LlamaConfig& config) const {
    OutputFolder output(new_folder(output_dir_), ExistingRun::refused);
    output.begin([&](const fs::path& staged) {
      auto pooled_config = config;
      pooled_config.num_key_value_heads = *heads_;
      const auto file = open_weights(directory_);
      NamedTensors weights;
      for (const auto& name : file.names()) {
        weights.emplace_back(name,
                             with_pooled_heads(name, file.load(name), config, *heads_, pooled_));
      }
      save_new_model(pooled_config, weights, weights.front().second.dtype(), staged);
      copy_tokenizer(staged);
    });
  }

  // What a killed process left there counts for nothing.
  static fs::path new_folder(const fs::path& folder) {
    if (!is_there(folder)) return folder;
    const auto names = fs::is_directory(folder) ? names_in(folder) : std::vector<std::string>{""};
    const auto ours = work_folder_of(folder).filename().string();
    const bool empty = std::ranges::all_of(names, [&](const auto& name) { return name == ours; });
    if (!empty) fail("output", "{}: is there already: choose a new folder", folder.string());
    return folder;
  }

  void copy_tokenizer(const fs::path& staged) const {
    const fs::path own = tokenizer_in(directory_);
    if (own.empty()) return;
    for (const auto& name : tokenizer_entries()) {
      const auto from = own.parent_path() / name;
      if (!exists(from)) continue;
      ReplacingFile file(staged / name);
      file.write(read_file(from, "tokenizer"));
      file.commit();
    }
    record_new_files(staged, tokenizer_entries());
  }

  std::string directory_, output_dir_;
  std::optional<std::int64_t> heads_;
  PooledHead pooled_ = PooledHead::mean;
};

const AddCommand<Convert> registered{
    "convert", "makes a model with fewer key and value heads of one that is there"};

}  // namespace
}  // namespace lookback
