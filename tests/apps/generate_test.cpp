// lookback generate and lookback bench, through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using Json = nlohmann::json;

class GenerateProgram : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(small_.train({"--max-steps=30", "--learning-rate=0.02"}).code, 0);
  }

  ProgramResult generate(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"generate", small_.run(), "--json",
                                          "--max-new-tokens=24"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lookback(arguments);
  }
  Json sample(const std::vector<std::string>& more) const {
    const auto result = generate(more);
    EXPECT_EQ(result.code, 0) << result.err;
    return SmallRun::json(result);
  }

  SmallRun small_;
};

TEST_F(GenerateProgram, TheCacheChangesNothing) {
  for (const std::string dtype : {"float64", "float32"}) {
    const auto cached = sample({"--prompt=so it", "--temperature=0", "--dtype", dtype});
    const auto whole =
        sample({"--prompt=so it", "--temperature=0", "--dtype", dtype, "--no-cache"});
    EXPECT_EQ(cached.at("tokens"), whole.at("tokens"));
    EXPECT_EQ(cached.at("tokens").size(), 24U);
    // Keys and values of 2 layers, 2 heads of 4 numbers.
    EXPECT_EQ(cached.at("cache_bytes_per_token"), 2 * 2 * 2 * 4 * (dtype == "float64" ? 8 : 4));
    EXPECT_EQ(whole.at("cache_bytes_per_token"), 0);
    EXPECT_EQ(cached.at("cache_bytes_per_sequence"), 0);
    EXPECT_GT(cached.at("tokens_per_second"), 0);
  }
}

TEST_F(GenerateProgram, SamplesByTheSeed) {
  const auto one = sample({"--prompt=so", "--seed=1"});
  EXPECT_EQ(sample({"--prompt=so", "--seed=1"}).at("tokens"), one.at("tokens"));
  EXPECT_NE(sample({"--prompt=so", "--seed=2"}).at("tokens"), one.at("tokens"));
  const auto greedy = sample({"--prompt=so", "--temperature=0"}).at("tokens");
  EXPECT_EQ(sample({"--prompt=so", "--top-k=1"}).at("tokens"), greedy);
  EXPECT_EQ(sample({"--prompt=so", "--top-p=1e-9"}).at("tokens"), greedy);
  EXPECT_TRUE(one.at("text").get<std::string>().starts_with("so"));
}

TEST_F(GenerateProgram, TextIsAllOnStdout) {
  const auto result = run_lookback(
      {"generate", small_.run(), "--prompt", "-so", "--temperature=0", "--device=cpu"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("-so"));
  EXPECT_EQ(result.out.size(), 3U + 61U + 1U)
      << "as many bytes as fit 64 positions, and a line break";
  EXPECT_EQ(result.err, "");
}

TEST_F(GenerateProgram, EndsWithTheEndToken) {
  const std::vector<std::string> greedy{"--prompt=so", "--temperature=0"};
  auto on = greedy;
  on.emplace_back("--ignore-eos");
  const auto whole = sample(greedy);
  EXPECT_EQ(whole.at("ended_by"), "max_new_tokens");
  const auto tokens = whole.at("tokens").get<std::vector<int>>();
  const auto end = tokens[3];
  const auto first = std::ranges::find(tokens, end) - tokens.begin();
  const auto path = small_.run() + "/generation_config.json";
  for (const auto& ids : {Json(end), Json{1000, end}}) {
    write_text(path, Json{{"eos_token_id", ids}}.dump());
    const auto ended = sample(greedy);
    EXPECT_EQ(ended.at("ended_by"), "end_token");
    EXPECT_EQ(ended.at("tokens"), std::vector(tokens.begin(), tokens.begin() + first + 1));
    EXPECT_EQ(ended.at("text").get<std::string>(),
              whole.at("text").get<std::string>().substr(0, static_cast<std::size_t>(first) + 2));
    EXPECT_EQ(sample(on).at("tokens"), tokens);
  }
  write_text(path, R"({"eos_token_id": null})");
  EXPECT_EQ(sample(greedy).at("tokens"), tokens);
  write_text(path, R"({"eos_token_id": "two"})");
  expect_error(generate(greedy), 1, "must be a number or a list of numbers");
  write_text(path, "{");
  expect_error(generate(greedy), 1, "generation_config.json: parse error at line 1");
  write_text(path, "[]");
  expect_error(generate(greedy), 1, "generation_config.json: must hold one JSON object");
  write_text(path, "version https://git-lfs.github.com/spec/v1\n");
  expect_error(generate(greedy), 1, "generation_config.json: is a Git LFS pointer");
}

TEST(GenerateBeyondTheTokenizer, PicksNoTokenWithoutText) {
  SmallRun small;
  small.model["vocab_size"] = 320;
  small.model["eos_token_id"] = 319;  // of config.json, where nothing else says it
  write_text(small.config(), small.model.dump());
  ASSERT_EQ(small.train({"--max-steps=1", "--eval-batches=1"}).code, 0);
  for (const auto* temperature : {"--temperature=100", "--temperature=0"}) {
    const auto result = run_lookback(
        {"generate", small.run(), "--json", "--prompt=so", "--max-new-tokens=60", temperature});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.err, ::testing::HasSubstr("the model has 320 rows and the tokenizer 256"));
    for (const int token : SmallRun::json(result).at("tokens")) EXPECT_LT(token, 256);
  }
}

