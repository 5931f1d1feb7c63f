#include "apps/diagnosis/initial_weights.h"

#include <cmath>
#include <span>
#include <string_view>
#include <unordered_map>

#include "apps/diagnosis/thresholds.h"
#include "autograd/ops/to_vector.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

bool is_matrix_of_model(std::string_view name) {
  return name.ends_with("_proj.weight") || name.ends_with("embed_tokens.weight") ||
         name.ends_with("lm_head.weight");
}

// What a parameter ought to start from. By its name, where that says it (gains, biases and the
// matrices of a Llama); else as its module says.
Initial wanted_of(const NamedParameter& parameter) {
  const std::string_view name = parameter.name;
  if (name.ends_with("norm.weight")) return Initial::constant(1);
  if (name.ends_with(".bias")) return Initial::constant(0);
  return is_matrix_of_model(name) ? Initial::normal() : parameter.initial;
}

bool is_random(const Initial& initial) {
  return initial.kind == Initial::Kind::normal || initial.kind == Initial::Kind::own_normal;
}

double spread_of(const Initial& initial, const LlamaConfig& config) {
  return initial.kind == Initial::Kind::own_normal ? initial.value : config.initializer_range;
}

// The worst of a tensor's statistics, in standard errors of what chance makes of it.
struct Deviation {
  double errors = 0;
  std::string what = {};
};

void keep_worse(Deviation& worst, double errors, const std::string& what) {
  if (!(errors <= worst.errors)) worst = {errors, what};
}

Deviation deviation_of(std::span<const float> values, double spread) {
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0, within = 0;
  for (const double each : values) {
    sum += each;
    squares += each * each;
    if (std::fabs(each) < spread) ++within;
  }
  const double mean = sum / count, found = std::sqrt(squares / count);
  constexpr double share = 0.682689492137;  // of a normal distribution within one deviation
  Deviation worst;
  const auto errors = [&](double off, double error) { return std::fabs(off) / error; };
  keep_worse(worst, errors(mean, spread / std::sqrt(count)),
             fmt::format("a mean of {:.4g}, and 0 was asked for", mean));
  keep_worse(
      worst, errors(found - spread, spread / std::sqrt(2 * count)),
      fmt::format("a standard deviation of {:.4g}, and {:.4g} was asked for", found, spread));
  keep_worse(worst, errors(within / count - share, std::sqrt(share * (1 - share) / count)),
             fmt::format("{:.4g} of its numbers within one standard deviation, and a normal "
                         "distribution has {:.4g}",
                         within / count, share));
  return worst;
}

// Numbers that ought not to be random, against what they ought to be.
std::string wrong_number(std::span<const float> values, const Initial& wanted) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double ought = wanted.kind == Initial::Kind::given ? wanted.values[i] : wanted.value;
    if (values[i] == static_cast<float>(ought)) continue;
    return fmt::format("{:.6g} at place {}, and {:.6g} was asked for", values[i], i, ought);
  }
  return {};
}

// Runs of eight numbers, in 1024ths of the tensor's spread: of millions that are drawn apart no two
// are equal.
constexpr std::size_t run_length = 8;
// Of each tensor so many numbers are looked at.
constexpr std::size_t most_numbers = 1 << 16;

// Calls `take` with the hash of each run of the tensor and where it begins, until that returns false.
template <class Take>
void each_run(std::span<const float> values, double spread, const Take& take) {
  constexpr std::uint64_t factor = 0x9E3779B97F4A7C15u;
  std::uint64_t highest = 1, hash = 0;
  for (std::size_t i = 0; i < run_length; ++i) highest *= factor;
  const auto number = [&](std::size_t i) {
    return static_cast<std::uint64_t>(std::llround(1024 * static_cast<double>(values[i]) / spread));
  };
  for (std::size_t i = 0; i < std::min(values.size(), most_numbers); ++i) {
    hash = hash * factor + number(i);
    if (i >= run_length) hash -= highest * number(i - run_length);
    if (i + 1 >= run_length && !take(hash, i + 1 - run_length)) return;
  }
}

using Beginnings = std::unordered_map<std::uint64_t, std::string>;  // of tensors, with their names

