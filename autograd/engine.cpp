#include "autograd/engine.h"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <utility>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/scope.h"
#include "autograd/sum_gradients.h"
#include "kernels/fill.h"
#include "runtime/scoped_value.h"

namespace lookback {
namespace {

thread_local const Node* current_node = nullptr;
thread_local AfterBackward current_after = AfterBackward::release;

class RunningNode {
 public:
  RunningNode(const Node& node, AfterBackward after)
      : node_(current_node, &node), after_(current_after, after), scope_(node.scope) {}

 private:
  ScopedValue<const Node*> node_;
  ScopedValue<AfterBackward> after_;
  RestoredScope scope_;
};

// Leaves first: their sum is complete, and storing it frees the parts. Then the latest node.
struct RunsLater {
  bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const {
    if (a->is_leaf() != b->is_leaf()) return b->is_leaf();
    return a->sequence < b->sequence;
  }
};

class BackwardPass;

// The pass around another, and where in it the gradients of leaves belong that are not the same
// leaves there.
struct Outside {
  BackwardPass* pass = nullptr;
  std::unordered_map<std::shared_ptr<Node>, Edge> places = {};
};

// One backward pass. It holds its own counts, so that passes can nest: a checkpoint runs one inside
// another. The inner one then has no leaves: what reaches them goes out to the pass around it,
// whose sums so receive the same terms in the same order as without the checkpoint.
class BackwardPass {
 public:
  BackwardPass(std::span<const Tensor> roots, std::span<const Tensor> gradients,
               AfterBackward after_pass, Outside around = {})
      : after_(after_pass), outside_(std::move(around)) {
    std::vector<std::shared_ptr<Node>> starts;
    for (std::size_t i = 0; i < roots.size(); ++i) {
      if (!gradients[i].defined() || !requires_grad(roots[i])) continue;
      const auto edge = edge_to(roots[i]);
      if (leads_out(edge)) {
        hand_out(edge, gradients[i]);
        continue;
      }
      const auto [found, fresh] = visits_.try_emplace(edge.node.get());
      if (fresh) starts.push_back(edge.node);
      deliver(found->second, edge, gradients[i]);
    }
    count_uses(starts);
    for (const auto& node : starts) {
      if (visits_.at(node.get()).uses == 0) ready_.push(node);
    }
  }

  void run() {
    const NoGrad no_grad;
    const ScopedValue<BackwardPass*> running(innermost, this);
    while (!ready_.empty()) {
      const auto node = ready_.top();
      ready_.pop();
      auto visit = visits_.extract(node.get());
      step(*node, visit.mapped().gradients);
    }
  }

  // The innermost pass that runs on this thread.
  static BackwardPass* current() { return innermost; }

 private:
  static inline thread_local BackwardPass* innermost = nullptr;

  struct Visit {
    std::int64_t uses = 0;  // edges that still have to deliver
    std::vector<Tensor> gradients;
  };

  // Counts, for each node that can be reached, the edges that lead to it.
  void count_uses(const std::vector<std::shared_ptr<Node>>& starts) {
    std::vector<const Node*> open;
    for (const auto& node : starts) open.push_back(node.get());
    while (!open.empty()) {
      const auto* node = open.back();
      open.pop_back();
      for (const auto& edge : node->edges) {
        if (!edge.node || leads_out(edge)) continue;
        const auto [found, fresh] = visits_.try_emplace(edge.node.get());
        if (fresh) open.push_back(edge.node.get());
        ++found->second.uses;
      }
    }
  }

  static void check_shape(const Node& node, std::uint32_t output, const Tensor& gradient) {
    const auto& expected = node.outputs[output];
    if (gradient.shape() != expected.shape || !may_be_rounded(expected.dtype, gradient.dtype())) {
      fail("backward", "the gradient of output {} of {} is {} {}, must be {} {}", output,
           describe(node), gradient.dtype(), gradient.shape(), expected.dtype, expected.shape);
    }
  }

  static void deliver(Visit& visit, const Edge& edge, Tensor gradient) {
    visit.gradients.resize(edge.node->outputs.size());
    if (!gradient.defined()) return;
    check_shape(*edge.node, edge.output, gradient);
    auto& total = visit.gradients[edge.output];
    if (!total.defined()) {
      total = std::move(gradient);
      return;
    }
    const auto dtype = edge.node->outputs[edge.output].dtype;
    total = sum_gradients(widened_gradient(std::exchange(total, {}), dtype),
                          widened_gradient(gradient, dtype));
  }

