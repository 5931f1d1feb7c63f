// Composed attention under patterns: a pair is seen where some head sees it, and nothing of the
// others reaches a row or a gradient.
#pragma once

#include <gtest/gtest.h>

#include <limits>

#include "tests/autograd/composed_inputs.h"

namespace lookback::testing {

struct NamedMask {
  const char* name;
  CausalMask mask;
};

inline Tensor positions(const std::vector<std::int64_t>& values, const Shape& shape) {
  const auto x = empty(shape, DType::i64);
  std::copy(values.begin(), values.end(), x.data<std::int64_t>());
  return x;
}

// Of `heads` heads over `keys` keys.
inline std::vector<NamedMask> patterned_masks(std::int64_t heads, std::int64_t keys) {
  const auto by_head = [&](const auto& step) {
    std::vector<std::int64_t> all;
    for (std::int64_t h = 0; h < heads; ++h) all.push_back(step(h));
    return positions(all, {heads});
  };
  constexpr std::int64_t block = 3;
  const auto blocks = keys / block + 1;
  std::vector<std::int64_t> drawn;
  for (std::int64_t i = 0; i < heads * blocks; ++i) {
    drawn.push_back(i % blocks == 0 ? -1 : (7 * i + i / blocks) % (i % blocks));
  }
  CausalMask dilated{.window = 3}, by_heads{.window = 2}, global{.window = 2};
  CausalMask random{.window = 1};
  dilated.pattern.dilation = by_head([](auto) { return 3; });
  by_heads.pattern.dilation = by_head([](auto h) { return 2 * h + 1; });
  global.pattern.global_keys = positions({0, 5}, {2});
  random.pattern.random_blocks = positions(drawn, {heads, blocks, 1});
  random.pattern.block_size = block;
  return {{"window", {.window = 4}},
          {"dilated", dilated},
          {"dilated by heads", by_heads},
          {"global", global},
          {"random", random}};
}

// Whether some head sees the pair, by the mask's own rule, which has tests of its own
// (KeyPatterns.ShowWhatTheWordsSay).
inline bool seen_by_some_head(const CausalMask& mask, std::int64_t heads, std::int64_t row,
                              std::int64_t key, std::int64_t keys) {
  const auto view = mask.view();
  for (std::int64_t h = 0; h < heads; ++h) {
    if (view.visible(0, h, row, key, keys)) return true;
  }
  return false;
}

inline CausalMask mask_on(const CausalMask& mask, Device device) {
  auto moved = mask;
  for (auto* table :
       {&moved.pattern.dilation, &moved.pattern.global_keys, &moved.pattern.random_blocks}) {
    if (table->defined()) *table = to_device(*table, device);
  }
  return moved;
}

// A position of one of the inputs, or of the gradient of the result, that holds this number.
struct Poison {
  static constexpr std::size_t of_gradient = 6;
  std::size_t input;
  std::int64_t position;
  double number;
  bool of_key() const { return input == 1 || input == 3 || input == 5; }
};

// The rows and the keys that it reaches.
struct ReachedPositions {
  std::vector<bool> rows, keys;

  ReachedPositions(const Poison& poison, const CausalMask& mask, std::int64_t heads,
                   std::int64_t tokens)
      : rows(static_cast<std::size_t>(tokens)), keys(rows) {
    const auto sees = [&](std::int64_t row, std::int64_t key) {
      return seen_by_some_head(mask, heads, row, key, tokens);
    };
    for (std::int64_t t = 0; t < tokens; ++t) {
      if (poison.of_key() ? !sees(t, poison.position) : t != poison.position) continue;
      rows[static_cast<std::size_t>(t)] = true;
      for (std::int64_t s = 0; s < tokens; ++s) {
        if (sees(t, s)) keys[static_cast<std::size_t>(s)] = true;
      }
    }
  }
};

// x [1, T, ..] must be what it was in all positions but those.
inline void expect_kept(const Tensor& x, const Tensor& clean, const std::vector<bool>& reached,
                        const char* name) {
  const auto now = to_doubles(x), before = to_doubles(clean);
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (!reached[i / (now.size() / reached.size())]) {
      ASSERT_EQ(now[i], before[i]) << name << i;
    }
  }
}

// Of q, k, both mixings, the fixed one and v, [1, T, ..]: poisoned in every `stride`-th position of
// each but the fixed one, forward and backward.
class HiddenPairs {
 public:
  HiddenPairs(const Inputs& inputs, const CausalMask& mask, Device device)
      : inputs_(inputs),
        mask_(mask),
        device_(device),
        on_device_(mask_on(mask, device)),
        clean_(run(inputs_, factor())) {}

  void expect_excluded(std::int64_t stride) const {
    for (const double number :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      for (const std::size_t input : {0U, 1U, 2U, 3U, 5U, 6U}) {
        for (std::int64_t at = 0; at < inputs_[0].size(1); at += stride) {
          SCOPED_TRACE(fmt::format("{} in position {} of {}", number, at, input));
          expect_excluded({input, at, number});
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }

 private:
  // What the result is multiplied with.
  Tensor factor() const {
    return make_f64({1, inputs_[0].size(1), 1, 1}, [](std::int64_t) { return 1.0; });
  }

  ForwardAndGradients run(const Inputs& in, const Tensor& factor) const {
    OpCaseOptions options;
    options.call = [&](const Inputs& given) {
      auto scores = plain_scores(given);
      scores.mixing.fixed = mixing_of(given[4]);
      scores.piece.soft_cap = 2;
      return scores.apply(given[5], on_device_) * to_device(factor, device_);
    };
    Inputs moved;
    for (const auto& x : in) moved.push_back(to_device(x, device_));
    return run_with_gradients(options, moved);
  }

  void expect_excluded(const Poison& poison) const {
    Inputs dirty;
    for (const auto& x : inputs_) dirty.push_back(from_values(to_doubles(x), x.shape()));
    const auto multiplied = factor();
    const auto& x = poison.input == Poison::of_gradient ? multiplied : dirty[poison.input];
    const auto tokens = inputs_[0].size(1), width = x.numel() / tokens;
    std::fill_n(x.data<double>() + poison.position * width, width, poison.number);
    const auto result = run(dirty, multiplied);
    const ReachedPositions reached(poison, mask_, inputs_[0].size(2), tokens);
    const auto& gradients = result.gradients;
    const auto& clean = clean_.gradients;
    expect_kept(result.y, clean_.y, reached.rows, "y");
    expect_kept(gradients[0], clean[0], reached.rows, "dq");
    expect_kept(gradients[1], clean[1], reached.keys, "dk");
    expect_kept(gradients[2], clean[2], reached.rows, "dquery_mixing");
    expect_kept(gradients[3], clean[3], reached.keys, "dkey_mixing");
    expect_kept(gradients[5], clean[5], reached.keys, "dv");
  }

  const Inputs& inputs_;
  const CausalMask mask_;
  const Device device_;
  const CausalMask on_device_;
  const ForwardAndGradients clean_;
};

inline Inputs drawn_for_composing(const ComposedSizes& of, double size) {
  auto shapes = of.scores();
  shapes.push_back(of.fixed());
  shapes.push_back(of.values());
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(-size, size);
  Inputs inputs;
  for (const auto& shape : shapes) {
    inputs.push_back(make_f64(shape, [&](std::int64_t) { return uniform(random); }));
  }
  return inputs;
}

}  // namespace lookback::testing
