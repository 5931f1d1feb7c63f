// `train --resume`: a run that was cut off ends as if it had not been.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>

#include "apps/folder/work_folder.h"
#include "tests/apps/cut_run.h"
#include "tests/apps/run_files.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class Resume : public CutRun {};

TEST_F(Resume, AKilledRunEndsWithTheBitsOfAWholeOne) {
  const std::vector<std::string> flags = {"--max-steps=140",  "--save-steps=7",
                                          "--eval-steps=12",  "--logging-steps=5",
                                          "--preset=method1", "--warmup-steps=9"};
  const auto into = [&](const std::string& name) {
    auto all = flags;
    all.insert(all.end(), {"--output-dir", folder(name)});
    return all;
  };
  ASSERT_EQ(small_.train(into("whole")).code, 0);
  const auto whole = run_files(folder("whole"));
  // A moment that has come, or has just passed unseen.
  const auto once = [&](const std::vector<std::string>& any_of) {
    return [root = folder("cut"), any_of] {
      return std::ranges::any_of(any_of, [&](const auto& file) { return fs::exists(root / file); });
    };
  };
  // A machine with other work may let the run end before it is killed: then once more.
  const auto killed = [&](const std::function<int()>& run) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      if (run() == 128 + SIGKILL) return true;
    }
    return false;
  };
  // While it steps; while it saves, before and behind the first file; when it has saved.
  const std::vector<std::vector<std::string>> moments = {
      {"metrics.jsonl"},
      {"checkpoint-7", "checkpoint-14"},
      {".checkpoint-35.partial", "checkpoint-35"},
      {".checkpoint-35.partial/model.safetensors", "checkpoint-35"},
      {".checkpoint-35.partial/optimizer.safetensors", "checkpoint-35"},
      {"checkpoint-28"},
  };
  for (const auto& moment : moments) {
    ASSERT_TRUE(killed([&] {
      fs::remove_all(folder("cut"));
      return small_.train(into("cut"), {.kill_when = once(moment)}).code;
    }));
    const auto is_checkpoint = [](const fs::directory_entry& entry) {
      return entry.path().filename().string().starts_with("checkpoint-");
    };
    if (std::none_of(fs::directory_iterator(folder("cut")), {}, is_checkpoint)) {
      const auto refused = resume(folder("cut"));  // which undoes a beginning that was cut off
      const bool begun = fs::exists(folder("cut") / "options.toml");
      expect_error(
          refused, 1,
          begun ? "has no whole checkpoint to go on from" : "holds no run that could be resumed");
      continue;
    }
    // Killed once more on its way.
    const auto state = folder("state");
    fs::remove_all(state);
    fs::rename(folder("cut"), state);
    ASSERT_TRUE(killed([&] {
      fs::remove_all(folder("cut"));
      fs::copy(state, folder("cut"), fs::copy_options::recursive);
      return run_lookback({"train", "--resume", "--output-dir", folder("cut")},
                          {.kill_when = once({"checkpoint-63", "checkpoint-70"})})
          .code;
    }));
    const auto resumed = resume(folder("cut"), {"--threads=2"});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(differing_files(run_files(folder("cut")), whole), "") << moment[0];
  }
}

TEST_F(Resume, EveryVariantGoesOnWithTheSameBits) {
  const auto presets = SmallRun::json(run_lookback({"presets", "--json"})).at("presets");
  for (const auto& preset : presets) {
    const std::string name = preset.at("name");
    train_and_cut(2, {"--preset", name});
    const auto result = resume(folder("cut"));
    ASSERT_EQ(result.code, 0) << name << result.err;
    EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))), "") << name;
    fs::remove_all(folder("cut"));
    fs::remove_all(folder("whole"));
  }
}

