// Damage to a model folder is refused by every command that reads it; folders without checksums are
// read as ever.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "apps/model/folder_checksums.h"
#include "apps/model/sealed_json.h"
#include "runtime/safetensors.h"
#include "tests/apps/cut_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class FolderDamage : public CutRun {
 protected:
  fs::path run() const { return small_.run(); }

  // Every command that reads a model folder, by name.
  std::map<std::string, ProgramResult> read_by_all(const fs::path& model) const {
    const std::string out = folder("out");
    const auto of = [&](std::vector<std::string> arguments) {
      fs::remove_all(out);
      return run_lookback(arguments);
    };
    return {{"eval", of({"eval", model, "--data", small_.text()})},
            {"generate", of({"generate", model, "--prompt=so", "--max-new-tokens=2"})},
            {"inspect", of({"inspect", model, "--prompt=so it", "--output-dir", out})},
            {"diagnose", of({"diagnose", model, "--output-dir", out})},
            {"train --init-from",
             of({"train", "--init-from", model, "--data", small_.text(), "--block-size=16",
                 "--batch-size=2", "--max-steps=1", "--device=cpu", "--output-dir", out})}};
  }

  void expect_refused(const fs::path& model, const std::string& text) const {
    for (const auto& [command, result] : read_by_all(model)) {
      SCOPED_TRACE(command);
      expect_error(result, 1, text);
    }
  }
};

TEST_F(FolderDamage, AFlippedBitOfAWeightIsRefusedByEverybody) {
  ASSERT_EQ(small_.train({"--save-steps=3"}).code, 0);
  for (const auto& model : {run(), run() / "checkpoint-3"}) {
    const auto path = model / "model.safetensors";
    const auto good = read_text(path);
    flip_bit(path, good.size() - 5, 6);
    const auto last = "tensor \"model.norm.weight\" is not as " + model.string();
    expect_refused(model, path.string() + ": " + last);
    write_text(path, good);
    for (const auto& [command, result] : read_by_all(model)) {
      EXPECT_TRUE(result.code == 0 || command == "diagnose") << command << result.err;
      EXPECT_THAT(result.err, Not(HasSubstr("checksum"))) << command;
    }
  }
}

TEST_F(FolderDamage, EveryTensorAndTheHeaderAreNamed) {
  ASSERT_EQ(small_.train().code, 0);
  const auto path = run() / "model.safetensors";
  const auto good = read_text(path);
  const auto file = SafetensorsFile::open(path);
  std::size_t end = 0;
  for (const auto& name : file.names()) end = std::max(end, file.info(name).end_bytes);
  for (const auto& name : file.names()) {
    write_text(path, good);
    flip_bit(path, good.size() - end + file.info(name).begin_bytes, 0);
    expect_error(run_lookback({"eval", run()}), 1, "tensor \"" + name + "\" is not as ");
  }
  auto renamed = good;
  renamed.replace(renamed.find(R"("format":"pt")"), 13, R"("format":"np")");
  write_text(path, renamed);
  expect_error(run_lookback({"eval", run()}), 1, path.string() + ": its header, ");
}

TEST_F(FolderDamage, SmallFilesAreNamedAndWhatToDo) {
  fs::copy(source_directory() / "tests/golden/tokenizers/gpt2.json", folder("words.json"));
  small_.model["vocab_size"] = 601;  // the tokenizer's
  write_text(small_.config(), small_.model.dump());
  ASSERT_EQ(small_.train({"--tokenizer", folder("words.json")}).code, 0);
  for (const auto* name : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
    const auto path = run() / name;
    const auto good = read_text(path);
    write_text(path, good + " ");
    expect_refused(run(), path.string() + ": is not as " + (run() / checksums_name).string() +
                              " has it: it is damaged, or another program changed it; put it back, "
                              "or, if the change is meant, remove lookback-checksums.json");
    fs::remove(path);
    if (name != std::string("config.json")) {
      expect_refused(run(), path.string() + ": is missing: ");
    }
    write_text(path, good);
  }
  const auto config = nlohmann::json::parse(read_text(run() / "config.json"));
  auto edited = config;
  edited["rope_theta"] = 500.0;
  write_text(run() / "config.json", edited.dump(2) + "\n");
  expect_refused(run(), "config.json: is not as ");
  expect_error(run_lookback({"train", "--config", run(), "--data", small_.text(), "--max-steps=1",
                             "--output-dir", folder("new")}),
               1, "config.json: is not as ");
  // The change was meant.
  fs::remove(run() / checksums_name);
  const auto meant = run_lookback({"generate", run(), "--prompt=so"});
  EXPECT_EQ(meant.code, 0) << meant.err;
}

