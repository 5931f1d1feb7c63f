// Every known mistake gets its own verdict, and every healthy model none: fresh, after 50 steps,
// and with its weights times 8.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>

#include "apps/data/open.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/model/model_folder.h"
#include "apps/train/accumulate_gradients.h"
#include "nn/adamw.h"
#include "nn/parameter_files.h"
#include "tests/apps/small_subject.h"
#include "tests/nn/variants.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::vector<std::string> healthy_names() {
  std::vector<std::string> names;
  for (const auto& variant : lookback::testing::healthy_presets({})) {
    if (!variant.name.ends_with("-replace")) names.push_back(variant.name);
  }
  return names;
}

std::string findings_of(const Diagnosis& diagnosis) {
  std::string text;
  for (const auto& check : diagnosis.checks) {
    if (check.result == CheckResult::Result::passed) continue;
    text += fmt::format("{} {}: {}\n", name_of(check.result), check.name, check.evidence);
  }
  return text;
}

// So many steps as `train` takes them.
void train(const Subject& subject, const Llama& llama, int steps, double learning_rate) {
  AdamW optimizer(llama.parameters(), {});
  for (int step = 0; step < steps; ++step) {
    const auto measures = accumulate_gradients(llama, {subject.batch(step)});
    optimizer.step(learning_rate, measures.loss_scale * clipping_factor(measures.grad_norm, 1));
    clear_gradients(llama.parameters());
  }
}

void scale(const Llama& llama, float factor, int min_rank) {
  for (const auto& parameter : llama.parameters()) {
    if (parameter.tensor.rank() < min_rank) continue;
    for (auto& weight : parameter.tensor.elements<float>()) weight *= factor;
  }
}

class DiagnosisChecks : public ::testing::Test {
 protected:
  // The subject with these weights.
  Subject with_weights(Subject subject, const Llama& llama) const {
    subject.folder = small_.path() / "model";
    fs::create_directories(*subject.folder);
    save_model(llama, *subject.folder);
    return subject;
  }

  static void expect_healthy(const Subject& subject, const std::string& what) {
    const auto diagnosis = run_checks(subject);
    EXPECT_EQ(diagnosis.verdict(), Verdict::healthy) << what << "\n" << findings_of(diagnosis);
    for (const auto& check : diagnosis.checks) {
      EXPECT_NE(check.result, CheckResult::Result::left_out) << what << ": " << check.name;
    }
  }

  // The evidence of the first check that found this; empty: none did.
  static std::string evidence(const Subject& subject, Verdict finding) {
    for (const auto& check : run_checks(subject).checks) {
      if (check.finding == finding) return check.evidence;
    }
    return "";
  }

  const lookback::testing::OneThread one_thread_;
  const SmallSubjects small_;
};

class DiagnosisOfHealthy : public DiagnosisChecks,
                           public ::testing::WithParamInterface<std::string> {};

TEST_P(DiagnosisOfHealthy, FindsNothing) {
  const auto subject = small_.subject(GetParam());
  expect_healthy(subject, "fresh");
  const auto llama = subject.model();
  train(subject, *llama, 50, 1e-3);
  expect_healthy(with_weights(subject, *llama), "after 50 steps");
  for (const int min_rank : {0, 2}) {
    const auto large = subject.model();
    scale(*large, 8, min_rank);
    expect_healthy(with_weights(subject, *large), min_rank == 0 ? "times 8" : "matrices times 8");
  }
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  auto name = info.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Presets, DiagnosisOfHealthy, ::testing::ValuesIn(healthy_names()),
                         test_name);

TEST_F(DiagnosisChecks, AStreamThatIsReplacedIsSevered) {
  for (const auto* preset : {"method1-replace", "method2-replace"}) {
    EXPECT_EQ(run_checks(small_.subject(preset)).verdict(), Verdict::severed_path) << preset;
    EXPECT_THAT(evidence(small_.subject(preset), Verdict::severed_path),
                HasSubstr("model.layers.1: with o_proj and down_proj zero"));
  }
}

