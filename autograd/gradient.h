// What a user does with gradients: ask for them, run backward, read them, watch them.
//
//   set_requires_grad(w);
//   backward(mean(square(linear(x, w))));
//   const auto dw = gradient(w);
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "autograd/node.h"
#include "runtime/tensor.h"

namespace lookback {

// What the tape keeps about one tensor.
struct GradientState final : AutogradState {
  std::shared_ptr<Node> producer;  // null for a leaf
  std::uint32_t output = 0;        // which output of the producer
  bool requires_grad = false;
  bool is_parameter = false;  // registered by a module: may be reached from inside a checkpoint
  // Leaves only.
  Tensor gradient;
  std::weak_ptr<Node> accumulator;
  std::vector<GradientHook> hooks;
  std::function<void()> collected;
};

// The state of a tensor, or null when it has none yet.
GradientState* gradient_state(const Tensor& x);
// The same, made when missing.
GradientState& own_gradient_state(const Tensor& x);

bool requires_grad(const Tensor& x);
// Makes a leaf collect its gradient. Throws for integers and for tensors made by an operation.
void set_requires_grad(const Tensor& x);
// set_requires_grad, and marks x as belonging to a module.
void set_parameter(const Tensor& x);

// The gradient collected at a leaf: sum over the backward passes since it was last cleared;
// undefined when there was none. It keeps no history: a tensor may be its own gradient, or that of
// a leaf it was made from, and both are freed.
Tensor gradient(const Tensor& leaf);
void set_gradient(const Tensor& leaf, const Tensor& value);
inline void clear_gradient(const Tensor& leaf) { set_gradient(leaf, {}); }

// Called with the complete gradient of x, once per backward pass, before it is used; what it
// returns is used in its place. Hooks run in the order they were added. Throws when x needs none.
void add_hook(const Tensor& x, GradientHook hook);

// Called whenever a backward pass has added its complete gradient to that of a leaf, while the pass
// goes on; not where it has none for it. Takes the place of the one before; empty: of none.
void on_collected(const Tensor& leaf, std::function<void()> call);

// The edge that leads to x's producer (or, for a leaf, to what collects its gradient).
Edge edge_to(const Tensor& x);

enum class AfterBackward { release, retain };

// Runs the tape backwards from x, a tensor of one element (or with a given gradient of its shape),
// and adds to the gradients of the leaves. Nodes run in descending order of their making, each
// once, so the bits are the same each time. Saved tensors are dropped on the way unless told to
// retain; a second backward through a dropped node throws.
void backward(const Tensor& x, AfterBackward after = AfterBackward::release);
void backward(const Tensor& x, const Tensor& gradient_of_x,
              AfterBackward after = AfterBackward::release);
// Several roots at once; undefined gradients, and roots that need none, are skipped.
void backward(std::span<const Tensor> roots, std::span<const Tensor> gradients,
              AfterBackward after);

}  // namespace lookback