TEST_F(Resume, TheSameBitsInEveryFormatAndWithPiecesOfSteps) {
  const std::vector<std::vector<std::string>> all = {
      {"--dtype=float64", "--preset=method5.7"},
      {"--dtype=bfloat16", "--preset=method1"},
      {"--dtype=bfloat16", "--gradient-accumulation-steps=3"},
      {"--preset=method4.2", "--gradient-checkpointing", "--max-grad-norm=0.01"},
      {"--data=builtin:stories", "--config=smoke", "--lr-scheduler-type=linear", "--eval-batches=1",
       "--batch-size=1"},
  };
  for (const auto& more : all) {
    train_and_cut(4, more);
    const auto result = resume(folder("cut"), {"--threads=2"});
    ASSERT_EQ(result.code, 0) << more[0] << result.err;
    EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))), "") << more[0];
    fs::remove_all(folder("cut"));
    fs::remove_all(folder("whole"));
  }
}

TEST_F(Resume, AfterCtrlCTheLinesAreThoseOfAWholeRun) {
  const std::vector<std::string> flags = {"--max-steps=3000", "--eval-steps=3000",
                                          "--logging-steps=1000", "--save-steps=1000"};
  auto whole = flags;
  whole.insert(whole.end(), {"--output-dir", folder("whole")});
  ASSERT_EQ(small_.train(whole).code, 0);
  ASSERT_EQ(small_.train(flags, {.interrupt_when = fs::path(small_.run()) / "metrics.jsonl"}).code,
            130);
  ASSERT_EQ(SmallRun::metrics(small_.run()).size(), 1U);
  ASSERT_NE(SmallRun::metrics(small_.run())[0].at("step").get<int>() % 1000, 0);
  ASSERT_EQ(resume(small_.run()).code, 0);
  auto files = run_files(small_.run());
  const auto whole_files = run_files(folder("whole"));
  std::erase_if(files, [&](const auto& file) {  // the interrupt's own checkpoint
    return !whole_files.contains(file.first);
  });
  EXPECT_EQ(differing_files(files, whole_files), "");
}