template <class Take>
void each_tensor(const Llama& llama, const Take& take) {
  for (const auto& parameter : llama.parameters()) {
    const auto here = on_host(parameter.tensor);
    const auto values = here.elements<float>();
    take(parameter.name, wanted_of(parameter), std::span<const float>(values));
  }
}

// Also where two begin with the same: one of them.
Beginnings beginnings_of(const Llama& llama) {
  Beginnings all;
  each_tensor(llama, [&](const auto& tensor, const Initial& wanted, auto values) {
    if (!is_random(wanted)) return;
    each_run(values, spread_of(wanted, llama.config), [&](std::uint64_t hash, std::size_t) {
      all.emplace(hash, tensor);
      return false;
    });
  });
  return all;
}

void report(const std::string& name, const std::string& found, const std::string& healthy,
            Diagnosis& diagnosis) {
  if (found.empty()) {
    diagnosis.passed(name, 0, 0, healthy);
  } else {
    diagnosis.failed(Verdict::not_the_named_model, name, 1, 0, found);
  }
}

}  // namespace

void hold_to_their_spread(const Llama& llama, Diagnosis& diagnosis) {
  Deviation worst;
  std::string tensor_of_worst, wrong;
  std::size_t random = 0, others = 0;
  each_tensor(llama, [&](const auto& tensor, const Initial& wanted, auto values) {
    if (values.empty()) return;
    if (!is_random(wanted)) {
      ++others;
      const auto found = wrong_number(values, wanted);
      if (wrong.empty() && !found.empty()) wrong = fmt::format("{} has {}", tensor, found);
      return;
    }
    ++random;
    const auto found = deviation_of(values, spread_of(wanted, llama.config));
    if (found.errors <= worst.errors) return;
    worst = found;
    tensor_of_worst = tensor;
  });
  report("initial gains, biases and learned numbers", wrong,
         fmt::format("{} tensors have the numbers that they ought to start from", others),
         diagnosis);
  const std::string name = "spread of initial weights";
  constexpr double bound = thresholds::errors_of_initial_weights;
  if (!(worst.errors <= bound)) {
    return diagnosis.failed(Verdict::not_the_named_model, name, worst.errors, bound,
                            fmt::format("{} has {}: {:.3g} standard errors", tensor_of_worst,
                                        worst.what, worst.errors));
  }
  diagnosis.passed(name, worst.errors, bound,
                   fmt::format("each of {} random tensors has the mean and the spread that were "
                               "asked for, but for {:.2g} standard errors",
                               random, worst.errors));
}

void hold_apart(const Llama& llama, Diagnosis& diagnosis) {
  const std::string name = "initial weights, apart from each other";
  const auto beginnings = beginnings_of(llama);
  std::string found;
  each_tensor(llama, [&](const auto& tensor, const Initial& wanted, auto values) {
    if (!is_random(wanted) || !found.empty()) return;
    each_run(values, spread_of(wanted, llama.config), [&](std::uint64_t hash, std::size_t first) {
      const auto other = beginnings.find(hash);
      if (other == beginnings.end() || (first == 0 && other->second == tensor)) return true;
      found = fmt::format("{} holds, from its number {}, the random numbers of {}", tensor, first,
                          other->second);
      return false;
    });
  });
  report(name, found,
         fmt::format("{} random tensors share none of their numbers", beginnings.size()),
         diagnosis);
}

void hold_apart(const Llama& llama, std::uint64_t seed, const Llama& other,
                std::uint64_t other_seed, Diagnosis& diagnosis) {
  const auto beginnings = beginnings_of(llama);
  std::string found;
  each_tensor(other, [&](const auto& tensor, const Initial& wanted, auto values) {
    if (!is_random(wanted)) return;
    each_run(values, spread_of(wanted, other.config), [&](std::uint64_t hash, std::size_t) {
      if (const auto same = beginnings.find(hash); same != beginnings.end())
        found = fmt::format("{} with seed {} is {} with seed {}", tensor, other_seed, same->second,
                            seed);
      return false;
    });
  });
  report("initial weights of another seed", found, "another seed gives other weights", diagnosis);
}

}  // namespace lookback
