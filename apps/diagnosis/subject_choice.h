// From what people write to what is diagnosed.
#pragma once

#include <string>
#include <vector>

#include "apps/data/data_flags.h"
#include "apps/diagnosis/subject.h"
#include "apps/model/model_choice.h"

namespace lookback {

struct SubjectChoice {
  std::string folder;  // DIR; empty: `config` and `presets`
  std::string config;
  std::vector<std::string> presets = {"llama"};
  std::string fault;      // laid over either; empty: none
  std::string tokenizer;  // bytes or a file, for text; empty: the folder's own, or bytes
  DataFlags data_flags;
  std::string data;  // SPEC; empty: the run's own, else builtin:stories, or random tokens
  std::optional<std::int64_t> block_size;
  Effort effort = Effort::quick;
  std::uint64_t seed = 0;
};

// Throws Error for a folder without a model, a fault of unknown name or that this model cannot
// have, data that do not fit, and a block size that the model cannot take.
Subject choose_subject(const SubjectChoice& choice);

// The same for a config that is there already; the choice's folder, config and presets do not
// count.
Subject subject_of(const LlamaConfig& config, ModelChoice::Vocabulary vocabulary,
                   const SubjectChoice& choice);

// The subject with another fault ("": none) and the same data.
Subject with_fault(const Subject& subject, const std::string& fault);

}  // namespace lookback
