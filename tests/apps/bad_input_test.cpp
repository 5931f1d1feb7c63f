// Everything a user can get wrong: one clear line, an exit code, and nothing left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;

class BadInput : public testing::Test {
 protected:
  // Refused, and no trace of a run.
  void refused(const std::vector<std::string>& more, int code, const std::string& text,
               const ProgramOptions& options = {}) const {
    expect_error(small_.train(more, options), code, text);
    EXPECT_FALSE(fs::exists(small_.run())) << text;
  }
  void with_model(const std::string& key, const nlohmann::json& value, const std::string& text) {
    auto model = small_.model;
    model[key] = value;
    write_text(small_.config(), model.dump());
    refused({}, 1, text);
  }
  std::string file(const std::string& name, const std::string& content) const {
    const auto path = small_.path() / name;
    write_text(path, content);
    return path;
  }

  SmallRun small_;
};

TEST_F(BadInput, Flags) {
  refused({"--bach-size=2"}, 2, "unknown flag --bach-size: the nearest is --batch-size");
  refused({"--batch-size=0"}, 2, "--batch-size 0: must be an integer of at least 1");
  refused({"--max-steps=-3"}, 2, "--max-steps -3: must be an integer of at least 1");
  refused({"--max-steps", "-3"}, 2, "--max-steps -3: must be an integer of at least 1");
  refused({"--learning-rate=nan"}, 2, "--learning-rate nan: must be a finite number of at least 0");
  refused({"--learning-rate=-1e-3"}, 2, "--learning-rate -1e-3");
  refused({"--adam-beta2=1"}, 2,
          "--adam-beta2 1: must be a finite number of at least 0 and below 1");
  refused({"--warmup-ratio=1.5"}, 2, "and at most 1");
  refused({"--lr-scheduler-type=cosin"}, 2, "the nearest is cosine");
  refused({"--dtype=float16"}, 2, "must be one of float32, float64, bfloat16");
  refused({"--tokenizer=stories"}, 2, "uses the tokenizer bytes");
  refused({"--block-size=65"}, 2, "--block-size 65: must be at most max_position_embeddings=64");
  refused({"--preset=lama"}, 1, "the nearest is llama");
  refused({"--config=smok"}, 1, "the nearest built-in config is smoke");
  refused({"--config="}, 2, "--config is missing");
  refused({"--data="}, 2, "--data is missing");
  refused({"--batch-size=4611686018427387904"}, 2, "must be at most 1099511627776 tokens");
  refused({"--gradient-accumulation-steps=65537"}, 2, "must be an integer from 1 to 65536");
  expect_error(small_.train({"--output-dir="}), 2, "--output-dir is empty: it must name a folder");
  const auto book = run_lookback({"train", "--options", small_.text()});
  expect_error(book, 2, "text.txt: line 1: so 0 it goes; so 1 it goes;");
  EXPECT_LT(book.err.size(), 300U);
  refused({"--options=/dev/zero"}, 1,
          "[options] /dev/zero: cannot be read: is a device, not a file");
  refused({"--config=/dev/zero"}, 1, "[config] /dev/zero: cannot be read: is a device, not a file");
  refused({"--options", small_.path()}, 1, "cannot be read: Is a directory");
}

TEST_F(BadInput, WhatMeansNothingTogetherIsWrongUsage) {
  auto model = small_.model;
  model["score_accumulation"] = {{"scale", "sqrt_dk"}};
  const auto with = [&](const nlohmann::json& attention, const std::string& text) {
    model["attention_mechanism"] = attention;
    write_text(small_.config(), model.dump());
    refused({}, 2, text);
  };
  with({{"type", "dcmha"}}, "config.json: score_accumulation: dcmha has no scores that layers");
  with({{"type", "linear"}}, "config.json: score_accumulation: linear has no scores that layers");
  with({{"softmax_scale", 0.25}}, "config.json: softmax_scale: must be absent where");
  model.erase("score_accumulation");
  model["attention_mechanism"] = {
      {"type", "moh"}, {"num_shared_heads", 1}, {"num_selected_heads", 1}};
  write_text(small_.config(), model.dump());
  refused({"--fault=unmasked"}, 2,
          "unmasked cannot be made in this model: it needs plain attention");
}

