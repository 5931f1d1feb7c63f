// Models, texts and runs as people bring them: what is said of weights that are 0 or no numbers, of
// a text that its tokenizer cannot read, and of a curve that begins too high.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "apps/data/only_token.h"
#include "apps/data/open.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/model/finite_weights.h"
#include "apps/model/model_folder.h"
#include "tests/apps/program_run.h"
#include "tests/apps/small_subject.h"
#include "tests/nn/variants.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

class FieldCases : public ::testing::Test {
 protected:
  static void fill(const Tensor& tensor, float value) {
    for (auto& each : tensor.elements<float>()) each = value;
  }
  // A small Llama with these weights changed.
  template <class Change>
  Subject changed(const Change& change) const {
    auto subject = small_.subject("llama");
    std::shared_ptr<const Llama> llama = subject.fresh_model();
    change(*llama);
    subject.weights = llama;
    return subject;
  }
  static Diagnosis diagnosis_of(const std::string& check, const Subject& subject) {
    Diagnosis diagnosis;
    DiagnosisChecks::make(check)->run(subject, diagnosis);
    return diagnosis;
  }

  const lookback::testing::OneThread one_thread_;
  const SmallSubjects small_;
};

TEST_F(FieldCases, ABlockThatAddsNothingAtFirstIsHealthy) {
  const auto subject = changed([](const Llama& llama) {
    fill(llama.model.layers[1]->mlp.down_proj.weight, 0);
    for (const auto& [name, tensor, initial] : llama.parameters()) {
      if (name.find("layers.1.self_attn.o_proj") != name.npos) fill(tensor, 0);
    }
  });
  const auto diagnosis = run_checks(subject);
  EXPECT_EQ(diagnosis.verdict(), Verdict::healthy) << diagnosis.evidence();
  EXPECT_THAT(
      diagnosis.notes,
      ElementsAre("7 parameters have no gradient at first, as these weights are 0: "
                  "model.layers.1.self_attn.o_proj.weight, model.layers.1.mlp.down_proj.weight; "
                  "training moves them from the second step on"));
}

// All three projections of an MLP: none of them ever gets a gradient.
TEST_F(FieldCases, ABlockThatNothingMovesIsNot) {
  const auto subject = changed([](const Llama& llama) {
    const auto& mlp = llama.model.layers[1]->mlp;
    for (const auto& weight : {mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight})
      fill(weight, 0);
  });
  const auto diagnosis = diagnosis_of("unregistered_parameter", subject);
  EXPECT_EQ(diagnosis.verdict(), Verdict::unregistered_parameter);
  EXPECT_THAT(diagnosis.evidence(), HasSubstr("model.layers.1.mlp.gate_proj.weight"));
  EXPECT_THAT(diagnosis.notes, IsEmpty());
}

TEST_F(FieldCases, NormsThatAreZeroAreNamed) {
  const auto subject = changed([](const Llama& llama) {
    for (const auto& [name, tensor, initial] : llama.parameters()) {
      if (name.ends_with("norm.weight")) fill(tensor, 0);
    }
  });
  const auto diagnosis = run_checks(subject);
  EXPECT_EQ(diagnosis.verdict(), Verdict::severed_path) << diagnosis.evidence();
  EXPECT_THAT(
      diagnosis.evidence(),
      AllOf(HasSubstr("5 norms have gains that are all 0, so that nothing passes"),
            HasSubstr("model.layers.0.input_layernorm.weight, "), HasSubstr("needs 1 added")));
  EXPECT_THAT(diagnosis.findings(),
              ::testing::Not(::testing::Contains(Verdict::unregistered_parameter)));
}

TEST_F(FieldCases, AWeightThatTheDataDoNotUseIsScanned) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  auto subject = changed([&](const Llama& llama) {
    const auto& embedding = llama.model.embed_tokens.weight;
    auto* row = embedding.elements<float>().data() + 511 * embedding.size(1);
    row[3] = nan;
    row[4] = -std::numeric_limits<float>::infinity();
    fill(llama.model.norm.weight, nan);
  });
  const auto found = diagnosis_of("finite_weights", subject);
  EXPECT_EQ(found.verdict(), Verdict::non_finite);
  EXPECT_EQ(found.evidence(),
            "model.embed_tokens.weight holds nan in row 511 (2 of 16384 numbers), "
            "model.norm.weight holds nan in row 0 (32 of 32 numbers)");
}