TEST_F(FolderDamage, OfTheChecksumsThemselves) {
  ASSERT_EQ(small_.train().code, 0);
  const auto path = run() / checksums_name;
  const auto good = read_text(path);
  for (std::size_t at = 0; at < good.size(); at += 97) {
    flip_bit(path, at, static_cast<int>(at % 7));
    const auto result = run_lookback({"generate", run(), "--prompt=so"});
    expect_error(result, 1, path.string());
    EXPECT_THAT(result.err, HasSubstr("without it the folder is read unchecked"));
    write_text(path, good);
  }
  for (const auto* text : {"", "{}", "[]", "null", "{\"files\": {}}"}) {
    write_text(path, text);
    expect_error(run_lookback({"generate", run(), "--prompt=so"}), 1, path.string());
  }
  for (const auto* files : {R"({"config.json": 7})", R"({"config.json": "12"})", R"([])",
                            R"({"model.safetensors": {"header": "2d06800538d394c2"}})",
                            R"({"model.safetensors": "2d06800538d394c2"})"}) {
    write_text(path, sealed_text({{"files", nlohmann::ordered_json::parse(files)}}));
    expect_error(run_lookback({"generate", run(), "--prompt=so"}), 1, run().string());
  }
}

// As other programs write it, transformers for one.
TEST_F(FolderDamage, AFolderWithoutChecksumsIsReadAndThatIsSaidOnce) {
  ASSERT_EQ(small_.train().code, 0);
  fs::create_directory(folder("theirs"));
  for (const auto* name : {"config.json", "model.safetensors"}) {
    fs::copy(run() / name, folder("theirs") / name);
  }
  // Another trainer's.
  write_text(folder("theirs") / "trainer_state.json", R"({"global_step": 4, "log_history": []})");
  const std::string note =
      folder("theirs").string() + " has no checksums: damage to its weights would not be noticed\n";
  for (const auto& [command, result] : read_by_all(folder("theirs"))) {
    EXPECT_TRUE(result.code == 0 || command == "diagnose") << command << result.err;
    const auto first = result.err.find(note);
    ASSERT_NE(first, std::string::npos) << command << result.err;
    EXPECT_EQ(result.err.find(note, first + 1), std::string::npos) << command;
  }
  EXPECT_EQ(run_lookback({"generate", folder("theirs"), "--prompt=so", "--quiet"}).err, "");
}

// Who replaces the weights takes their checksum away first, and who replaces a run is waited for:
// there is no moment at which a whole folder looks damaged.
TEST_F(FolderDamage, ReadersOfARunAtWorkFindNone) {
  ASSERT_EQ(small_.train({"--max-steps=1"}).code, 0);
  const fs::path done = folder("done");
  std::thread trainer([&] {
    for (int time = 0; time < 6; ++time) {
      EXPECT_EQ(small_
                    .train({"--overwrite", "--max-steps=100", "--eval-steps=1", "--eval-batches=1",
                            "--logging-steps=600"})
                    .code,
                0);
    }
    write_text(done, "");
  });
  int read = 0;
  while (!fs::exists(done)) {
    const auto result = run_lookback({"generate", run(), "--prompt=so", "--max-new-tokens=1"});
    EXPECT_EQ(result.code, 0) << result.err;
    ++read;
  }
  trainer.join();
  EXPECT_GT(read, 3);
  EXPECT_EQ(run_lookback({"eval", run(), "--device=cpu"}).err, "");
}

TEST_F(FolderDamage, AFolderWhoseWriterWasKilledIsReadUncheckedUntilItIsMended) {
  train_and_cut(4);
  const auto path = folder("cut") / checksums_name;
  write_text(path, sealed_text({{"files", nlohmann::ordered_json::object()}}));
  EXPECT_THAT(run_lookback({"eval", folder("cut")}).err, HasSubstr("has no checksums"));
  ASSERT_EQ(resume(folder("cut")).code, 0);
  EXPECT_EQ(read_text(path), read_text(folder("whole") / checksums_name));
  EXPECT_EQ(run_lookback({"eval", folder("cut"), "--device=cpu"}).err, "");
}

}  // namespace
}  // namespace lookback::tests
