#include "apps/diagnosis/subject_choice.h"

#include "apps/data/open.h"
#include "apps/data/uniform_source.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/model/model_choice.h"
#include "apps/model/model_folder.h"
#include "nn/llama/variant_of_weights.h"

namespace lookback {
namespace {

constexpr std::int64_t default_block_size = 64;

// Tokens that no source speaks for: random ones of the model's own vocabulary.
TokenData random_tokens(const Subject& subject, Split validated) {
  const auto source = [&](BuiltInPart part) {
    return std::make_shared<UniformSource>(subject.seed, part, subject.config.vocab_size);
  };
  return {
      .training = source(BuiltInPart::training),
      .validation = source(validated == Split::train ? BuiltInPart::training : BuiltInPart::fresh)};
}

void open(Subject& subject, const SubjectChoice& choice, ModelChoice::Vocabulary vocabulary) {
  const auto& spec = choice.data;
  DataOptions wanted{.data = spec,
                     .tokenizer = choice.tokenizer,
                     .seed = subject.seed,
                     .block_size = subject.block_size};
  choice.data_flags.set(wanted);
  if (subject.folder) {
    wanted.model_tokenizer = tokenizer_file_of(*subject.folder, subject.run);
    wanted.model_without_tokenizer = folder_without_tokenizer(*subject.folder, subject.run);
  }
  if (spec.empty() && subject.run) {
    wanted.data = subject.run->options.data;
    wanted.validation_data = subject.run->options.validation_data;
    choice.data_flags.take_those_of_run(wanted, subject.run->options.data_flags);
    wanted.seed = subject.run->seed;
  }
  if (wanted.data.empty() && vocabulary == ModelChoice::Vocabulary::of_data) {
    wanted.data = "builtin:stories";
  }
  const auto chosen = data_of(subject.config, {wanted.data, wanted.validation_data});
  wanted.data = chosen.training;
  wanted.validation_data = chosen.validation;
  wanted.document_ends = chosen.document_ends;
  const auto validated = split_of(chosen.validation_split);
  if (wanted.data.empty()) {
    subject.data = random_tokens(subject, validated);
    return;
  }
  if (vocabulary == ModelChoice::Vocabulary::given) {
    wanted.vocabulary_size = subject.config.vocab_size;
  }
  subject.data = open_data(wanted);
  if (validated != Split::validation) {
    subject.data.validation = open_evaluation(wanted, validated);
  }
  subject.data = read_by(subject.config, subject.data);
  if (vocabulary == ModelChoice::Vocabulary::of_data) {
    subject.config.vocab_size = subject.data.training->vocabulary_size();
  }
}

ModelChoice model_of(const SubjectChoice& choice) {
  if (choice.folder.empty()) return choose_model(choice.config, choice.presets);
  const std::filesystem::path folder(choice.folder);
  const auto config = read_model_config(folder);
  return {.config = config_for_weights(config, weight_names(folder)),
          .vocabulary = ModelChoice::Vocabulary::given};
}

}  // namespace

Subject with_fault(const Subject& subject, const std::string& fault) {
  auto result = subject;
  set_fault(result.config, fault);
  check_fault_of(result.config);  // throws where this model cannot have it
  return result;
}

Subject subject_of(const LlamaConfig& config, ModelChoice::Vocabulary vocabulary,
                   const SubjectChoice& choice) {
  Subject subject;
  subject.config = config;
  subject.effort = choice.effort;
  subject.seed = choice.seed;
  if (!choice.folder.empty()) {
    check_model_files(choice.folder);  // some verdicts come before the weights are read
    subject.folder = choice.folder;
    subject.run = run_options_for_reading(choice.folder);
    if (subject.run) subject.options = subject.run->options;
  }
  subject = with_fault(subject, choice.fault.empty() ? config.fault : choice.fault);
  const auto most = subject.config.max_position_embeddings;
  subject.block_size = choice.block_size.value_or(std::min(default_block_size, most));
  if (subject.block_size > most) {
    fail("diagnose", "a block size of {}: must be at most max_position_embeddings={} of the config",
         subject.block_size, most);
  }
  open(subject, choice, vocabulary);
  return subject;
}

Subject choose_subject(const SubjectChoice& choice) {
  const auto model = model_of(choice);
  auto subject = subject_of(model.config, model.vocabulary, choice);
  subject.given_config = choice.config;
  subject.given_presets = choice.presets;
  return subject;
}

}  // namespace lookback
