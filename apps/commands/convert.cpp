// lookback convert: a model folder made of another one, which may be in several files and under
// other names.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/command.h"
#include "apps/data/tokenizer_file.h"
#include "apps/folder/folder_entries.h"
#include "apps/folder/work_folder.h"
#include "apps/model/dtype_choice.h"
#include "apps/model/model_folder.h"
#include "apps/model/model_warnings.h"
#include "apps/train/output_folder.h"
#include "apps/train/run_entries.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/cast.h"
#include "nn/llama/pool_heads.h"
#include "nn/precision.h"
#include "nn/weight_names.h"
#include "runtime/listed_names.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto generation_config_name = "generation_config.json";

class Convert final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DIR", .help = "a model folder", .target = &directory_});
    flags.add("output-dir", output_dir_, "DIR", "where the new model goes");
    flags.add("strip-prefix", prefix_, "auto|TEXT",
              "taken off the weights' names; auto: what torch.compile, DistributedDataParallel, "
              "PEFT and others put around them, and a model. that is missing is put there");
    flags.add("num-key-value-heads", heads_, at_least_one,
              "as many key and value heads, each made of a group of those there are");
    flags.add_choice("key-value-init", pooled_, {PooledHead::mean, PooledHead::first},
                     "what a new head is made of its group");
    flags.add_choice("dtype", dtype_, floating_dtypes,
                     "the weights' number format; without it the one they have, or f32 for f16");
  }

  ExitCode run(const Session& session) override {
    if (output_dir_.empty()) usage_error("--output-dir is missing: it must name a new folder");
    const auto own_names = [this](TensorFiles weights) { return renamed(std::move(weights)); };
    // Names and shapes are checked before, checksums while each weight goes from file to file: a
    // model may be larger than memory.
    const auto llama = model_without_weights(directory_, precision_of(DType::f32), own_names);
    const auto& config = llama->config;
    const auto reason = heads_ ? reason_against_pooling(config, *heads_) : std::string();
    if (!reason.empty()) usage_error("--num-key-value-heads {}: {}", *heads_, reason);
    warn_of_model(config);
    note_missing_checksums(session.console, directory_);
    write(*llama);
    const auto heads = heads_.value_or(config.num_key_value_heads);
    session.console.result(
        fmt::format("{} weights, {} of {} key and value heads; the model is in {}",
                    llama->parameters().size(), heads, config.num_key_value_heads, output_dir_),
        {{"weights", llama->parameters().size()},
         {"num_key_value_heads", heads},
         {"output_dir", output_dir_}});
    return ExitCode::good;
  }

 private:
  TensorFiles renamed(TensorFiles weights) const {
    if (prefix_.empty()) return weights;
    if (prefix_ == "auto") {
      const auto wrapped = wrapped_names(weights.names());
      if (!wrapped) return weights;
      return weights.renamed([&](const std::string& name) { return wrapped->names.at(name); });
    }
    std::vector<std::string> without;
    for (const auto& name : weights.names()) {
      if (!name.starts_with(prefix_)) without.push_back(name);
    }
    if (!without.empty()) {
      usage_error("--strip-prefix {}: does not begin these names: {}", prefix_,
                  listed_names(without));
    }
    return weights.renamed([&](const std::string& name) { return name.substr(prefix_.size()); });
  }

  // The weights that the model has, and no others: a head beside one that is tied, say.
  void write(const Llama& llama) const {
    OutputFolder output(new_folder(output_dir_), ExistingRun::refused);
    output.begin([&](const fs::path& staged) {
      auto config = llama.config;
      if (heads_) config.num_key_value_heads = *heads_;
      const NoGrad no_grad;
      const auto files = renamed(open_weights(directory_));
      std::vector<TensorToWrite> weights;
      // Of the new model names and shapes alone: its memory is never touched.
      for (const auto& [name, tensor, initial] : Llama(config, llama.precision).parameters()) {
        const auto own_dtype = loaded_dtype(files.info(name)).value_or(DType::f32);
        weights.push_back({.name = name,
                           .dtype = dtype_.value_or(own_dtype),
                           .shape = tensor.shape(),
                           .make = [&, name = name] { return made(files, llama.config, name); }});
      }
      save_new_model(config, weights, weights.front().dtype, staged);
      copy_others(staged);
    });
  }

  Tensor made(const TensorFiles& files, const LlamaConfig& config, const std::string& name) const {
    auto weight = files.load(name);
    if (heads_) weight = with_pooled_heads(name, weight, config, *heads_, pooled_);
    return dtype_ ? cast(weight, *dtype_) : weight;
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

  // The tokenizer, and what generation begins and ends with.
  void copy_others(const fs::path& staged) const {
    const fs::path own = tokenizer_in(directory_);
    if (!own.empty()) copy(tokenizer_entries(), own.parent_path(), staged);
    copy({generation_config_name}, directory_, staged);
  }

  static void copy(const std::vector<std::string>& names, const fs::path& from,
                   const fs::path& staged) {
    for (const auto& name : names) {
      if (!exists(from / name)) continue;
      ReplacingFile file(staged / name);
      file.write(read_file(from / name, "convert"));
      file.commit();
    }
    record_new_files(staged, names);
  }

  std::string directory_, output_dir_, prefix_;
  std::optional<std::int64_t> heads_;
  PooledHead pooled_ = PooledHead::mean;
  std::optional<DType> dtype_;
};

const AddCommand<Convert> registered{
    "convert",
    "makes one model.safetensors of a model in several files or under other names, or a "
    "model with fewer key and value heads"};

}  // namespace
}  // namespace lookback
