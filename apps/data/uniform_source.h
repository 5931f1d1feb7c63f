// Tokens that nobody can predict: uniform and fixed (built_in_source.h).
#pragma once

#include <cstdint>

#include "apps/data/built_in_source.h"

namespace lookback {

// 256 tokens, independent and equally likely: -ln p = ln 256 at every place.
class UniformSource : public BuiltInSource {
 public:
  static constexpr std::int64_t vocabulary = 256;

  UniformSource(std::uint64_t seed, BuiltInPart part) : BuiltInSource(seed, part) {}
  const Tokenizer& tokenizer() const override { return numbers; }

 protected:
  void draw(RandomStream& random, std::span<std::int64_t> sequence) const override;
  void score(std::span<const std::int64_t> sequence, std::span<double> nats) const override;

 private:
  NumberTokenizer numbers{vocabulary};
};

class FixedSource final : public UniformSource {
 public:
  static constexpr std::int64_t sequences = 64;

  FixedSource(std::uint64_t seed, BuiltInPart part) : UniformSource(seed, part) {}

 protected:
  std::optional<std::int64_t> training_rows() const override { return sequences; }
  void training_sequence(std::int64_t step, std::int64_t micro_step, std::int64_t row,
                         std::span<std::int64_t> sequence) const override;
  // Row r is sequence r of the set.
  void evaluated_training_sequence(std::int64_t row,
                                   std::span<std::int64_t> sequence) const override;
};

}  // namespace lookback
