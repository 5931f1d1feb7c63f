// What a query or a key holds reaches only what sees it: not even NaN or infinity goes further.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/kernels/attention_expectations.h"

namespace lookback::kernels {

enum class Poisoned { query, key, value, output_gradient };

// What may change where one row or key of a sequence is poisoned, by the words of the mask.
class Reached {
 public:
  template <class T>
  Reached(const AttentionProblem<T>& problem, Poisoned what, std::int64_t sequence, std::int64_t at)
      : s_(problem.shape),
        rows_(static_cast<std::size_t>(s_.sequences * s_.rows * s_.heads)),
        keys_(static_cast<std::size_t>(s_.sequences * s_.keys * s_.key_heads)) {
    const bool of_key = what == Poisoned::key || what == Poisoned::value;
    for (std::int64_t t = 0; t < s_.rows; ++t) {
      for (std::int64_t h = 0; h < s_.heads; ++h) {
        const auto sees = [&](std::int64_t key) {
          return visible_by_words(s_, problem.mask, sequence, h, t, key);
        };
        if (of_key ? !sees(at) : t != at) continue;
        rows_[static_cast<std::size_t>((sequence * s_.rows + t) * s_.heads + h)] = true;
        for (std::int64_t key = 0; key < s_.keys; ++key) {
          if (!sees(key)) continue;
          const auto group = s_.heads / s_.key_heads;
          keys_[static_cast<std::size_t>((sequence * s_.keys + key) * s_.key_heads + h / group)] =
              true;
        }
      }
    }
  }

  // x [B, T, H, ..] or [B, S, G, ..] must be what it was wherever nothing reaches.
  void expect_rows_kept(const Tensor& x, const Tensor& clean, const char* name) const {
    expect_kept(x, clean, rows_, name);
  }
  void expect_keys_kept(const Tensor& x, const Tensor& clean, const char* name) const {
    expect_kept(x, clean, keys_, name);
  }
  static void expect_all_kept(const Tensor& x, const Tensor& clean, const char* name) {
    expect_kept(x, clean, std::vector<bool>(static_cast<std::size_t>(x.numel())), name);
  }

 private:
  static void expect_kept(const Tensor& x, const Tensor& clean, const std::vector<bool>& reached,
                          const char* name) {
    const auto now = numbers_of(x), before = numbers_of(clean);
    const auto width = reached.empty() ? 1 : now.size() / reached.size();
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (!reached[i / width]) {
        ASSERT_EQ(now[i], before[i]) << name << " " << i / width << " " << i % width;
      }
    }
  }

  const ProblemShape s_;
  std::vector<bool> rows_, keys_;
};

template <class T>
void poison_rows(const Tensor& x, std::int64_t sequence, std::int64_t position, double with) {
  for (std::int64_t head = 0; head < x.size(2); ++head) {
    for (std::int64_t d = 0; d < x.size(3); ++d) {
      const auto& step = x.strides();
      x.data<T>()[sequence * step[0] + position * step[1] + head * step[2] + d] =
          static_cast<T>(with);
    }
  }
}

template <class T>
void poison(const AttentionProblem<T>& problem, Poisoned what, std::int64_t sequence,
            std::int64_t at, double with) {
  if (what == Poisoned::value) poison_rows<T>(problem.v, sequence, at, with);
  if (what == Poisoned::output_gradient) poison_rows<T>(problem.dy, sequence, at, with);
  if (what == Poisoned::query) poison_rows<T>(problem.q[0], sequence, at, with);
  if (what == Poisoned::key) poison_rows<T>(problem.k[0], sequence, at, with);
}

// Streaming and explicit, forward and backward.
template <class T>
void expect_hidden_is_excluded(const ProblemShape& shape, Device device, std::int64_t stride) {
  using Problem = AttentionProblem<T>;
  const auto whole_run = [](const Problem& problem) {
    typename Problem::Run run;
    problem.forward(run);
    problem.backward(run);
    return run;
  };
  const Problem clean(shape, 1, device);
  const auto expected = whole_run(clean);
  const auto expected_weights = clean.explicit_weights();
  const auto expected_explicit = clean.explicit_run(expected_weights);
  for (const double with :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const auto what :
         {Poisoned::query, Poisoned::key, Poisoned::value, Poisoned::output_gradient}) {
      const bool of_key = what == Poisoned::key || what == Poisoned::value;
      const auto positions = of_key ? shape.keys : shape.rows;
      for (std::int64_t at = 0; at < positions; at += stride) {
        SCOPED_TRACE(fmt::format("{} {} of {}", with, at, static_cast<int>(what)));
        const auto sequence = shape.sequences - 1;
        const Problem dirty(shape, 1, device);
        poison(dirty, what, sequence, at, with);
        const Reached reached(dirty, what, sequence, at);
        const auto compare = [&](const typename Problem::Run& run,
                                 const typename Problem::Run& before) {
          if (what == Poisoned::output_gradient) {
            Reached::expect_all_kept(run.y, before.y, "y");
          } else {
            reached.expect_rows_kept(run.y, before.y, "y");
          }
          reached.expect_rows_kept(run.dq[0], before.dq[0], "dq");
          reached.expect_keys_kept(run.dk[0], before.dk[0], "dk");
          if (what == Poisoned::value) {
            Reached::expect_all_kept(run.dv, before.dv, "dv");
          } else {
            reached.expect_keys_kept(run.dv, before.dv, "dv");
          }
        };
        compare(whole_run(dirty), expected);
        compare(dirty.explicit_run(dirty.explicit_weights()), expected_explicit);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace lookback::kernels