TEST_F(DiagnosisChecks, SayWhere) {
  const auto says = [&](const std::string& fault, Verdict finding) {
    return evidence(small_.subject(SmallSubjects::preset_for(fault), fault), finding);
  };
  EXPECT_THAT(says("hidden_nan", Verdict::non_finite),
              HasSubstr("fill of model.layers.1 in the forward pass wrote nan first"));
  EXPECT_THAT(says("labels_shifted_twice", Verdict::misaligned_targets),
              HasSubstr("labels shifted twice"));
  EXPECT_THAT(says("unshifted_labels", Verdict::misaligned_targets), HasSubstr("not shifted"));
  EXPECT_THAT(says("padding_in_the_mean", Verdict::misaligned_targets),
              HasSubstr("of 64 positions 32 have a target; the mean is over 64"));
  EXPECT_THAT(says("double_softmax", Verdict::double_softmax),
              HasSubstr(" in model.layers.1.recompute.0.self_attn"));
  EXPECT_THAT(says("double_softmax_attention", Verdict::double_softmax),
              HasSubstr(" in model.layers.0.self_attn, model.layers.1.self_attn"));
  EXPECT_THAT(says("double_softmax_logits", Verdict::double_softmax), HasSubstr("5.2417"));
  EXPECT_THAT(says("zero_learning_rate", Verdict::frozen), HasSubstr("changes 0 of 20"));
  EXPECT_THAT(says("dropped_gradient_between_layers", Verdict::severed_path),
              HasSubstr("model.layers.0: no gradient"));
  EXPECT_THAT(says("forgotten_by_optimiser", Verdict::unregistered_parameter),
              HasSubstr("model.layers.0.mlp.up_proj.weight"));
  EXPECT_THAT(says("idle_parameter", Verdict::unregistered_parameter),
              HasSubstr("model.layers.0.self_attn.k_proj.weight, "
                        "model.layers.1.self_attn.k_proj.weight"));
}

TEST_F(DiagnosisChecks, AWeightThatIsNoNumberIsNamed) {
  const auto subject = small_.subject("method1");
  const auto llama = subject.model();
  const auto& mlp = llama->model.layers[1]->mlp;
  mlp.up_proj.weight.elements<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  const auto broken = with_weights(subject, *llama);
  EXPECT_EQ(run_checks(broken).verdict(), Verdict::non_finite);
  EXPECT_EQ(evidence(broken, Verdict::non_finite),
            "model.layers.1.mlp.up_proj.weight holds nan in row 0 (1 of 2048 numbers)");
  const auto checks = run_checks(broken).checks;
  const auto step = std::ranges::find(checks, "numbers of a training step", &CheckResult::name);
  ASSERT_NE(step, checks.end());
  EXPECT_THAT(step->evidence,
              ::testing::MatchesRegex("matmul of model.layers.1.mlp in the forward pass wrote nan "
                                      "first .model.layers.1.mlp.up_proj.weight held nan.; its "
                                      "inputs lie in .*, .*"));
}

TEST_F(DiagnosisChecks, StepsAndStreamsThatAreTooLargeExplode) {
  auto subject = small_.subject("llama");
  subject.options.learning_rate = 1;
  EXPECT_EQ(run_checks(subject).verdict(), Verdict::exploding_gradient);
  EXPECT_THAT(evidence(subject, Verdict::exploding_gradient),
              HasSubstr("a step at learning rate 1 moves the weights by "));
  subject = small_.subject("llama");
  const auto llama = subject.model();
  auto& mlp = llama->model.layers[0]->mlp;
  for (const auto& weight : {mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight}) {
    for (auto& each : weight.elements<float>()) each *= 1e3F;
  }
  const auto large = with_weights(subject, *llama);
  EXPECT_EQ(run_checks(large).verdict(), Verdict::exploding_gradient);
  EXPECT_THAT(evidence(large, Verdict::exploding_gradient), HasSubstr("norm of the stream goes"));
}

