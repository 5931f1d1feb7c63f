#include "apps/diagnosis/reference/positions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>

namespace lookback::reference {
namespace {

constexpr double turn = 2 * std::numbers::pi;

double yarn_amplitude(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

// Pairs that turn often in the original length stay, those that turn less than once are slowed
// down, those between are blended (Peng et al. 2023).
std::vector<double> yarn_frequencies(std::vector<double> frequencies, const Config& config) {
  const auto& scaling = config.rope_scaling;
  const auto width = 2 * static_cast<double>(frequencies.size());
  const double original =
      scaling.original_positions > 0 ? scaling.original_positions : config.max_position_embeddings;
  const auto pair_that_turns = [&](double times) {
    return width * std::log(original / (times * turn)) / (2 * std::log(config.rope_theta));
  };
  const double low = std::max(std::floor(pair_that_turns(scaling.beta_fast)), 0.0);
  double high = std::min(std::ceil(pair_that_turns(scaling.beta_slow)), width - 1);
  if (high == low) high += 0.001;
  for (std::size_t d = 0; d < frequencies.size(); ++d) {
    const double slow = std::clamp((static_cast<double>(d) - low) / (high - low), 0.0, 1.0);
    frequencies[d] = frequencies[d] / scaling.factor * slow + frequencies[d] * (1 - slow);
  }
  return frequencies;
}

// Waves that are longer than the original length are slowed down, short ones stay (Llama 3).
double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const double waves = scaling.original_positions * frequency / turn;
  const double keep = std::clamp(
      (waves - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor), 0.0,
      1.0);
  return frequency * (keep + (1 - keep) / scaling.factor);
}

std::vector<double> frequencies_of(std::size_t width, const Config& config) {
  const auto& scaling = config.rope_scaling;
  std::vector<double> frequencies;
  for (std::size_t d = 0; d < width; d += 2) {
    double frequency =
        std::pow(config.rope_theta, -static_cast<double>(d) / static_cast<double>(width));
    if (scaling.type == "linear") frequency /= scaling.factor;
    if (scaling.type == "llama3") frequency = llama3_frequency(frequency, scaling);
    frequencies.push_back(frequency);
  }
  return scaling.type == "yarn" ? yarn_frequencies(frequencies, config) : frequencies;
}

double amplitude_of(const RopeScaling& scaling) {
  if (scaling.type != "yarn") return 1;
  if (scaling.attention_factor && *scaling.attention_factor != 0) return *scaling.attention_factor;
  const bool two = scaling.mscale.value_or(0) != 0 && scaling.mscale_all_dim.value_or(0) != 0;
  if (!two) return yarn_amplitude(scaling.factor, 1);
  return yarn_amplitude(scaling.factor, *scaling.mscale) /
         yarn_amplitude(scaling.factor, *scaling.mscale_all_dim);
}

using Words = std::array<std::uint32_t, 4>;

// Four random words of a counter and a key (Salmon et al. 2011, Philox 4x32 with ten rounds).
Words philox(Words counter, std::uint32_t key_low, std::uint32_t key_high) {
  for (int round = 0; round < 10; ++round) {
    const auto a = std::uint64_t{0xD2511F53} * counter[0];
    const auto b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key_low, static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key_high, static_cast<std::uint32_t>(a)};
    key_low += 0x9E3779B9;
    key_high += 0xBB67AE85;
  }
  return counter;
}

std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

// Distinct blocks before `block`, all where there are no more: Floyd's sampling.
std::set<std::uint64_t> random_blocks(const Pattern& pattern, std::uint64_t layer,
                                      std::uint64_t head, std::uint64_t block) {
  std::set<std::uint64_t> chosen;
  const std::uint64_t count = std::min<std::uint64_t>(pattern.num_random_blocks, block);
  const std::uint64_t stream = std::uint64_t{7} << 56 | layer << 16 | head;
  for (std::uint64_t k = 0; k < count; ++k) {
    const std::uint64_t top = block - count + k, counter = block << 16 | k >> 2;
    const auto words =
        philox({low_word(counter), high_word(counter), low_word(stream), high_word(stream)},
               low_word(pattern.random_seed), high_word(pattern.random_seed));
    const std::uint64_t drawn = (words[k & 3] * (top + 1)) >> 32;  // uniform in 0 .. top
    chosen.insert(chosen.contains(drawn) ? top : drawn);
  }
  return chosen;
}

}  // namespace

Matrix with_rotary_positions(const Matrix& x, const Config& config) {
  const auto half = x.columns() / 2;
  const auto frequencies = frequencies_of(x.columns(), config);
  const double amplitude = amplitude_of(config.rope_scaling);
  Matrix y(x.rows(), x.columns());
  for (std::size_t t = 0; t < x.rows(); ++t) {
    for (std::size_t d = 0; d < half; ++d) {
      const double angle = static_cast<double>(t) * frequencies[d];
      const double c = amplitude * std::cos(angle), s = amplitude * std::sin(angle);
      y(t, d) = x(t, d) * c - x(t, d + half) * s;
      y(t, d + half) = x(t, d + half) * c + x(t, d) * s;
    }
  }
  return y;
}

double yarn_score_factor(const Config& config) {
  const auto& scaling = config.rope_scaling;
  if (scaling.type != "yarn" || scaling.mscale_all_dim.value_or(0) == 0) return 1;
  const double amplitude = yarn_amplitude(scaling.factor, *scaling.mscale_all_dim);
  return amplitude * amplitude;
}

std::vector<double> alibi_slopes(std::size_t heads, double bias_max) {
  std::size_t power = 1;
  while (power < heads) power *= 2;
  const auto slope = [&](std::size_t h) {
    return std::pow(2, -bias_max * static_cast<double>(h + 1) / static_cast<double>(power));
  };
  std::vector<double> slopes;
  if (power == heads) {
    for (std::size_t h = 0; h < power; ++h) slopes.push_back(slope(h));
    return slopes;
  }
  // Every second of twice as many, then those between.
  for (std::size_t h = 1; h < power; h += 2) slopes.push_back(slope(h));
  for (std::size_t h = 0; h < power; h += 2) slopes.push_back(slope(h));
  slopes.resize(heads);
  return slopes;
}

std::vector<bool> visible_keys(const std::optional<Pattern>& pattern, std::size_t layer,
                               std::size_t head, std::size_t query) {
  if (!pattern) return std::vector<bool>(query + 1, true);
  const auto& p = *pattern;
  std::vector<bool> sees(query + 1, std::ranges::count(p.global_tokens, query) > 0);
  const auto step = p.dilation.size() == 1 ? p.dilation[0] : p.dilation.at(head);
  for (std::size_t m = 0; m < p.sliding_window && m * step <= query; ++m)
    sees[query - m * step] = true;
  for (const auto key : p.global_tokens) {
    if (key <= query) sees[key] = true;
  }
  for (const auto block : random_blocks(p, layer, head, query / p.block_size)) {
    for (std::size_t key = block * p.block_size; key < (block + 1) * p.block_size; ++key) {
      if (key <= query) sees[key] = true;
    }
  }
  return sees;
}

}  // namespace lookback::reference
