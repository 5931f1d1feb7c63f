// A SPEC of several sources with weights: "a.txt:0.7 b.jsonl:0.3".
#pragma once

#include <span>
#include <string>
#include <vector>

namespace lookback {

struct WeightedSpec {
  std::string spec;
  double weight = 0;  // as it is written: rows are drawn in proportion to it
};

// Of a SPEC of one source: empty. Throws UsageError for weights that are not positive and finite,
// for a built-in source among them, and for a source that is named twice.
std::vector<WeightedSpec> parts_of_mixture(const std::string& spec);
std::string spec_of(const std::vector<WeightedSpec>& parts);

// The same command line with the words of a mixture, `--data a:0.7 b:0.3`, in one.
std::vector<std::string> with_whole_mixtures(std::span<const std::string> arguments);

}  // namespace lookback
