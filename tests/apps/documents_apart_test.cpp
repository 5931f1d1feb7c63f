// Documents of one row kept apart: how rows are cut, and that no document sees another.
#include "apps/data/documents_apart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "apps/data/batch_rows.h"
#include "apps/train/accumulate_gradients.h"
#include "apps/train/evaluate.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "nn/layer/preset.h"
#include "runtime/random.h"
#include "tests/apps/small_run.h"
#include "tests/nn/variants.h"

namespace lookback::tests {
namespace {

using lookback::testing::OneThread;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t closing = 1;

// Rows of random tokens, in which about one of `every` closes a document.
TokenBatch random_rows(std::int64_t rows, std::int64_t columns, std::uint64_t every,
                       std::uint64_t seed) {
  auto batch = empty_batch(rows, columns);
  RandomStream random(seed, 0);
  std::vector<std::int64_t> sequence(static_cast<std::size_t>(columns) + 1);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (auto& token : sequence) {
      token = random.below(every) == 0 ? closing : 2 + static_cast<std::int64_t>(random.below(11));
    }
    set_row(batch, row, sequence);
  }
  return batch;
}

std::vector<std::int64_t> one_document(const TokenBatch& batch) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(batch.rows * (batch.columns + 1)), 0);
}

std::vector<DocumentRows> cut(const TokenBatch& batch) {
  const std::vector<std::int64_t> ends = {closing};
  return documents_apart(batch, one_document(batch), ends);
}

TEST(DocumentsApart, EveryInputAndTargetIsThereOnce) {
  for (const std::uint64_t every : {2U, 7U, 40U, 1000U}) {
    const auto whole = random_rows(5, 33, every, every);
    std::set<std::int64_t> seen, lengths;
    std::int64_t fed = 0, scored = 0;
    for (const auto& [batch, places] : cut(whole)) {
      ASSERT_EQ(batch.rows, std::ssize(places));
      EXPECT_TRUE(lengths.insert(batch.columns).second) << "two batches of one length";
      fed += batch.rows * batch.columns;
      scored += batch.scored();
      for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
        const auto t = static_cast<std::int64_t>(i) % batch.columns;
        const auto place = places[i / static_cast<std::size_t>(batch.columns)] + t;
        seen.insert(place);
        EXPECT_EQ(batch.inputs[i], whole.inputs[static_cast<std::size_t>(place)]);
        EXPECT_EQ(batch.targets[i], whole.targets[static_cast<std::size_t>(place)]);
        // A part ends with the token that closes its document, or with its row.
        const bool ends = batch.inputs[i] == closing || (place + 1) % 33 == 0;
        EXPECT_EQ(ends, t + 1 == batch.columns) << place;
      }
    }
    EXPECT_EQ(std::ssize(seen), 5 * 33);
    EXPECT_EQ(fed, 5 * 33);
    EXPECT_EQ(scored, 5 * 33);
  }
}

TEST(DocumentsApart, FilesEndDocumentsToo) {
  auto whole = empty_batch(1, 6);
  set_row(whole, 0, std::vector<std::int64_t>{5, 6, 7, 8, 9, 10, 11});
  const std::vector<std::int64_t> documents = {3, 3, 4, 4, 4, 5, 5};
  const auto rows = documents_apart(whole, documents, {});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_THAT(rows[0].batch.inputs, ElementsAre(7, 8, 9));
  EXPECT_THAT(rows[0].batch.targets, ElementsAre(8, 9, 10));
  EXPECT_THAT(rows[1].batch.inputs, ElementsAre(5, 6));
  EXPECT_THAT(rows[1].batch.targets, ElementsAre(6, 7));
  EXPECT_THAT(rows[2].batch.inputs, ElementsAre(10));
  EXPECT_THAT(rows[2].batch.targets, ElementsAre(11));
}

// A row that has ended early is cut where it ends; one without any target stays.
TEST(DocumentsApart, WhatHasNoTargetIsLeftOut) {
  auto whole = empty_batch(2, 4);
  set_row(whole, 1, std::vector<std::int64_t>{5, 6, 7});
  const auto rows = cut(whole);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_THAT(rows[0].batch.inputs, ElementsAre(5, 6));
  const auto untouched = cut(empty_batch(2, 4));
  ASSERT_EQ(untouched.size(), 1U);
  EXPECT_EQ(untouched[0].batch.inputs.size(), 8U);
}

std::vector<std::string> names_of_healthy_presets() {
  std::vector<std::string> names;
  for (const auto& [name, preset] : presets())
    if (!name.starts_with("fault-") && !name.ends_with("-replace")) names.push_back(name);
  return names;
}

class DocumentsApartOf : public ::testing::TestWithParam<std::string> {
 protected:
  static std::unique_ptr<Llama> model(DType dtype) {
    auto base = lookback::testing::small_config();
    base.max_position_embeddings = 128;
    base.hidden_size = 64;
    base.head_dim = 16;
    base.intermediate_size = 96;
    return lookback::testing::make_variant(
        lookback::testing::preset_variant(base, GetParam()).config, dtype);
  }
};

// Logits of a packed batch are those of each document alone, bit for bit.
TEST_P(DocumentsApartOf, LogitsAreThoseOfEachDocumentAlone) {
  const OneThread one_thread;
  const NoGrad no_grad;
  const auto llama = model(DType::f32);
  const auto whole = random_rows(3, 100, 12, 5);
  for (const auto& [batch, places] : cut(whole)) {
    const auto together = to_vector(llama->logits(token_tensors(batch).ids));
    const auto words = llama->config.vocab_size, length = batch.columns;
    for (std::size_t row = 0; row < places.size(); ++row) {
      const auto from = whole.inputs.begin() + places[row];
      const auto alone = to_vector(
          llama->logits(from_values(std::vector<std::int64_t>(from, from + length), {1, length})));
      const auto* found = together.data() + row * static_cast<std::size_t>(length * words);
      ASSERT_EQ(std::memcmp(found, alone.data(), alone.size() * sizeof(double)), 0)
          << "a document of " << length << " tokens, one of " << batch.rows;
    }
  }
}

