// Everybody a diagnosis can be tried on: small models of every healthy preset, and of every known
// mistake, over many seeds.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/diagnosis/subject.h"
#include "apps/diagnosis/verdict.h"

namespace lookback {

struct TestSubject {
  std::string name;
  LlamaConfig config;  // 2 layers, 32 wide
  Verdict expected = Verdict::healthy;
};

// The presets that are not broken on purpose (those that replace the stream are: severed-path),
// then every fault in the first model that can have it.
std::vector<TestSubject> all_test_subjects();

// Those of these names, in the order of all; no names: all. Throws UsageError for a name that none
// has.
std::vector<TestSubject> test_subjects(const std::vector<std::string>& names);

// A test subject as a subject with sequences of 32 tokens of builtin:stories. Trained: after 50
// steps.
enum class Weights { fresh, trained };
Subject subject_of_test(const TestSubject& test, std::uint64_t seed, Weights weights);

// What came of diagnosing one test subject with several seeds, fresh and (healthy ones) trained.
struct TestSubjectResult {
  TestSubject test;
  std::int64_t diagnoses = 0, right = 0;
  std::map<std::string, std::int64_t> verdicts = {};  // by name
  std::string place = {};                             // where the first one pointed to
  std::vector<std::string> misses = {};               // "seed 3, trained: rows-mixed: EVIDENCE"
  double seconds = 0;                                 // the slowest diagnosis
};
TestSubjectResult diagnose_with_seeds(const TestSubject& test, std::int64_t seeds);

// The results as a Markdown table, and below it the misses.
std::string table_of(const std::vector<TestSubjectResult>& results);

}  // namespace lookback
