#include "tests/kernels/attention_problem.h"

#include <cmath>
#include <limits>

#include "tests/kernels/random_tensor.h"

namespace lookback::kernels {
namespace {

// Adds up to index[0] * strides[0] + ...
template <class T>
double element(const Tensor& x, std::initializer_list<std::int64_t> index) {
  std::int64_t at = 0;
  int dim = 0;
  for (const auto i : index) at += i * x.strides()[dim++];
  return static_cast<double>(x.data<T>()[at]);
}

std::size_t place(std::int64_t i) { return static_cast<std::size_t>(i); }

Tensor bytes(std::size_t count) { return empty({static_cast<std::int64_t>(count)}, DType::u8); }

std::vector<In> views(const std::vector<Tensor>& tensors) {
  return {tensors.begin(), tensors.end()};
}

// [B, T, H, V] seen as [B, G, H / G, T, V].
Tensor grouped(const Tensor& x, std::int64_t group) {
  const auto& s = x.strides();
  return x.alias({x.size(0), x.size(2) / group, group, x.size(1), x.size(3)},
                 {s[0], s[2] * group, s[2], s[1], s[3]});
}

}  // namespace

std::string AttentionShape::name() const {
  return fmt::format("B{} T{} S{} H{} G{} pieces {} ({} wide) V{} offset {} window {} documents {}",
                     sequences, rows, keys, heads, key_heads, widths.size(), widths[0], value_width,
                     offset, window, documents);
}

Numbers numbers_of(const Tensor& x) {
  Numbers values;
  std::vector<std::int64_t> index(place(x.rank()), 0);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    std::int64_t at = 0;
    auto rest = i;
    for (int dim = x.rank() - 1; dim >= 0; --dim) {
      at += rest % x.size(dim) * x.strides()[dim];
      rest /= x.size(dim);
    }
    visit_floating(x.dtype(), [&]<class T>(TypeTag<T>) {
      values.push_back(static_cast<double>(x.data<T>()[at]));
    });
  }
  return values;
}

template <class T>
AttentionProblem<T>::AttentionProblem(const AttentionShape& given, unsigned seed) : shape(given) {
  const auto& s = shape;
  const auto pieces = static_cast<std::int64_t>(s.widths.size());
  for (const auto width : s.widths) {
    const auto spare = width + 3;
    q.push_back(random_tensor<T>({s.sequences, s.rows, s.heads, spare}, seed++)
                    .alias({s.sequences, s.rows, s.heads, width},
                           {s.rows * s.heads * spare, s.heads * spare, spare, 1}));
    k.push_back(random_tensor<T>({s.sequences, s.keys, s.key_heads, spare}, seed++)
                    .alias({s.sequences, s.keys, s.key_heads, width},
                           {s.keys * s.key_heads * spare, s.key_heads * spare, spare, 1}));
  }
  v = random_tensor<T>({s.sequences, s.keys, s.key_heads, s.value_width}, seed++);
  dy = random_tensor<T>({s.sequences, s.rows, s.heads, s.value_width}, seed++);
  scales = random_tensor<Accumulator<T>>({pieces}, seed++);
  for (auto& scale : scales.elements<Accumulator<T>>()) scale += Accumulator<T>(1.5);
  if (s.documents) {
    document_start = empty({s.sequences, s.rows}, DType::i64);
    for (std::int64_t i = 0; i < s.sequences * s.rows; ++i) {
      document_start.data<std::int64_t>()[i] = (s.offset + i % s.rows) / 7 * 7;
    }
  }
}

template <class T>
CausalMask AttentionProblem<T>::mask() const {
  return {.offset = shape.offset, .window = shape.window, .document_start = document_start};
}