TEST_F(FieldCases, TheProgramRefusesWeightsThatAreNoNumbers) {
  const auto subject = changed([&](const Llama& llama) {
    llama.model.layers[0]->mlp.up_proj.weight.elements<float>()[40] =
        std::numeric_limits<float>::infinity();
  });
  const auto folder = small_.path() / "model";
  fs::create_directories(folder);
  save_model(*subject.weights, folder);
  write_text(small_.path() / "text.txt", letters(1, 400));
  const auto said = "model.layers.0.mlp.up_proj.weight holds inf in row 1 (1 of 2048 numbers)";
  expect_error(run_lookback({"eval", folder, "--data", small_.path() / "text.txt"}), 4, said);
  expect_error(run_lookback({"generate", folder, "--prompt=a"}), 4, said);
}

TEST_F(FieldCases, RowsOfZerosThatTheDataUseAreNoted) {
  const auto used = small_.subject("llama").batch().inputs.at(5);
  auto subject = changed([&](const Llama& llama) {
    const auto& embedding = llama.model.embed_tokens.weight;
    const auto numbers = embedding.elements<float>();
    for (const auto row : {used, std::int64_t{511}}) {
      for (std::int64_t i = 0; i < embedding.size(1); ++i)
        numbers[static_cast<std::size_t>(row * embedding.size(1) + i)] = 0;
    }
  });
  const auto diagnosis = run_checks(subject);
  EXPECT_EQ(diagnosis.verdict(), Verdict::healthy) << diagnosis.evidence();
  EXPECT_THAT(diagnosis.notes,
              ElementsAre(AllOf(HasSubstr("rows of model.embed_tokens.weight are 0"),
                                HasSubstr(fmt::format("hold their tokens: {};", used)))));
}

// A byte-level tokenizer of which the words are written in another alphabet.
std::string tokenizer_without_words() {
  return R"({"version": "1.0", "added_tokens": [], "normalizer": null,
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                        "use_regex": true},
      "post_processor": null,
      "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                  "use_regex": true},
      "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>",
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
                "byte_fallback": false, "ignore_merges": false,
                "vocab": {"00": 0, "01": 1, "<unk>": 2}, "merges": []}})";
}

TEST_F(FieldCases, ATextOfOneTokenIsWrongData) {
  const auto text = small_.path() / "text.txt", tokenizer = small_.path() / "hex.json";
  write_text(text, letters(1, 4000));
  write_text(tokenizer, tokenizer_without_words());
  auto subject = small_.subject("llama");
  subject.data = open_data({.data = text, .tokenizer = tokenizer, .block_size = 32});
  const auto diagnosis = run_checks(subject);
  EXPECT_EQ(diagnosis.verdict(), Verdict::wrong_data) << diagnosis.evidence();
  EXPECT_THAT(diagnosis.evidence(),
              MatchesRegex("all of [0-9]+ tokens drawn from the training data are token 2 "
                           "..<unk>..: nothing can be learned from them, and the tokenizer may "
                           "have no words for this text"));
  const auto trained = run_lookback({"train", "--config", small_.config(), "--data", text,
                                     "--tokenizer", tokenizer, "--block-size", "32", "--max-steps",
                                     "1", "--output-dir", small_.path() / "run", "--quiet"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("are token 2 (\"<unk>\"): nothing can be learned"));
  subject.data = open_data({.data = text, .block_size = 32});
  EXPECT_EQ(only_token(*subject.data.training), std::nullopt);
}

class FieldCurves : public FieldCases {
 protected:
  // What is noted of a run with these losses and norms, a step each.
  std::vector<std::string> notes(const std::vector<double>& losses,
                                 const std::vector<double>& norms) const {
    std::string lines;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      lines += nlohmann::json{{"step", i + 1},
                              {"loss", losses[i]},
                              {"accuracy", 0.1},
                              {"grad_norm", norms[i]},
                              {"learning_rate", 1e-3}}
                   .dump() +
               "\n";
    }
    write_text(small_.path() / "metrics.jsonl", lines);
    auto subject = small_.subject("llama");
    subject.folder = small_.path();
    subject.run.emplace();
    return diagnosis_of("run_curve", subject).notes;
  }
};

TEST_F(FieldCurves, ThatBeginTooHighAreNoted) {
  EXPECT_THAT(notes({5.5, 5.4, 5.2, 4.9}, {3, 2, 1, 1}), IsEmpty());
  EXPECT_THAT(notes({5.5, 586.2, 30.5, 4.9}, {3, 2, 1, 1}),
              ElementsAre(MatchesRegex(
                  "the training loss stands above ln V = [0-9.]+, which guessing costs, until step "
                  "3 of 4 .586.2 at step 2.: a learning rate that is too high, or a sum in place "
                  "of a mean")));
  EXPECT_THAT(notes({5.5, 5.4, 5.3, 4.9}, {8624, 3.2, 1, 1}),
              ElementsAre(HasSubstr("the gradient norm is 8624 at step 1 and 3.2 at step 2")));
}

}  // namespace
}  // namespace lookback::tests