TEST_F(Resume, SettingsComeFromTheRunAndSomeMayChange) {
  train_and_cut(2, {"--learning-rate=0.01", "--seed=4"});
  // As it was started, in other words and from another folder; longer, and saved otherwise.
  const auto result = run_lookback(
      {"train", "--resume", "--output-dir=cut", "--learning-rate=1e-2", "--config=config.json",
       "--data=text.txt", "--max-steps=8", "--save-steps=5", "--quiet"},
      {.directory = small_.path()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(fs::exists(folder("cut") / "checkpoint-5"));
  EXPECT_EQ(SmallRun::metrics(folder("cut")).back().at("step"), 8);
  const auto options = read_text(folder("cut") / "options.toml");
  EXPECT_THAT(options,
              StartsWith("# resumed from checkpoint-2: max-steps 6 -> 8, save-steps 2 -> 5\n"));
  EXPECT_THAT(options, HasSubstr("\nmax_steps = 8\n"));
  EXPECT_THAT(options, HasSubstr("\nlearning_rate = 0.01\n"));
  EXPECT_THAT(options, HasSubstr("\nseed = 4\n"));
  // The next one needs no flags again, has nothing to do, and keeps its hands off.
  const auto before = run_files(folder("cut"));
  const auto last = resume(folder("cut"), {"--json"});
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_EQ(SmallRun::json(last).at("steps"), 8);
  EXPECT_EQ(SmallRun::json(last).at("validation_loss"),
            SmallRun::metrics(folder("cut")).back().at("validation_loss"));
  EXPECT_EQ(differing_files(run_files(folder("cut")), before), "");
  EXPECT_EQ(read_text(folder("cut") / "options.toml"), options);
  // Once more, and the record tells both.
  ASSERT_EQ(resume(folder("cut"), {"--max-steps=9"}).code, 0);
  EXPECT_THAT(read_text(folder("cut") / "options.toml"),
              HasSubstr("save-steps 2 -> 5\n# resumed from checkpoint-8: max-steps 8 -> 9\n"));
  // Epochs are counted anew where they are given.
  EXPECT_EQ(SmallRun::json(resume(folder("cut"), {"--epochs=2", "--json"})).at("steps"),
            2 * ((static_cast<int>(fs::file_size(small_.text()) * 95 / 100) - 1) / 32));
}

TEST_F(Resume, WhatDecidesAStepMayNotChange) {
  train_and_cut(2, {});
  const auto before = run_files(folder("cut"));
  const auto refused = [&](const std::vector<std::string>& more, int code,
                           const std::string& text) {
    expect_error(resume(folder("cut"), more), code, text);
    EXPECT_EQ(differing_files(run_files(folder("cut")), before), "") << text;
  };
  refused({"--learning-rate=0.01"}, 2, "--learning-rate 0.01: the run has 0.001; ");
  refused({"--seed=2", "--dtype=float64"}, 2,
          "--dtype float64: the run has float32; --seed 2: the run has 0; a resumed run keeps it");
  refused({"--preset=method1"}, 2, "--preset method1: the run has llama");
  refused({"--fault=frozen_layer"}, 2, "--fault frozen_layer: the run has none");
  refused({"--data=builtin:stories"}, 2, "--data builtin:stories: the run has " + small_.text());
  refused({"--block-size=8", "--batch-size=4"}, 2, "--batch-size 4: the run has 2; --block-size 8");
  refused({"--config=smoke"}, 2, "--config smoke: head_dim is 32, the run's is 4");
  refused({"--max-steps=1"}, 2, "--max-steps 1: the run has done 2 already");
  refused({"--overwrite"}, 2, "--overwrite replaces it: only one of them");
  write_text(small_.text(), read_text(small_.text()) + "one more line");
  refused({}, 1, "text.txt: is not what the run was trained on (");
}

TEST_F(Resume, FoldersWithNothingToGoOnFrom) {
  expect_error(resume(folder("absent")), 1, "absent: there is no such folder");
  EXPECT_FALSE(fs::exists(folder("absent")));
  fs::create_directory(folder("empty"));
  expect_error(resume(folder("empty")), 1, "empty: holds no run that could be resumed");
  train_and_cut(0, {});
  expect_error(resume(folder("cut")), 1, "cut: has no whole checkpoint to go on from");
  expect_error(resume(folder("whole") / "checkpoint-2"), 1,
               "checkpoint-2: is a checkpoint; --output-dir must be the folder of its run");
  const auto options = folder("whole") / "options.toml";
  for (const auto& [text, what] : {std::pair{"", "is empty"}, {"seed = 0\n", "names no data"}}) {
    write_text(options, text);
    for (const auto& more : {std::vector<std::string>{}, {"--data", small_.text()}}) {
      expect_error(resume(folder("whole"), more), 1,
                   options.string() + ": " + what +
                       ", so how the run was trained is not known: "
                       "put the file back");
    }
  }
  fs::remove(options);
  expect_error(resume(folder("whole")), 1, "whole: has no options.toml");
}

TEST_F(Resume, WhatIsHalfThereIsPassedOver) {
  train_and_cut(4, {});
  fs::remove(folder("cut") / "checkpoint-4" / "optimizer.safetensors");
  {
    const WorkFolder work(folder("cut"));
    write_text(work.fresh("checkpoint-6") / "model.safetensors", "half");
    write_text(work.path() / "config.json.17-0.partial", "half");
  }
  const std::vector<fs::path> mine = {"model.safetensors.17-0.partial", ".checkpoint-6.partial"};
  for (const auto& name : mine) write_text(folder("cut") / name, "mine");
  std::string metrics = read_text(folder("cut") / "metrics.jsonl");
  write_text(folder("cut") / "metrics.jsonl", metrics + "{\"step\":7,\"lo");
  const auto result = resume(folder("cut"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("checkpoint-4 has no optimizer.safetensors; going on from "
                                    "checkpoint-2\n"));
  EXPECT_FALSE(fs::exists(folder("cut") / ".lookback"));
  for (const auto& name : mine) {
    EXPECT_EQ(read_text(folder("cut") / name), "mine") << "whatever it is called";
    fs::remove(folder("cut") / name);
  }
  EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))), "");
}

