// `train --resume` goes on with what a checkpoint belongs to, and with nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "apps/train/run_options.h"
#include "tests/apps/cut_run.h"
#include "tests/apps/run_files.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class ResumeTies : public CutRun {};

TEST_F(ResumeTies, AFlippedBitOfACheckpointIsRefusedByFileAndTensor) {
  train_and_cut(4);
  for (const auto& [file, tensor] :
       {std::pair{"model.safetensors", "model.norm.weight"},
        std::pair{"optimizer.safetensors", "second_moment.model.norm.weight"}}) {
    const auto path = checkpoint() / file;
    const auto good = read_text(path);
    flip_bit(path, good.size() - 3, 1);
    expect_refused(path.string() + ": tensor \"" + tensor + "\" is not as " +
                   (checkpoint() / "trainer_state.json").string() +
                   " has it: it is damaged, or not this checkpoint's; nothing was changed: without "
                   "checkpoint-4 --resume goes on from the one before it");
    // Nor does another command read it.
    expect_error(
        run_lookback({"inspect", checkpoint(), "--prompt=so", "--output-dir", folder("o")}), 1,
        tensor);
    write_text(path, good);
  }
  const auto path = checkpoint() / "trainer_state.json";
  const auto good = read_text(path);
  for (std::size_t at = 0; at < good.size(); at += 53) {
    const auto begin = good.rfind('\n', at) + 1;
    const auto line = good.substr(begin, good.find('\n', at) - begin);
    if (line.find("\"seconds\": ") != line.npos) continue;  // measured: they do not count
    flip_bit(path, at, static_cast<int>(at % 7));
    expect_refused(path.string());
    write_text(path, good);
  }
  expect_whole();
}

TEST_F(ResumeTies, FilesOfAnotherRunAreRefused) {
  train_and_cut(4);
  struct Other {
    std::vector<std::string> flags;
    const char* whole_checkpoint;  // what is said of all of it
  };
  const std::vector<Other> others = {
      {{"--seed=5"}, "options.toml: seed is 0, checkpoint-4 was trained with 5"},
      {{"--learning-rate=0.01"}, "learning_rate is 0.001, checkpoint-4 was trained with 0.01"},
      {{"--dtype=float64"}, "dtype is float32, checkpoint-4 was trained with float64"},
      {{"--dtype=bfloat16"}, "dtype is float32, checkpoint-4 was trained with bfloat16"},
      {{"--preset=method1"}, "preset is llama, checkpoint-4 was trained with method1"},
      {{"--max-steps=8"},
       "max_steps is 6, it was 8 when checkpoint-4 was written, and no --resume "
       "has changed it since: put it back, or say --max-steps 6"},
  };
  for (const auto& other : others) {
    SCOPED_TRACE(other.flags[0]);
    auto flags = other.flags;
    flags.insert(flags.end(), {"--save-steps=2", "--logging-steps=3", "--eval-steps=4",
                               "--threads=1", "--output-dir", folder("other")});
    ASSERT_EQ(small_.train(flags).code, 0);
    const auto theirs = folder("other") / "checkpoint-4";
    for (const auto* file :
         {"model.safetensors", "optimizer.safetensors", "config.json", "trainer_state.json"}) {
      const auto good = read_text(checkpoint() / file);
      const auto bad = read_text(theirs / file);
      if (good == bad) continue;  // the config of another seed
      write_text(checkpoint() / file, bad);
      const bool state = file == std::string("trainer_state.json");
      expect_refused(state ? other.whole_checkpoint : (checkpoint() / file).string());
      write_text(checkpoint() / file, good);
    }
    fs::rename(checkpoint(), folder("good"));
    fs::copy(theirs, checkpoint());
    expect_refused(other.whole_checkpoint);
    fs::remove_all(checkpoint());
    fs::rename(folder("good"), checkpoint());
    fs::remove_all(folder("other"));
  }
  expect_whole();
}

TEST_F(ResumeTies, AnotherVariantsConfigIsNamedByItsKey) {
  train_and_cut(4);
  auto config = nlohmann::json::parse(read_text(checkpoint() / "config.json"));
  config["rope_theta"] = 500.0;
  write_text(checkpoint() / "config.json", config.dump());
  expect_refused((checkpoint() / "config.json").string() +
                 ": rope_theta is 500.0, the run's is 10000.0");
  config["rope_theta"] = 10000.0;  // the same model, in other bytes
  write_text(checkpoint() / "config.json", config.dump());
  expect_refused("config.json: is not as ");
}

