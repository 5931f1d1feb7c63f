// All micro-batches of a step are the first one: the loader forgot which of them it is asked for.
#include <utility>

#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class FirstMicroBatchOnly final : public TokenSource {
 public:
  explicit FirstMicroBatchOnly(std::shared_ptr<const TokenSource> whole)
      : whole_(std::move(whole)) {}

  const Tokenizer& tokenizer() const override { return whole_->tokenizer(); }
  std::optional<std::int64_t> scored_bytes() const override { return whole_->scored_bytes(); }
  std::optional<std::int64_t> tokens() const override { return whole_->tokens(); }
  TokenBatch training_batch(std::int64_t step, std::int64_t, std::int64_t rows,
                            std::int64_t columns) const override {
    return whole_->training_batch(step, 0, rows, columns);
  }
  std::optional<std::vector<std::int64_t>> training_starts(std::int64_t step, std::int64_t,
                                                           std::int64_t rows,
                                                           std::int64_t columns) const override {
    return whole_->training_starts(step, 0, rows, columns);
  }
  std::optional<std::vector<std::int64_t>> tokens_at(std::int64_t first,
                                                     std::int64_t count) const override {
    return whole_->tokens_at(first, count);
  }
  std::vector<std::int64_t> training_documents(std::int64_t step, std::int64_t, std::int64_t rows,
                                               std::int64_t columns) const override {
    return whole_->training_documents(step, 0, rows, columns);
  }
  std::vector<std::int64_t> evaluation_documents(std::int64_t first_row, std::int64_t rows,
                                                 std::int64_t columns) const override {
    return whole_->evaluation_documents(first_row, rows, columns);
  }
  std::string document_name(std::int64_t document) const override {
    return whole_->document_name(document);
  }
  std::optional<std::int64_t> documents() const override { return whole_->documents(); }
  std::optional<std::int64_t> separator() const override { return whole_->separator(); }
  std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const override {
    return whole_->evaluation_rows(columns);
  }
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t rows,
                              std::int64_t columns) const override {
    return whole_->evaluation_batch(first_row, rows, columns);
  }
  std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const override {
    return whole_->fresh_draws(seed);
  }
  bool has_floor() const override { return whole_->has_floor(); }
  std::vector<double> nats(const TokenBatch& batch) const override { return whole_->nats(batch); }

 private:
  std::shared_ptr<const TokenSource> whole_;
};

class EqualMicroBatches final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "all micro-batches of a step hold the rows of the first";
  }
  Verdict verdict() const override { return Verdict::wrong_data; }
  Changes changes() const override { return {Change::data}; }
  TokenData read(const TokenData& data) const override {
    return {.training = std::make_shared<FirstMicroBatchOnly>(data.training),
            .validation = data.validation};
  }
};

const AddFault<EqualMicroBatches> registered{"equal_micro_batches"};

}  // namespace
}  // namespace lookback
