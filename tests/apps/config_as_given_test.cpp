// Whether a model is the one whose config was given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/diagnosis/diagnosis_check.h"
#include "nn/layer/preset.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

class ConfigAsGiven : public ::testing::Test {
 protected:
  static CheckResult result_of(const Subject& subject) {
    Diagnosis diagnosis;
    DiagnosisChecks::make("config_as_given")->run(subject, diagnosis);
    EXPECT_EQ(diagnosis.checks.size(), 1U);
    return diagnosis.checks.at(0);
  }
  // Of another config.json, or of a built-in by its name.
  Subject subject(const std::string& config, std::vector<std::string> presets = {}) const {
    auto choice = small_.choice("llama");
    choice.presets = std::move(presets);
    choice.config = config;
    if (config.starts_with('{')) write_text(choice.config = small_.path() / "given.json", config);
    return choose_subject(choice);
  }

  const SmallSubjects small_;
};

TEST_F(ConfigAsGiven, IsThatOfEveryPreset) {
  for (const auto& [preset, description] : presets()) {
    const auto found = result_of(small_.subject(preset));
    EXPECT_NE(found.result, CheckResult::Result::failed) << preset << ": " << found.evidence;
    EXPECT_NE(found.result, CheckResult::Result::left_out) << preset << ": " << found.evidence;
  }
  const auto both = result_of(small_.subject("mla"));
  EXPECT_THAT(both.evidence, HasSubstr("config.json with preset mla: "));
}

TEST_F(ConfigAsGiven, IsThatOfConfigsAsPeopleHaveThem) {
  const std::string sizes =
      R"("hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 512,
         "num_attention_heads": 4, "max_position_embeddings": 72)";
  for (const auto& more : {
           R"("architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout":
              0.0, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "initializer_range":
              0.02, "model_type": "llama", "num_key_value_heads": 2, "pretraining_tp": 1,
              "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 500000.0,
              "tie_word_embeddings": false, "torch_dtype": "bfloat16",
              "transformers_version": "4.40.1", "use_cache": true)",
           R"("model_type": "llama", "_name_or_path": "x", "head_dim": null)",
           R"("model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4})",
           R"("model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 4})",
           R"("model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4,
              "original_max_position_embeddings": 32, "finetuned": true})",
           R"("model_type": "llama", "dtype": "float32", "rope_parameters": {"rope_theta": 500.0,
              "rope_type": "default"})",
           R"("rope_parameters": {"rope_theta": 500.0, "rope_type": "llama3", "factor": 8.0,
              "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 32})",
           R"("architectures": ["LLaMAForCausalLM"], "max_sequence_length": 2048, "hidden_act":
              "swish", "pretraining_tp": 2, "rope_interleaved": false, "sliding_window": null,
              "unsloth_version": "2024.9", "activation": "swiglu", "auto_map": {"a": "b"})"}) {
    const auto found = result_of(subject("{" + sizes + ", " + more + "}"));
    EXPECT_EQ(found.result, CheckResult::Result::passed) << more << ": " << found.evidence;
  }
  const auto other = result_of(subject("{" + sizes + R"(, "model_type": "mistral",
      "num_key_value_heads": 2})"));
  EXPECT_EQ(other.result, CheckResult::Result::not_applicable);
  for (const auto* name : {"smoke", "124m"})
    EXPECT_EQ(result_of(subject(name, {"mla", "method1"})).result, CheckResult::Result::passed);
}

TEST_F(ConfigAsGiven, NamesTheKeyThatBecameAnother) {
  auto changed = small_.subject("softcap");
  changed.config.rope_theta = 5000;
  EXPECT_THAT(result_of(changed).evidence,
              HasSubstr("rope_theta is 10000.0, and the model's is 5000.0"));
  auto lost = small_.subject("softcap");
  lost.config.attention.clear();
  const auto found = result_of(lost);
  EXPECT_EQ(found.finding, Verdict::not_the_named_model);
  EXPECT_THAT(found.evidence, HasSubstr("with preset softcap: layer 0: attn_logit_softcapping is "
                                        "50.0, and the model's is not set"));
  auto more = small_.subject("llama");
  more.config.cross_layer_residual = CrossLayerResidual{.source = "stored"};
  EXPECT_THAT(result_of(more).evidence, HasSubstr("cross_layer_residual.site"));
}

}  // namespace
}  // namespace lookback::tests