TEST_F(ResumeTies, EditedSettingsAreRefusedWithBothValues) {
  train_and_cut(4);
  const auto good = read_text(options());
  struct Edit {
    const char *line, *edited, *said;
  };
  for (const auto& [line, edited, said] : {
           Edit{"learning_rate = 0.001", "learning_rate = 0.003",
                "learning_rate is 0.003, checkpoint-4 was trained with 0.001: put it back"},
           Edit{"weight_decay = 0.1\n", "",
                "has no weight_decay, and checkpoint-4 was written with weight_decay = 0.1"},
           Edit{"dtype = \"float32\"", "dtype = \"float64\"",
                "dtype is float64, checkpoint-4 was trained with float32"},
           Edit{"seed = 0", "seed = 1", "seed is 1, checkpoint-4 was trained with 0"},
           Edit{"seed = 0", "seed = 0\nfault = \"frozen_layer\"",
                "fault is frozen_layer, checkpoint-4 was trained with none"},
           Edit{"max_steps = 6", "max_steps = 7",
                "max_steps is 7, it was 6 when checkpoint-4 was written, and no --resume has "
                "changed it since: put it back, or say --max-steps 7 if that is meant"},
           Edit{"save_steps = 2", "inspect_every = 2\nsave_steps = 2",
                "inspect_every is 2, it was none"},
       }) {
    write_text(options(), replaced(good, line, edited));
    expect_refused(options().string() + ": " + said);
  }
  // Nor are they believed by who only reads.
  write_text(options(), replaced(good, "block_size = 16", "block_size = 8"));
  for (const auto& model : {folder("cut"), checkpoint()}) {
    expect_error(run_lookback({"eval", model}), 1,
                 "block_size is 8, checkpoint-4 was trained with 16");
  }
  write_text(options(), good);
  expect_whole();
}

TEST_F(ResumeTies, WhatIsMeantIsSaidByAFlagAndThenKnown) {
  train_and_cut(4);
  const auto good = read_text(options());
  write_text(options(), replaced(good, "max_steps = 6", "max_steps = 8"));
  expect_refused("say --max-steps 8 if that is meant");
  ASSERT_EQ(resume(folder("cut"), {"--max-steps=8"}).code, 0);
  EXPECT_TRUE(fs::exists(folder("cut") / "checkpoint-8"));
  // Changed by a resume that was killed before its next checkpoint: its note is in options.toml.
  ASSERT_EQ(resume(folder("cut"), {"--max-steps=12", "--save-steps=3"}).code, 0);
  for (const auto* later : {"checkpoint-9", "checkpoint-12"}) fs::remove_all(folder("cut") / later);
  const auto result = resume(folder("cut"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(fs::exists(folder("cut") / "checkpoint-12"));
  // By epochs: their number of steps is noted too.
  ASSERT_EQ(resume(folder("cut"), {"--epochs=2", "--eval-steps=100", "--save-steps=1000"}).code, 0);
  EXPECT_THAT(read_text(options()), HasSubstr(", max-steps 12 -> "));
  for (const auto& entry : fs::directory_iterator(folder("cut"))) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("checkpoint-") && std::stoi(name.substr(11)) > 12)
      fs::remove_all(entry.path());
  }
  EXPECT_EQ(resume(folder("cut")).code, 0);
}

TEST_F(ResumeTies, OptionsCutAtAnyLineAreNoticed) {
  train_and_cut(4);
  const auto good = read_text(options());
  for (auto end = good.find('\n'); end + 1 < good.size(); end = good.find('\n', end + 1)) {
    write_text(options(), good.substr(0, end + 1));
    const auto result = resume(folder("cut"));
    EXPECT_THAT(result.err, HasSubstr(options().string())) << good.substr(0, end);
    const bool all_but_the_checksum = good.find('\n', end + 1) + 1 == good.size();
    ASSERT_EQ(result.code, all_but_the_checksum ? 0 : 1) << good.substr(0, end) << result.err;
  }
  EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))), "");
}

