// The edges by which layers look back: from what an earlier layer adds to a later one, the tape
// must lead to what that layer recorded (its scores, or its outputs) by a way of its own, and not
// only through the stream.
#include <set>

#include "apps/diagnosis/diagnosis_check.h"
#include "autograd/gradient.h"

namespace lookback {
namespace {

const Node* producer_of(const Tensor& x) {
  const auto* state = gradient_state(x);
  return state == nullptr ? nullptr : state->producer.get();
}

// Whether the tape leads from `start` back to `goal` without passing a node of `stops`.
bool leads_to(const Node* start, const Node* goal, const std::set<const Node*>& stops) {
  std::vector<const Node*> open{start};
  auto seen = stops;
  while (!open.empty()) {
    const auto* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (node == goal) return true;
    for (const auto& edge : node->edges) open.push_back(edge.node.get());
  }
  return false;
}

class LookBackEdges final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::severed_path; }

  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto& cross = subject.config.cross_layer_residual;
    if (!cross && subject.config.score_scale.empty()) return;
    const auto llama = subject.model();
    Trace trace;
    auto forward = subject.forward();
    forward.trace = &trace;
    const auto logits = llama->logits(
        subject.random_ids(1, std::min<std::int64_t>(subject.block_size, 8)), forward);
    if (cross) residual_edges(*cross, reruns_layers(subject.config), trace, diagnosis);
    if (!subject.config.score_scale.empty()) score_edges(trace, diagnosis);
  }

 private:
  // What layer i left for later layers.
  static const Tensor& recorded(const CrossLayerResidual& cross, bool again, const Trace& trace,
                                std::size_t i) {
    if (again) return trace.pieces[i].q.back();
    const bool mlp = cross.site == CrossLayerResidual::Site::mlp;
    return (mlp ? trace.mlp_outputs : trace.attention_outputs)[i];
  }

  static void residual_edges(const CrossLayerResidual& cross, bool again, const Trace& trace,
                             Diagnosis& diagnosis) {
    const std::string name = "gradients from later layers to what earlier ones recorded";
    std::int64_t edges = 0;
    // The stream itself is no look back: the walk stops where a layer begins.
    std::set<const Node*> stops{producer_of(trace.hidden_states.front())};
    for (std::size_t layer = 1; layer + 1 < trace.hidden_states.size(); ++layer) {
      stops.insert(producer_of(trace.hidden_states[layer]));
      const auto* output = producer_of(trace.hidden_states[layer + 1]);
      for (std::size_t source = 0; source < layer; ++source, ++edges) {
        const auto* goal = producer_of(recorded(cross, again, trace, source));
        if (goal != nullptr && leads_to(output, goal, stops)) continue;
        return diagnosis.failed(
            Verdict::severed_path, name, 0, 1,
            fmt::format("model.layers.{}: no gradient goes from what layer {} adds here back to "
                        "what it recorded",
                        layer, source));
      }
    }
    diagnosis.passed(name, static_cast<double>(edges), 1,
                     fmt::format("{} pairs of layers are joined both ways", edges));
  }

  static void score_edges(const Trace& trace, Diagnosis& diagnosis) {
    const std::string name = "gradients to the queries and keys of earlier layers";
    for (std::size_t layer = 0; layer < trace.pieces.size(); ++layer) {
      const auto& q = trace.pieces[layer].q;
      const auto& k = trace.pieces[layer].k;
      for (std::size_t i = 0; i < q.size(); ++i) {
        if (requires_grad(q[i]) && requires_grad(k[i])) continue;
        return diagnosis.failed(
            Verdict::severed_path, name, 0, 1,
            fmt::format("model.layers.{}: no gradient goes to the queries and keys of layer {}",
                        layer, i));
      }
    }
    diagnosis.passed(name, 1, 1, "every layer's scores reach all queries and keys they add up");
  }
};

const DiagnosisChecks::Add registered{"look_back_edges",
                                      [] { return std::make_unique<LookBackEdges>(); }};

}  // namespace
}  // namespace lookback
