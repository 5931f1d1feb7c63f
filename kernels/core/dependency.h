// Dependency kinds: which elements of its inputs an operation's output element may depend on,
// whatever the numbers are. Each forward argument struct declares one as
// `static constexpr auto dependency = kind(&Arguments::operand, ...)`. A kind is a constant that
// holds pointers to the struct's members, so that one generic piece of code per kind can follow
// sets of positions through any operation (docs/diagnosis.md).
#pragma once

#include <tuple>

namespace lookback::kernels {

template <class... Members>
struct Outputs {
  std::tuple<Members...> members;
};
template <class... Members>
constexpr Outputs<Members...> outputs(Members... members) {
  return {{members...}};
}

// What makes the result known whatever the other inputs are: 0 * x = 0, -inf + x = -inf.
enum class Absorbs { nothing, zero, minus_infinity };

// y[i] depends on x[i] of every input, inputs broadcast to y by numpy's rule. Covers copies, casts
// and rearrangements: those change the views, not the elements. Where all inputs are known
// constants, so is the result.
template <class Y, class... X>
struct Elementwise {
  Y y;
  std::tuple<X...> x;
  Absorbs absorbs = Absorbs::nothing;
  constexpr Elementwise absorbing(Absorbs what) const { return {y, x, what}; }
};
template <class Y, class... X>
constexpr Elementwise<Y, X...> elementwise(Y y, X... x) {
  return {y, {x...}};
}

// Every element of row r (all dimensions but the last) of every output depends on the whole row r
// of every row input, and on all of every shared input (weights, tables).
template <class Y, class X, class Shared>
struct EachRow {
  Y y;
  X x;
  Shared shared;
};
template <class... Members>
struct Rows {
  std::tuple<Members...> members;
};
template <class... Members>
constexpr Rows<Members...> rows(Members... members) {
  return {{members...}};
}
template <class... Members>
struct Shared {
  std::tuple<Members...> members;
};
template <class... Members>
constexpr Shared<Members...> shared(Members... members) {
  return {{members...}};
}
template <class Y, class X, class S = Shared<>>
constexpr EachRow<Y, X, S> each_row(Y y, X x, S s = {}) {
  return {y, x, s};
}

// y has x's shape with the dimensions of `dims` of size one (kept) and depends on all it reduced.
template <class Y, class X>
struct Reduce {
  Y y;
  X x;
};
template <class Y, class X>
constexpr Reduce<Y, X> reduce(Y y, X x) {
  return {y, x};
}

// y[.., m, n] depends on a[.., m, :] and b[.., :, n]; leading dimensions broadcast.
template <class Y, class A, class B>
struct Contract {
  Y y;
  A a;
  B b;
};
template <class Y, class A, class B>
constexpr Contract<Y, A, B> contract(Y y, A a, B b) {
  return {y, a, b};
}

// y[m, n] depends, for every i, on a[i][m, :] and b[i][:, n] of two lists of one length, and on
// added[n] where that is present.
template <class Y, class AList, class BList, class Added>
struct ContractEach {
  Y y;
  AList a;
  BList b;
  Added added;
};
template <class Y, class AList, class BList, class Added>
constexpr ContractEach<Y, AList, BList, Added> contract_each(Y y, AList a, BList b, Added added) {
  return {y, a, b, added};
}

// y holds slices of `table` along `dim` picked by the integers of `index`, and depends on the slice
// picked and on the integer. Without a dim member the slices are rows (dimension 0).
template <class Y, class Table, class Index, class Dim>
struct Gather {
  Y y;
  Table table;
  Index index;
  Dim dim;
};
struct NoDim {};
template <class Y, class Table, class Index, class Dim = NoDim>
constexpr Gather<Y, Table, Index, Dim> gather(Y y, Table table, Index index, Dim dim = {}) {
  return {y, table, index, dim};
}

// y has index's shape and holds elements of x: along `dim` the one that the integer names, at the
// same place in every other dimension. It depends on that element and on the integer.
template <class Y, class X, class Index, class Dim>
struct TakeAlong {
  Y y;
  X x;
  Index index;
  Dim dim;
};
template <class Y, class X, class Index, class Dim>
constexpr TakeAlong<Y, X, Index, Dim> take_along(Y y, X x, Index index, Dim dim) {
  return {y, x, index, dim};
}

// y is the inputs of a list one after the other along `dim`.
template <class Y, class List, class Dim>
struct Concatenate {
  Y y;
  List list;
  Dim dim;
};
template <class Y, class List, class Dim>
constexpr Concatenate<Y, List, Dim> concatenate(Y y, List list, Dim dim) {
  return {y, list, dim};
}

// Rows normalized over the last dimension: an element depends on every entry of its row that is not
// a known -inf; those entries become known zeros.
template <class Y, class X>
struct Softmax {
  Y y;
  X x;
};
template <class Y, class X>
constexpr Softmax<Y, X> softmax(Y y, X x) {
  return {y, x};
}

// y[.., t, s] is x[.., t, s] where the mask shows s to t, and the known number `hidden` elsewhere.
template <class Y, class X, class Mask, class Hidden>
struct SelectVisible {
  Y y;
  X x;
  Mask mask;
  Hidden hidden;
};
template <class Y, class X, class Mask, class Hidden>
constexpr SelectVisible<Y, X, Mask, Hidden> select_visible(Y y, X x, Mask mask, Hidden hidden) {
  return {y, x, mask, hidden};
}

// Attention: y[b, t, h] depends, for every s that the mask shows to t, on the pieces' Q[b, t, h],
// K[b, s, g(h)], V[b, s, g(h)], on the scales, on the slope of head h, and on the given
// log-sum-exps of row (b, h, t); log_sum_exp[b, h, t] on the same but V.
template <class Y, class L, class Q, class K, class V, class Scales, class Form, class Given,
          class Mask>
struct Attend {
  Y y;
  L log_sum_exp;
  Q q;
  K k;
  V v;
  Scales scales;
  Form form;
  Given given_log_sum_exp;
  Mask mask;
};
template <class Y, class L, class Q, class K, class V, class Scales, class Form, class Given,
          class Mask>
constexpr Attend<Y, L, Q, K, V, Scales, Form, Given, Mask> attend(Y y, L log_sum_exp, Q q, K k, V v,
                                                                  Scales scales, Form form,
                                                                  Given given, Mask mask) {
  return {y, log_sum_exp, q, k, v, scales, form, given, mask};
}

// Explicit attention weights: y[b, h, t, s] depends, where the mask shows s to t, on the pieces'
// Q[b, t, h], on K[b, s', g(h)] of every s' shown to t, on the scales and on the slope of head h;
// elsewhere it is a known 0.
template <class Y, class Q, class K, class Scales, class Form, class Mask>
struct AttendWeights {
  Y y;
  Q q;
  K k;
  Scales scales;
  Form form;
  Mask mask;
};
template <class Y, class Q, class K, class Scales, class Form, class Mask>
constexpr AttendWeights<Y, Q, K, Scales, Form, Mask> attend_weights(Y y, Q q, K k, Scales scales,
                                                                    Form form, Mask mask) {
  return {y, q, k, scales, form, mask};
}

// Sums that run over a sequence: y[b, t, h] depends on the own operands at (b, t, h), and, for
// every s <= t, on the past ones at (b, s, g(h)), and on before[b, g(h)]; after[b, g] on the past
// ones at every (b, s, g), and on before[b, g]. Operands with four dimensions are [B, T, H, ..],
// with three [B, H, T].
template <class Y, class After, class Own, class Past, class Before>
struct RunningSums {
  Y y;
  After after;
  Own own;
  Past past;
  Before before;
};
template <class Y, class After, class Own, class Past, class Before>
constexpr RunningSums<Y, After, Own, Past, Before> running_sums(Y y, After after, Own own,
                                                                Past past, Before before) {
  return {y, after, own, past, before};
}

// Attention whose heads are composed: with N the keys s that the mask shows to t, every head of row
// (b, t) depends on all of the query operands' rows x[b, t], on all of the key operands' rows
// x[b, s] for s in N, and on all of every shared input and of the form's slopes. y[b, t, h, d]
// depends on these and on v[b, s, g(h), d] for s in N, weights[b, h, t, s] on these for s in N;
// elsewhere it is a known 0.
template <class Y, class Weights, class Queries, class Keys, class V, class Shared, class Form,
          class Mask>
struct AttendComposed {
  Y y;
  Weights weights;
  Queries queries;
  Keys keys;
  V v;
  Shared shared;
  Form form;
  Mask mask;
};
template <class Y, class W, class Q, class K, class V, class S, class Form, class Mask>
constexpr AttendComposed<Y, W, Q, K, V, S, Form, Mask> attend_composed(Y y, W weights, Q queries,
                                                                       K keys, V v, S shared,
                                                                       Form form, Mask mask) {
  return {y, weights, queries, keys, v, shared, form, mask};
}

// One number (or a few) out of everything: losses, counts, norms.
template <class Y, class... X>
struct Everything {
  Y y;
  std::tuple<X...> x;
};
template <class Y, class... X>
constexpr Everything<Y, X...> everything(Y y, X... x) {
  return {y, {x...}};
}

}  // namespace lookback::kernels
