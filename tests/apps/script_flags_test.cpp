// Command lines as scripts for transformers' run_clm.py have them.
#include "apps/train/script_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "apps/cli/exit_code.h"
#include "apps/train/train_options.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream words(line);
  std::vector<std::string> all;
  for (std::string word; words >> word;) all.push_back(word);
  return all;
}

ScriptFlags read(const std::string& line) { return read_script_flags(words_of(line)); }

// What `train` makes of a command line, as options.toml has it.
std::string options_of(const std::vector<std::string>& arguments) {
  TrainOptions options;
  Flags flags;
  options.declare(flags);
  flags.parse(arguments);
  return flags.to_toml();
}

void expect_same(const std::string& script, const std::string& own) {
  EXPECT_EQ(options_of(read(script).arguments), options_of(words_of(own))) << script;
}

std::string refusal_of(const std::string& line) {
  try {
    read(line);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(ScriptFlags, LeaveThoseOfTrainAsTheyAre) {
  for (const std::string line :
       {"--config smoke --data builtin:stories --max-steps 20 --learning-rate=1e-3 --resume",
        "--preset mla --preset method1 --gradient-checkpointing --batch_size 4 --help",
        "--warmup-steps 0 --dtype bfloat16 --lr-scheduler-type linear stray",
        "--min-learning-rate -1"}) {
    const auto found = read(line);
    EXPECT_THAT(found.notes, IsEmpty()) << line;
    std::string joined;
    for (const auto& each : found.arguments) joined += (joined.empty() ? "" : " ") + each;
    auto expected = line;
    if (const auto at = expected.find("--gradient-checkpointing"); at != expected.npos)
      expected.insert(at + 24, "=true");
    EXPECT_EQ(joined, expected);
  }
}

// The example of transformers' README for causal language models, with a file in place of a
// dataset.
TEST(ScriptFlags, TakeARunClmCommandLine) {
  const auto script =
      "--config_name tiny --tokenizer_name tokenizer.model --train_file train.txt "
      "--validation_file valid.txt --per_device_train_batch_size 4 --per_device_eval_batch_size 8 "
      "--gradient_accumulation_steps 2 --num_train_epochs 3.0 --learning_rate 5e-5 "
      "--weight_decay 0.01 --adam_beta1 0.9 --adam_beta2 0.999 --adam_epsilon 1e-8 "
      "--max_grad_norm 1.0 --lr_scheduler_type cosine --warmup_ratio 0.03 --block_size 128 "
      "--bf16 True --seed 42 --logging_steps 50 --evaluation_strategy steps --eval_steps 100 "
      "--save_strategy steps --save_steps 200 --save_total_limit 2 --do_train --do_eval "
      "--output_dir out --overwrite_output_dir --report_to tensorboard --run_name first "
      "--gradient_checkpointing True --dataloader_num_workers 4 --preprocessing_num_workers 8 "
      "--load_best_model_at_end False --optim adamw_torch_fused --max_steps -1 --ddp_timeout 18000";
  auto own = words_of(
      "--config tiny --tokenizer tokenizer.model --data train.txt --validation-data valid.txt "
      "--batch-size 4 --gradient-accumulation-steps 2 --epochs 3 --learning-rate 5e-5 "
      "--weight-decay 0.01 --adam-beta1 0.9 --adam-beta2 0.999 --adam-epsilon 1e-8 "
      "--max-grad-norm 1 --lr-scheduler-type cosine --warmup-ratio 0.03 --block-size 128 "
      "--dtype bfloat16 --logging-steps 50 --eval-steps 100 --save-steps 200 "
      "--save-total-limit 2 --output-dir out --overwrite --gradient-checkpointing");
  auto found = read(script);
  std::erase(found.arguments, "--seed");  // of every command, declared beside train's
  std::erase(found.arguments, "42");
  EXPECT_EQ(options_of(found.arguments), options_of(own));
  EXPECT_THAT(found.notes,
              ::testing::IsSupersetOf(
                  {"--do_train, --run_name, --preprocessing_num_workers, --ddp_timeout: nothing to "
                   "set here",
                   "--do_eval: validation is part of every run",
                   "--report_to: metrics.jsonl and TensorBoard's events are written, and nothing "
                   "is sent"}));
  EXPECT_THAT(found.notes.back(), HasSubstr("as `lookback train --help` says"));
}

TEST(ScriptFlags, MeanWhatTheyMeanThere) {
  const TemporaryDirectory folder;
  const auto path = folder.path().string();
  write_text(path + "/tokenizer.json", "{}");
  const auto dir = path.find(' ') == path.npos ? path : "";
  expect_same("--num_train_epochs=2", "--epochs 2");
  expect_same("--bf16", "--dtype bfloat16");
  expect_same("--bf16 false", "");
  expect_same(
      "--load_best_model_at_end True --metric_for_best_model eval_loss --greater_is_better False",
      "--load-best-model-at-end");
  expect_same("--bf16 --torch_dtype float32", "--dtype bfloat16");
  expect_same("--torch_dtype auto", "");
  expect_same("--torch_dtype float32", "--dtype float32");
  expect_same("--lr_scheduler_type constant_with_warmup", "--lr-scheduler-type constant");
  expect_same("--lr_scheduler_type cosine_with_min_lr --lr_scheduler_kwargs {\"min_lr_rate\":0.1}",
              "--lr-scheduler-type cosine --min-learning-rate-ratio 0.1");
  expect_same(
      "--learning_rate 2e-3 --lr_scheduler_type cosine_with_min_lr "
      "--lr_scheduler_kwargs {\"min_lr\":5e-4}",
      "--learning-rate 2e-3 --lr-scheduler-type cosine --min-learning-rate-ratio 0.25");
  expect_same(
      "--lr_scheduler_type warmup_stable_decay --lr_scheduler_kwargs "
      "{\"num_decay_steps\":20,\"min_lr_ratio\":0.1}",
      "--lr-scheduler-type warmup_stable_decay --decay-steps 20 "
      "--min-learning-rate-ratio 0.1");
  expect_same("--warmup_steps 0 --warmup_ratio 0.1", "--warmup-ratio 0.1");
  expect_same("--warmup_steps 0", "--warmup-steps 0");
  expect_same("--eval_strategy no", "--eval-steps 1000000000");
  expect_same("--eval_strategy epoch --save_strategy no", "");
  expect_same("--resume_from_checkpoint false", "");
  expect_same(
      "--eval_on_start --hub_strategy every_save --logging_nan_inf_filter True "
      "--save_only_model False --use_liger_kernel --data_seed 3",
      "");
  expect_same("--overwrite_output_dir False", "");
  expect_same(
      "--fp16 False --push_to_hub false --validation_split_percentage 5 "
      "--label_smoothing_factor 0.0 --model_type llama",
      "");
  EXPECT_EQ(read_script_flags(std::vector<std::string>{"--tokenizer_name", path}).arguments,
            std::vector{"--tokenizer=" + path + "/tokenizer.json"});
  EXPECT_EQ(read_script_flags(std::vector<std::string>{"--model_name_or_path", path}).arguments,
            std::vector{"--init-from=" + path});
}

TEST(ScriptFlags, GoOnFromTheNewestCheckpointAlone) {
  const TemporaryDirectory folder;
  const auto run = folder.path().string();
  for (const auto* name : {"/checkpoint-9", "/checkpoint-10"})
    std::filesystem::create_directory(run + name);
  const auto arguments = [&](const std::string& value) {
    return read_script_flags(std::vector<std::string>{"--resume_from_checkpoint", value}).arguments;
  };
  EXPECT_THAT(arguments("True"), ElementsAre("--resume=true"));
  EXPECT_THAT(arguments(run + "/checkpoint-10"),
              ElementsAre("--resume=true", "--output-dir=" + run));
  EXPECT_THAT(arguments(run + "/checkpoint-10/"),
              ElementsAre("--resume=true", "--output-dir=" + run));
  EXPECT_THROW(arguments(run + "/checkpoint-9"), UsageError);
  EXPECT_THROW(arguments(run), UsageError);
}

TEST(ScriptFlags, RefuseWhatIsNotHere) {
  for (const auto& [line, word] : std::vector<std::pair<std::string, std::string>>{
           {"--fp16", "--bf16"},
           {"--dataset_name wikitext", "--train_file"},
           {"--model_name_or_path gpt2", "no such folder"},
           {"--model_type gpt2", "must be llama"},
           {"--config_overrides n_embd=8", "config.json"},
           {"--num_train_epochs 0.5", "whole number"},
           {"--do_eval", "lookback eval"},
           {"--load_best_model_at_end --metric_for_best_model accuracy", "eval_loss"},
           {"--load_best_model_at_end --greater_is_better True", "lowest validation loss"},
           {"--optim adafactor", "AdamW"},
           {"--label_smoothing_factor 0.1", "must be 0"},
           {"--validation_split_percentage 10", "5 percent"},
           {"--eval_strategy no --eval_steps 5", "only one"},
           {"--eval_strategy sometimes", "no, steps or epoch"},
           {"--bf16 maybe", "True or False"},
           {"--lr_scheduler_type cosine_with_min_lr", "min_lr_rate"},
           {"--lr_scheduler_kwargs {\"power\":2}", "power is not known"},
           {"--lr_scheduler_kwargs {\"min_lr\":1e-5}", "--learning_rate, which is not given"},
           {"--lr_scheduler_kwargs [", "JSON object"},
           {"--streaming", "leave it out"},
           {"--neftune_noise_alpha 5", "not here"},
           {"--optim_args x=1", "--adam_beta1"},
           {"--deepspeed ds.json", "one process"},
           {"--train_file", "needs a value"}}) {
    EXPECT_THAT(refusal_of(line), AllOf(HasSubstr("--"), HasSubstr(word))) << line;
  }
}

}  // namespace
}  // namespace lookback::tests
