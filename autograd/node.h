// The tape: a node is one recorded operation, an edge leads from it to the node that made one of
// its inputs. Nodes own the nodes they came from; nothing on the tape owns a later node, so there
// is no cycle, and dropping the last tensor frees the whole history (iteratively: a chain of any
// length needs no stack).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tensor.h"

namespace lookback {

class Node;

// Where the gradient of one input goes; null node: that input needs none.
struct Edge {
  std::shared_ptr<Node> node;
  std::uint32_t output = 0;  // which of the node's outputs the input is
};

// What a hook may do: look at the gradient (return it), or return another of the same shape.
using GradientHook = std::function<Tensor(const Tensor& gradient)>;

// Which inputs of a node need a gradient; a backward may leave the others undefined.
class Needed {
 public:
  explicit Needed(std::span<const Edge> edges) : edges_(edges) {}
  bool operator[](std::size_t input) const { return edges_[input].node != nullptr; }

 private:
  std::span<const Edge> edges_;
};

class Node {
 public:
  Node();
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  virtual std::string_view name() const = 0;
  // The gradients of the inputs (undefined: zero) from those of the outputs (undefined: zero; never
  // all undefined).
  virtual std::vector<Tensor> backward(std::span<const Tensor> output_gradients, Needed needed) = 0;
  // Drops what was saved for backward. A later backward throws.
  virtual void release() {}
  virtual bool released() const { return false; }
  // Whether backward takes gradients in bfloat16 of outputs in float32: who makes a gradient may
  // round it for products that would round it themselves. Other nodes get it widened.
  virtual bool takes_rounded_gradients() const { return false; }
  // Leaves collect gradients; the engine runs them as soon as their sum is complete.
  virtual bool is_leaf() const { return false; }

  struct Output {
    Shape shape;
    DType dtype;
    std::vector<GradientHook> hooks;
  };

  // Larger than that of every node it came from: descending order is a valid order for backward.
  const std::uint64_t sequence;
  const std::string* const scope;  // Scope::current() when it was recorded
  std::vector<Edge> edges;         // one per input
  std::vector<Output> outputs;
};

// "rms_norm at model.layers.0.input_layernorm", for messages.
std::string describe(const Node& node);

}  // namespace lookback
