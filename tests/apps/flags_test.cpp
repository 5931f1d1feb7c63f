#include "apps/cli/flags.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/cli/exit_code.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback {
namespace {

using testing::HasSubstr;
using Arguments = std::vector<std::string>;

// One flag of each kind.
struct Example {
  Example() {
    flags.add("max-steps", steps, at_least_one, "steps");
    flags.add("warm-up", warm_up, at_least_zero, "warm up");
    flags.add("rate", rate, positive, "rate");
    flags.add("ratio", ratio, below_one, "ratio");
    flags.add("data", data, "SPEC", "data");
    flags.add("prompt", prompt, "TEXT", "prompt");
    flags.add_choice("dtype", dtype, {DType::f32, DType::f64}, "dtype");
    flags.add_choice("output-dtype", output_dtype, {DType::f32, DType::bf16}, "dtype of y")
        .formerly("y-dtype");
    flags.add_toggle("cache", cache, "cache");
    flags.add("options", options, "FILE", "options").not_saved_to_options();
  }
  std::string error(const Arguments& arguments) {
    try {
      flags.parse(arguments);
    } catch (const UsageError& problem) {
      return problem.what();
    }
    return "";
  }

  std::int64_t steps = 7;
  std::optional<std::int64_t> warm_up;
  double rate = 1e-3;
  std::optional<double> ratio;
  std::string data, options;
  DType dtype = DType::f32;
  std::optional<DType> output_dtype;
  std::optional<std::string> prompt;
  bool cache = false;
  Flags flags;
};

TEST(Flags, AFormerNameStillWorks) {
  for (const auto* name : {"--output-dtype", "--output_dtype", "--y-dtype", "--y_dtype"}) {
    Example x;
    x.flags.parse(Arguments{name, "bfloat16"});
    EXPECT_EQ(x.output_dtype, DType::bf16) << name;
    EXPECT_TRUE(x.flags.given("output-dtype")) << name;
    EXPECT_THAT(x.flags.to_toml(), HasSubstr("output_dtype = \"bfloat16\"")) << name;
  }
  EXPECT_THAT(Example().flags.help_text("x", "x"), HasSubstr("(formerly --y-dtype)"));
}

TEST(Flags, ReadsEveryKind) {
  Example x;
  x.flags.parse(Arguments{"--max_steps=3", "--warm-up", "0", "--rate", "2e-4", "--ratio=0.5",
                          "--data", "a b", "--prompt", "--max", "--dtype", "float64", "--cache"});
  EXPECT_EQ(x.steps, 3);
  EXPECT_EQ(x.warm_up, 0);
  EXPECT_EQ(x.rate, 2e-4);
  EXPECT_EQ(x.ratio, 0.5);
  EXPECT_EQ(x.data, "a b");
  EXPECT_EQ(x.prompt, "--max");
  EXPECT_EQ(x.dtype, DType::f64);
  EXPECT_EQ(x.output_dtype, std::nullopt);
  EXPECT_TRUE(x.cache);
  EXPECT_TRUE(x.flags.given("rate"));
  EXPECT_FALSE(x.flags.given("options"));
}

TEST(Flags, AListTakesWhatEachOfSeveralSays) {
  const auto parsed = [](const Arguments& arguments) {
    std::vector<std::string> presets = {"llama"};
    Flags flags;
    flags.add("preset", presets, "NAME", "variants");
    flags.parse(arguments);
    EXPECT_EQ(*flags.value("preset"), fmt::format("{}", fmt::join(presets, " ")));
    return presets;
  };
  EXPECT_THAT(parsed({}), testing::ElementsAre("llama"));
  EXPECT_THAT(parsed({"--preset", "mla"}), testing::ElementsAre("mla"));
  EXPECT_THAT(parsed({"--preset", "mla", "--preset=method1"}),
              testing::ElementsAre("mla", "method1"));
  EXPECT_THAT(parsed({"--preset", "mla method1"}), testing::ElementsAre("mla", "method1"));
  EXPECT_THROW(parsed({"--preset="}), UsageError);

  std::vector<std::string> presets = {"llama"}, again;
  Flags flags, other;
  flags.add("preset", presets, "NAME", "variants");
  other.add("preset", again, "NAME", "variants");
  flags.parse(Arguments{"--preset=mla", "--preset=method1"});
  const tests::TemporaryDirectory folder;
  const auto path = (folder.path() / "list.toml").string();
  tests::write_text(path, flags.to_toml());
  EXPECT_EQ(flags.to_toml(), "preset = \"mla method1\"\n");
  other.read_toml(path);
  EXPECT_EQ(again, presets);
  EXPECT_THAT(flags.help_text("x", "x"), HasSubstr("may be repeated"));
}

TEST(Flags, RefusesNumbers) {
  for (const auto* value : {"nan", "-nan", "inf", "-inf", "0", "-1", "1e999", "1,5", "x", ""}) {
    Example x;
    EXPECT_THAT(x.error({"--rate", value}), HasSubstr("must be a finite number greater than 0"))
        << value;
    EXPECT_EQ(x.rate, 1e-3);
  }
  for (const auto* value : {"1", "-0.1", "nan"}) {
    EXPECT_THAT(Example().error({"--ratio", value}), HasSubstr("of at least 0 and below 1"))
        << value;
  }
  EXPECT_THAT(Example().error({"--dtype", "float23"}), HasSubstr("the nearest is float32"));
}

TEST(Flags, AnOptionsFileComesBackAsItWas) {
  const tests::TemporaryDirectory folder;
  const auto path = (folder.path() / "options.toml").string();
  for (const std::string text :
       {"it's # 1", "say \"so\"", "C:\\x", "a,b [c] = d", "true", "12", " "}) {
    Example first;
    first.flags.parse(Arguments{"--data", text, "--rate", "0.1", "--warm-up=5", "--cache"});
    tests::write_text(path, first.flags.to_toml());
    Example second;
    second.flags.parse(Arguments{"--options", path, "--warm-up", "6"});
    EXPECT_EQ(second.data, text);
    EXPECT_EQ(second.rate, 0.1);
    EXPECT_EQ(second.warm_up, 6) << "a flag overrides the file";
    EXPECT_TRUE(second.cache);
    EXPECT_EQ(second.prompt, std::nullopt);
    EXPECT_EQ(second.flags.to_toml().find("options"), std::string::npos);
  }
}

TEST(Flags, RefusesOptionsFiles) {
  const tests::TemporaryDirectory folder;
  const auto path = (folder.path() / "o.toml").string();
  const auto error = [&](const std::string& text) {
    tests::write_text(path, text);
    return Example().error({"--options", path});
  };
  EXPECT_EQ(error("max_steps = 3 # three\n\n# nothing\nrate = 1e-2\n"), "");
  EXPECT_THAT(error("max_stesp = 3\n"),
              HasSubstr("unknown key max_stesp: the nearest is max-steps"));
  EXPECT_THAT(error("options = \"x\"\n"), HasSubstr("unknown key options"));
  EXPECT_THAT(error("[train]\nrate = 1\n"), HasSubstr("in no table"));
  EXPECT_THAT(error("rate = 1\n\n[x"), HasSubstr("o.toml: line 3: [x: must be `name = value`"));
  EXPECT_THAT(error("# rate\nrate 1 # = 2"), HasSubstr("o.toml: line 2: rate 1 : must be"));
  EXPECT_THAT(error("rate = [1, 2]\n"), HasSubstr("one value"));
  EXPECT_THAT(error("rate = 1\ndata = \"x\"\nrate = 2\n"), HasSubstr("twice"));
  EXPECT_THAT(error("rate = nan\n"), HasSubstr("o.toml: --rate nan"));
  Example x;
  EXPECT_THROW(x.flags.parse(Arguments{"--options", (folder.path() / "absent").string()}), Error);
}

// What a resumed run does with the options of the run before.
TEST(Flags, AreCompletedFromAFile) {
  const tests::TemporaryDirectory folder;
  const auto path = folder.path() / "options.toml";
  tests::write_text(path, "steps = 7\nrate = 1e-3\nname = \"a\"\n");
  std::int64_t steps = 1;
  double rate = 0.5;
  std::string name, extra = "x", place = "here";
  std::optional<std::int64_t> count;
  Flags flags;
  flags.add("steps", steps, at_least_one, "");
  flags.add("rate", rate, positive, "");
  flags.add("name", name, "NAME", "");
  flags.add("extra", extra, "X", "");
  flags.add("place", place, "X", "");
  flags.add("count", count, at_least_one, "");
  flags.parse(std::vector<std::string>{"--rate=0.001", "--name=b", "--count=3"});
  const auto differences = flags.complete_from(path, {"place"});
  ASSERT_EQ(differences.size(), 2U) << "0.001 is 1e-3";
  EXPECT_EQ(differences[0].name, "name");
  EXPECT_EQ(differences[0].given, "b");
  EXPECT_EQ(differences[0].recorded, "a");
  EXPECT_EQ(differences[1].name, "count");
  EXPECT_EQ(differences[1].recorded, std::nullopt);
  EXPECT_EQ(steps, 7);
  EXPECT_EQ(rate, 0.001);
  EXPECT_EQ(name, "b") << "what was given stays";
  EXPECT_EQ(count, 3);
  EXPECT_FALSE(flags.given("steps"));
  tests::write_text(path, "steps = 0\n");
  EXPECT_THROW(flags.complete_from(path, {}), UsageError);
  tests::write_text(path, "stops = 3\n");
  EXPECT_THROW(flags.complete_from(path, {}), UsageError);
}

}  // namespace
}  // namespace lookback
