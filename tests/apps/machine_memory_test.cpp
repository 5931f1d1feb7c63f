// What a step needs, what the machine has, and what is said where it does not fit.
#include "apps/model/machine_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/model/step_memory.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

class MachineMemory : public ::testing::Test {
 protected:
  // A file below the root of a machine.
  void write(const std::string& path, const std::string& text) const {
    const auto file = root_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    write_text(file, text);
  }
  std::optional<std::int64_t> available() const { return available_bytes(root_.path()); }

  const TemporaryDirectory root_;
};

TEST_F(MachineMemory, IsWhatTheSystemSays) {
  EXPECT_EQ(available(), std::nullopt);
  write("proc/meminfo",
        "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:   2000 kB\n"
        "HugePages_Total:       0\nSwapFree: 500 kB\n");
  EXPECT_EQ(available(), 2500 * 1024);
}

TEST_F(MachineMemory, IsNoMoreThanAControlGroupHas) {
  write("proc/meminfo", "MemAvailable: 2000 kB\n");
  write("proc/self/cgroup", "0::/jobs/one\n");
  write("sys/fs/cgroup/jobs/one/memory.max", "max\n");
  write("sys/fs/cgroup/jobs/one/memory.current", "5000\n");
  EXPECT_EQ(available(), 2000 * 1024);
  write("sys/fs/cgroup/jobs/memory.max", "1000000\n");  // the one around it
  write("sys/fs/cgroup/jobs/memory.current", "300000\n");
  EXPECT_EQ(available(), 700000);
  write("sys/fs/cgroup/jobs/memory.stat", "anon 5\ninactive_file 100000\n");
  EXPECT_EQ(available(), 800000);
  write("sys/fs/cgroup/jobs/one/memory.max", "5000\n");
  EXPECT_EQ(available(), 0);
}

TEST_F(MachineMemory, IsNoMoreThanAControlGroupOfTheFirstVersionHas) {
  write("proc/meminfo", "MemAvailable: 2000 kB\n");
  write("proc/self/cgroup", "5:memory:/x\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "400000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "100000\n");
  write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 1000\n");
  EXPECT_EQ(available(), 301000);
}

TEST(StepBytes, AreMoreThanTheLeast) {
  LlamaConfig config;
  config.vocab_size = 50;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.head_dim = 8;
  // Embedding, head and two MLPs; each with a gradient and two moments.
  EXPECT_EQ(least_step_bytes(config, DType::f32), 4 * 4 * (2 * 50 * 32 + 2 * 3 * 32 * 48));
  EXPECT_GT(step_bytes(Llama(config, precision_of(DType::f32)), 1).value(),
            least_step_bytes(config, DType::f32));
  config.tie_word_embeddings = true;
  EXPECT_EQ(least_step_bytes(config, DType::f64), 4 * 8 * (50 * 32 + 2 * 3 * 32 * 48));
}

TEST(TrainProgram, RefusesAModelThatDoesNotFit) {
  SmallRun small;
  small.model["hidden_size"] = 65536;
  small.model["intermediate_size"] = 262144;
  small.model["num_hidden_layers"] = 1000;
  write_text(small.config(), small.model.dump());
  expect_error(small.train({"--max-steps=1"}), 1,
               "AdamW's moments alone need 8.25e+05 GB of memory, and ");
  EXPECT_FALSE(std::filesystem::exists(small.run() + "/model.safetensors"));
}

TEST(TrainProgram, SaysWhatItIsAboutToDo) {
  const SmallRun small;
  const auto result =
      small.train({"--max-steps=2", "--gradient-accumulation-steps=3", "--quiet=false"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err,
              ::testing::ContainsRegex("[0-9]+ parameters; to train on: [0-9]+ tokens; to validate "
                                       "on: [0-9]+ tokens; 2 steps of [0-9]+ x [0-9]+ tokens; a "
                                       "step needs about [0-9.]+ [KM]B of memory"));
}

}  // namespace
}  // namespace lookback::tests