TEST_F(BadInput, Data) {
  refused({"--data", small_.path() / "absent.txt"}, 1, "absent.txt: there is no such file");
  refused({"--data", file("empty.txt", "")}, 1, "empty.txt: is empty");
  refused({"--data", file("short.txt", "too short")}, 1,
          "short.txt: 8 tokens for training are too few: one block (block size 16 + 1) needs 17");
  refused({"--data", file("odd.bin", std::string(2001, '\1'))}, 1,
          "odd.bin: an odd number of bytes (2001)");
  refused({"--data", file("large.bin", std::string(2000, '\x7f'))}, 1,
          "large.bin: token 32639 at position 0 is outside the vocabulary of 256");
  refused({"--data=builtin:storys"}, 1, "did you mean builtin:stories?");
  refused({"--data", small_.path() / "*.none"}, 1, "no file matches");
  const auto unreadable = file("unreadable.txt", "x");
  fs::permissions(unreadable, fs::perms::none);
  if (!std::ifstream(unreadable))
    refused({"--data", unreadable}, 1, "unreadable.txt: cannot be read");
  expect_error(run_lookback({"train", "--config=smoke", "--data=builtin:stories", "--output-dir",
                             small_.run()}),
               2, "--max-steps is missing");
}

TEST_F(BadInput, DataInAnotherLanguage) {
  ASSERT_EQ(small_.train({"--max-steps=1"}).code, 0);
  expect_error(run_lookback({"eval", small_.run(), "--data=builtin:stories"}), 1,
               "[eval] builtin:stories uses the tokenizer stories, " + small_.run() +
                   " was trained with bytes: a loss would mean nothing");
}

TEST_F(BadInput, Configs) {
  with_model("hidden_size", 18, "hidden_size is 18: must be a multiple");
  with_model("num_key_value_heads", 3, "must be a multiple of num_key_value_heads, 3");
  with_model("head_dim", 3, "the head size is 3: must be even");
  with_model("hidden_sise", 3, "the nearest is hidden_size");
  with_model("hidden_size", "16", "hidden_size is \"16\" (string): must be an integer");
  with_model("attention_dropout", 0.1, "attention_dropout is 0.1 (number): must be 0");
  with_model("vocab_size", 255, "vocab_size must be at least 256");
  write_text(small_.config(), "{\"hidden_size\": 16,");
  refused({}, 1, "config.json: parse error");
}

TEST_F(BadInput, Weights) {
  ASSERT_EQ(small_.train().code, 0);
  const auto weights = read_text(fs::path(small_.run()) / "model.safetensors");
  const auto path = small_.path() / "model.safetensors";
  const auto eval = [&] {
    return run_lookback({"eval", small_.path(), "--data", small_.text(), "--quiet"});
  };
  expect_error(eval(), 1, "model.safetensors");
  write_text(path, weights.substr(0, weights.size() / 2));
  expect_error(eval(), 1, "model.safetensors");
  write_text(path, weights);
  EXPECT_EQ(eval().code, 0);

  auto renamed = weights;  // one name that is missing, and one that is not expected
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  ASSERT_NE(renamed.find(name), std::string::npos);
  renamed.replace(renamed.find(name), name.size(), "model.layers.1.mlp.op_proj.weight");
  write_text(path, renamed);
  const auto both = eval();
  expect_error(both, 1, "missing: " + name);
  expect_error(both, 1, "unexpected: model.layers.1.mlp.op_proj.weight");

  auto larger = small_.model;
  larger["intermediate_size"] = 48;
  write_text(small_.config(), larger.dump());
  write_text(path, weights);
  const auto shapes = eval();
  expect_error(shapes, 1, "model.layers.0.mlp.gate_proj.weight is (32, 16), must be (48, 16)");
  expect_error(shapes, 1, "model.layers.1.mlp.down_proj.weight is (16, 32), must be (16, 48)");
  expect_error(run_lookback({"eval", small_.path() / "nowhere"}), 1,
               "nowhere: is not a folder with config.json and model.safetensors");
  fs::create_directory(small_.path() / "empty");
  expect_error(run_lookback({"eval", small_.path() / "empty"}), 2, "--data is missing");
  expect_error(small_.train({"--overwrite", "--init-from", small_.text()}), 1,
               "text.txt: is not a folder with");
  expect_error(run_lookback({"eval", small_.path() / "nowhere", "--data", small_.text()}), 1,
               "nowhere");
}

