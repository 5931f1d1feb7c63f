// lookback inspect and train --inspect-every, through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/safetensors.h"
#include "tests/apps/browser.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class InspectProgram : public testing::Test {
 protected:
  InspectProgram() {
    small_.model["num_hidden_layers"] = 3;
    write_text(small_.config(), small_.model.dump());
  }

  ProgramResult inspect(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"inspect", small_.run(), "--output-dir", out().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lookback(arguments);
  }
  fs::path out() const { return small_.path() / "out"; }
  SafetensorsFile tensors() const { return SafetensorsFile::open(out() / "inspect.safetensors"); }
  std::string page() const { return read_text(out() / "report.html"); }

  SmallRun small_;
};

TEST_F(InspectProgram, WritesTensorsAndAPage) {
  ASSERT_EQ(small_.train({"--preset=method3.2"}).code, 0);
  const auto result = inspect({"--prompt=so it goes", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto told = SmallRun::json(result);
  EXPECT_EQ(told.at("tokens").size(), 10U);
  EXPECT_TRUE(fs::exists(told.at("report").get<std::string>()));
  const auto file = tensors();
  EXPECT_EQ(file.load("attention.2").shape(), (Shape{4, 10, 10}));
  EXPECT_EQ(file.load("attention.2.replay_of.1").shape(), (Shape{4, 10, 10}));
  EXPECT_FALSE(file.contains("attention.1.replay_of.2"));
  EXPECT_EQ(file.metadata().at("attention.replays"),
            "1 0 attention.1.replay_of.0\n2 0 attention.1.replay_of.0\n"
            "2 1 attention.2.replay_of.1\n");
  EXPECT_EQ(file.load("attention_entropy").shape(), (Shape{3, 4}));
  EXPECT_EQ(file.load("hidden_states.3").shape(), (Shape{10, 16}));
  EXPECT_EQ(file.load("contribution.norm").shape(), (Shape{3, 3}));
  EXPECT_EQ(file.load("nats").shape(), (Shape{9}));
  EXPECT_NEAR(file.load("loss").item(), told.at("loss").get<double>(), 1e-12);
  EXPECT_GT(file.load("gradient_norm.model.layers.1.mlp.up_proj.weight").item(), 0);
  // The learned weights are those that the run wrote down.
  const auto learned = SmallRun::metrics(small_.run()).back().at("learned");
  const std::string name = "model.layers.2.modified_residual_mlp.layer_weights";
  const auto now = file.load("learned." + name);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(now.elements<double>()[i], learned.at(name)[i].get<double>(), 1e-12);
  }
  EXPECT_THAT(file.metadata().at("tape.operations"), HasSubstr("model.layers.2.self_attn\n"));
  // The mask's path names files of this project, and no machine's.
  EXPECT_THAT(page(), HasSubstr("nn/llama/llama.cpp:"));
  EXPECT_THAT(page(), Not(HasSubstr(source_directory().string())));
  EXPECT_LT(page().size(), 5'000'000U);
}

TEST_F(InspectProgram, SaysWhatTheModelIs) {
  const auto shown = [&](const std::string& preset) {
    EXPECT_EQ(small_.train({"--preset", preset, "--max-steps=1", "--overwrite"}).code, 0);
    EXPECT_EQ(inspect({"--prompt=so"}).code, 0);
    return page();
  };
  EXPECT_THAT(shown("llama"), HasSubstr("\"the plain Llama: no layer looks back\""));
  EXPECT_THAT(shown("mla"), HasSubstr("\"attention: mla; attention: q_lora_rank 8\""));
  EXPECT_THAT(shown("sliding-window"), HasSubstr("\"pattern: sliding_window 128\""));
  EXPECT_THAT(shown("method1"), HasSubstr("the sum of the MLP outputs of all earlier layers, run "
                                          "again on its own input"));
  EXPECT_THAT(shown("method5.1"), HasSubstr("scores of all layers so far, scale sqrt_dk"));
}

TEST_F(InspectProgram, ShowsWhatIsParticularToAMechanism) {
  const auto shown = [&](const std::string& preset) {
    EXPECT_EQ(small_.train({"--preset", preset, "--max-steps=1", "--overwrite"}).code, 0);
    const auto result = inspect({"--prompt=so it goes"});
    EXPECT_EQ(result.code, 0) << result.err;
    return page();
  };
  const std::string heading = "What is particular to this attention";
  EXPECT_THAT(shown("llama"), Not(HasSubstr(heading)));
  EXPECT_THAT(shown("mla"), HasSubstr(heading));
  EXPECT_THAT(page(), HasSubstr("kv_lora_rank"));
  EXPECT_THAT(shown("linear"), HasSubstr("bytes per sequence, however long it is"));
  EXPECT_THAT(shown("sliding-window"), HasSubstr("largest weight on a hidden key"));
  EXPECT_THAT(shown("moh"), HasSubstr("Layer 2: gate of each head and token"));
  EXPECT_THAT(shown("moa"), HasSubstr("Share of the tokens that chose each expert"));
  EXPECT_EQ(tensors().load("gates.2").size(0), 10);
  EXPECT_THAT(shown("dcmha"), HasSubstr("not composed"));
  EXPECT_EQ(tensors().load("attention.1.not_composed").shape(), (Shape{4, 10, 10}));
}

TEST_F(InspectProgram, OneTokenHasNoLoss) {
  ASSERT_EQ(small_.train().code, 0);
  const auto result = inspect({"--prompt=s"});
  EXPECT_EQ(result.out, "1 token: nothing to predict, so no loss; open " +
                            (out() / "report.html").string() + "\n");
  EXPECT_TRUE(SmallRun::json(inspect({"--prompt=s", "--json"})).at("loss").is_null());
  EXPECT_TRUE(std::isnan(tensors().load("loss").item()));
  EXPECT_THAT(page(), HasSubstr("none: one token has no next one"));
}

TEST_F(InspectProgram, UpdatesAreThoseOfTheNewestCheckpoint) {
  ASSERT_EQ(small_.train({"--learning-rate=0.01", "--save-steps=3"}).code, 0);
  ASSERT_EQ(inspect({"--prompt=so it"}).code, 0);
  EXPECT_THAT(page(), HasSubstr("as it stood after step 6"));
  const auto of_run = tensors().load("update_norm.model.layers.0.mlp.up_proj.weight").item();
  EXPECT_GT(of_run, 0);
  ASSERT_EQ(run_lookback({"inspect", small_.run() + "/checkpoint-3", "--output-dir", out().string(),
                          "--prompt=so it"})
                .code,
            0);
  EXPECT_THAT(page(), HasSubstr("as it stood after step 3"));
  EXPECT_NE(tensors().load("update_norm.model.layers.0.mlp.up_proj.weight").item(), of_run);
  fs::remove_all(fs::path(small_.run()) / "checkpoint-3");
  fs::remove_all(fs::path(small_.run()) / "checkpoint-6");
  ASSERT_EQ(inspect({"--prompt=so it"}).code, 0);
  EXPECT_THAT(page(), HasSubstr("a first step of AdamW"));
}

TEST_F(InspectProgram, TakesEveryFormatAndEveryFault) {
  for (const std::string preset :
       {"method5.5", "method1-simple", "fault-unmasked", "fault-double-softmax", "stored2"}) {
    for (const std::string dtype : {"float32", "float64", "bfloat16"}) {
      SCOPED_TRACE(::testing::Message() << preset << " " << dtype);
      ASSERT_EQ(small_.train({"--preset", preset, "--dtype", dtype, "--overwrite"}).code, 0);
      const auto result = inspect({"--prompt=so", "--attention-storage=weights"});
      ASSERT_EQ(result.code, 0) << result.err;
      EXPECT_EQ(tensors().load("attention.0").dtype(),
                dtype == "float64" ? DType::f64 : DType::f32);
    }
  }
}

TEST_F(InspectProgram, NamesParametersWithoutAGradient) {
  ASSERT_EQ(small_.train({"--preset=fault-unregistered"}).code, 0);
  ASSERT_EQ(inspect({"--prompt=so it"}).code, 0);
  EXPECT_THAT(page(), HasSubstr("No gradient reached 2 of "));
  EXPECT_THAT(page(), HasSubstr("parameters: model.layers.1.modified_residual_mlp.layer_weights, "
                                "model.layers.2.modified_residual_mlp.layer_weights"));
  ASSERT_EQ(small_.train({"--preset=method3.2", "--overwrite"}).code, 0);
  ASSERT_EQ(inspect({"--prompt=so it"}).code, 0);
  EXPECT_THAT(page(), Not(HasSubstr("No gradient reached")));
}

TEST_F(InspectProgram, RefusesWhatItCannotLookAt) {
  ASSERT_EQ(small_.train().code, 0);
  expect_error(run_lookback({"inspect", small_.run()}), 2, "--prompt is missing");
  expect_error(inspect({"--prompt="}), 2, "--prompt is empty");
  expect_error(inspect({"--prompt", std::string(65, 'x')}), 1, "max_position_embeddings=64");
  expect_error(inspect({"--prompt=x", "--tokenizer=words"}), 1, "words");
  expect_error(run_lookback({"inspect", small_.path() / "none", "--prompt=x"}), 1,
               "is not a folder");
  expect_error(run_lookback({"inspect", small_.path(), "--prompt=x"}), 1, "model.safetensors");
  EXPECT_FALSE(fs::exists(out() / "report.html"));
  write_text(small_.path() / "file", "");
  expect_error(inspect({"--prompt=x", "--output-dir", small_.path() / "file"}), 1,
               "is not a folder");
  expect_error(inspect({"--prompt=x", "--output-dir", small_.path() / "file" / "below"}), 1,
               "cannot be written: Not a directory");
}

TEST_F(InspectProgram, AFullDiskLeavesNoHalfPage) {
  ASSERT_EQ(small_.train().code, 0);
  std::vector<std::string> arguments{"inspect", small_.run(), "--prompt=so", "--output-dir", out()};
  const auto result = run_lookback(arguments, {.largest_file_bytes = 100'000});
  EXPECT_EQ(result.code, 1);
  EXPECT_FALSE(fs::exists(out() / "report.html"));
}

TEST_F(InspectProgram, LooksWhileTrainingAndChangesNothing) {
  const std::vector<std::string> run{"--preset=method3.2", "--overwrite"};
  ASSERT_EQ(small_.train(run).code, 0);
  const auto weights = read_text(fs::path(small_.run()) / "model.safetensors");
  auto watched = run;
  watched.emplace_back("--inspect-every=3");
  ASSERT_EQ(small_.train(watched).code, 0);
  EXPECT_EQ(read_text(fs::path(small_.run()) / "model.safetensors"), weights);
  for (const auto* step : {"step-3", "step-6"}) {
    const auto folder = fs::path(small_.run()) / "inspect" / step;
    EXPECT_TRUE(fs::exists(folder / "report.html")) << step;
    EXPECT_EQ(SafetensorsFile::open(folder / "inspect.safetensors").load("tokens").shape(),
              Shape{SmallRun::block_size});
  }
  EXPECT_FALSE(fs::exists(fs::path(small_.run()) / "inspect" / "step-4"));
}

TEST_F(InspectProgram, InABrowser) {
  if (!find_browser()) {
    GTEST_SKIP() << "there is no Chromium: bash third_party/install_packages.sh browser";
  }
  ASSERT_EQ(small_.train({"--preset=fault-unmasked-recompute"}).code, 0);
  ASSERT_EQ(inspect({"--prompt", "<b>so</b> \"it\" & goes"}).code, 0);
  for (const int width : {1280, 390}) {
    const auto result = render(out() / "report.html", width, ColorScheme::light);
    ASSERT_TRUE(result.rendered);
    EXPECT_THAT(result.console, IsEmpty());
    EXPECT_EQ(result.told.at("errors"), "0");
    EXPECT_GT(std::stoi(result.told.at("canvases")), 15);
    EXPECT_EQ(result.told.at("blank"), "0");
    EXPECT_EQ(result.told.at("arcs"), "3");
    EXPECT_EQ(result.told.at("overflow"), "0");
    EXPECT_THAT(result.dom, HasSubstr("reads the future in"));
  }
}

}  // namespace
}  // namespace lookback::tests
