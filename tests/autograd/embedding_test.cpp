#include "autograd/ops/embedding.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor ones(const Shape& shape) {
  return make_f64(shape, [](auto) { return 1.0; });
}

const OpCase embedding_case{
    "embedding",
    {.shapes = {{{2, 3}, {5, 4}},
                {{}, {1, 1}},
                {{0}, {3, 2}},
                {{0, 2}, {0, 2}},
                {{7}, {3, 0}},
                {{31}, {2, 9}},
                {{1025}, {33, 300}}},
     .call = [](const Inputs& in) { return embedding(in[0], in[1]); },
     .reference =
         [](const Inputs& in) {
           auto shape = in[0].shape();
           const auto columns = in[1].size(1);
           shape.push_back(columns);
           return make_f64(shape, [&](std::int64_t i) {
             return in[1]
                 .data<double>()[in[0].data<std::int64_t>()[i / columns] * columns + i % columns];
           });
         },
     .input =
         [](std::size_t which, const Shape& shape, std::mt19937_64& random) {
           if (which != 0) return Tensor{};
           const auto ids = empty(shape, DType::i64);
           for (auto& id : ids.elements<std::int64_t>())
             id = static_cast<std::int64_t>(random() % 2);
           if (shape.rank() == 0) ids.data<std::int64_t>()[0] = 0;
           return ids;
         },
     .refused = {{[] {
                    embedding(from_values<std::int64_t>({0, 1, 2, 3, 4, 5}, {2, 3}), ones({5, 2}));
                  },
                  "[embedding] id 5 at (1, 2) of (2, 3) must be in [0, 5)"},
                 {[] {
                    embedding(from_values<std::int64_t>({-1}, {1}), ones({5, 2}));
                  },
                  "id -1 at (0,) of (1,)"},
                 {[] {
                    embedding(ones({2}), ones({5, 2}));
                  },
                  "[embedding] ids must be int64, not float64"},
                 {[] { embedding(from_values<std::int64_t>({0}, {1}), ones({5})); },
                  "two dimensions"}}}};

TEST(Embedding, GradientsOfOneRowAddUpInOrder) {
  // 1 + 2^-24 is 1 in f32, but 2^-24 + 2^-24 + 1 is not: the order of the positions shows.
  const auto tiny = std::ldexp(1.0F, -24);
  const auto ids = from_values<std::int64_t>({1, 0, 1, 1}, {4});
  const auto table = zeros({3, 1}, DType::f32);
  set_requires_grad(table);
  backward(embedding(ids, table), from_values<float>({tiny, 7, tiny, 1}, {4, 1}));
  EXPECT_EQ(gradient(table).data<float>()[0], 7);
  EXPECT_EQ(gradient(table).data<float>()[1], 1 + 2 * tiny);
  EXPECT_EQ(gradient(table).data<float>()[2], 0);
  clear_gradient(table);
  backward(embedding(ids, table), from_values<float>({1, 7, tiny, tiny}, {4, 1}));
  EXPECT_EQ(gradient(table).data<float>()[1], 1);
}

}  // namespace
}  // namespace lookback::testing