template <class T>
void AttentionProblem<T>::forward(Run& run, const Tensor& given) const {
  run.y = empty(dy.shape(), dy.dtype());
  if (!given.defined()) {
    run.log_sum_exp = empty({shape.sequences, shape.heads, shape.rows}, scales.dtype());
  }
  attention_forward(Backend::cpu, {.q = views(q),
                                   .k = views(k),
                                   .v = v,
                                   .scales = scales,
                                   .given_log_sum_exp = given,
                                   .y = run.y,
                                   .log_sum_exp = run.log_sum_exp,
                                   .mask = mask()});
  if (given.defined()) run.log_sum_exp = given;
}

template <class T>
void AttentionProblem<T>::backward(Run& run) const {
  const bool fresh = run.dq.empty();
  for (std::size_t p = 0; fresh && p < q.size(); ++p) {
    run.dq.push_back(zeros(q[p].shape(), q[p].dtype()));
    run.dk.push_back(zeros(k[p].shape(), k[p].dtype()));
  }
  run.dv = empty(v.shape(), v.dtype());
  run.dscales = empty(scales.shape(), scales.dtype());
  const auto queries = views(q);
  attention_backward(Backend::cpu,
                     {.dy = dy,
                      .q = queries,
                      .k = views(k),
                      .v = v,
                      .scales = scales,
                      .y = run.y,
                      .log_sum_exp = run.log_sum_exp,
                      .dq = {run.dq.begin(), run.dq.end()},
                      .dk = {run.dk.begin(), run.dk.end()},
                      .dv = run.dv,
                      .dscales = run.dscales,
                      .workspace = bytes(attention_backward_workspace_bytes(queries, k[0].view())),
                      .mask = mask()});
}

template <class T>
Tensor AttentionProblem<T>::explicit_weights() const {
  const auto weights = empty({shape.sequences, shape.heads, shape.rows, shape.keys}, v.dtype());
  attention_weights_forward(
      Backend::cpu,
      {.q = views(q), .k = views(k), .scales = scales, .weights = weights, .mask = mask()});
  return weights;
}

template <class T>
typename AttentionProblem<T>::Run AttentionProblem<T>::explicit_run(const Tensor& weights) const {
  const auto group = shape.heads / shape.key_heads;
  Run run;
  run.y = empty(dy.shape(), dy.dtype());
  run.dv = empty(v.shape(), v.dtype());
  const auto dweights = empty(weights.shape(), weights.dtype());
  const auto split = [&](const Tensor& x) {  // [B, H, T, S] as [B, G, H / G, T, S]
    const auto& s = x.strides();
    return x.alias({x.size(0), shape.key_heads, group, x.size(2), x.size(3)},
                   {s[0], s[1] * group, s[1], s[2], s[3]});
  };
  apply_attention_weights_forward(
      Backend::cpu,
      {.weights = split(weights), .v = grouped(v, 1), .y = grouped(run.y, group), .mask = mask()});
  apply_attention_weights_backward(Backend::cpu, {.dy = grouped(dy, group),
                                                  .weights = split(weights),
                                                  .v = grouped(v, 1),
                                                  .dweights = split(dweights),
                                                  .dv = grouped(run.dv, 1),
                                                  .mask = mask()});
  run.dscales = empty(scales.shape(), scales.dtype());
  for (std::size_t p = 0; p < q.size(); ++p) {
    run.dq.push_back(zeros(q[p].shape(), q[p].dtype()));
    run.dk.push_back(zeros(k[p].shape(), k[p].dtype()));
  }
  const auto queries = views(q);
  attention_weights_backward(
      Backend::cpu, {.dweights = dweights,
                     .weights = weights,
                     .q = queries,
                     .k = views(k),
                     .scales = scales,
                     .dq = {run.dq.begin(), run.dq.end()},
                     .dk = {run.dk.begin(), run.dk.end()},
                     .dscales = run.dscales,
                     .workspace = bytes(attention_backward_workspace_bytes(queries, k[0].view())),
                     .mask = mask()});
  return run;
}

