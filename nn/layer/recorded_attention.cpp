#include "nn/layer/recorded_attention.h"

#include "autograd/grad_mode.h"
#include "autograd/mask_watch.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/broadcast_to.h"
#include "nn/layer/model_hooks.h"

namespace lookback {
namespace {

class StreamingReplay final : public AttentionReplay {
 public:
  StreamingReplay(AttentionPieces pieces, Tensor log_sum_exp, CausalMask mask,
                  std::shared_ptr<LeftByReplays> left)
      : pieces_(std::move(pieces)),
        log_sum_exp_(std::move(log_sum_exp)),
        mask_(std::move(mask)),
        left_(std::move(left)) {}

  Tensor apply(const Tensor& values) const override {
    // Values that all heads share have one head.
    auto shape = values.shape();
    shape[2] = pieces_.k.front().size(2);
    const auto shared = values.size(2) == 1 ? broadcast_to(values, shape) : values;
    return attention_replay(pieces_, log_sum_exp_, shared, mask_, left_);
  }

  std::vector<Tensor> tensors() const override {
    std::vector<Tensor> all{log_sum_exp_};
    append_tensors(all, pieces_);
    return all;
  }

  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    return std::make_shared<StreamingReplay>(pieces_from(all, 1, pieces_), all[0], mask_, left_);
  }

 private:
  AttentionPieces pieces_;
  Tensor log_sum_exp_;
  CausalMask mask_;
  std::shared_ptr<LeftByReplays> left_;
};

class KeptWeights final : public AttentionReplay {
 public:
  explicit KeptWeights(MaskedWeights recorded) : recorded_(std::move(recorded)) {}

  Tensor apply(const Tensor& values) const override {
    return apply_attention_weights(recorded_.weights, values, recorded_.mask);
  }

  std::vector<Tensor> tensors() const override { return {recorded_.weights}; }

  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    return std::make_shared<KeptWeights>(MaskedWeights{all[0], recorded_.mask});
  }

 private:
  MaskedWeights recorded_;
};

void trace_weights(const ForwardPass& pass, const Tensor& weights) {
  if (pass.options.trace != nullptr) pass.options.trace->attention_weights.push_back(weights);
}

RecordedAttention explicit_attention(const AttentionPieces& pieces, const Tensor& values,
                                     const CausalMask& mask, const ForwardPass& pass) {
  const auto made = pass.hooks->attention(pieces, mask);
  trace_weights(pass, made.weights);
  const auto output = apply_attention_weights(made.weights, values, made.mask);
  return {output, pass.hooks->replay(pieces, made)};
}

RecordedAttention streaming_attention(const AttentionPieces& pieces, const Tensor& values,
                                      const CausalMask& mask, const ForwardPass& pass) {
  if (pass.options.trace != nullptr) {
    const NoGrad no_grad;  // only to be looked at
    const MaskWatch::Pause unwatched;
    trace_weights(pass, attention_weights(pieces, mask));
  }
  if (!pass.needs.replay) return {attention(pieces, values, mask).y, nullptr};
  const auto left = pass.left_by_replays ? pass.left_by_replays : std::make_shared<LeftByReplays>();
  const auto [output, log_sum_exp] = attention(pieces, values, mask, left);
  return {output, std::make_shared<StreamingReplay>(pieces, log_sum_exp, mask, left)};
}

}  // namespace

MaskedWeights masked_weights(const AttentionPieces& pieces, const CausalMask& mask) {
  return {attention_weights(pieces, mask), mask};
}

std::shared_ptr<const AttentionReplay> kept_weights(MaskedWeights recorded) {
  return std::make_shared<KeptWeights>(std::move(recorded));
}

void append_tensors(std::vector<Tensor>& all, const AttentionPieces& pieces) {
  all.push_back(pieces.scales);
  if (pieces.slopes.defined()) all.push_back(pieces.slopes);
  all.insert(all.end(), pieces.q.begin(), pieces.q.end());
  all.insert(all.end(), pieces.k.begin(), pieces.k.end());
}

AttentionPieces pieces_from(const std::vector<Tensor>& all, std::size_t begin,
                            const AttentionPieces& like) {
  auto next = all.begin() + static_cast<std::ptrdiff_t>(begin);
  AttentionPieces pieces;
  pieces.scales = *next++;
  pieces.soft_cap = like.soft_cap;
  if (like.slopes.defined()) pieces.slopes = *next++;
  const auto first_key = next + static_cast<std::ptrdiff_t>(like.q.size());
  pieces.q.assign(next, first_key);
  pieces.k.assign(first_key, all.end());
  return pieces;
}

RecordedAttention record_attention(const AttentionPieces& pieces, const Tensor& values,
                                   const CausalMask& mask, const ForwardPass& pass) {
  if (auto* trace = pass.options.trace) trace->pieces.push_back(pieces);
  const bool streaming = pass.options.attention == AttentionPath::streaming;
  return streaming ? streaming_attention(pieces, values, mask, pass)
                   : explicit_attention(pieces, values, mask, pass);
}

}  // namespace lookback
