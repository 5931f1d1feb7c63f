#include "apps/train/script_flags.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/exit_code.h"
#include "apps/cli/flags.h"
#include "apps/data/tokenizer_file.h"
#include "apps/train/script_argument.h"
#include "apps/train/script_flag_names.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

class Translation {
 public:
  explicit Translation(std::span<const std::string> arguments) : given_(taken_apart(arguments)) {}

  ScriptFlags result() && {
    for (const auto& each : given_) take(each);
    if (has("do-eval") && !is_on("do-train")) {
      usage_error("--do_eval without --do_train: `lookback eval DIR --data FILE` measures a model");
    }
    for (const auto& [what, flags] : left_out_)
      result_.notes.push_back(fmt::format("{}: {}", fmt::join(flags, ", "), what));
    if (speaks_like_a_script_) {
      result_.notes.push_back(
          "what this command line leaves out is as `lookback train --help` says, and not as in "
          "transformers: docs/coming-from.md has both");
    }
    return std::move(result_);
  }

 private:
  bool has(std::string_view name) const {
    return std::ranges::find(given_, name, &Argument::name) != given_.end();
  }
  const std::string* value_of(std::string_view name) const {
    const std::string* found = nullptr;
    for (const auto& each : given_) {
      if (each.name == name && each.value) found = &*each.value;
    }
    return found;
  }
  bool is_on(std::string_view name) const {
    const auto* value = value_of(name);
    return has(name) && (value == nullptr || as_switch(*value).value_or(true));
  }

  void add(const std::string& name, const std::string& value) {
    result_.arguments.push_back("--" + name + "=" + value);
  }
  void keep(const Argument& argument) {
    const auto& [name, as_written, value, joined] = argument;
    result_.arguments.push_back(joined ? as_written + "=" + *value : as_written);
    if (value && !joined) result_.arguments.push_back(*value);
  }
  void note(const Argument& argument, const std::string& what) {
    speaks_like_a_script_ = true;
    left_out_[what].push_back(argument.as_written);
  }

  const std::string& needed(const Argument& argument) const {
    if (!argument.value) usage_error("{} needs a value", argument.as_written);
    return *argument.value;
  }
  static bool switched(const Argument& argument) {
    if (!argument.value) return true;
    const auto on = as_switch(*argument.value);
    if (!on) usage_error("{} {}: must be True or False", argument.as_written, *argument.value);
    return *on;
  }

  void take(const Argument& argument) {
    if (argument.name.empty()) return keep(argument);
    if (const auto idle = idle_flags().find(argument.name); idle != idle_flags().end())
      return note(argument, idle->second);
    if (const auto other = other_names().find(argument.name); other != other_names().end()) {
      speaks_like_a_script_ = true;
      return take_as(argument, other->second);
    }
    if (const auto refused = refused_flags().find(argument.name); refused != refused_flags().end())
      usage_error("{}: {}", argument.as_written, refused->second);
    const auto& off = switches_that_are_off();
    if (const auto found = off.find(argument.name); found != off.end()) {
      if (switched(argument)) usage_error("{}: {}", argument.as_written, found->second);
      speaks_like_a_script_ = true;
      return;
    }
    const auto own = handlers().find(argument.name);
    own == handlers().end() ? keep(argument) : (this->*own->second)(argument);
  }

  void take_as(Argument argument, const std::string& name) {
    argument.name = name;
    const auto own = handlers().find(name);
    own == handlers().end() ? add(name, needed(argument)) : (this->*own->second)(argument);
  }

  using Handler = void (Translation::*)(const Argument&);
  static const std::map<std::string, Handler, std::less<>>& handlers() {
    static const std::map<std::string, Handler, std::less<>> all = {
        {"model-name-or-path", &Translation::model},
        {"model-type", &Translation::model_type},
        {"tokenizer-name", &Translation::tokenizer},
        {"num-train-epochs", &Translation::epochs},
        {"max-steps", &Translation::max_steps},
        {"warmup-steps", &Translation::warmup_steps},
        {"bf16", &Translation::bf16},
        {"torch-dtype", &Translation::torch_dtype},
        {"dtype", &Translation::dtype},
        {"lr-scheduler-type", &Translation::schedule},
        {"lr-scheduler-kwargs", &Translation::schedule_numbers},
        {"eval-strategy", &Translation::eval_strategy},
        {"save-strategy", &Translation::save_strategy},
        {"optim", &Translation::optimizer},
        {"report-to", &Translation::report_to},
        {"validation-split-percentage", &Translation::validation_split},
        {"overwrite-output-dir", &Translation::overwrite},
        {"resume-from-checkpoint", &Translation::resume},
        {"label-smoothing-factor", &Translation::zero_alone},
        {"load-best-model-at-end", &Translation::own_switch},
        {"metric-for-best-model", &Translation::metric},
        {"greater-is-better", &Translation::greater_is_better},
        {"gradient-checkpointing", &Translation::own_switch},
        {"tf32", &Translation::own_switch}};
    return all;
  }