// One token has no other to attend to: no gradient of queries and keys, no second softmax.
TEST_F(DiagnosisChecks, ASingleTokenIsNoFault) {
  for (const auto* preset : {"llama", "method1", "method5.4"}) {
    auto choice = small_.choice(preset);
    choice.block_size = 1;
    const auto diagnosis = run_checks(choose_subject(choice));
    EXPECT_EQ(diagnosis.verdict(), Verdict::healthy) << findings_of(diagnosis);
  }
}

// A router that never chooses some of what it has: told with numbers, and no finding.
TEST_F(DiagnosisChecks, ExpertsAndHeadsThatNoTokenChoseAreNamed) {
  const auto subject = small_.subject("moa");
  const auto expected = run_checks(subject);
  EXPECT_THAT(expected.notes, ::testing::Each(::testing::Not(HasSubstr("dead"))));
  const auto llama = subject.model();
  for (const auto& [name, parameter, initial] : llama->parameters()) {
    // Of equal logits the first are chosen.
    if (!name.ends_with("layers.1.self_attn.experts.router.layer.weight")) continue;
    std::ranges::fill(parameter.elements<float>(), 0.0F);
  }
  const auto diagnosis = run_checks(with_weights(subject, *llama));
  EXPECT_EQ(diagnosis.verdict(), Verdict::healthy) << findings_of(diagnosis);
  EXPECT_THAT(diagnosis.notes,
              ::testing::Contains("warning: model.layers.1.self_attn: expert 3 of 4 was "
                                  "chosen by 0 of 512 tokens: it is dead, and learns nothing"));
  const auto check =
      std::ranges::find(diagnosis.checks, "use of experts, layer 1", &CheckResult::name);
  ASSERT_NE(check, diagnosis.checks.end());
  EXPECT_EQ(check->value, 0);
  EXPECT_DOUBLE_EQ(check->bound, 0.05);  // a tenth of two in four
  EXPECT_THAT(check->evidence, HasSubstr("100.00, 100.00, 0.00, 0.00"));
}

// Frequencies that yarn has changed still turn by distances alone, and its enlargement of queries
// and keys is the same at every position.
TEST_F(DiagnosisChecks, ShiftedPositionsUnderYarn) {
  const auto shifted = [&](const std::string& preset, const std::string& fault) {
    auto subject = small_.subject(preset, fault);
    subject.config.rope_scaling = {.kind = RopeScaling::Kind::yarn,
                                   .factor = 4,
                                   .original_max_position_embeddings = 64,
                                   .mscale = 1,
                                   .mscale_all_dim = 0.5};
    for (const auto& check : run_checks(subject).checks) {
      if (check.name == "weights of shifted positions") return check;
    }
    return CheckResult{};
  };
  for (const auto* preset : {"llama", "mla", "collaborative", "mohsa", "method5.1"}) {
    const auto check = shifted(preset, "");
    EXPECT_EQ(check.result, CheckResult::Result::passed) << preset << ": " << check.evidence;
    EXPECT_EQ(check.bound, thresholds::rounding) << preset;
  }
  EXPECT_EQ(shifted("collaborative", "untied_mixing").result, CheckResult::Result::failed);
  EXPECT_EQ(shifted("mohsa", "rope_before_overlap").result, CheckResult::Result::failed);
}

// What routers add to the loss is weighted by tokens over micro-batches.
TEST_F(DiagnosisChecks, AuxiliaryLossesDoNotHangOnMicroBatches) {
  for (const auto* preset : {"moh", "moa"}) {
    for (const auto& check : run_checks(small_.subject(preset)).checks) {
      if (check.name != "micro-batches of one batch") continue;
      EXPECT_EQ(check.result, CheckResult::Result::passed) << preset;
      EXPECT_LT(check.value, 1e-10) << preset;
    }
  }
}

