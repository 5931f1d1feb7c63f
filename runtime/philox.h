// Philox 4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"),
// and one standard normal number per index from it.
//
// A value depends only on (seed, stream, counter): the key is the seed, the 128-bit counter is
// (counter, stream), low words first. This header holds no containers and calls nothing but fma,
// sqrt and floating-point division, all of which IEEE 754 rounds exactly. No product is added to
// anything except by an explicit fma, so a compiler that contracts changes nothing: the CPU and the
// GPU give the same bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/host_device.h"

namespace lookback {

struct PhiloxBlock {
  std::uint32_t word[4];

  // i = 0, 1: words 2i (low) and 2i + 1 (high).
  LOOKBACK_HOST_DEVICE constexpr std::uint64_t pair(std::size_t i) const {
    return word[2 * i] | static_cast<std::uint64_t>(word[2 * i + 1]) << 32;
  }
};

// The function as published: ten rounds on a counter of four words under a key of two.
LOOKBACK_HOST_DEVICE constexpr PhiloxBlock philox_4x32_10(PhiloxBlock counter, std::uint32_t key0,
                                                          std::uint32_t key1) {
  constexpr std::uint64_t multiplier0 = 0xD2511F53u, multiplier1 = 0xCD9E8D57u;
  constexpr std::uint32_t weyl0 = 0x9E3779B9u, weyl1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = multiplier0 * counter.word[0];
    const std::uint64_t product1 = multiplier1 * counter.word[2];
    counter = {{static_cast<std::uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0,
                static_cast<std::uint32_t>(product1),
                static_cast<std::uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1,
                static_cast<std::uint32_t>(product0)}};
    key0 += weyl0;
    key1 += weyl1;
  }
  return counter;
}

struct Philox {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;

  LOOKBACK_HOST_DEVICE constexpr PhiloxBlock block(std::uint64_t counter) const {
    return philox_4x32_10(
        {{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
          static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}},
        static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  }
};

// In [0, 1), a multiple of 2^-53.
LOOKBACK_HOST_DEVICE inline double uniform_from_bits(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

namespace detail {

// c[0] + c[1] x + ... + c[7] x^7 by Horner's rule, one fma a term.
LOOKBACK_HOST_DEVICE inline double polynomial7(const double (&c)[8], double x) {
  double sum = c[7];
  for (int k = 6; k >= 0; --k) sum = std::fma(sum, x, c[k]);
  return sum;
}

// -ln(p) for a normal number p in (0, 1), to about one unit in the last place:
// p = 2^e m with m in [1/sqrt 2, sqrt 2), ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.1716,
// and atanh's Taylor series to s^23 (the next term is below 2^-62 of the sum).
LOOKBACK_HOST_DEVICE inline double negative_log(double p) {
  std::uint64_t bits;
  std::memcpy(&bits, &p, sizeof bits);
  // Counted so that the exponent steps at sqrt 2 instead of 2.
  constexpr std::uint64_t sqrt_half_bits = 0x3FE6A09E667F3BCDu;
  const std::uint64_t shifted = bits - sqrt_half_bits;
  const auto exponent = static_cast<double>(static_cast<std::int64_t>(shifted) >> 52);
  bits = (shifted & 0x000FFFFFFFFFFFFFu) + sqrt_half_bits;
  double m;
  std::memcpy(&m, &bits, sizeof m);

  const double s = (m - 1.0) / (m + 1.0);
  const double s2 = s * s;
  double series = 0.0;
  for (int k = 23; k >= 3; k -= 2) series = std::fma(series, s2, 1.0 / k);
  const double tail = s * s2 * series;  // atanh(s) - s
  constexpr double ln2_high = 0x1.62e42fefa39efp-1, ln2_low = 0x1.abc9e3b39803fp-56;
  const double log_m = 2.0 * (s + tail);
  return std::fma(-exponent, ln2_high, std::fma(-exponent, ln2_low, -log_m));
}

}  // namespace detail

// The inverse of the standard normal distribution function at u = (k + 1/2) 2^-52, k the top 52
// bits of `bits`: Wichura's rational approximations (1988, algorithm AS 241, PPND16), relative
// error below 1e-15. Symmetric; the largest magnitude is 8.21.
LOOKBACK_HOST_DEVICE inline double normal_from_bits(std::uint64_t bits) {
  constexpr double center_numerator[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                                          1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                          4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                          3.3430575583588128105e+4, 2.5090809287301226727e+3};
  constexpr double center_denominator[8] = {1.0,
                                            4.2313330701600911252e+1,
                                            6.8718700749205790830e+2,
                                            5.3941960214247511077e+3,
                                            2.1213794301586595867e+4,
                                            3.9307895800092710610e+4,
                                            2.8729085735721942674e+4,
                                            5.2264952788528545610e+3};
  constexpr double middle_numerator[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                          5.76949722146069140550e0,  3.64784832476320460504e0,
                                          1.27045825245236838258e0,  2.41780725177450611770e-1,
                                          2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr double middle_denominator[8] = {1.0,
                                            2.05319162663775882187e0,
                                            1.67638483018380384940e0,
                                            6.89767334985100004550e-1,
                                            1.48103976427480074590e-1,
                                            1.51986665636164571966e-2,
                                            5.47593808499534494600e-4,
                                            1.05075007164441684324e-9};
  constexpr double tail_numerator[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                        1.78482653991729133580e0,  2.96560571828504891230e-1,
                                        2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                        2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr double tail_denominator[8] = {1.0,
                                          5.99832206555887937690e-1,
                                          1.36929880922735805310e-1,
                                          1.48753612908506148525e-2,
                                          7.86869131145613259100e-4,
                                          1.84631831751005468180e-5,
                                          1.42151175831644588870e-7,
                                          2.04426310338993978564e-15};

  // u and u - 1/2 are both exact in f64.
  const double u = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
  const double q = u - 0.5;
  if (std::fabs(q) <= 0.425) {
    const double r = std::fma(-q, q, 0.180625);
    return q *
           (detail::polynomial7(center_numerator, r) / detail::polynomial7(center_denominator, r));
  }
  const double r = std::sqrt(detail::negative_log(q < 0.0 ? u : 1.0 - u));
  const double magnitude = r <= 5.0 ? detail::polynomial7(middle_numerator, r - 1.6) /
                                          detail::polynomial7(middle_denominator, r - 1.6)
                                    : detail::polynomial7(tail_numerator, r - 5.0) /
                                          detail::polynomial7(tail_denominator, r - 5.0);
  return q < 0.0 ? -magnitude : magnitude;
}

// Standard normal number `index` of a stream: half a block each.
LOOKBACK_HOST_DEVICE inline double normal_at(std::uint64_t seed, std::uint64_t stream,
                                             std::uint64_t index) {
  const PhiloxBlock block = Philox{seed, stream}.block(index >> 1);
  return normal_from_bits(block.pair(index & 1));
}

}  // namespace lookback
