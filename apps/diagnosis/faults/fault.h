// Known mistakes, made on purpose: test subjects for the diagnosis. A model has one only where its
// config.json names it (`fault`); each is one file that registers itself. A mistake changes what
// it wants to change of ModelHooks (nn/layer/model_hooks.h) and says which verdict it must get.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/token_source.h"
#include "apps/diagnosis/verdict.h"
#include "nn/layer/model_hooks.h"

namespace lookback {

// What a run reads: the names its user gave, and the part of the data it is evaluated on.
struct DataChoice {
  std::string training, validation;  // validation: empty where none was named
  std::string validation_split = "validation";
  bool document_ends = true;  // false: the tokens that close documents are left out
  friend bool operator==(const DataChoice&, const DataChoice&) = default;
};

class FaultInjection : public ModelHooks {
 public:
  // One line: what is wrong.
  virtual std::string_view description() const = 0;
  // The verdict that a diagnosis must come to.
  virtual Verdict verdict() const = 0;
  // What a model must have for this fault to be one; empty: it has it.
  virtual std::string_view missing_in(const LlamaConfig&) const { return {}; }
  // The attention that it is a mistake of, as the value of config.json's attention_mechanism: of a
  // small model of 4 heads of 8 that can have it. Empty: the plain one.
  virtual std::string_view attention_mechanism() const { return {}; }
  // All positions, for a mistake may see what the pattern hides.
  CacheReach cache_reach(const CacheReach&) const override { return {}; }
  // The preset of that model, beside its attention.
  virtual std::string_view preset() const { return "llama"; }
  // What a run trains and evaluates on.
  virtual DataChoice data(const DataChoice& choice) const { return choice; }
  // What it reads of them.
  virtual TokenData read(const TokenData& data) const { return data; }

  // What of a model it changes; a test holds it to that.
  //   logits, short_logits, scaled_logits: of 20 tokens; of 6; of 20 with queries and keys a
  //   thousand times larger
  //   evaluated, decoded: logits without gradients; token by token through a cache
  //   loss, count: of one batch
  //   step, gradient: the loss and the gradients of a step of two unequal micro-batches
  //   recomputed: the gradients of a step that runs its layers again, against one that does not
  //   optimized, rate: the parameters and the learning rate that the optimizer is given
  //   data: what a run reads
  enum class Change {
    logits,
    short_logits,
    scaled_logits,
    evaluated,
    decoded,
    loss,
    count,
    step,
    gradient,
    recomputed,
    optimized,
    rate,
    data
  };
  using Changes = std::set<Change>;
  virtual Changes changes() const = 0;

  // All faults make attention's weights as a tensor, and read the count of targets on the host.
  AttentionPath attention_path(AttentionPath) const final {
    return AttentionPath::explicit_weights;
  }
  std::shared_ptr<const AttentionReplay> replay(const AttentionPieces& pieces,
                                                const MaskedWeights& recorded) const final;
  CrossEntropyResult loss(const Tensor& normed, const Tensor& vocabulary_weight,
                          const Tensor& targets, Products products,
                          const CrossEntropyOptions& options) const final;
  std::int64_t targets_counted(std::int64_t, const CrossEntropyResult& loss) const final {
    return static_cast<std::int64_t>(loss.count.item());
  }
  bool capturable() const final { return false; }

  // The weights that a later layer applies when it runs that layer again: asked in the later layer,
  // once per use.
  virtual MaskedWeights attention_again(const AttentionPieces&,
                                        const MaskedWeights& recorded) const {
    return recorded;
  }
  // The loss of logits [B, T, V] against those targets.
  virtual CrossEntropyResult loss_of_logits(const Tensor& logits, const Tensor& targets,
                                            const CrossEntropyOptions& options) const;

 protected:
  // Whatever logits and losses a fault of the forward pass reaches, and all of these but some.
  static Changes forward_changes(const Changes& but = {});
};

using Faults = Registry<FaultInjection>;

// A file-level object of this type adds a fault under its name, for diagnoses and for models.
template <class Fault>
struct AddFault {
  explicit AddFault(const std::string& name)
      : fault(name, [] { return std::make_unique<Fault>(); }),
        hooks(name, [name](const LlamaConfig& config) {
          auto made = std::make_unique<Fault>();
          check_possible(*made, name, config);
          return made;
        }) {}

  Faults::Add fault;
  FaultHooks::Add hooks;
};

// Throws Error, saying what it would need, for a fault that a model cannot have.
void check_possible(const FaultInjection& fault, std::string_view name, const LlamaConfig& config);
void check_fault_of(const LlamaConfig& config);

// The data of a run of this model: as given, but for a fault that says otherwise.
DataChoice data_of(const LlamaConfig& config, const DataChoice& given);
TokenData read_by(const LlamaConfig& config, const TokenData& opened);

}  // namespace lookback