  void own_switch(const Argument& argument) {
    add(argument.name, switched(argument) ? "true" : "false");
  }

  void model(const Argument& argument) {
    speaks_like_a_script_ = true;
    const auto& folder = needed(argument);
    if (!fs::is_directory(folder)) {
      usage_error(
          "{} {}: there is no such folder, and nothing is fetched here; name a folder with "
          "config.json and model.safetensors",
          argument.as_written, folder);
    }
    add("init-from", folder);
  }

  void model_type(const Argument& argument) {
    speaks_like_a_script_ = true;
    if (needed(argument) == "llama") return;
    usage_error("{} {}: must be llama; a config.json of another model is named with --config_name",
                argument.as_written, *argument.value);
  }

  void tokenizer(const Argument& argument) {
    speaks_like_a_script_ = true;
    const auto& name = needed(argument);
    if (!fs::is_directory(name)) return add("tokenizer", name);
    const auto file = tokenizer_in(name);
    if (file.empty()) {
      usage_error("{} {}: the folder has no tokenizer.model and no tokenizer.json",
                  argument.as_written, name);
    }
    add("tokenizer", file);
  }

  // "3.0": a whole number.
  void epochs(const Argument& argument) {
    speaks_like_a_script_ = true;
    const auto& text = needed(argument);
    const auto point = text.find('.');
    const bool whole =
        text.find_first_not_of('0', std::min(point, text.size() - 1) + 1) == text.npos;
    if (point != text.npos && !whole) {
      usage_error("{} {}: must be a whole number; --max_steps ends a run within an epoch",
                  argument.as_written, text);
    }
    add("epochs", text.substr(0, point));
  }

  void max_steps(const Argument& argument) {
    if (argument.value == "-1") return;  // not set
    keep(argument);
  }

  // 0: the ratio decides.
  void warmup_steps(const Argument& argument) {
    if (argument.value == "0" && has("warmup-ratio")) return;
    keep(argument);
  }

  void bf16(const Argument& argument) {
    speaks_like_a_script_ = true;
    if (switched(argument)) add("dtype", "bfloat16");
  }

  void torch_dtype(const Argument& argument) {
    speaks_like_a_script_ = true;
    if (needed(argument) == "auto" || is_on("bf16")) return;
    add("dtype", *argument.value);
  }
  void dtype(const Argument& argument) {
    if (argument.value != "auto") keep(argument);
  }

  void schedule(const Argument& argument) {
    const auto kind = with_dashes(needed(argument));
    if (kind == "constant-with-warmup") {
      speaks_like_a_script_ = true;
      return add("lr-scheduler-type", "constant");
    }
    if (kind == "cosine-with-min-lr") {
      speaks_like_a_script_ = true;
      if (!has("lr-scheduler-kwargs")) {
        usage_error(
            "{} {} needs --lr_scheduler_kwargs '{{\"min_lr_rate\": 0.1}}', or "
            "--lr_scheduler_type cosine --min_learning_rate_ratio 0.1",
            argument.as_written, *argument.value);
      }
      return add("lr-scheduler-type", "cosine");
    }
    if (kind != "warmup-stable-decay") return keep(argument);
    add("lr-scheduler-type", "warmup_stable_decay");
  }

  void schedule_numbers(const Argument& argument) {
    speaks_like_a_script_ = true;
    const auto numbers = nlohmann::json::parse(needed(argument), nullptr, false);
    if (!numbers.is_object())
      usage_error("{} {}: must be a JSON object", argument.as_written, *argument.value);
    for (const auto& [key, value] : numbers.items()) {
      if (key == "num_decay_steps" && value.is_number_integer()) {
        add("decay-steps", value.dump());
      } else if ((key == "min_lr_rate" || key == "min_lr_ratio") && value.is_number()) {
        add("min-learning-rate-ratio", value.dump());
      } else if (key == "min_lr" && value.is_number()) {
        add("min-learning-rate-ratio", fmt::format("{}", value.get<double>() / peak(argument)));
      } else {
        usage_error(
            "{}: {} is not known here: min_lr_rate, min_lr and num_decay_steps, each a "
            "number, are",
            argument.as_written, key);
      }
    }
  }

  double peak(const Argument& argument) const {
    const auto* text = value_of("learning-rate");
    const double rate = text == nullptr ? 0 : number_in(*text).value_or(0);
    if (!(rate > 0)) {
      usage_error("{}: min_lr is a part of --learning_rate, which is not given",
                  argument.as_written);
    }
    return rate;
  }