// The gradient of a batch whose documents are kept apart is the sum of the documents' own.
TEST_P(DocumentsApartOf, GradientsAreTheSumOfEachDocumentsOwn) {
  const OneThread one_thread;
  const auto llama = model(DType::f64);
  const auto whole = random_rows(2, 24, 4, 9);
  std::vector<TokenBatch> packed, alone;
  for (auto& [batch, places] : cut(whole)) {
    for (const auto place : places) {
      auto& one = alone.emplace_back(empty_batch(1, batch.columns));
      std::copy_n(whole.inputs.begin() + place, batch.columns, one.inputs.begin());
      std::copy_n(whole.targets.begin() + place, batch.columns, one.targets.begin());
    }
    packed.push_back(std::move(batch));
  }
  ASSERT_LT(packed.size(), alone.size());
  const auto gradients = [&](const std::vector<TokenBatch>& batches) {
    const auto measures = accumulate_gradients(*llama, batches);
    EXPECT_EQ(measures.tokens, 48);
    EXPECT_EQ(measures.targets, 48);
    std::map<std::string, Tensor> all;
    for (const auto& [name, tensor, initial] : llama->parameters()) all[name] = gradient(tensor);
    clear_gradients(llama->parameters());
    return all;
  };
  const auto together = gradients(packed), apart = gradients(alone);
  for (const auto& [name, expected] : apart) {
    const auto& found = together.at(name);
    ASSERT_EQ(found.defined(), expected.defined()) << name;
    if (!expected.defined()) continue;
    EXPECT_LE(lookback::testing::largest_difference(found, expected),
              1e-11 * (1 + lookback::testing::largest_element(expected)))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Presets, DocumentsApartOf, ::testing::ValuesIn(names_of_healthy_presets()),
                         [](const auto& tested) {
                           auto name = tested.param;
                           std::ranges::replace_if(
                               name, [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

// Three texts in a folder, in bytes.
class RunWithDocumentsApart : public ::testing::Test {
 protected:
  RunWithDocumentsApart() {
    std::filesystem::create_directory(folder());
    for (int i = 0; i < 12; ++i) {
      std::string text;
      for (int n = 0; n < 20 + 3 * i; ++n) text += fmt::format("{} times {}; ", i, n * n % 31);
      write_text(folder() / fmt::format("{:02}.txt", i), text);
    }
  }
  std::filesystem::path folder() const { return small.path() / "texts"; }
  ProgramResult train(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {
        "--data",   folder().string(), "--no-cross-document-attention", "--block-size", "64",
        "--config", config()};
    all.insert(all.end(), more.begin(), more.end());
    return small.train(all);
  }
  std::string config() const {
    auto model = small.model;
    model["max_position_embeddings"] = 64;
    write_text(small.path() / "long.json", model.dump());
    return small.path() / "long.json";
  }
  const SmallRun small;
};

TEST_F(RunWithDocumentsApart, EvaluationRepeatsTheRunsOwn) {
  const auto run = train({"--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto eval = run_lookback({"eval", small.run(), "--json"});
  EXPECT_EQ(SmallRun::json(eval)["loss"], SmallRun::json(run)["validation_loss"]) << eval.err;
  // Another number than with documents that see each other, over the same tokens.
  const auto all = run_lookback({"eval", small.run(), "--data", folder().string(), "--json"});
  const auto options = small.run() + "/options.toml";
  EXPECT_THAT(read_text(options), HasSubstr("no_cross_document_attention = true"));
  const auto model = small.path() / "model";
  std::filesystem::create_directory(model);
  for (const auto* name : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(std::filesystem::path(small.run()) / name, model / name);
  const std::vector<std::string> plain = {
      "eval", model.string(), "--data", folder().string(), "--block-size", "64", "--json"};
  const auto seen = run_lookback(plain);
  EXPECT_EQ(SmallRun::json(seen)["tokens"], SmallRun::json(all)["tokens"]);
  EXPECT_NE(SmallRun::json(seen)["loss"], SmallRun::json(all)["loss"]);
  auto given = plain;
  given.push_back("--no-cross-document-attention");
  EXPECT_EQ(SmallRun::json(run_lookback(given))["loss"], SmallRun::json(all)["loss"]);
}

TEST_F(RunWithDocumentsApart, AResumedRunKeepsThemApart) {
  ASSERT_EQ(train({"--max-steps", "4", "--lr-scheduler-type", "constant"}).code, 0);
  ASSERT_EQ(run_lookback(
                {"train", "--resume", "--max-steps", "6", "--output-dir", small.run(), "--quiet"})
                .code,
            0);
  const auto resumed = read_text(small.run() + "/model.safetensors");
  ASSERT_EQ(train({"--overwrite", "--lr-scheduler-type", "constant"}).code, 0);
  EXPECT_TRUE(resumed == read_text(small.run() + "/model.safetensors"));
}

TEST_F(RunWithDocumentsApart, DocumentsWithoutEndsAreRefused) {
  expect_error(small.train({"--no-cross-document-attention"}), 2,
               "nothing says where documents end: the data are one file, and the tokenizer bytes "
               "has no end token");
  EXPECT_FALSE(std::filesystem::exists(small.run()));
}

}  // namespace
}  // namespace lookback::tests