TEST_F(GenerateProgram, RefusesWhatMakesNoText) {
  expect_error(run_lookback({"generate", small_.run()}), 2, "--prompt is missing");
  expect_error(generate({"--prompt="}), 2, "--prompt is empty");
  expect_error(generate({"--prompt=x", "--temperature=-1"}), 2, "--temperature -1");
  expect_error(generate({"--prompt=x", "--top-p=0"}), 2, "--top-p 0");
  expect_error(generate({"--prompt=x", "--top-k=0"}), 2, "--top-k 0");
  expect_error(generate({"--prompt=x", "--max-new-tokens=64"}), 1, "max_position_embeddings=64");
  expect_error(generate({"--prompt=x", "--max-new-tokens=9223372036854775807"}), 1,
               "1 tokens and 9223372036854775807 new ones do not fit max_position_embeddings=64");
  expect_error(generate({"--prompt=x", "--tokenizer=words"}), 1, "words");
  expect_error(run_lookback({"generate", "--prompt=x"}), 2, "DIR is missing");
  expect_error(run_lookback({"generate", small_.path() / "none", "--prompt=x"}), 1,
               "is not a folder");
}

TEST(GenerateStories, StartWithoutAPrompt) {
  SmallRun small;
  small.model["vocab_size"] = 1024;
  write_text(small.config(), small.model.dump());
  ASSERT_EQ(small.train({"--data=builtin:stories", "--max-steps=1", "--eval-batches=1"}).code, 0);
  const auto result =
      run_lookback({"generate", small.run(), "--prompt=", "--max-new-tokens=3", "--json"});
  // A model of 1024 words may draw one that the stories do not have: then that is what it says.
  if (result.code == 0) {
    EXPECT_EQ(SmallRun::json(result).at("tokens").size(), 3U);
  } else {
    expect_error(result, 1, "stories");
  }
}

