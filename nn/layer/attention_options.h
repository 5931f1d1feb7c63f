// What config.json says about a layer's attention: its key attention_mechanism, an object or one
// object per layer, {"type": name, option: value, ..}. An object is read by the type that it names,
// into options of the type's own; those make the layer's module. docs/variants.md has the keys.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/layer/attention_pattern.h"
#include "nn/layer/config.h"
#include "nn/layer/config_reader.h"
#include "nn/layer/head_options.h"
#include "nn/precision.h"
#include "runtime/registry.h"

namespace lookback {

class AttentionMechanism;
struct ChildOf;

// An object of attention_mechanism, and the sizes of the model it stands in.
struct AttentionText {
  const ConfigReader& reader;
  const LlamaConfig& config;
};

// An option of every type that a type has no meaning for: no value but the default, or these alone.
struct RefusedOption {
  std::string_view key;
  std::vector<std::string_view> values = {};
};
// The keys of a type: those of its own, and those of every type that it does not take.
struct TypeKeys {
  std::vector<std::string_view> own;
  std::vector<RefusedOption> refused = {};
};

// Multiply-adds of a layer's attention in a forward pass, per token: the table of
// docs/mechanisms.md. Norms, rotary positions and softmaxes, which are no products, are left out.
struct AttentionWork {
  std::int64_t projections = 0;  // products with parameters
  std::int64_t per_key = 0;      // scores and values of all heads, for each key that a query sees
  std::int64_t state = 0;        // in their place, where the past is a state of one size
  double at(double keys_seen) const {
    return static_cast<double>(projections + state) + static_cast<double>(per_key) * keys_seen;
  }
};
// Of queries, keys and values of the config's heads, and an output projection.
AttentionWork work_of_heads(const LlamaConfig& config);

class AttentionOptions : public HeadOptions {
 public:
  static constexpr std::string_view family = "attention_mechanism";
  // The type of a layer that config.json says nothing about.
  static constexpr std::string_view default_type = "causal";

  virtual ~AttentionOptions();
  const std::string& type() const { return type_; }
  virtual std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                                   std::int64_t layer,
                                                   Precision precision) const = 0;
  // The width of a query and a key, whose products layers can add up; absent: it has no such
  // scores. A width that heads share is divided among them.
  virtual std::optional<double> score_width(const LlamaConfig& config) const = 0;
  // The width of what rotary positions turn, pair by pair; absent: its own options say it.
  virtual std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const = 0;
  virtual AttentionWork work(const LlamaConfig& config) const = 0;
  // What a gate of its trace stands for, where it has gates.
  virtual std::string_view gated() const { return {}; }
  // Whether nothing reads a layer's normalized input but its linear projections.
  virtual bool only_products_read_input() const { return false; }
  // Whether its cache can follow a policy that drops tokens.
  virtual bool drops_tokens() const { return false; }
  // Whether layers that are run again keep their attention weights, also where those of others
  // follow from queries and keys.
  virtual bool keeps_weights() const { return false; }
  // The same mechanism in a model of other sizes.
  virtual std::shared_ptr<const AttentionOptions> resized(const LlamaConfig& config) const = 0;
  // The object that it was read from, with every option that is not at its default.
  nlohmann::ordered_json to_json() const;
  bool is_default() const;

  // Leaves out what says the default: it is not written, and means nothing under
  // score_accumulation.
  void drop_defaults(const LlamaConfig& config);

 protected:
  // Reads the options of every type. Throws Error for keys that are neither these nor its own, and
  // for those that it refuses.
  AttentionOptions(std::string_view type, const AttentionText& text, TypeKeys keys);
  // The options of its own.
  virtual void write_own(nlohmann::ordered_json&) const {}

  // For a type whose query heads have a key head each.
  static void require_own_key_heads(const AttentionText& text);

 private:
  std::string type_;
};

// By type.
using AttentionTypes = Registry<AttentionOptions, AttentionText>;

// Reads the value of attention_mechanism. Empty where every layer has the default.
std::vector<AttentionChoice> read_attention(const nlohmann::json& value, std::string_view where,
                                            const LlamaConfig& config);
// Throws Error unless every layer's scores can be added to those of the layers before it.
void check_accumulation(const LlamaConfig& config, std::string_view where);
// What to write for it.
nlohmann::ordered_json attention_json(const LlamaConfig& config);
// The options of a layer.
std::shared_ptr<const AttentionOptions> attention_of(const LlamaConfig& config, std::int64_t layer);
// The config's attention in a model of its sizes, after they were changed.
std::vector<AttentionChoice> resized_attention(const LlamaConfig& config);

// From the plain attention to the config's, an option at a time.
struct AttentionStep {
  std::string axis;
  std::vector<AttentionChoice> attention;
};
std::vector<AttentionStep> attention_steps(const LlamaConfig& config);

}  // namespace lookback
