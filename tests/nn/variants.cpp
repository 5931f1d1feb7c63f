#include "tests/nn/variants.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "nn/layer/preset.h"
#include "nn/layer/score_scheme.h"
#include "nn/llama/config_file.h"
#include "runtime/parallel.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

using Site = CrossLayerResidual::Site;
using Weights = CrossLayerResidual::Weights;
using Stream = CrossLayerResidual::Stream;

// The documentation's example of a new scheme, which has its own tests.
constexpr std::string_view example_scale = "decayed";

std::string name_of(const LlamaConfig& config) {
  const auto& scale = config.score_scale;
  if (!config.cross_layer_residual) return scale.empty() ? "plain" : scale;
  const auto& cross = *config.cross_layer_residual;
  return fmt::format("{} {} {} {} {} {}", cross.site == Site::mlp ? "mlp" : "attention",
                     cross.source,
                     cross.weights == Weights::sum    ? "sum"
                     : cross.weights == Weights::mean ? "mean"
                                                      : "learned",
                     cross.stream == Stream::add ? "add" : "replace",
                     cross.include_self ? "with itself" : "without itself", scale);
}

// Element i of a standard normal, by the name and i.
std::mt19937_64 random_of(const std::string& name, std::uint64_t seed) {
  std::uint64_t hash = seed + 14695981039346656037u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return std::mt19937_64(hash);
}

}  // namespace

std::vector<std::string> score_scales() {
  auto names = ScoreSchemes::names();
  std::erase(names, ScoreScheme::default_name);
  std::erase(names, example_scale);
  return names;
}

std::vector<std::string> sources() {
  auto names = ResidualSchemes::names();
  std::erase(names, ResidualKind::default_name);
  return names;
}

std::vector<CrossLayerResidual> cross_layer_residuals() {
  std::vector<CrossLayerResidual> all;
  for (const auto& source : sources()) {
    for (const auto site : {Site::mlp, Site::attention}) {
      for (const auto weights : {Weights::sum, Weights::mean, Weights::learned}) {
        for (const auto stream : {Stream::add, Stream::replace}) {
          for (const bool include_self : {true, false}) {
            all.push_back({source, site, weights, stream, include_self});
          }
        }
      }
    }
  }
  return all;
}

std::vector<Variant> variants_with_scale(const LlamaConfig& base, const std::string& scale) {
  auto config = base;
  config.score_scale = scale;
  std::vector<Variant> all{{name_of(config), config}};
  for (const auto& cross : cross_layer_residuals()) {
    config.cross_layer_residual = cross;
    all.push_back({name_of(config), config});
  }
  return all;
}

std::vector<Variant> all_variants(const LlamaConfig& base) {
  auto all = variants_with_scale(base, "");
  for (const auto& scale : score_scales()) {
    auto more = variants_with_scale(base, scale);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

Variant preset_variant(const LlamaConfig& base, const std::string& preset) {
  auto keys = nlohmann::json::parse(find_preset(preset).config.for_model(base));
  keys.update({{"vocab_size", 1},
               {"hidden_size", base.hidden_size},
               {"intermediate_size", 1},
               {"num_hidden_layers", 1},
               {"num_attention_heads", base.num_attention_heads},
               {"head_dim", base.head_dim}});
  const char* const key_heads = "num_key_value_heads";
  if (!keys.contains(key_heads)) keys[key_heads] = base.num_key_value_heads;
  const auto parsed = parse_llama_config(keys.dump(), preset);
  auto config = base;
  config.cross_layer_residual = parsed.cross_layer_residual;
  config.attention = parsed.attention;
  if (!parsed.attention.empty()) config.num_key_value_heads = parsed.num_key_value_heads;
  config.score_scale = parsed.score_scale;
  config.fault = parsed.fault;
  return {preset, config};
}

std::vector<Variant> healthy_presets(const LlamaConfig& base) {
  std::vector<Variant> all;
  for (const auto& [name, preset] : presets()) {
    auto variant = preset_variant(base, name);
    const bool example = variant.config.score_scale == example_scale;
    if (variant.config.fault.empty() && !example) all.push_back(std::move(variant));
  }
  return all;
}

std::vector<Variant> presets_with_plain_attention(const LlamaConfig& base) {
  auto all = healthy_presets(base);
  std::erase_if(all, [](const auto& variant) { return !variant.config.attention.empty(); });
  return all;
}

LlamaConfig shaped(LlamaConfig base, std::size_t i) {
  const auto heads = base.num_attention_heads;
  if (base.attention.empty()) {  // others may say how many there are
    base.num_key_value_heads = i % 3 == 0 ? heads / 2 : i % 3 == 1 ? 1 : heads;
  }
  base.attention_bias = base.mlp_bias = i % 2 == 1;
  base.tie_word_embeddings = i % 5 == 4;
  return base;
}

std::unique_ptr<Llama> make_variant(const LlamaConfig& config, DType dtype, std::uint64_t seed) {
  auto llama = make_llama(config, dtype, seed);
  for (const auto& parameter : llama->parameters()) {
    const auto kind = parameter.initial.kind;
    if (kind == Initial::Kind::normal) continue;
    auto random = random_of(parameter.name, seed);
    std::normal_distribution<double> noise(0, kind == Initial::Kind::own_normal ? 1 : 0.1);
    visit_floating(dtype, [&]<class T>(TypeTag<T>) {
      for (auto& value : parameter.tensor.elements<T>()) {
        value = static_cast<T>(static_cast<double>(value) + noise(random));
      }
    });
  }
  return llama;
}

ParametersByName by_name(const Llama& llama) {
  ParametersByName all;
  for (const auto& parameter : llama.parameters()) all.emplace(parameter.name, parameter.tensor);
  return all;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto left = to_doubles(a);
  const auto right = to_doubles(b);
  if (left.size() != right.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const double difference = std::fabs(left[i] - right[i]);
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

double largest_element(const Tensor& x) {
  double largest = 0;
  for (const double value : to_doubles(x)) largest = std::max(largest, std::fabs(value));
  return largest;
}

OneThread::OneThread() : before_(num_threads()) { set_num_threads(1); }
OneThread::~OneThread() { set_num_threads(before_); }

}  // namespace lookback::testing
