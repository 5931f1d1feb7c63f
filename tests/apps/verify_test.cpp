// lookback verify: every reference file of tests/golden/ passes, and one with a single number
// changed does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/safetensors.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::string;
using ::testing::HasSubstr;

fs::path golden(const string& name) {
  return source_directory() / "tests" / "golden" / (name + ".safetensors");
}

// transformers casts norms, softmax and loss to float32: `from_transformers` files need a
// tolerance.
enum class Origin { oracle, transformers };
std::vector<string> golden_files(Origin origin) {
  std::vector<string> files;
  for (const auto& file : reference_files()) {
    const bool theirs = file.stem().string().starts_with("transformers");
    if (theirs == (origin == Origin::transformers)) files.push_back(file);
  }
  return files;
}

ProgramResult verify(std::vector<string> files, const std::vector<string>& flags = {}) {
  files.insert(files.begin(),
               {"verify", "--threads", "1"});  // small models: threads would only wait
  files.insert(files.end(), flags.begin(), flags.end());
  return run_lookback(files);
}

json verify_json(const std::vector<string>& files, std::vector<string> flags = {}) {
  flags.push_back("--json");
  const auto result = verify(files, flags);
  auto object = json::parse(result.out);
  EXPECT_EQ(result.code, object["passed"] ? 0 : 3);
  EXPECT_EQ(object["files"].size(), files.size());
  return object;
}

TEST(Verify, ThoseOfTransformersPassAtItsPrecision) {
  const auto files = golden_files(Origin::transformers);
  ASSERT_GE(files.size(), 2U);
  EXPECT_TRUE(verify_json(files, {"--dtype", "float64", "--tolerance", "2e-5"})["passed"]);
  EXPECT_FALSE(verify_json(files)["passed"]);  // 1e-9 is beyond it
}

TEST(Verify, BothWaysToKeepAttentionAgree) {
  const auto files = golden_files(Origin::oracle);
  for (const char* record : {"weights", "qk"}) {
    const auto object = verify_json(files, {"--attention-storage", record});
    EXPECT_TRUE(object["passed"]) << record << object.dump(1);
  }
}

// A copy of a reference file with one tensor changed by `edit`.
struct Edited {
  TemporaryDirectory folder;
  string path = folder.path() / "edited.safetensors";

  Edited(const string& name,
         const std::function<void(std::map<string, Tensor>&, SafetensorsMetadata&)>& edit) {
    const auto file = SafetensorsFile::open(golden(name));
    std::map<string, Tensor> tensors;
    for (const auto& each : file.names()) tensors.emplace(each, file.load(each));
    auto metadata = file.metadata();
    edit(tensors, metadata);
    write_safetensors(path, NamedTensors(tensors.begin(), tensors.end()), metadata);
  }
};

// A residual stream that is cut off is ill-conditioned: such a model is verified in float64 alone.
std::vector<string> without_replaced_stream(std::vector<string> files) {
  std::erase_if(files, [](const string& file) {
    const auto config = json::parse(SafetensorsFile::open(file).metadata().at("config"));
    return config.value("/cross_layer_residual/stream"_json_pointer, "add") == "replace";
  });
  return files;
}

TEST(Verify, EveryReferenceFileOfTheOraclePasses) {
  const auto files = golden_files(Origin::oracle);
  ASSERT_GE(files.size(), 58U);
  const auto as_they_are = verify_json(files);
  for (const auto& file : as_they_are["files"]) EXPECT_TRUE(file["passed"]) << file;
  const auto stable = without_replaced_stream(files);
  EXPECT_EQ(files.size() - stable.size(), 7U);
  for (const char* dtype : {"float32", "bfloat16"}) {
    const auto object = verify_json(stable, {"--dtype", dtype});
    for (const auto& file : object["files"]) EXPECT_TRUE(file["passed"]) << dtype << file;
  }
}

TEST(Verify, EveryPresetHasAReferenceFile) {
  std::set<string> presets;
  for (const auto& file : golden_files(Origin::oracle)) {
    presets.insert(SafetensorsFile::open(file).metadata().at("preset"));
  }
  const auto listed = json::parse(run_lookback({"presets", "--json"}).out)["presets"];
  EXPECT_GE(listed.size(), 30U);
  for (const auto& preset : listed) EXPECT_TRUE(presets.contains(preset["name"])) << preset;
}

