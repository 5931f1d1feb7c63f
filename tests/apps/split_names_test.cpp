// Files whose names say train, validation and test; and folders of models without a tokenizer.
#include "apps/data/split_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/data/open.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using std::string;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Names = std::vector<string>;

TEST(SplitNames, FilesAreKeptApart) {
  auto found = split_by_name("d", {"d/test.txt", "d/train.txt", "d/validation.txt"});
  EXPECT_THAT(found.training, ElementsAre("d/train.txt"));
  EXPECT_THAT(found.validation, ElementsAre("d/validation.txt"));
  EXPECT_EQ(found.note,
            "d: as the names say, train.txt for training, validation.txt for validation, without "
            "test.txt");
  found = split_by_name("d", {"d/fineweb_train_000001.bin", "d/fineweb_train_000002.bin",
                              "d/fineweb_val_000000.bin"});
  EXPECT_EQ(found.training.size(), 2U);
  EXPECT_THAT(found.validation, ElementsAre("d/fineweb_val_000000.bin"));
  for (const string name : {"wiki.valid.raw", "DEV.txt", "eval-00001.jsonl.gz", "corpus-val.txt"}) {
    found = split_by_name("d", {"d/" + name, "d/x-train-1.txt"});
    EXPECT_THAT(found.training, ElementsAre("d/x-train-1.txt")) << name;
    EXPECT_THAT(found.validation, ElementsAre("d/" + name)) << name;
  }
  found = split_by_name("d", {"d/test.txt", "d/train.txt"});
  EXPECT_THAT(found.training, ElementsAre("d/train.txt"));
  EXPECT_THAT(found.validation, IsEmpty());
  EXPECT_THAT(found.note, HasSubstr("the last 5 % of it for validation, without test.txt"));
  found = split_by_name("d/*/*", {"d/train/a.txt", "d/valid/a.txt"});
  EXPECT_THAT(found.training, ElementsAre("d/train/a.txt"));
  EXPECT_THAT(found.validation, ElementsAre("d/valid/a.txt"));
}

TEST(SplitNames, AFolderOfNanoGptWorksAsItIs) {
  const auto found = split_by_name("d", {"d/input.txt", "d/meta.pkl", "d/prepare.py", "d/readme.md",
                                         "d/train.bin", "d/val.bin"});
  EXPECT_THAT(found.training, ElementsAre("d/train.bin"));
  EXPECT_THAT(found.validation, ElementsAre("d/val.bin"));
  EXPECT_EQ(found.note,
            "d: as the names say, train.bin for training, val.bin for validation, without "
            "input.txt, meta.pkl, prepare.py, .. (4 files)");
  const auto megatron =
      split_by_name("d", {"d/train.bin", "d/train.idx", "d/valid.bin", "d/valid.idx"});
  EXPECT_EQ(megatron.note, "d: as the names say, train.bin for training, valid.bin for validation");
  const auto text = split_by_name("d", {"d/README.md", "d/train.txt", "d/val.txt"});
  EXPECT_THAT(text.training, ElementsAre("d/train.txt"));
  EXPECT_THAT(text.note, HasSubstr("without README.md"));
}

TEST(SplitNames, WhereNamesSayNothingAllIsOneText) {
  for (const Names& files : std::vector<Names>{{"d/a.txt", "d/b.txt"},
                                               {"d/train-1.txt", "d/train-2.txt"},
                                               {"d/val.txt"},
                                               {"d/contest.txt", "d/values.txt", "d/trainer.txt"},
                                               {"d/train.txt", "d/more.txt"},
                                               {"test/a.txt", "test/train.txt"}}) {
    const auto found = split_by_name("d", files);
    EXPECT_EQ(found.training, files);
    EXPECT_THAT(found.validation, IsEmpty());
    EXPECT_EQ(found.note, "") << files.front();
  }
  auto found = split_by_name("d", {"d/more.txt", "d/train.txt", "d/val.txt"});
  EXPECT_EQ(found.training.size(), 3U);
  EXPECT_EQ(
      found.note,
      "d: val.txt is trained on like the rest, though its name says validation: more.txt says "
      "nothing of the kind; --data and --validation-data name them apart");
  found = split_by_name("d", {"d/more.txt", "d/test.txt"});
  EXPECT_THAT(found.note,
              HasSubstr("test.txt is trained on like the rest, though its name says test"));
}

class SplitRun : public testing::Test {
 protected:
  SplitRun() {
    std::filesystem::create_directory(folder());
    text_ = read_text(small_.text());
    for (const auto& [name, letters] : std::vector<std::pair<string, string>>{
             {"train.bin", text_}, {"val.bin", text_.substr(0, 200)}})
      write_text(folder() / name, tokens(letters));
    write_text(folder() / "meta.pkl", "\x80\x04.");
  }
  static string tokens(const string& text) {
    string all;
    for (const char c : text) all += {c, '\0'};
    return all;
  }
  std::filesystem::path folder() const { return small_.path() / "shakespeare"; }

  SmallRun small_;
  string text_;
};