  void eval_strategy(const Argument& argument) {
    strategy(argument, "eval-steps", "a tenth of the run lies between evaluations");
  }
  void save_strategy(const Argument& argument) {
    strategy(argument, "save-steps", "one checkpoint is written, at the end");
  }
  void strategy(const Argument& argument, const std::string& flag, const std::string& otherwise) {
    speaks_like_a_script_ = true;
    const auto word = lower(needed(argument));
    if (word == "steps") return;
    if (word != "no" && word != "epoch") {
      usage_error("{} {}: must be no, steps or epoch", argument.as_written, *argument.value);
    }
    if (has(flag)) usage_error("{} {} and --{}: only one of them", argument.as_written, word, flag);
    if (word == "no" && flag == "eval-steps") {
      add(flag, "1000000000");
      return note(argument, "one evaluation is made all the same, at the end");
    }
    if (word == "epoch") note(argument, otherwise + "; --" + flag + " says how many steps");
  }

  void metric(const Argument& argument) {
    if (!is_on("load-best-model-at-end")) return note(argument, "no model is chosen by it");
    speaks_like_a_script_ = true;
    if (const auto& name = needed(argument); name != "eval_loss" && name != "loss") {
      usage_error("{} {}: must be eval_loss: the best model is that of the lowest validation loss",
                  argument.as_written, name);
    }
  }
  void greater_is_better(const Argument& argument) {
    if (!is_on("load-best-model-at-end")) return note(argument, "no model is chosen by it");
    speaks_like_a_script_ = true;
    if (switched(argument)) {
      usage_error("{}: must be False: the best model is that of the lowest validation loss",
                  argument.as_written);
    }
  }

  void optimizer(const Argument& argument) {
    speaks_like_a_script_ = true;
    if (!needed(argument).starts_with("adamw"))
      usage_error("{} {}: the optimizer is AdamW", argument.as_written, *argument.value);
  }

  void report_to(const Argument& argument) {
    note(argument, "metrics.jsonl and TensorBoard's events are written, and nothing is sent");
  }

  void validation_split(const Argument& argument) {
    speaks_like_a_script_ = true;
    if (needed(argument) == "5") return;
    usage_error("{} {}: 5 percent are validated on, or the whole of --validation_file",
                argument.as_written, *argument.value);
  }

  void overwrite(const Argument& argument) {
    speaks_like_a_script_ = true;
    if (switched(argument)) add("overwrite", "true");
  }

  // True, or a checkpoint's folder: the run it lies in goes on.
  void resume(const Argument& argument) {
    speaks_like_a_script_ = true;
    const auto& value = needed(argument);
    const auto on = as_switch(value);
    if (on && !*on) return;
    add("resume", "true");
    if (on) return;
    auto folder = fs::path(value).lexically_normal();
    if (folder.filename().empty()) folder = folder.parent_path();
    if (!folder.filename().string().starts_with("checkpoint-")) {
      usage_error("{} {}: must be True or a folder checkpoint-N", argument.as_written, value);
    }
    refuse_older(argument, folder);
    if (!has("output-dir"))
      add("output-dir", folder.has_parent_path() ? folder.parent_path().string() : ".");
  }

  // A run goes on from its newest checkpoint.
  static void refuse_older(const Argument& argument, const fs::path& folder) {
    const auto step_of = [](const fs::path& path) {
      const auto name = path.filename().string().substr(std::string_view("checkpoint-").size());
      std::int64_t step = -1;
      std::from_chars(name.data(), name.data() + name.size(), step);
      return step;
    };
    std::error_code ignored;
    for (const auto& each : fs::directory_iterator(
             folder.has_parent_path() ? folder.parent_path() : fs::path("."), ignored)) {
      const auto name = each.path().filename().string();
      if (!name.starts_with("checkpoint-") || step_of(each.path()) <= step_of(folder)) continue;
      usage_error(
          "{} {}: {} is newer, and a run goes on from its newest; move that away to go on "
          "from {}",
          argument.as_written, *argument.value, name, folder.filename().string());
    }
  }

  void zero_alone(const Argument& argument) {
    speaks_like_a_script_ = true;
    const auto& text = needed(argument);
    if (number_in(text) != 0)
      usage_error("{} {}: must be 0: it is not here", argument.as_written, text);
  }

  std::vector<Argument> given_;
  ScriptFlags result_ = {};
  std::map<std::string, std::vector<std::string>> left_out_ = {};  // flags, by what is here
  bool speaks_like_a_script_ = false;
};

}  // namespace

ScriptFlags read_script_flags(std::span<const std::string> arguments) {
  return Translation(arguments).result();
}

}  // namespace lookback
