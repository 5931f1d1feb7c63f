#include "apps/diagnosis/test_subjects.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "apps/cli/exit_code.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/probe.h"
#include "apps/diagnosis/subject_choice.h"
#include "apps/model/model_choice.h"
#include "nn/layer/attention_options.h"
#include "nn/layer/preset.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

constexpr std::int64_t tokens = 32;
constexpr std::int64_t training_steps = 50;

// The edges of two kinds of tiles lie below so many positions: more only take longer.
constexpr std::int64_t most_positions = 72;

LlamaConfig small_model(const std::string& preset) {
  auto config = shrunk(choose_model("smoke", {preset}).config);
  config.max_position_embeddings = most_positions;
  return config;
}

// The model of a mistake in an attention other than the plain one.
LlamaConfig with_attention_of(const FaultInjection& fault) {
  auto config = small_model(std::string(fault.preset()));
  config.num_key_value_heads = config.num_attention_heads;
  config.attention =
      read_attention(nlohmann::json::parse(fault.attention_mechanism()), "diagnosis", config);
  return config;
}

// The first model that can have the fault.
LlamaConfig host_of(const std::string& fault) {
  const auto injected = Faults::make(fault);
  if (!injected->attention_mechanism().empty()) {
    auto config = with_attention_of(*injected);
    config.fault = fault;
    return config;
  }
  for (const auto* preset : {"llama", "method1", "method3.2", "method5.1"}) {
    for (const bool tied : {true, false}) {
      auto config = small_model(preset);
      config.tie_word_embeddings = tied;
      config.fault = fault;
      if (injected->missing_in(config).empty()) return config;
    }
  }
  fail("diagnosis", "no model can have the fault {}", fault);
}

std::string place_of(const Diagnosis& diagnosis) {
  return diagnosis.leak ? describe(*diagnosis.leak) : diagnosis.evidence();
}

std::string miss_of(const Diagnosis& diagnosis, std::int64_t seed, Weights weights) {
  return fmt::format("seed {}, {}: {}: {}", seed, weights == Weights::fresh ? "fresh" : "trained",
                     name_of(diagnosis.verdict()), place_of(diagnosis));
}

}  // namespace

std::vector<TestSubject> all_test_subjects() {
  std::vector<TestSubject> all;
  for (const auto& [name, preset] : presets()) {
    if (name.starts_with("fault-")) continue;
    const bool replaced = name.ends_with("-replace");
    all.push_back({name, small_model(name), replaced ? Verdict::severed_path : Verdict::healthy});
  }
  for (const auto& name : Faults::names()) {
    all.push_back({name, host_of(name), Faults::make(name)->verdict()});
  }
  return all;
}

std::vector<TestSubject> test_subjects(const std::vector<std::string>& names) {
  auto all = all_test_subjects();
  if (names.empty()) return all;
  std::vector<std::string> known;
  for (const auto& test : all) known.push_back(test.name);
  for (const auto& name : names) {
    if (std::ranges::find(known, name) != known.end()) continue;
    usage_error("--subject {}: no preset and no fault of the table; the nearest is {}", name,
                nearest_name(name, known));
  }
  std::erase_if(all, [&](const TestSubject& test) {
    return std::ranges::find(names, test.name) == names.end();
  });
  return all;
}

Subject subject_of_test(const TestSubject& test, std::uint64_t seed, Weights weights) {
  SubjectChoice choice;
  choice.seed = seed;
  choice.block_size = tokens;
  auto subject = subject_of(test.config, ModelChoice::Vocabulary::of_data, choice);
  if (weights == Weights::trained) {
    std::shared_ptr<const Llama> llama = subject.fresh_model();
    train_probe(*llama, *subject.data.training,
                {.steps = training_steps, .batch_size = 4, .block_size = tokens});
    subject.weights = llama;
  }
  return subject;
}

TestSubjectResult diagnose_with_seeds(const TestSubject& test, std::int64_t seeds) {
  using Clock = std::chrono::steady_clock;
  TestSubjectResult result{.test = test};
  for (std::int64_t seed = 0; seed < seeds; ++seed) {
    for (const auto weights : {Weights::fresh, Weights::trained}) {
      if (weights == Weights::trained && test.expected != Verdict::healthy) continue;
      const auto start = Clock::now();
      const auto subject = subject_of_test(test, static_cast<std::uint64_t>(seed), weights);
      const auto diagnosis = run_checks(subject);
      const std::chrono::duration<double> taken = Clock::now() - start;
      result.seconds = std::max(result.seconds, taken.count());
      ++result.diagnoses;
      if (diagnosis.verdict() == test.expected) {
        ++result.right;
      } else {
        result.misses.push_back(miss_of(diagnosis, seed, weights));
      }
      ++result.verdicts[std::string(name_of(diagnosis.verdict()))];
      if (result.place.empty()) result.place = place_of(diagnosis);
    }
  }
  return result;
}

std::string table_of(const std::vector<TestSubjectResult>& results) {
  std::string text =
      "| test subject | its verdict | right | place or evidence, seed 0 | seconds |\n";
  text += "| --- | --- | --- | --- | --- |\n";
  for (const auto& result : results) {
    text += fmt::format("| {} | {} | {} of {} | {} | {:.2f} |\n", result.test.name,
                        name_of(result.test.expected), result.right, result.diagnoses, result.place,
                        result.seconds);
  }
  for (const auto& result : results) {
    for (const auto& miss : result.misses)
      text += fmt::format("\n{}, {}\n", result.test.name, miss);
  }
  return text;
}

}  // namespace lookback
