// Tokens that cannot be predicted: uniform and fixed (built_in_source.h).
#pragma once

#include <cstdint>

#include "apps/data/built_in_source.h"

namespace lookback {

// 256 tokens (or as many as one says), independent and equally likely: -ln p = ln 256 everywhere.
class UniformSource : public BuiltInSource {
 public:
  explicit UniformSource(std::uint64_t seed, BuiltInPart part, std::int64_t token_count = 256)
      : BuiltInSource(seed, part), vocabulary_(token_count), numbers_(token_count) {}
  const Tokenizer& tokenizer() const override { return numbers_; }
  std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const override {
    return std::make_shared<UniformSource>(seed, BuiltInPart::fresh, vocabulary_);
  }

 protected:
  void draw(RandomStream& random, std::span<std::int64_t> sequence) const override;
  void score(std::span<const std::int64_t> sequence, std::span<double> nats) const override;

 private:
  std::int64_t vocabulary_;
  NumberTokenizer numbers_;
};

class FixedSource final : public UniformSource {
 public:
  static constexpr std::int64_t sequences = 64;

  FixedSource(std::uint64_t seed, BuiltInPart part) : UniformSource(seed, part) {}
  std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const override {
    return std::make_shared<FixedSource>(seed, BuiltInPart::fresh);
  }

 protected:
  std::optional<std::int64_t> training_rows() const override { return sequences; }
  void training_sequence(std::int64_t step, std::int64_t row,
                         std::span<std::int64_t> sequence) const override;
  // Row r is sequence r of the set.
  void evaluated_training_sequence(std::int64_t row,
                                   std::span<std::int64_t> sequence) const override;
};

}  // namespace lookback
