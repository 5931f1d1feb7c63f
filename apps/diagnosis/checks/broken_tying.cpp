// Weights that the config ties: one tensor, in the model and in its file.
#include <set>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/model/model_folder.h"
#include "autograd/grad_mode.h"
#include "autograd/scope.h"
#include "kernels/core/slot.h"

namespace lookback {
namespace {

constexpr auto embedding_name = "model.embed_tokens.weight", head_name = "lm_head.weight";

class BrokenTying final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::broken_tying; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    if (!subject.config.tie_word_embeddings) return;
    if (subject.folder) file(*subject.folder, diagnosis);
    memory(subject, diagnosis);
  }

 private:
  static void file(const std::filesystem::path& folder, Diagnosis& diagnosis) {
    const std::string name = "tied weights in the file";
    const auto weights = open_weights(folder);
    const auto names = weights.names();
    const std::set<std::string> all(names.begin(), names.end());
    if (!all.contains(head_name) || !all.contains(embedding_name)) return;
    const double difference =
        largest_difference(weights.load(head_name), weights.load(embedding_name));
    const auto evidence = fmt::format("{} and {} differ by {:.3g}, and the config ties them",
                                      head_name, embedding_name, difference);
    if (difference == 0) {
      diagnosis.passed(name, 0, 0, "they are equal");
    } else {
      diagnosis.failed(Verdict::broken_tying, name, difference, 0, evidence);
    }
  }

  // Whether what the projection reads is the embedding's own memory.
  static void memory(const Subject& subject, Diagnosis& diagnosis) {
    const NoGrad no_grad;
    const std::string name = "tied weights in the model";
    const auto llama = subject.fresh_model();
    const auto& embedding = llama->model.embed_tokens.weight;
    bool reads_embedding = false;
    {
      const kernels::ObserveKernels observe([&](const auto& slot, const auto& inputs, const auto&) {
        if (slot.name != "matmul_forward" || *Scope::current() != "lm_head") return;
        for (const auto& input : inputs) reads_embedding |= input.data == embedding.raw_data();
      });
      llama->logits(subject.random_ids(1, 1), subject.forward());
    }
    if (reads_embedding) {
      diagnosis.passed(name, 0, 0, "the projection to the vocabulary reads the embedding");
    } else {
      diagnosis.failed(Verdict::broken_tying, name, 1, 0,
                       fmt::format("lm_head: the projection to the vocabulary reads a tensor of "
                                   "its own, not {}",
                                   embedding_name));
    }
  }
};

const DiagnosisChecks::Add registered{"broken_tying",
                                      [] { return std::make_unique<BrokenTying>(); }};

}  // namespace
}  // namespace lookback