TEST_F(SplitRun, ValidatesOnWhatIsNamedSo) {
  const auto result = small_.train({"--data", folder(), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "lookback: warning: " + folder().string() +
                            ": as the names say, train.bin for training, val.bin for validation, "
                            "without meta.pkl\n");
  const auto loss = SmallRun::json(result).at("validation_loss");
  const auto tokens_of = [&](const std::vector<string>& more) {
    std::vector<string> arguments = {"eval", small_.run(), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return SmallRun::json(run_lookback(arguments)).at("tokens").get<std::size_t>();
  };
  EXPECT_EQ(SmallRun::json(run_lookback({"eval", small_.run(), "--json"})).at("loss"), loss);
  EXPECT_EQ(tokens_of({}), 199U);
  EXPECT_EQ(tokens_of({"--split", "train"}), text_.size() - 1);
  EXPECT_EQ(tokens_of({"--split", "all"}), text_.size() + 199);
  EXPECT_EQ(tokens_of({"--data", folder() / "val.bin"}), 199U);
  // The same as naming them one by one.
  const auto apart = small_.train({"--overwrite", "--json", "--data", folder() / "train.bin",
                                   "--validation-data", folder() / "val.bin"});
  EXPECT_EQ(SmallRun::json(apart).at("validation_loss"), loss);
  // With validation data of its own, what is named so is not trained on either.
  const auto both = small_.train(
      {"--overwrite", "--json", "--data", folder(), "--validation-data", folder() / "val.bin"});
  EXPECT_EQ(SmallRun::json(both).at("validation_loss"), loss);
}

TEST_F(SplitRun, OfATextAndInAResumedRun) {
  std::filesystem::remove_all(folder());
  std::filesystem::create_directory(folder());
  write_text(folder() / "dev.txt", text_.substr(0, 300));
  write_text(folder() / "train.txt", text_);
  write_text(folder() / "test.txt", "not to be seen");
  ASSERT_EQ(small_.train({"--data", folder()}).code, 0);
  write_text(folder() / "test.txt", "something else");  // never read
  EXPECT_EQ(
      run_lookback({"train", "--resume", "--output-dir", small_.run(), "--max-steps", "8"}).code,
      0);
  write_text(folder() / "dev.txt", text_.substr(0, 301));
  const auto refused = run_lookback(
      {"train", "--resume", "--quiet", "--output-dir", small_.run(), "--max-steps", "9"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("dev.txt: is not what the run was trained on"));
}

class ModelWithoutTokenizer : public testing::Test {
 protected:
  // A model that another program wrote.
  string model(int vocabulary) {
    small_.model["vocab_size"] = vocabulary;
    write_text(small_.config(), small_.model.dump());
    EXPECT_EQ(small_.train({"--overwrite"}).code, 0);
    const auto folder = small_.path() / ("model-" + std::to_string(vocabulary));
    std::filesystem::create_directory(folder);
    for (const auto* name : {"config.json", "model.safetensors"})
      std::filesystem::copy(std::filesystem::path(small_.run()) / name, folder / name);
    return folder;
  }
  SmallRun small_;
};

TEST_F(ModelWithoutTokenizer, IsNotReadInBytesUnlessItsVocabularyIsThat) {
  const auto folder = model(300);
  const string says = folder +
                      ": vocab_size is 300 and the folder has no tokenizer.model or "
                      "tokenizer.json: --tokenizer FILE.model or FILE.json names its";
  const std::vector<std::vector<string>> commands = {
      {"eval", folder, "--data", small_.text()},
      {"generate", folder, "--prompt", "so"},
      {"inspect", folder, "--prompt", "so", "--output-dir", small_.path() / "i"},
      {"diagnose", folder, "--data", small_.text(), "--output-dir", small_.path() / "d"},
      {"train", "--init-from", folder, "--data", small_.text(), "--max-steps", "1", "--block-size",
       "16", "--output-dir", small_.path() / "new"}};
  for (const auto& command : commands) {
    SCOPED_TRACE(command.front());
    auto quiet = command;
    quiet.emplace_back("--quiet");
    expect_error(run_lookback(quiet), 1, says);
    auto in_bytes = command;
    in_bytes.insert(in_bytes.end(), {"--tokenizer", "bytes"});
    const bool judges =
        command.front() == "diagnose";  // and may find fault with so little training
    if (!judges) {
      EXPECT_EQ(run_lookback(in_bytes).code, 0);
    }
  }
  write_text(std::filesystem::path(folder) / "vocab.json", "{}");
  write_text(std::filesystem::path(folder) / "merges.txt", "");
  auto quiet = commands.front();
  quiet.emplace_back("--quiet");
  expect_error(run_lookback(quiet), 1, "of vocab.json and merges.txt, AutoTokenizer");
  // A run of ours says itself that it reads bytes, and tokens need no tokenizer.
  EXPECT_EQ(run_lookback({"eval", small_.run()}).code, 0);
  EXPECT_EQ(
      run_lookback({"generate", small_.run(), "--prompt", "so", "--max-new-tokens", "1"}).code, 0);
  const string bin = small_.path() / "t.bin";
  write_text(bin, string(400, '\1'));
  EXPECT_EQ(run_lookback({"eval", folder, "--data", bin}).code, 0);
  EXPECT_EQ(run_lookback({"eval", model(256), "--data", small_.text()}).code, 0);
}

}  // namespace
}  // namespace lookback::tests
