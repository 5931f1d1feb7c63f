#include "tests/kernels/attention_problem.h"

#include <cmath>
#include <limits>

#include "autograd/workspace.h"
#include "runtime/transfer.h"
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

std::string ProblemShape::name() const {
  return fmt::format(
      "B{} T{} S{} H{} G{} pieces {} ({} wide) V{} offset {} window {} documents {} cap {} slopes "
      "{} dilations {} global {} random {} of {} scattered {}",
      sequences, rows, keys, heads, key_heads, widths.size(), widths[0], value_width, offset,
      window, documents, soft_cap, slopes, dilations.size(), global_keys.size(), random_blocks,
      block_size, scattered_keys);
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
AttentionProblem<T>::AttentionProblem(const ProblemShape& given, unsigned seed, Device where)
    : shape(given), device(where) {
  const auto& s = shape;
  const auto pieces = static_cast<std::int64_t>(s.widths.size());
  for (const auto width : s.widths) {
    const auto spare = width + s.gap;
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
  if (s.slopes) {
    slopes = random_tensor<Accumulator<T>>({s.heads}, seed++);
    for (auto& slope : slopes.elements<Accumulator<T>>()) slope = std::abs(slope) / 2;
  }
  mask = make_mask(s, seed);
}

// Rows with a gap after each, where they are to be.
template <class T>
Tensor AttentionProblem<T>::placed(const Tensor& x) const {
  if (device == cpu_device) return x;
  const Shape whole{x.size(0), x.size(1), x.size(2), x.strides()[2]};
  return to_device(x.alias(whole, contiguous_strides(whole)), device).alias(x.shape(), x.strides());
}
template <class T>
std::vector<Tensor> AttentionProblem<T>::placed(const std::vector<Tensor>& list) const {
  std::vector<Tensor> all;
  for (const auto& x : list) all.push_back(placed(x));
  return all;
}
template <class T>
CausalMask AttentionProblem<T>::placed_mask() const {
  auto placed = mask;
  for (auto* x : {&placed.document_start, &placed.pattern.dilation, &placed.pattern.global_keys,
                  &placed.pattern.random_blocks, &placed.key_positions}) {
    if (x->defined()) *x = to_device(*x, device);
  }
  return placed;
}

template <class T>
ScoreForm AttentionProblem<T>::form_of(const Tensor& placed_slopes) const {
  ScoreForm form{.soft_cap = shape.soft_cap};
  if (placed_slopes.defined()) form.slopes = placed_slopes;
  return form;
}

template <class T>
void AttentionProblem<T>::forward(Run& run, const Tensor& given) const {
  const Tensor y = empty(dy.shape(), dy.dtype(), device);
  const Tensor log_sum_exp =
      given.defined() ? Tensor{}
                      : empty({shape.sequences, shape.heads, shape.rows}, scales.dtype(), device);
  const Tensor earlier = given.defined() ? to_device(given, device) : Tensor{};
  const auto queries = placed(q), keys = placed(k);
  const auto values = to_device(v, device), factors = to_device(scales, device);
  const auto seen = placed_mask();
  const auto bias = slopes.defined() ? to_device(slopes, device) : Tensor{};
  run_with_workspace(attention_forward, device,
                     AttentionForwardArgs{.q = views(queries),
                                          .k = views(keys),
                                          .v = values,
                                          .scales = factors,
                                          .form = form_of(bias),
                                          .given_log_sum_exp = earlier,
                                          .y = y,
                                          .log_sum_exp = log_sum_exp,
                                          .mask = seen.view()});
  run.y = to_device(y, cpu_device);
  run.log_sum_exp = given.defined() ? given : to_device(log_sum_exp, cpu_device);
}

template <class T>
void AttentionProblem<T>::backward(Run& run) const {
  std::vector<Tensor> dq, dk;
  for (std::size_t p = 0; p < q.size(); ++p) {
    const bool fresh = run.dq.empty();
    dq.push_back(fresh ? zeros(q[p].shape(), q[p].dtype(), device) : to_device(run.dq[p], device));
    dk.push_back(fresh ? zeros(k[p].shape(), k[p].dtype(), device) : to_device(run.dk[p], device));
  }
  const Tensor dv = empty(v.shape(), v.dtype(), device);
  const Tensor dscales = empty(scales.shape(), scales.dtype(), device);
  const auto queries = placed(q), keys = placed(k);
  const auto values = to_device(v, device), factors = to_device(scales, device);
  const auto dresult = to_device(dy, device), y = to_device(run.y, device);
  const auto log_sum_exp = to_device(run.log_sum_exp, device);
  const auto seen = placed_mask();
  const auto bias = slopes.defined() ? to_device(slopes, device) : Tensor{};
  run_with_workspace(attention_backward, device,
                     AttentionBackwardArgs{.dy = dresult,
                                           .q = views(queries),
                                           .k = views(keys),
                                           .v = values,
                                           .scales = factors,
                                           .form = form_of(bias),
                                           .y = y,
                                           .log_sum_exp = log_sum_exp,
                                           .dq = {dq.begin(), dq.end()},
                                           .dk = {dk.begin(), dk.end()},
                                           .dv = dv,
                                           .dscales = dscales,
                                           .mask = seen.view()});
  run.dq.clear();
  run.dk.clear();
  for (std::size_t p = 0; p < q.size(); ++p) {
    run.dq.push_back(to_device(dq[p], cpu_device));
    run.dk.push_back(to_device(dk[p], cpu_device));
  }
  run.dv = to_device(dv, cpu_device);
  run.dscales = to_device(dscales, cpu_device);
}

template <class T>
Tensor AttentionProblem<T>::explicit_weights() const {
  const auto weights =
      empty({shape.sequences, shape.heads, shape.rows, shape.keys}, v.dtype(), device);
  const auto queries = placed(q), keys = placed(k);
  const auto factors = to_device(scales, device);
  const auto seen = placed_mask();
  const auto bias = slopes.defined() ? to_device(slopes, device) : Tensor{};
  attention_weights_forward(device.backend, {.q = views(queries),
                                             .k = views(keys),
                                             .scales = factors,
                                             .form = form_of(bias),
                                             .weights = weights,
                                             .mask = seen.view()});
  return to_device(weights, cpu_device);
}

template <class T>
typename AttentionProblem<T>::Run AttentionProblem<T>::explicit_run(
    const Tensor& given_weights) const {
  const auto group = shape.heads / shape.key_heads;
  const auto weights = to_device(given_weights, device), values = to_device(v, device);
  const auto dresult = to_device(dy, device), factors = to_device(scales, device);
  const auto queries = placed(q), keys = placed(k);
  const auto seen = placed_mask();
  const auto bias = slopes.defined() ? to_device(slopes, device) : Tensor{};
  const auto y = empty(dy.shape(), dy.dtype(), device);
  const auto dv = empty(v.shape(), v.dtype(), device);
  const auto dscales = empty(scales.shape(), scales.dtype(), device);
  const auto dweights = empty(weights.shape(), weights.dtype(), device);
  const auto split = [&](const Tensor& x) {  // [B, H, T, S] as [B, G, H / G, T, S]
    const auto& s = x.strides();
    return x.alias({x.size(0), shape.key_heads, group, x.size(2), x.size(3)},
                   {s[0], s[1] * group, s[1], s[2], s[3]});
  };
  apply_attention_weights_forward(device.backend, {.weights = split(weights),
                                                   .v = grouped(values, 1),
                                                   .y = grouped(y, group),
                                                   .mask = seen.view()});
  apply_attention_weights_backward(device.backend, {.dy = grouped(dresult, group),
                                                    .weights = split(weights),
                                                    .v = grouped(values, 1),
                                                    .dweights = split(dweights),
                                                    .dv = grouped(dv, 1),
                                                    .mask = seen.view()});
  std::vector<Tensor> dq, dk;
  for (std::size_t p = 0; p < q.size(); ++p) {
    dq.push_back(zeros(q[p].shape(), q[p].dtype(), device));
    dk.push_back(zeros(k[p].shape(), k[p].dtype(), device));
  }
  run_with_workspace(attention_weights_backward, device,
                     AttentionWeightsBackwardArgs{.dweights = dweights,
                                                  .weights = weights,
                                                  .q = views(queries),
                                                  .k = views(keys),
                                                  .scales = factors,
                                                  .form = form_of(bias),
                                                  .dq = {dq.begin(), dq.end()},
                                                  .dk = {dk.begin(), dk.end()},
                                                  .dscales = dscales,
                                                  .mask = seen.view()});
  Run run{.y = to_device(y, cpu_device),
          .log_sum_exp = {},
          .dq = {},
          .dk = {},
          .dv = to_device(dv, cpu_device),
          .dscales = to_device(dscales, cpu_device)};
  for (std::size_t p = 0; p < q.size(); ++p) {
    run.dq.push_back(to_device(dq[p], cpu_device));
    run.dk.push_back(to_device(dk[p], cpu_device));
  }
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
  const auto position_of = [&](std::int64_t key) {
    return s.scattered_keys ? mask.key_positions.data<std::int64_t>()[key] : key;
  };
  for (std::int64_t b = 0; b < s.sequences; ++b) {
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const auto g = h / (s.heads / s.key_heads);
      for (std::int64_t t = 0; t < s.rows; ++t) {
        const auto visible = [&](std::int64_t key) {
          return visible_by_words(s, mask, b, h, t, key);
        };
        const auto piece_score = [&](std::size_t p, std::int64_t key) {
          double sum = 0;
          for (std::int64_t d = 0; d < s.widths[p]; ++d) {
            sum += element<T>(q[p], {b, t, h, d}) * element<T>(k[p], {b, key, g, d});
          }
          return sum;
        };
        Numbers score(place(s.keys), 0), dscore(place(s.keys), 0), through(place(s.keys), 1);
        double total = 0;
        for (std::int64_t key = 0; key < s.keys; ++key) {
          if (!visible(key)) continue;
          for (std::size_t p = 0; p < q.size(); ++p) {
            score[place(key)] += element<Accumulator<T>>(scales, {static_cast<std::int64_t>(p)}) *
                                 piece_score(p, key);
          }
          auto& own = score[place(key)];
          if (s.soft_cap > 0) {
            const double capped = std::tanh(own / s.soft_cap);
            own = s.soft_cap * capped;
            through[place(key)] = 1 - capped * capped;
          }
          if (s.slopes) {
            own -= element<Accumulator<T>>(slopes, {h}) *
                   static_cast<double>(s.offset + t - position_of(key));
          }
          total += std::exp(own);
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
          const double ds = r.weights[place(row * s.keys + key)] * (dscore[place(key)] - center) *
                            through[place(key)];
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