TEST_F(ResumeTies, AnEditOfWhereThingsLieIsSaid) {
  train_and_cut(4);
  const auto moved = folder("moved.txt");
  fs::rename(small_.text(), moved);
  write_text(options(), replaced(read_text(options()), small_.text(), moved));
  const auto result = resume(folder("cut"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "lookback: warning: " + options().string() +
                            ": was edited, or is damaged, since the run wrote it; what it says of "
                            "where things lie is taken as it stands\n");
  EXPECT_EQ(resume(folder("cut")).err, "");  // which has written it anew
  // Nor is it kept back where an error follows.
  fs::remove_all(folder("cut") / "checkpoint-6");
  write_text(options(), replaced(read_text(options()), moved, "/nowhere/x.txt"));
  const auto lost = resume(folder("cut"));
  EXPECT_EQ(lost.code, 1);
  EXPECT_THAT(lost.err, HasSubstr(options().string() + ": was edited, or is damaged"));
  EXPECT_THAT(lost.err, HasSubstr("lookback: error: [data] /nowhere/x.txt: there is no such file"));
}

TEST_F(ResumeTies, AnotherTokenizerIsRefused) {
  fs::copy(source_directory() / "tests/golden/tokenizers/gpt2.json", folder("words.json"));
  small_.model["vocab_size"] = 700;
  write_text(small_.config(), small_.model.dump());
  train_and_cut(4, {"--tokenizer", folder("words.json")});
  const auto own = folder("cut") / "tokenizer.json";
  const auto good = read_text(own);
  write_text(own, good + "\n");
  expect_refused("tokenizer.json: is not as ");
  fs::remove(folder("cut") / "lookback-checksums.json");
  expect_refused("tokenizer.json: is not the tokenizer that the run was trained with: put it back");
  write_text(own, good);
  expect_whole();
}

TEST_F(ResumeTies, LinesThatAreGoneOrChangedAreSaid) {
  train_and_cut(4);
  const auto path = folder("cut") / "metrics.jsonl";
  const auto good = read_text(path);
  fs::copy(folder("cut"), folder("again"), fs::copy_options::recursive);
  const auto said_of = [&](const std::string& lines) {
    fs::remove_all(folder("cut"));
    fs::copy(folder("again"), folder("cut"), fs::copy_options::recursive);
    write_text(path, lines);
    const auto result = resume(folder("cut"));
    EXPECT_EQ(result.code, 0);
    return result.err;
  };
  const std::string start = "lookback: warning: " + path.string() +
                            ": of the 2 lines that the run had written by step 4, ";
  const std::string end = "; the run goes on behind those that are there\n";
  EXPECT_EQ(said_of(""), start + "0 are there" + end);
  EXPECT_EQ(said_of(good.substr(good.find('\n') + 1)), start + "1 are there" + end);
  EXPECT_EQ(said_of(replaced(good, "\"loss\":5", "\"loss\":4")),
            start + "some are not as they were" + end);
  EXPECT_EQ(
      said_of(std::regex_replace(good, std::regex(R"("seconds":[0-9.e-]+)"), "\"seconds\":7")),
      "");  // times do not count
  EXPECT_EQ(said_of(good), "");
  // The resumed run has taken over the lines that are there.
  fs::remove_all(folder("cut") / "checkpoint-6");
  said_of("");
  EXPECT_EQ(resume(folder("cut"), {"--max-steps=7"}).err, "");
}

TEST_F(ResumeTies, AnotherRecordIsSaidAsAnotherDeviceIs) {
  train_and_cut(4);
  EXPECT_EQ(resume(folder("cut"), {"--attention-storage=weights"}).err,
            "lookback: warning: the run had --attention-storage qk, and goes on with weights: the "
            "last bits "
            "may differ\n");
  EXPECT_EQ(resume(folder("cut"), {"--max-steps=7", "--gradient-checkpointing"}).err, "");
}

// The flag was called --record: options.toml and the checkpoint may each have that name.
TEST_F(ResumeTies, ARunThatKnowsAFlagByItsFormerNameGoesOn) {
  const std::string former = "record = ", now = "attention_storage = ";
  for (const bool in_options : {true, false}) {
    for (const bool in_checkpoint : {true, false}) {
      train_and_cut(4, {"--record=weights"});
      if (in_options) {
        const auto text = replaced(read_text(options()), now, former);
        write_text(options(), sealed_options(text.substr(0, text.rfind("# checksum "))));
      }
      if (in_checkpoint) {
        const auto path = checkpoint() / "trainer_state.json";
        write_text(path, replaced(read_text(path), "\"attention_storage\"", "\"record\""));
        reseal(path);
      }
      const auto result = resume(folder("cut"));
      EXPECT_EQ(result.code, 0) << result.err;
      EXPECT_EQ(result.err, "");
      EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))),
                in_checkpoint ? "checkpoint-4/trainer_state.json; " : "");
      EXPECT_THAT(read_text(options()), HasSubstr(now + "\"weights\""));
      for (const auto* name : {"cut", "whole"}) fs::remove_all(folder(name));
    }
  }
}

// By the program before it had checksums.
TEST_F(ResumeTies, ARunOfAnEarlierVersionGoesOnAndIsSaidToHaveNone) {
  const auto old = source_directory() / "tests/apps/before_checksums";
  for (const auto* name : {"run", "continued"})
    fs::copy(old / "run", folder(name), fs::copy_options::recursive);
  fs::copy(old / "text.txt", folder("old.txt"));
  for (const auto& run : {folder("run"), folder("continued")}) {
    auto text =
        replaced(read_text(run / "options.toml"), "FOLDER/config.json", old / "config.json");
    text = replaced(text, "FOLDER/text.txt", folder("old.txt"));
    write_text(run / "options.toml", replaced(text, "FOLDER/run", run));
  }
  const auto run = folder("run");
  EXPECT_THAT(run_lookback({"eval", run}).err, HasSubstr(run.string() + " has no checksums"));
  const auto result = resume(run);
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string said = "checkpoint-2 has no checksums, as an earlier version wrote it";
  const auto first = result.err.find(said);
  ASSERT_NE(first, std::string::npos) << result.err;
  EXPECT_EQ(result.err.find(said, first + 1), std::string::npos);
  EXPECT_EQ(SmallRun::metrics(run).back().at("step"), 4);
  const double loss = SmallRun::metrics(run).back().at("validation_loss");
  EXPECT_NEAR(loss, 5.5162, 1e-3);
  // From then on it is protected.
  EXPECT_EQ(resume(run).err, "");
  EXPECT_EQ(run_lookback({"eval", run, "--device=cpu"}).err, "");
  flip_bit(run / "checkpoint-4" / "optimizer.safetensors",
           fs::file_size(run / "checkpoint-4" / "optimizer.safetensors") - 1, 2);
  expect_error(resume(run), 1, "second_moment");
}

}  // namespace
}  // namespace lookback::tests
