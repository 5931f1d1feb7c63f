// Putting an operation on the tape.
//
// A backward is a small struct: a name, what it saved, and one function:
//   struct RmsNormBackward {
//     static constexpr std::string_view name = "rms_norm";
//     SavedTensor x, weight, inverse_rms;
//     std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const;
//   };
// With several outputs the function takes std::span<const Tensor> instead (undefined: zero).
// A gradient that it returns for an input in float32 may be in bfloat16; with
//   static constexpr bool takes_rounded_gradients = true;
// it is given such ones, too.
// An operation ends in
//   return record<RmsNormBackward>(y, {x, weight}, [&] { return RmsNormBackward{x, weight, r}; });
// The lambda runs only when some input requires a gradient and gradients are enabled.
#pragma once

#include <initializer_list>
#include <optional>
#include <utility>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/node.h"
#include "autograd/saved_tensor.h"

namespace lookback {

namespace detail {

// One entry per kind of node in the program, for the test that asks each for its gradcheck.
class NodeKind {
 public:
  const std::string_view name;
  explicit NodeKind(std::string_view kind_name) : name(kind_name), link_(head) { head = this; }
  static const NodeKind* first() { return head; }
  const NodeKind* next() const { return link_; }

 private:
  static inline constinit const NodeKind* head = nullptr;
  const NodeKind* link_;
};

template <class Backward>
class RecordedNode final : public Node {
 public:
  explicit RecordedNode(Backward&& backward_struct) : saved_(std::move(backward_struct)) {
    static_cast<void>(&kind);  // makes the compiler instantiate it
  }
  std::string_view name() const override { return Backward::name; }
  bool takes_rounded_gradients() const override {
    return requires { Backward::takes_rounded_gradients; };
  }
  void release() override { saved_.reset(); }
  bool released() const override { return !saved_.has_value(); }

  std::vector<Tensor> backward(std::span<const Tensor> output_gradients, Needed needed) override {
    if constexpr (std::is_invocable_v<Backward&, std::span<const Tensor>, Needed>) {
      return (*saved_)(output_gradients, needed);
    } else {
      return (*saved_)(output_gradients[0], needed);
    }
  }

 private:
  static inline const NodeKind kind{Backward::name};
  std::optional<Backward> saved_;
};

// Whether an operation on these inputs belongs on the tape. Throws inside a checkpoint when an
// input requires a gradient that the checkpoint could not pass on.
bool belongs_on_tape(std::string_view operation, std::span<const Tensor> inputs);
// Makes the outputs the node's, and the inputs' producers its edges.
void connect(const std::shared_ptr<Node>& node, std::span<const Tensor> outputs,
             std::span<const Tensor> inputs);

}  // namespace detail

template <class Backward, class Make>
void record_all(std::span<const Tensor> outputs, std::span<const Tensor> inputs, const Make& make) {
  if (!detail::belongs_on_tape(Backward::name, inputs)) return;
  detail::connect(std::make_shared<detail::RecordedNode<Backward>>(make()), outputs, inputs);
}

template <class Backward, class Make>
Tensor record(const Tensor& output, std::span<const Tensor> inputs, const Make& make) {
  record_all<Backward>(std::span(&output, 1), inputs, make);
  return output;
}

template <class Backward, class Make>
Tensor record(const Tensor& output, std::initializer_list<Tensor> inputs, const Make& make) {
  return record<Backward>(output, std::span<const Tensor>(inputs.begin(), inputs.size()), make);
}

// For operations without a backward: throws when one of the inputs requires a gradient (and
// gradients are enabled), so that nothing detaches silently.
void no_gradient(std::string_view operation, std::initializer_list<Tensor> inputs);

}  // namespace lookback