// The file of one variant under the config of another: no two of them are the same model.
TEST(Verify, AnotherVariantFails) {
  const auto with_scale = [](const string& name, const string& scale) {
    const Edited file(name, [&](auto&, auto& metadata) {
      auto config = json::parse(metadata.at("config"));
      config["score_accumulation"] = {{"scale", scale}};
      metadata["config"] = config.dump();
    });
    EXPECT_FALSE(verify_json({file.path})["passed"]) << name << " as " << scale;
  };
  with_scale("method5.1", "sqrt_dk_m");
  with_scale("method5.2", "sqrt_dk");
  with_scale("method5.3", "sqrt_dk_sqrt_m");
  const auto with_key = [](const string& name, const string& key, const json& value) {
    const Edited file(name, [&](auto&, auto& metadata) {
      auto config = json::parse(metadata.at("config"));
      config["cross_layer_residual"][key] = value;
      metadata["config"] = config.dump();
    });
    EXPECT_FALSE(verify_json({file.path})["passed"]) << name << " with " << key << value;
  };
  with_key("method1", "site", "attention");
  with_key("method1", "source", "stored");
  with_key("method2", "weights", "mean");
  with_key("method2", "stream", "replace");
  with_key("method2", "include_self", false);
}

// The middle element, changed by a thousandth of the tensor's largest.
void nudge(const Tensor& tensor) {
  const auto numbers = tensor.elements<double>();
  const auto largest = std::ranges::max(numbers, {}, [](double x) { return std::abs(x); });
  numbers[numbers.size() / 2] += 1e-3 * std::abs(largest);
}

TEST(Verify, OneChangedNumberFails) {
  for (const string name : {"out.logits", "out.loss", "grad.model.layers.1.self_attn.k_proj.weight",
                            "grad.model.norm.weight", "trace.attn.0", "trace.hidden.2",
                            "train.losses", "train.grad_norms"}) {
    const Edited file("tied-with-biases", [&](auto& tensors, auto&) { nudge(tensors.at(name)); });
    const auto object = verify_json({file.path});
    EXPECT_FALSE(object["passed"]) << name;
    EXPECT_EQ(object["files"][0]["worst_tensor"], name);
    EXPECT_NEAR(object["files"][0]["worst_error"], 1e-3, 1e-5);
  }
}

TEST(Verify, OneChangedWeightOrTokenFails) {
  for (const char* name :
       {"param.model.embed_tokens.weight", "param.model.layers.0.self_attn.q_proj.weight",
        "param.model.layers.1.mlp.down_proj.bias", "param.model.norm.weight"}) {
    const Edited file("tied-with-biases", [&](auto& tensors, auto&) { nudge(tensors.at(name)); });
    EXPECT_FALSE(verify_json({file.path})["passed"]) << name;
  }
  const Edited token("llama", [](auto& tensors, auto&) {
    auto& id = tensors.at("input_ids").template elements<std::int64_t>()[3];
    id = (id + 1) % 61;
  });
  EXPECT_FALSE(verify_json({token.path})["passed"]);
  const Edited setting("llama", [](auto&, auto& metadata) {
    auto config = json::parse(metadata.at("config"));
    config["rope_theta"] = 10001.0;
    metadata["config"] = config.dump();
  });
  EXPECT_FALSE(verify_json({setting.path})["passed"]);
}

TEST(Verify, SaysWhatCannotBeCompared) {
  const Edited nan("llama", [](auto& tensors, auto&) {
    tensors.at("out.logits").template elements<double>()[0] = std::nan("");
  });
  const auto object = verify_json({nan.path});
  EXPECT_FALSE(object["passed"]);
  EXPECT_EQ(object["files"][0]["worst_tensor"], "out.logits");
  EXPECT_TRUE(object["files"][0]["worst_error"].is_null());
  EXPECT_EQ(object["files"][0]["problem"], "theirs holds a number that is not finite");

  const Edited layer(
      "llama", [](auto& tensors, auto&) { tensors["trace.attn.3"] = tensors.at("trace.attn.2"); });
  EXPECT_THAT(verify({layer.path}).out,
              HasSubstr("worst trace.attn.3: this model has no such tensor"));
}

