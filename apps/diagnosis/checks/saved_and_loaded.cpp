// A model and a checkpoint, written as training writes them and read as everything reads them: the
// same config, the same bits, and the same next step.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/recorded_steps.h"
#include "apps/diagnosis/scratch_folder.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/model/model_choice.h"
#include "apps/model/model_folder.h"
#include "apps/train/checkpoint.h"
#include "apps/train/trainer.h"
#include "autograd/grad_mode.h"
#include "nn/llama/config_file.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// A larger model is written as a small one of its kind.
constexpr double most_numbers = 1 << 22;

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const auto left = on_host(a), right = on_host(b);
  const auto bytes = static_cast<std::size_t>(a.numel()) * size_of(a.dtype());
  return std::memcmp(left.raw_data(), right.raw_data(), bytes) == 0;
}

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

std::vector<NamedTensor> tensors_of(const Llama& llama) {
  std::vector<NamedTensor> all;
  for (const auto& [name, tensor, initial] : llama.parameters()) all.push_back({name, tensor});
  return all;
}

std::vector<NamedTensor> moments_of(const AdamW& optimizer) {
  std::vector<NamedTensor> all;
  for (const auto& [name, first, second] : optimizer.states()) {
    all.push_back({"the first moment of " + name, first});
    all.push_back({"the second moment of " + name, second});
  }
  return all;
}

// The first tensor that is not what it was; empty: all are.
std::string difference_of(const std::vector<NamedTensor>& before,
                          const std::vector<NamedTensor>& after) {
  if (before.size() != after.size())
    return fmt::format("there are {} tensors, and there were {}", after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto& [name, tensor] = before[i];
    const auto& read = after[i];
    if (name != read.name) return fmt::format("{} stands where {} stood", read.name, name);
    if (same_bits(tensor, read.tensor)) continue;
    if (tensor.shape() != read.tensor.shape())
      return fmt::format("{} is {}, and was {}", name, read.tensor.shape(), tensor.shape());
    return fmt::format("{} differs by up to {:.3g} from what it was", name,
                       largest_difference(tensor, read.tensor));
  }
  return {};
}

double numbers_in(const LlamaConfig& config) {
  double count = 2 * static_cast<double>(config.vocab_size * config.hidden_size);
  count += static_cast<double>(config.num_hidden_layers * config.hidden_size) *
           static_cast<double>(4 * config.hidden_size + 3 * config.intermediate_size);
  return count;
}

class SavedAndLoaded final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const ScratchFolder scratch;
    const bool is_large = numbers_in(subject.config) > most_numbers;
    model(is_large ? shrunk(subject) : subject, scratch.fresh("model"), diagnosis);
    checkpoint(shrunk(subject), scratch.fresh("run"), diagnosis);
  }

 private:
  static void model(const Subject& subject, const std::filesystem::path& folder,
                    Diagnosis& diagnosis) {
    const auto before = subject.model();
    save_model(*before, folder);
    const auto after = load_model(folder, before->precision);
    // As its own text is read: sizes that others decide are not kept (those of latent attention).
    const auto written = parse_llama_config(to_json(before->config), "diagnosis");
    auto found = difference_of_configs(after->config, written);
    if (found.empty()) found = difference_of(tensors_of(*before), tensors_of(*after));
    const auto tokens = std::min<std::int64_t>(8, subject.config.max_position_embeddings);
    const auto ids = subject.random_ids(1, tokens, 5000);
    const NoGrad no_grad;
    if (found.empty() && !same_bits(before->logits(ids), after->logits(ids)))
      found = "the logits of the loaded model are others";
    report("a model that is saved and loaded", found,
           fmt::format("config, the bits of {} tensors, and the logits are what they were",
                       before->parameters().size()),
           diagnosis);
  }

  // Ten steps with checkpoints behind the last three, and the next step, by the run and by one that
  // goes on from there. Their names have one digit and two.
  static void checkpoint(const Subject& subject, const std::filesystem::path& folder,
                         Diagnosis& diagnosis) {
    constexpr std::int64_t last = 10, limit = 2;
    auto options = planned_options(subject);
    options.batch_size = 1;
    options.block_size = subject.block_size;
    options.gradient_accumulation_steps = 1;
    const auto going_on = subject.fresh_model();
    auto forward = forward_options_of(options, *going_on);
    const ModelHooks healthy;  // a known mistake may keep what no file holds
    forward.hooks = &healthy;
    Trainer trainer(*going_on, options, forward);
    const auto step = [&](Trainer& who, std::int64_t number) {
      who.take(number, who.micro_batches(*subject.data.training, number));
    };
    for (std::int64_t done = 1; done <= last; ++done) {
      step(trainer, done - 1);
      if (done <= last - limit - 1) continue;
      const TrainerState state{.step = done,
                               .seed = subject.seed,
                               .ties = CheckpointTies{.config = to_json(going_on->config)}};
      save_checkpoint(
          WorkFolder(folder),
          contents_of(*going_on, trainer.whole_moments(), trainer.adamw().steps_taken(), state),
          limit);
    }
    clear_gradients(going_on->parameters());  // no checkpoint holds what a step left of them
    const auto written = newest_checkpoint(folder);
    if (!written) return report(name_of_checkpoint, "there is none", "", diagnosis);
    if (const auto wrong = wrong_checkpoints(folder, *written, last, limit); !wrong.empty())
      return report(name_of_checkpoint, wrong, "", diagnosis);
    const auto resumed = load_model(written->path, going_on->precision);
    Trainer other(*resumed, options, forward);
    other.load_moments(*written);
    auto found = difference_of(tensors_of(*going_on), tensors_of(*resumed));
    if (found.empty())
      found = difference_of(moments_of(trainer.adamw()), moments_of(other.adamw()));
    const bool as_saved = found.empty();
    if (as_saved) {
      step(trainer, last);
      step(other, last);
      found = difference_of(tensors_of(*going_on), tensors_of(*resumed));
      if (!found.empty()) found = "after the next step " + found;
    }
    // Of what was saved all is there: the step itself hangs on something else.
    report(name_of_checkpoint, found,
           "weights and moments are what they were, and so is the next step, to the bit", diagnosis,
           as_saved ? Verdict::wrong_step : Verdict::paths_disagree);
  }

  // Of the steps up to `last` the newest `limit` are kept, and the newest of them is gone on from.
  static std::string wrong_checkpoints(const std::filesystem::path& folder,
                                       const FoundCheckpoint& newest, std::int64_t last,
                                       std::int64_t limit) {
    for (auto step = last; step > last - limit; --step) {
      const auto name = fmt::format("checkpoint-{}", step);
      if (!std::filesystem::is_directory(folder / name))
        return fmt::format("{} is not there, one of the newest {}", name, limit);
    }
    if (newest.step == last) return {};
    return fmt::format("the newest checkpoint is said to be that of step {}, and it is that of {}",
                       newest.step, last);
  }

  static constexpr const char* name_of_checkpoint = "a checkpoint that is saved and loaded";

  static void report(const std::string& name, const std::string& found, const std::string& healthy,
                     Diagnosis& diagnosis, Verdict finding = Verdict::paths_disagree) {
    if (found.empty()) {
      diagnosis.compared(Verdict::paths_disagree, name, "what was saved", 0, 0, healthy);
    } else {
      diagnosis.failed(finding, name, 1, 0, "read back, " + found);
    }
  }
};

const DiagnosisChecks::Add registered{"saved_and_loaded",
                                      [] { return std::make_unique<SavedAndLoaded>(); }};

}  // namespace
}  // namespace lookback
