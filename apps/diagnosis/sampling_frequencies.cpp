#include "apps/diagnosis/sampling_frequencies.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

// Two tokens are equally likely: of them top-k keeps the smaller one.
constexpr std::array row{0.4, 1.6, 0.4, -0.7, 1.1, -0.2};

// What each token ought to be drawn with, 0 for one that is cut off.
std::vector<double> probabilities(const SamplingOptions& options) {
  std::vector<std::size_t> order(row.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [](std::size_t a, std::size_t b) {
    return row[a] > row[b] || (row[a] == row[b] && a < b);
  });
  if (options.top_k > 0)
    order.resize(std::min(order.size(), static_cast<std::size_t>(options.top_k)));
  std::vector<double> kept(row.size(), 0.0);
  double all = 0, held = 0, total = 0;
  for (const auto token : order) all += std::exp(row[token] / options.temperature);
  for (const auto token : order) {
    if (held >= options.top_p * all) break;
    kept[token] = std::exp(row[token] / options.temperature);
    held += kept[token];
  }
  for (const double each : kept) total += each;
  for (double& each : kept) each /= total;
  return kept;
}

// One in a billion is beyond it by chance (Wilson & Hilferty 1931).
double chi_square_bound(double freedom) {
  const double spread = 2 / (9 * freedom);
  return freedom * std::pow(1 - spread + thresholds::errors_of_a_billion * std::sqrt(spread), 3);
}

}  // namespace

std::string in_words(const SamplingOptions& options) {
  auto text = fmt::format("temperature {}", options.temperature);
  if (options.top_k > 0) text += fmt::format(", top-k {}", options.top_k);
  if (options.top_p < 1) text += fmt::format(", top-p {}", options.top_p);
  return text;
}

Drawn draw(const SamplingOptions& options, int draws, const Picker& pick) {
  const auto expected = probabilities(options);
  std::vector<int> counts(row.size(), 0);
  for (int i = 0; i < draws; ++i) ++counts.at(static_cast<std::size_t>(pick(row)));
  double chi_square = 0, kept = 0, worst = 0;
  std::size_t worst_token = 0;
  for (std::size_t token = 0; token < row.size(); ++token) {
    const double mean = draws * expected[token], off = counts[token] - mean;
    if (mean > 0) ++kept;
    const double part = mean > 0 ? off * off / mean : (counts[token] > 0 ? HUGE_VAL : 0);
    chi_square += part;
    if (part <= worst) continue;
    worst = part;
    worst_token = token;
  }
  const double of_bound =
      kept > 1 ? chi_square / chi_square_bound(kept - 1) : (chi_square > 0 ? HUGE_VAL : 0);
  return {of_bound,
          fmt::format("{}: of {} draws {} are token {}, and its share is {:.4g}", in_words(options),
                      draws, counts[worst_token], worst_token, expected[worst_token])};
}

}  // namespace lookback