TEST_F(Resume, AnotherInstructionSetIsSaid) {
  train_and_cut(4, {});
  const auto path = folder("cut") / "checkpoint-4" / "trainer_state.json";
  auto state = nlohmann::ordered_json::parse(read_text(path));
  const std::string here = state.at("instruction_set");
  state["instruction_set"] = "abacus";
  write_text(path, state.dump());
  reseal(path);
  const auto result = resume(folder("cut"));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err,
            "lookback: warning: the run was on a CPU with abacus, and goes on on one with " + here +
                ": the last bits may differ\n");
}

// Of a checkpoint without checksums, by what is in the file.
TEST_F(Resume, AFileThatDoesNotFitIsNamedAndNothingIsChanged) {
  train_and_cut(4, {});
  const auto checkpoint = folder("cut") / "checkpoint-4";
  unseal(checkpoint / "trainer_state.json");
  const auto damaged = [&](const std::string& file, const std::string& content,
                           const std::string& text) {
    const auto good = read_text(checkpoint / file);
    write_text(checkpoint / file, content);
    const auto before = run_files(folder("cut"));
    const auto result = resume(folder("cut"));
    expect_error(result, 1, (checkpoint / file).string());
    EXPECT_THAT(result.err, HasSubstr(text));
    EXPECT_THAT(result.err, HasSubstr("without checkpoint-4 --resume goes on from the one before"));
    EXPECT_EQ(differing_files(run_files(folder("cut")), before), "") << text;
    write_text(checkpoint / file, good);
  };
  const auto replaced = [&](const std::string& file, const std::string& what,
                            const std::string& with) {
    auto text = read_text(checkpoint / file);
    EXPECT_NE(text.find(what), std::string::npos) << what;
    return text.replace(text.find(what), what.size(), with);
  };
  for (const std::string file : {"optimizer.safetensors", "model.safetensors"}) {
    const auto good = read_text(checkpoint / file);
    damaged(file, good.substr(0, good.size() - 9), "");
    damaged(file, "", "");
  }
  const std::string moment = "first_moment.model.norm.weight";
  damaged("optimizer.safetensors",
          replaced("optimizer.safetensors", moment, "first_moment.model.form.weight"),
          "missing: model.norm.weight; unexpected: model.form.weight");
  damaged("optimizer.safetensors",
          replaced("optimizer.safetensors", moment, "forst_moment.model.norm.weight"),
          "unexpected tensor \"forst_moment.model.norm.weight\"");
  damaged("optimizer.safetensors",
          replaced("optimizer.safetensors", R"("step":"4")", R"("step":"5")"), "must be \"4\"");
  damaged("config.json", replaced("config.json", "intermediate_size", "intermediate_sise"),
          "unknown key \"intermediate_sise\"");
  damaged("trainer_state.json", "{\"step\": 4", "parse error");
  damaged("trainer_state.json", replaced("trainer_state.json", "\"step\": 4", "\"step\": 3"),
          "step is 3: must be 4");
  damaged("trainer_state.json", replaced("trainer_state.json", "\"step\": 4", "\"step\": -4"),
          "step is -4: must be an integer of at least 0");
  damaged("trainer_state.json", replaced("trainer_state.json", "\"tokens\"", "\"tokans\""),
          "tokens is missing");
  damaged("trainer_state.json", replaced("trainer_state.json", "\"seed\"", "\"lot\": 1, \"seed\""),
          "unknown key \"lot\"");
  damaged("trainer_state.json",
          replaced("trainer_state.json", "\"loss\": ", "\"loss\": true, \"x\": "),
          "unlogged.loss is true: must be a number");
  EXPECT_EQ(resume(folder("cut")).code, 0);
}

}  // namespace
}  // namespace lookback::tests