TEST(Verify, OnlyWhatIsThereIsCompared) {
  const Edited file("llama", [](auto& tensors, auto& metadata) {
    std::erase_if(tensors, [](const auto& entry) {
      return !entry.first.starts_with("param.") && entry.first != "input_ids" &&
             entry.first != "out.loss";
    });
    metadata.erase("optimizer");
    metadata.erase("preset");
  });
  const auto object = verify_json({file.path});
  EXPECT_TRUE(object["passed"]);
  EXPECT_EQ(object["files"][0]["tensors"], 1);
  EXPECT_EQ(object["files"][0]["preset"], "");
}

TEST(Verify, PrintsALineAFileAndWritesTheReport) {
  const TemporaryDirectory folder;
  const Edited broken("one-layer", [](auto& tensors, auto&) { nudge(tensors.at("out.logits")); });
  const string good = golden("one-layer");
  const auto report = folder.path() / "report.json";
  const auto result = verify({good, broken.path}, {"--report", report});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out,
              testing::StartsWith("passed " + good + " (llama): 17 tensors in float64, worst "));
  EXPECT_THAT(result.out, HasSubstr("\nFAILED " + broken.path +
                                    " (llama): 17 tensors in float64, worst out.logits: error "
                                    "1.00e-03, tolerance 1.0e-09\n"));
  const auto written = json::parse(read_text(report));
  EXPECT_FALSE(written["passed"]);
  EXPECT_EQ(written["files"][1]["tensors"].size(), 17U);
  for (const auto& tensor : written["files"][1]["tensors"]) {
    EXPECT_EQ(tensor["passed"], tensor["name"] != "out.logits");
    EXPECT_EQ(tensor["tolerance"], 1e-9);
  }
}

TEST(Verify, RefusesWhatIsNoReferenceFile) {
  const auto refused =
      [](const string& text,
         const std::function<void(std::map<string, Tensor>&, SafetensorsMetadata&)>& edit) {
        const Edited file("one-layer", edit);
        expect_error(verify({file.path}), 1, text);
      };
  refused("metadata holds no \"config\"", [](auto&, auto& metadata) { metadata.erase("config"); });
  refused(": config: parse error at line 1",
          [](auto&, auto& metadata) { metadata["config"] = "{"; });
  refused("fault is \"masked\" (string): must be one of",
          [](auto&, auto& metadata) { metadata["config"].insert(1, "\"fault\": \"masked\", "); });
  refused("holds no tensor \"input_ids\"",
          [](auto& tensors, auto&) { tensors.erase("input_ids"); });
  refused("input_ids is float64 (7,): must be int64 (batch, tokens)",
          [](auto& tensors, auto&) { tensors["input_ids"] = zeros({7}, DType::f64); });
  refused("29", [](auto& tensors, auto&) {  // the vocabulary has 0 to 28
    tensors.at("input_ids").template elements<std::int64_t>()[1] = 29;
  });
  refused("max_position_embeddings", [](auto& tensors, auto&) {
    tensors["input_ids"] = zeros({1, 65}, DType::i64);
  });
  refused("missing: model.norm.weight; unexpected: model.morn.weight", [](auto& tensors, auto&) {
    auto node = tensors.extract("param.model.norm.weight");
    node.key() = "param.model.morn.weight";
    tensors.insert(std::move(node));
  });
  refused("no out., grad., trace. or train. tensor", [](auto& tensors, auto&) {
    std::erase_if(tensors, [](const auto& entry) {
      return !entry.first.starts_with("param.") && entry.first != "input_ids";
    });
  });
  refused("metadata holds no \"optimizer\"",
          [](auto& tensors, auto&) { tensors["train.losses"] = zeros({2}, DType::f64); });
  refused("optimizer: max_grad_norm must be a number", [](auto& tensors, auto& metadata) {
    tensors["train.losses"] = zeros({2}, DType::f64);
    metadata["optimizer"] = R"({"learning_rate": 1, "beta1": 0.9})";
  });
  expect_error(verify({"no such file"}), 1,
               "no such file: cannot be read: No such file or directory");
}

TEST(Verify, RefusesWrongFlags) {
  const string good = golden("one-layer");
  expect_error(verify({}), 2, "REFERENCE");
  expect_error(verify({good}, {"--tolerance", "nan"}), 2, "--tolerance nan");
  expect_error(verify({good}, {"--dtype", "float16"}), 2, "--dtype float16");
  expect_error(verify({good}, {"--attention-storage", "all"}), 2, "--attention-storage all");
  expect_error(verify({good}, {"--report", "no folder/report.json"}), 1,
               "no folder/report.json: cannot be created");
}

}  // namespace
}  // namespace lookback::tests