TEST_F(DiagnosisChecks, AProbeLearnsAFixedSetByHeart) {
  auto subject = small_.subject("llama", "fixed_training_data");
  subject.effort = Effort::full;
  std::map<std::string, CheckResult> checks;
  for (const auto& check : run_checks(subject).checks) checks[check.name] = check;
  const auto& probe = checks.at("loss on validation less that on training, after 400 steps");
  EXPECT_EQ(probe.finding, Verdict::memorisation) << probe.evidence;
  EXPECT_THAT(probe.evidence, HasSubstr("a model of 2 layers, 64 wide: training data cost"));
  EXPECT_THAT(checks.at("floor of random tokens").evidence,
              HasSubstr("a model of 2 layers, 64 wide on random tokens"));
  subject = small_.subject("llama");
  subject.effort = Effort::full;
  const auto diagnosis = run_checks(subject);
  EXPECT_EQ(diagnosis.verdict(), Verdict::healthy) << findings_of(diagnosis);
  EXPECT_FALSE(diagnosis.curves.empty());
}

TEST_F(DiagnosisChecks, ParametersThatAreInertByConstructionAreListed) {
  const auto diagnosis = run_checks(small_.subject("method1-simple"));
  EXPECT_EQ(diagnosis.verdict(), Verdict::healthy) << findings_of(diagnosis);
  EXPECT_THAT(diagnosis.inert, ::testing::Contains("model.layers.1.self_attn.q_proj.weight"));
  EXPECT_EQ(diagnosis.inert.size(), 5U);
  EXPECT_TRUE(run_checks(small_.subject("method2")).inert.empty());
}

TEST_F(DiagnosisChecks, TyingIsLookedAtInTheFile) {
  auto subject = small_.subject("llama");
  const auto llama = subject.model();
  subject = with_weights(subject, *llama);
  expect_healthy(subject, "tied");
  auto parameters = llama->parameters();
  auto head = zeros(llama->model.embed_tokens.weight.shape(), DType::f32);
  parameters.push_back({"lm_head.weight", head, Initial::normal()});
  write_safetensors(*subject.folder / "model.safetensors", named_tensors(parameters));
  remove_checksums(*subject.folder);
  EXPECT_EQ(run_checks(subject).verdict(), Verdict::broken_tying);
  EXPECT_THAT(evidence(subject, Verdict::broken_tying),
              HasSubstr("lm_head.weight and model.embed_tokens.weight differ by"));
}

class DiagnosisOfTexts : public DiagnosisChecks {
 protected:
  Subject subject(const std::string& training, const std::string& validation) const {
    write_text(small_.path() / "training.txt", training);
    write_text(small_.path() / "validation.txt", validation);
    auto result = small_.subject("llama");
    result.data = open_data({.data = small_.path() / "training.txt",
                             .validation_data = small_.path() / "validation.txt",
                             .block_size = 32,
                             .vocabulary_size = 512});
    return result;
  }
};

TEST_F(DiagnosisOfTexts, ValidationThatHoldsTrainingTextIsContaminated) {
  const auto training = letters(1, 20000);
  const auto clean = subject(training, letters(2, 4000));
  EXPECT_EQ(evidence(clean, Verdict::contamination), "");
  // A paragraph that comes back is no contamination.
  const auto quoted = subject(training, letters(2, 4000) + training.substr(500, 200));
  EXPECT_EQ(evidence(quoted, Verdict::contamination), "");
  const auto half = subject(training, letters(2, 2000) + training.substr(500, 2000));
  EXPECT_EQ(run_checks(half).verdict(), Verdict::contamination);
  EXPECT_THAT(evidence(half, Verdict::contamination),
              HasSubstr("% of the spans of 200 tokens in validation stand in the training data"));
}

TEST_F(DiagnosisOfTexts, AModelThatRepeatsItsTextIsMemorizing) {
  const auto fresh = subject(letters(1, 700), letters(2, 700));
  const auto llama = fresh.model();
  EXPECT_EQ(evidence(with_weights(fresh, *llama), Verdict::memorisation), "");
  train(fresh, *llama, 800, 1e-2);
  const auto trained = with_weights(fresh, *llama);
  EXPECT_EQ(run_checks(trained).verdict(), Verdict::memorisation);
  EXPECT_THAT(evidence(trained, Verdict::memorisation), HasSubstr("nats per token, validation"));
}

}  // namespace
}  // namespace lookback::tests