  bool leads_out(const Edge& edge) const {
    return outside_.pass != nullptr && edge.node->is_leaf();
  }

  // Passes on what reached a leaf of this pass.
  void hand_out(const Edge& edge, Tensor gradient) {
    const auto found = outside_.places.find(edge.node);
    outside_.pass->receive(found == outside_.places.end() ? edge : found->second,
                           std::move(gradient));
  }

  // Takes in what a pass within this one hands out.
  void receive(const Edge& edge, Tensor gradient) {
    if (leads_out(edge)) return hand_out(edge, std::move(gradient));
    const auto found = visits_.find(edge.node.get());
    if (found == visits_.end()) {
      fail("backward",
           "{} reads inside a checkpoint a tensor {} that was not read in the first run: the "
           "function must compute the same both times",
           running_node(), edge.node->outputs[edge.output].shape);
    }
    deliver(found->second, edge, std::move(gradient));
  }

  void step(Node& node, std::vector<Tensor>& gradients) {
    const RunningNode running(node, after_);
    gradients.resize(node.outputs.size());
    bool any = false;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      any = true;
      const auto& output = node.outputs[i];
      if (!node.takes_rounded_gradients() || !output.hooks.empty()) {
        gradients[i] = widened_gradient(gradients[i], output.dtype);
      }
      for (const auto& hook : output.hooks) {
        gradients[i] = hook(gradients[i]);
        check_shape(node, static_cast<std::uint32_t>(i), gradients[i]);
      }
    }
    std::vector<Tensor> results(node.edges.size());
    if (any) results = run_node(node, gradients);
    gradients.clear();
    if (after_ == AfterBackward::release) node.release();
    pass_on(node, results);
  }

  static std::vector<Tensor> run_node(Node& node, const std::vector<Tensor>& gradients) {
    if (node.released()) {
      fail(
          "backward",
          "a second backward through {}: its saved tensors were dropped by the first, which should "
          "be told AfterBackward::retain",
          describe(node));
    }
    auto results = node.backward(gradients, Needed(node.edges));
    if (results.size() != node.edges.size()) {
      fail("backward", "{} returned {} gradients for {} inputs", describe(node), results.size(),
           node.edges.size());
    }
    return results;
  }

  void pass_on(const Node& node, std::vector<Tensor>& results) {
    for (std::size_t i = 0; i < node.edges.size(); ++i) {
      const auto& edge = node.edges[i];
      if (!edge.node) continue;
      if (leads_out(edge)) {
        if (results[i].defined()) hand_out(edge, std::exchange(results[i], {}));
        continue;
      }
      auto& visit = visits_.at(edge.node.get());
      deliver(visit, edge, std::exchange(results[i], {}));
      if (--visit.uses == 0) ready_.push(edge.node);
    }
  }

  AfterBackward after_;
  Outside outside_;
  std::unordered_map<const Node*, Visit> visits_;
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, RunsLater> ready_;
};

}  // namespace

std::string running_node() { return current_node == nullptr ? "no node" : describe(*current_node); }

bool retaining() { return current_after == AfterBackward::retain; }

void backward_within(std::span<const Tensor> roots, std::span<const Tensor> gradients,
                     std::span<const Tensor> stand_ins) {
  Outside outside{.pass = BackwardPass::current()};
  for (std::size_t i = 0; i < stand_ins.size(); ++i) {
    const auto inside = edge_to(stand_ins[i]);
    if (inside.node) outside.places.emplace(inside.node, current_node->edges[i]);
  }
  BackwardPass(roots, gradients, AfterBackward::release, std::move(outside)).run();
}

void backward(std::span<const Tensor> roots, std::span<const Tensor> gradients,
              AfterBackward after) {
  BackwardPass(roots, gradients, after).run();
}

void backward(const Tensor& x, const Tensor& gradient_of_x, AfterBackward after) {
  if (!requires_grad(x)) {
    fail("backward", "x {} does not depend on any tensor that requires a gradient", x.shape());
  }
  backward(std::span(&x, 1), std::span(&gradient_of_x, 1), after);
}

void backward(const Tensor& x, AfterBackward after) {
  if (x.numel() != 1) {
    fail("backward", "x {} must have one element, or come with a gradient of its shape", x.shape());
  }
  const auto one = empty(x.shape(), x.dtype(), x.device());
  kernels::fill(x.backend(), {.y = one, .value = 1});
  backward(x, one, after);
}

}  // namespace lookback