TEST_F(BadInput, OutputFolders) {
  ASSERT_EQ(small_.train().code, 0);
  const auto contents = [&] {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(small_.run())) {
      if (entry.is_regular_file()) files[entry.path()] = read_text(entry.path());
    }
    return files;
  };
  const auto before = contents();
  expect_error(small_.train(), 1,
               "holds a run already; --resume goes on with it, --overwrite replaces it");
  // A new run that cannot start leaves the old one whole, also where it may replace it.
  expect_error(small_.train({"--overwrite", "--data=absent.txt"}), 1, "absent.txt");
  expect_error(small_.train({"--overwrite", "--batch-size=0"}), 2, "--batch-size");
  expect_error(small_.train({"--overwrite"}, {.largest_file_bytes = 10'000}), 1,
               "model.safetensors");
  expect_error(small_.train({"--overwrite", "--init-from", small_.path()}), 1, "model.safetensors");
  EXPECT_EQ(contents(), before);
  EXPECT_EQ(small_.train({"--overwrite", "--seed=3"}).code, 0);
  EXPECT_NE(contents(), before);
  expect_error(small_.train({"--output-dir", small_.text()}), 1, "is not a folder");
  expect_error(small_.train({"--output-dir", small_.text() + "/run"}), 1, "cannot be written");
}

TEST_F(BadInput, AFullDisk) {
  // Too small for the weights: seen before the first step. (stderr is a file under the same limit.)
  refused({}, 1, "File too large", {.largest_file_bytes = 10'000});
  // Large enough for the weights, too small for the optimizer's state.
  ASSERT_EQ(small_.train().code, 0);
  const auto weight_bytes = fs::file_size(fs::path(small_.run()) / "model.safetensors");
  const auto result =
      small_.train({"--overwrite", "--save-steps=3"}, {.largest_file_bytes = weight_bytes});
  expect_error(result, 1, "optimizer.safetensors");
  for (const auto& entry : fs::recursive_directory_iterator(small_.run())) {
    const auto name = entry.path().filename().string();
    EXPECT_EQ(name.find("partial"), std::string::npos) << name;
    EXPECT_EQ(name.find("checkpoint"), std::string::npos) << name;
  }
  EXPECT_EQ(run_lookback({"eval", small_.run()}).code, 0) << "the last whole model is there";
}

TEST_F(BadInput, OutOfMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer itself asks for more addresses than this test's limit leaves";
#endif
  small_.model["hidden_size"] = 4'000'000;
  small_.model["intermediate_size"] = 4'000'000;
  write_text(small_.config(), small_.model.dump());
  refused({}, 1, "AdamW's moments alone need 1.54e+06 GB of memory, and ",
          {.largest_memory_bytes = std::size_t{8} << 30});
  write_text(small_.config(), SmallRun().model.dump());
  // Before there is a tensor, and when there are: what was asked for, and what is in use.
  refused({"--batch-size=10000000", "--gradient-checkpointing"}, 1,
          "out of memory: a batch of 10000000 rows of 16 tokens asks for 2560000000 bytes",
          {.largest_memory_bytes = std::size_t{1} << 30});
  refused({"--batch-size=200000"}, 1, " bytes asked for, ",
          {.largest_memory_bytes = std::size_t{1} << 30});
}

TEST_F(BadInput, NumbersThatAreNotFinite) {
  // A learning rate that breaks the model in its first step: the second step's loss says so.
  const auto result = small_.train({"--learning-rate=1e38", "--eval-steps=6"});
  expect_error(result, 4, "step 2: the ");
  EXPECT_THAT(result.err,
              testing::ContainsRegex("of [a-z_.0-9]+ in the (forward|backward) pass wrote"));
  const auto kept = run_lookback({"eval", small_.run(), "--json"});
  ASSERT_EQ(kept.code, 0) << kept.err;
  EXPECT_NEAR(SmallRun::json(kept).at("loss").get<double>(), 5.545, 0.2) << "the model before it";

  // The same, seen by an evaluation.
  const auto evaluated = small_.train({"--learning-rate=1e38", "--overwrite"});
  expect_error(evaluated, 4, "step 1: the validation loss is not finite; ");
  EXPECT_THAT(evaluated.err,
              testing::ContainsRegex("in the forward pass wrote (nan|inf|-inf) first"));
  EXPECT_EQ(run_lookback({"eval", small_.run(), "--json"}).out, kept.out);

  // Weights that are broken already: the parameter is named, and no run begins.
  auto weights = read_text(fs::path(small_.run()) / "model.safetensors");
  std::fill(weights.end() - 4, weights.end(), '\xff');
  write_text(fs::path(small_.run()) / "model.safetensors", weights);
  remove_checksums(small_.run());
  const std::string second = small_.path() / "second";
  const auto broken = small_.train({"--init-from", small_.run(), "--output-dir", second});
  expect_error(broken, 4, "step 1: the loss is not finite");
  EXPECT_THAT(broken.err, testing::ContainsRegex("\\(model\\.[a-z_.0-9]+ held nan\\)"));
  EXPECT_FALSE(fs::exists(second));
}

}  // namespace
}  // namespace lookback::tests
