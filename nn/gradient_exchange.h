// What the ranks of a run exchange in a step: each sends the others the part of its gradients that
// they move the weights with, adds up what it gets for its own part, and gives back the weights it
// has moved. Sums are joined in the order of the ranks by the binary counter, as lanes are
// (nn/gradient_lanes.h): R lanes come to the same bits at every number N of ranks that the rule of
// runtime/binary_counter.h allows.
//
// Each rank holds all weights, its own gradients, and the moments of its own part (nn/shards.h).
// Per rank and step (N - 1) / N times 4 bytes for each parameter go out and come in for gradients,
// and as many for weights.
#pragma once

#include <deque>
#include <vector>

#include "nn/adamw.h"
#include "nn/shards.h"
#include "runtime/communicator.h"

namespace lookback {

class GradientExchange {
 public:
  // Parameters are contiguous. The communicator outlives this object.
  GradientExchange(Communicator& ranks, std::vector<NamedParameter> parameters);

  int rank() const { return ranks_.rank(); }
  int ranks() const { return ranks_.size(); }

  // What this rank moves: AdamW's ranges.
  std::vector<ParameterRange> own() const { return shards_.of(ranks_.rank()); }

  // This parameter holds the whole gradient of this rank, which leaves for the others, bucket by
  // bucket, when those in front of it are complete too. Of each parameter at most once in a step.
  void send(std::size_t parameter);
  // All that have not been sent are, a missing gradient as zeros. Then the parameters hold in
  // own(), and there alone, the sum over all ranks.
  void finish_sums();
  // The same of numbers of each rank, f64 and of one element each; everywhere.
  std::vector<Tensor> sum(const std::vector<Tensor>& numbers) const;
  // sqrt of the sum of squares of all ranks' own gradients, [] f64, the same everywhere: as
  // gradient_norm_tensor() of one process that holds them all.
  Tensor norm() const;
  // Every rank has moved its part of the weights; then it has those of the others too.
  void share_weights();

  // All ranks have rank 0's weights.
  void take_weights_of_first();

  // On rank 0 moments of the whole parameters, zeros on the host; nothing on the others.
  std::vector<AdamW::State> whole_moments() const;
  // The same, filled with what all ranks' AdamW hold.
  std::vector<AdamW::State> gather(const AdamW& adamw) const;
  // The way back: rank 0's `whole` becomes what each AdamW holds of it.
  void scatter(const std::vector<AdamW::State>& whole, const AdamW& adamw) const;

 private:
  // The gradients of one bucket on their way.
  struct Arriving {
    std::size_t bucket;
    Communicator::Ticket ticket = 0;
    std::vector<Tensor> sent = {};                 // where the host can read them
    std::vector<std::vector<Tensor>> pieces = {};  // by range, then by rank; the own undefined
  };

  void send_next_bucket();
  Arriving begin_to_send(std::size_t bucket) const;
  void add_up(Arriving& arriving);
  void begin_step();
  Tensor own_squares() const;
  void put_in_order(const Tensor& squares, int rank, const Tensor& all) const;
  const std::vector<ParameterRange>& ranges_of(std::size_t bucket, int owner) const {
    return shards_.buckets()[bucket][static_cast<std::size_t>(owner)];
  }

  Communicator& ranks_;
  std::vector<NamedParameter> parameters_;
  Shards shards_;
  std::vector<std::int64_t> first_chunks_;  // of each parameter, and how many there are in all
  std::vector<std::size_t> bucket_of_;      // of each parameter

  // Of the step at hand.
  std::vector<std::size_t> incomplete_;  // how many parameters of each bucket are
  std::size_t next_bucket_ = 0;
  std::deque<Arriving> arriving_;
};

}  // namespace lookback
