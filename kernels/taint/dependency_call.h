// One call of an operation as its dependency kind sees it: which operands play which part. Made
// from the declaration (kernels/core/dependency.h) and the arguments; what runs it (run.h) needs to
// know nothing else of the operation.
#pragma once

#include <functional>
#include <vector>

#include "kernels/causal_mask.h"
#include "kernels/core/dependency.h"
#include "kernels/core/operand.h"
#include "kernels/score_form.h"

namespace lookback::kernels::taint {

struct ElementwiseCall {
  Out y;
  InList x;
  Absorbs absorbs;
};
struct EachRowCall {
  OutList y;
  InList rows, shared;
};
struct ReduceCall {
  OutList y;
  In x;
};
// Sums of products: y = sum_i a[i] b[i] + added.
struct ContractCall {
  Out y;
  InList a, b;
  In added;
};
// The slices of table along dim that index picks.
struct GatherCall {
  Out y;
  In table, index;
  int dim;
};
struct TakeAlongCall {
  Out y;
  In x, index;
  int dim;
};
struct ConcatenateCall {
  Out y;
  InList x;
  int dim;
};
struct SoftmaxCall {
  Out y;
  In x;
};
struct SelectVisibleCall {
  Out y;
  In x;
  CausalMaskView mask;
  double hidden;
};
struct AttendCall {
  Out y, log_sum_exp;
  InList q, k;
  In v, scales;
  ScoreForm form;
  In given_log_sum_exp;
  CausalMaskView mask;
};
struct AttendWeightsCall {
  Out y;
  InList q, k;
  In scales;
  ScoreForm form;
  CausalMaskView mask;
};
struct RunningSumsCall {
  Out y, after;
  InList own, past;
  In before;
};
struct AttendComposedCall {
  Out y, weights;  // one of them is absent
  InList queries, keys;
  In v;
  InList shared;
  In slopes;
  CausalMaskView mask;
};
struct EverythingCall {
  OutList y;
  InList x;
};

// Runs the call on taint memory; operands on the CPU are known constants. `on_cpu` runs the
// operation's CPU kernel on the numbers that stand in the operands: where all that went into an
// element of an elementwise operation is known, its result is.
using OnCpu = std::function<void()>;
void run(const ElementwiseCall& call, const OnCpu& on_cpu);
void run(const EachRowCall& call, const OnCpu&);
void run(const ReduceCall& call, const OnCpu&);
void run(const ContractCall& call, const OnCpu&);
void run(const GatherCall& call, const OnCpu&);
void run(const TakeAlongCall& call, const OnCpu&);
void run(const ConcatenateCall& call, const OnCpu&);
void run(const SoftmaxCall& call, const OnCpu&);
void run(const SelectVisibleCall& call, const OnCpu&);
void run(const AttendCall& call, const OnCpu&);
void run(const AttendWeightsCall& call, const OnCpu&);
void run(const RunningSumsCall& call, const OnCpu&);
void run(const AttendComposedCall& call, const OnCpu&);
void run(const EverythingCall& call, const OnCpu&);

namespace detail {

// Every operand that the members name, absent ones left out, lists taken apart.
template <class List, class Arguments, class... Members>
List operands(const Arguments& arguments, const std::tuple<Members...>& members) {
  List list;
  const auto add = [&](const auto& field) {
    if constexpr (requires { field.begin(); }) {
      list.insert(list.end(), field.begin(), field.end());
    } else {
      if (field.present()) list.push_back(field);
    }
  };
  std::apply([&](auto... member) { (add(arguments.*member), ...); }, members);
  return list;
}

template <class... Members>
constexpr const std::tuple<Members...>& members_of(const Outputs<Members...>& outputs) {
  return outputs.members;
}
template <class Member>
constexpr std::tuple<Member> members_of(Member member) {
  return {member};
}

}  // namespace detail

template <class Arguments, class Y, class... X>
ElementwiseCall describe(const Elementwise<Y, X...>& kind, const Arguments& a) {
  return {a.*kind.y, detail::operands<InList>(a, kind.x), kind.absorbs};
}
template <class Arguments, class Y, class X, class S>
EachRowCall describe(const EachRow<Y, X, S>& kind, const Arguments& a) {
  return {detail::operands<OutList>(a, detail::members_of(kind.y)),
          detail::operands<InList>(a, kind.x.members),
          detail::operands<InList>(a, kind.shared.members)};
}
template <class Arguments, class Y, class X>
ReduceCall describe(const Reduce<Y, X>& kind, const Arguments& a) {
  return {detail::operands<OutList>(a, detail::members_of(kind.y)), a.*kind.x};
}
template <class Arguments, class Y, class A, class B>
ContractCall describe(const Contract<Y, A, B>& kind, const Arguments& a) {
  return {a.*kind.y, {a.*kind.a}, {a.*kind.b}, {}};
}
template <class Arguments, class Y, class A, class B, class Added>
ContractCall describe(const ContractEach<Y, A, B, Added>& kind, const Arguments& a) {
  return {a.*kind.y, a.*kind.a, a.*kind.b, a.*kind.added};
}
template <class Arguments, class Y, class Table, class Index, class Dim>
GatherCall describe(const Gather<Y, Table, Index, Dim>& kind, const Arguments& a) {
  if constexpr (std::is_same_v<Dim, NoDim>) {
    return {a.*kind.y, a.*kind.table, a.*kind.index, 0};
  } else {
    return {a.*kind.y, a.*kind.table, a.*kind.index, a.*kind.dim};
  }
}
template <class Arguments, class Y, class X, class Index, class Dim>
TakeAlongCall describe(const TakeAlong<Y, X, Index, Dim>& kind, const Arguments& a) {
  return {a.*kind.y, a.*kind.x, a.*kind.index, a.*kind.dim};
}
template <class Arguments, class Y, class List, class Dim>
ConcatenateCall describe(const Concatenate<Y, List, Dim>& kind, const Arguments& a) {
  return {a.*kind.y, a.*kind.list, a.*kind.dim};
}
template <class Arguments, class Y, class X>
SoftmaxCall describe(const Softmax<Y, X>& kind, const Arguments& a) {
  return {a.*kind.y, a.*kind.x};
}
template <class Arguments, class... M>
SelectVisibleCall describe(const SelectVisible<M...>& kind, const Arguments& a) {
  return {a.*kind.y, a.*kind.x, a.*kind.mask, a.*kind.hidden};
}
template <class Arguments, class... M>
AttendCall describe(const Attend<M...>& kind, const Arguments& a) {
  return {a.*kind.y,   a.*kind.log_sum_exp, a.*kind.q,    a.*kind.k,
          a.*kind.v,   a.*kind.scales,      a.*kind.form, a.*kind.given_log_sum_exp,
          a.*kind.mask};
}
template <class Arguments, class... M>
AttendWeightsCall describe(const AttendWeights<M...>& kind, const Arguments& a) {
  return {a.*kind.y, a.*kind.q, a.*kind.k, a.*kind.scales, a.*kind.form, a.*kind.mask};
}
template <class Arguments, class Y, class After, class Own, class Past, class Before>
RunningSumsCall describe(const RunningSums<Y, After, Own, Past, Before>& kind, const Arguments& a) {
  return {a.*kind.y, a.*kind.after, detail::operands<InList>(a, kind.own.members),
          detail::operands<InList>(a, kind.past.members), a.*kind.before};
}
template <class Arguments, class... M>
AttendComposedCall describe(const AttendComposed<M...>& kind, const Arguments& a) {
  return {a.*kind.y,
          a.*kind.weights,
          detail::operands<InList>(a, kind.queries.members),
          detail::operands<InList>(a, kind.keys.members),
          a.*kind.v,
          detail::operands<InList>(a, kind.shared.members),
          (a.*kind.form).slopes,
          a.*kind.mask};
}
template <class Arguments, class Y, class... X>
EverythingCall describe(const Everything<Y, X...>& kind, const Arguments& a) {
  return {detail::operands<OutList>(a, detail::members_of(kind.y)),
          detail::operands<InList>(a, kind.x)};
}

}  // namespace lookback::kernels::taint
