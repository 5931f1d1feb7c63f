// An inspection as a page to learn from.
#pragma once

#include <string>
#include <vector>

#include "apps/data/tokenizer.h"
#include "apps/inspect/inspection.h"
#include "apps/inspect/run_history.h"
#include "apps/report/html_report.h"

namespace lookback {

// What the page says about the model besides what was measured.
struct InspectedModel {
  std::string name;  // where it came from
  const Llama& llama;
  RunHistory history = {};
  const OptimizerView& optimizer;
};

// The tokenizer gives the tokens' names. On axes spaces and line ends are made visible, and bytes
// that are no text are called by their numbers.
HtmlReport inspect_report(const Inspection& inspection, const InspectedModel& model,
                          const Tokenizer& tokenizer);

// Parts of it: each adds a section.
void add_attention(HtmlReport& report, const Inspection& inspection,
                   const std::vector<std::string>& labels);
// Of attention that is not the plain Llama's: its options, its cache, its pattern, its gates.
void add_mechanism(HtmlReport& report, const Inspection& inspection, const LlamaConfig& config,
                   const std::vector<std::string>& labels);
void add_feeding(HtmlReport& report, const Inspection& inspection, const LlamaConfig& config);
void add_learned(HtmlReport& report, const Inspection& inspection, const RunHistory& history);
void add_gradients(HtmlReport& report, const Inspection& inspection);
void add_updates(HtmlReport& report, const Inspection& inspection, const OptimizerView& optimizer);
void add_stream(HtmlReport& report, const Inspection& inspection);
void add_mask_path(HtmlReport& report, const Inspection& inspection);
void add_tape(HtmlReport& report, const std::vector<TapeEntry>& tape);

}  // namespace lookback
