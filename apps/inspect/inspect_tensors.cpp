#include "apps/inspect/inspect_tensors.h"

#include <algorithm>

#include "runtime/safetensors.h"

namespace lookback {
namespace {

class Names {
 public:
  void add(const std::string& name, const Tensor& tensor) { tensors.emplace_back(name, tensor); }
  void add(const std::string& name, const std::vector<double>& values, const Shape& shape) {
    tensors.emplace_back(name, from_values(values, shape));
  }
  void add(const std::string& name, const std::vector<double>& values) {
    add(name, values, {static_cast<std::int64_t>(values.size())});
  }
  void add(const std::string& name, double value) { add(name, std::vector{value}, {}); }
  void add_each(const std::string& name, const std::vector<Tensor>& each) {
    for (std::size_t i = 0; i < each.size(); ++i) add(fmt::format("{}.{}", name, i), each[i]);
  }
  void add(const std::string& name, const Feeding& feeding) {
    if (feeding.empty()) return;
    const auto layers = feeding.amount.layers;
    add(name + ".norm", feeding.amount.values, {layers, layers});
    add(name + ".direction", feeding.direction.values, {layers, layers});
  }
  void add(const std::string& name, const NormsByDepth& norms) {
    add(name + ".hidden_states", norms.hidden_states);
    add(name + ".attention_output", norms.attention_outputs);
    add(name + ".mlp_output", norms.mlp_outputs);
  }

  NamedTensors tensors;
};

// Each set of replayed weights once, under the first layer that applied it; which pairs of layers
// share it is said in words: "layer source name", a line each.
std::string add_replays(Names& names, const std::vector<InspectedReplay>& replays) {
  std::vector<std::pair<Tensor, std::string>> known;
  std::string pairs;
  for (const auto& replay : replays) {
    auto same = std::ranges::find_if(
        known, [&](const auto& written) { return written.first.is(replay.weights); });
    if (same == known.end()) {
      const auto name = fmt::format("attention.{}.replay_of.{}", replay.layer, replay.source);
      names.add(name, replay.weights);
      same = known.insert(known.end(), {replay.weights, name});
    }
    pairs += fmt::format("{} {} {}\n", replay.layer, replay.source, same->second);
  }
  return pairs;
}

void add_attention(Names& names, const Inspection& inspection) {
  names.add_each("attention", inspection.attention);
  for (const auto& [layer, plain] : inspection.plain_attention) {
    names.add(fmt::format("attention.{}.not_composed", layer), plain);
  }
  for (const auto& [layer, gates] : inspection.gates) {
    names.add(fmt::format("gates.{}", layer), gates);
  }
  const auto layers = static_cast<std::int64_t>(inspection.attention.size());
  const Shape per_head{layers, inspection.attention[0].size(0)};
  names.add("attention_entropy", inspection.heads.entropy, per_head);
  names.add("attention_first_token_mass", inspection.heads.first_token_mass, per_head);
}

// The tape: norms, edges [E, 2] (from, to; ids from 1), and the names as metadata.
std::string add_tape(Names& names, const std::vector<TapeEntry>& tape) {
  std::vector<double> norms;
  std::vector<std::int64_t> edges;
  std::string operations;
  for (const auto& entry : tape) {
    norms.push_back(entry.gradient_norm);
    for (const auto from : entry.from) edges.insert(edges.end(), {from, entry.id});
    operations += fmt::format("{} {}\n", entry.operation, entry.scope);
  }
  names.add("tape.gradient_norm", norms);
  names.add("tape.edges", from_values(edges, {static_cast<std::int64_t>(edges.size()) / 2, 2}));
  return operations;
}

}  // namespace

void write_inspection(const std::filesystem::path& path, const Inspection& inspection) {
  Names names;
  names.add("tokens",
            from_values(inspection.tokens, {static_cast<std::int64_t>(inspection.tokens.size())}));
  names.add("loss", inspection.loss);
  names.add("nats", inspection.nats);
  add_attention(names, inspection);
  SafetensorsMetadata words;
  if (const auto pairs = add_replays(names, inspection.replays); !pairs.empty()) {
    words["attention.replays"] = pairs;
  }
  names.add("contribution", inspection.outputs);
  names.add("score", inspection.scores);
  for (const auto& [name, values] : inspection.learned) names.add("learned." + name, values);
  names.add_each("hidden_states", inspection.hidden_states);
  names.add_each("attention_output", inspection.attention_outputs);
  names.add_each("mlp_output", inspection.mlp_outputs);
  names.add("activation_norm", inspection.activations);
  names.add("activation_gradient_norm", inspection.gradients);
  for (const auto& parameter : inspection.parameters) {
    names.add("weight_norm." + parameter.name, parameter.weight_norm);
    names.add("gradient_norm." + parameter.name, parameter.gradient_norm);
    names.add("update_norm." + parameter.name, parameter.update_norm);
  }
  words["tape.operations"] = add_tape(names, inspection.tape);
  write_safetensors(path, names.tensors, words);
}

}  // namespace lookback