std::set<std::string> keys_of(const Json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

TEST(BenchProgram, MeasuresWhatItPromises) {
  const SmallRun small;
  const auto bench = [&](const std::string& what) {
    const auto result = run_lookback(
        {"bench", what, "--json", "--config", small.config(), "--block-size=16", "--steps=2"});
    EXPECT_EQ(result.code, 0) << result.err;
    return SmallRun::json(result);
  };
  const auto machine = bench("machine");
  EXPECT_EQ(keys_of(machine),
            (std::set<std::string>{"fma_gflops", "bf16_gflops", "triad_gbps", "cores", "isa"}));
  EXPECT_GT(machine.at("fma_gflops"), 0.1);
  const auto train = bench("train");
  EXPECT_EQ(keys_of(train),
            (std::set<std::string>{"tokens_per_second", "seconds_per_step", "recorded",
                                   "second_step_seconds", "peak_bytes", "allocator_peak_bytes",
                                   "parameters", "model_flops_utilisation"}));
  EXPECT_FALSE(train.at("recorded"));  // the CPU queues nothing
  EXPECT_GT(train.at("second_step_seconds"), 0);
  EXPECT_NEAR(
      train.at("tokens_per_second").get<double>() * train.at("seconds_per_step").get<double>(),
      4 * 16, 1e-6);
  // Embedding; 2 layers of q, k, v, o, the MLP and two norms; the last norm.
  EXPECT_EQ(train.at("parameters"), 256 * 16 + 2 * (2 * 256 + 2 * 128 + 3 * 512 + 32) + 16);
  EXPECT_EQ(keys_of(bench("decode")),
            (std::set<std::string>{"tokens_per_second", "seconds_to_first_token",
                                   "cache_bytes_per_token", "cache_bytes_per_sequence"}));
  const auto memory = bench("memory");
  EXPECT_EQ(keys_of(memory), (std::set<std::string>{"predicted_bytes", "measured_bytes"}));
  const auto operations = bench("ops").at("operations");
  ASSERT_GT(operations.size(), 10U);
  EXPECT_EQ(keys_of(operations.at(0)), (std::set<std::string>{"name", "shape", "calls", "seconds",
                                                              "gflops", "gbps", "of_limit"}));
  std::int64_t products = 0;  // of one step of the 2 layers, two of their weights' gradients each
  for (const auto& each : operations) {
    if (each.at("name") == "matmul_forward") products += each.at("calls").get<std::int64_t>();
  }
  EXPECT_GE(products, 2 * 7);
  const auto attention = bench("attention").at("attention");
  ASSERT_EQ(attention.size(), 2U);  // head sizes 64 and 128, 16 heads, batch 4
  EXPECT_EQ(attention.at(1).at("shape"), "(4, 16, 16, 128)");
  EXPECT_EQ(attention.at(1).at("keys_per_query"), 8);
  // Two products forward, of 4 x 16 heads x 16 x 8 pairs, 2 x 128 operations each.
  EXPECT_NEAR(attention.at(1).at("forward_tflops").get<double>() *
                  attention.at(1).at("forward_seconds").get<double>() * 1e12,
              2.0 * 4 * 16 * 16 * 8 * 2 * 128, 1);
  expect_error(run_lookback({"bench", "memry"}), 2, "the nearest is memory");
  expect_error(run_lookback({"bench"}), 2, "WHAT is missing");
}

TEST(BenchProgram, RunsAttentionUnderThePatternOfAPreset) {
  const auto shape = [](const std::string& preset) {
    const auto result = run_lookback({"bench", "attention", "--preset", preset, "--batch-size=1",
                                      "--block-size=256", "--steps=1", "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return SmallRun::json(result).at("attention").at(0);
  };
  // 128 rows that see all, then 128 that see 128 keys each.
  EXPECT_EQ(shape("sliding-window").at("keys_per_query"), (128 * 129 / 2 + 128 * 128) / 256.0);
  EXPECT_EQ(shape("method1").at("keys_per_query"), 128);
  expect_error(
      run_lookback({"bench", "attention", "--preset=mla"}), 2,
      "runs the causal attention, under a preset's pattern: a model of type mla is measured "
      "by bench train");
}

TEST(BenchProgram, RefusesABatchThatNothingHolds) {
  for (const std::string what : {"train", "decode", "memory"}) {
    expect_error(run_lookback({"bench", what, "--batch-size=4611686018427387904"}), 2,
                 "--batch-size 4611686018427387904 x --block-size 256: must be at most "
                 "1099511627776 tokens");
  }
}

// What a step needs, worked out beforehand: at the optimizer's peak (few tokens), at the loss (many
// tokens, many words), and in backward.
TEST(BenchProgram, PredictsTheMemoryOfAStep) {
  for (const std::vector<std::string>& shape :
       {std::vector<std::string>{"--batch-size=1", "--block-size=32"},
        {"--batch-size=2", "--block-size=256"},
        {"--batch-size=2", "--block-size=128", "--dtype=float64"},
        {"--batch-size=8", "--block-size=128", "--dtype=bfloat16"}}) {
    std::vector<std::string> arguments{"bench", "memory", "--json", "--config=smoke"};
    arguments.insert(arguments.end(), shape.begin(), shape.end());
    const auto result = run_lookback(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    const auto memory = SmallRun::json(result);
    const auto predicted = memory.at("predicted_bytes").get<double>();
    EXPECT_NEAR(predicted / memory.at("measured_bytes").get<double>(), 1, 0.01)
        << ::testing::PrintToString(shape);
  }
}

// Its activations are others than those that the prediction counts: no number, not a wrong one.
TEST(BenchProgram, PredictsNoMemoryOfAnotherMechanism) {
  const auto result = run_lookback(
      {"bench", "memory", "--json", "--config=smoke", "--batch-size=2", "--preset=mla"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto memory = SmallRun::json(result);
  EXPECT_FALSE(memory.contains("predicted_bytes"));
  EXPECT_GT(memory.at("measured_bytes").get<double>(), 1e6);
}

TEST(BenchProgram, PredictsTheMemoryOfTheVariants) {
  for (const char* preset :
       {"method1", "method2", "method3.2", "stored3", "method5.1", "sliding-window"}) {
    const auto result = run_lookback(
        {"bench", "memory", "--json", "--config=smoke", "--batch-size=2", "--preset", preset});
    ASSERT_EQ(result.code, 0) << result.err;
    const auto memory = SmallRun::json(result);
    const auto predicted = memory.at("predicted_bytes").get<double>();
    EXPECT_NEAR(predicted / memory.at("measured_bytes").get<double>(), 1, 0.02) << preset;
  }
}

}  // namespace
}  // namespace lookback::tests