template <class T>
AttentionAnswer AttentionProblem<T>::answer() const {
  const auto& s = shape;
  AttentionAnswer r;
  r.weights.assign(place(s.sequences * s.heads * s.rows * s.keys), 0);
  r.y.assign(place(dy.numel()), 0);
  r.log_sum_exp.assign(place(s.sequences * s.heads * s.rows),
                       -std::numeric_limits<double>::infinity());
  for (std::size_t p = 0; p < q.size(); ++p) {
    r.dq.emplace_back(place(q[p].numel()), 0.0);
    r.dk.emplace_back(place(k[p].numel()), 0.0);
  }
  r.dv.assign(place(v.numel()), 0);
  r.dscales.assign(place(scales.numel()), 0);
  const auto start_of = [&](std::int64_t b, std::int64_t t) {
    return s.documents ? document_start.data<std::int64_t>()[b * s.rows + t] : std::int64_t{0};
  };
  for (std::int64_t b = 0; b < s.sequences; ++b) {
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const auto g = h / (s.heads / s.key_heads);
      for (std::int64_t t = 0; t < s.rows; ++t) {
        const auto visible = [&](std::int64_t key) {  // written from the words, not from the mask
          const auto position = s.offset + t;
          return key <= position && (s.window == 0 || position - key < s.window) &&
                 key >= start_of(b, t);
        };
        const auto piece_score = [&](std::size_t p, std::int64_t key) {
          double sum = 0;
          for (std::int64_t d = 0; d < s.widths[p]; ++d) {
            sum += element<T>(q[p], {b, t, h, d}) * element<T>(k[p], {b, key, g, d});
          }
          return sum;
        };
        Numbers score(place(s.keys), 0), dscore(place(s.keys), 0);
        double total = 0;
        for (std::int64_t key = 0; key < s.keys; ++key) {
          if (!visible(key)) continue;
          for (std::size_t p = 0; p < q.size(); ++p) {
            score[place(key)] += element<Accumulator<T>>(scales, {static_cast<std::int64_t>(p)}) *
                                 piece_score(p, key);
          }
          total += std::exp(score[place(key)]);
        }
        if (total == 0) continue;
        const auto row = (b * s.heads + h) * s.rows + t;
        r.log_sum_exp[place(row)] = std::log(total);
        double center = 0;
        for (std::int64_t key = 0; key < s.keys; ++key) {
          if (!visible(key)) continue;
          const double weight = std::exp(score[place(key)]) / total;
          r.weights[place(row * s.keys + key)] = weight;
          double dweight = 0;
          for (std::int64_t d = 0; d < s.value_width; ++d) {
            const double dout = element<T>(dy, {b, t, h, d});
            const double value = element<T>(v, {b, key, g, d});
            r.y[place(((b * s.rows + t) * s.heads + h) * s.value_width + d)] += weight * value;
            r.dv[place(((b * s.keys + key) * s.key_heads + g) * s.value_width + d)] +=
                weight * dout;
            dweight += dout * value;
          }
          dscore[place(key)] = dweight;
          center += weight * dweight;
        }
        for (std::int64_t key = 0; key < s.keys; ++key) {
          if (!visible(key)) continue;
          const double ds = r.weights[place(row * s.keys + key)] * (dscore[place(key)] - center);
          for (std::size_t p = 0; p < q.size(); ++p) {
            const double scale = element<Accumulator<T>>(scales, {static_cast<std::int64_t>(p)});
            r.dscales[p] += ds * piece_score(p, key);
            for (std::int64_t d = 0; d < s.widths[p]; ++d) {
              r.dq[p][place(((b * s.rows + t) * s.heads + h) * s.widths[p] + d)] +=
                  scale * ds * element<T>(k[p], {b, key, g, d});
              r.dk[p][place(((b * s.keys + key) * s.key_heads + g) * s.widths[p] + d)] +=
                  scale * ds * element<T>(q[p], {b, t, h, d});
            }
          }
        }
      }
    }
  }
  return r;
}

template class AttentionProblem<float>;
template class AttentionProblem<double>;
template class AttentionProblem<BFloat16>;

}  // namespace lookback::kernels
