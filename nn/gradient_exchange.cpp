#include "nn/gradient_exchange.h"

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/contiguous.h"
#include "autograd/sum_gradients.h"
#include "kernels/chunk_squares.h"
#include "runtime/binary_counter.h"
#include "runtime/device_runtime.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// Buckets on their way at a time: enough that the wire is busy while sums are added up.
constexpr std::size_t most_on_their_way = 4;

std::size_t bytes_of(const Tensor& x) {
  return static_cast<std::size_t>(x.numel()) * size_of(x.dtype());
}

// Of a contiguous tensor that the host can read.
Send to(int rank, const Tensor& x) {
  return {rank, {static_cast<const std::byte*>(x.raw_data()), bytes_of(x)}};
}

Receive from(int rank, const Tensor& x) {
  return {rank, {static_cast<std::byte*>(x.raw_data()), bytes_of(x)}};
}

// Where the elements of `part` arrive: on the host, its own memory or some in its place.
Tensor host_memory_for(const Tensor& part) {
  return is_host_memory(part.backend()) ? part : empty(part.shape(), part.dtype(), cpu_device);
}

void take_arrived(const Tensor& arrived, const Tensor& part) {
  if (!is_host_memory(part.backend())) transfer(arrived, part);
}

std::int64_t chunks_in(std::int64_t elements, Backend backend) {
  const auto chunk = kernels::chunk_elements(backend);
  return (elements + chunk - 1) / chunk;
}

std::string of_bucket(const char* what, std::size_t bucket) {
  return fmt::format("{} of bucket {}", what, bucket);
}

}  // namespace

GradientExchange::GradientExchange(Communicator& ranks, std::vector<NamedParameter> parameters)
    : ranks_(ranks), parameters_(std::move(parameters)), shards_(parameters_, ranks.size()) {
  std::int64_t chunks = 0;
  for (const auto& parameter : parameters_) {
    first_chunks_.push_back(chunks);
    chunks += chunks_in(parameter.tensor.numel(), parameter.tensor.backend());
  }
  first_chunks_.push_back(chunks);
  bucket_of_.resize(parameters_.size());
  for (std::size_t bucket = 0; bucket < shards_.buckets().size(); ++bucket) {
    for (const auto& ranges : shards_.buckets()[bucket]) {
      for (const auto& range : ranges) bucket_of_[range.parameter] = bucket;
    }
  }
  begin_step();
}

void GradientExchange::begin_step() {
  incomplete_.assign(shards_.buckets().size(), 0);
  for (const auto bucket : bucket_of_) ++incomplete_[bucket];
  next_bucket_ = 0;
}

void GradientExchange::send(std::size_t parameter) {
  --incomplete_[bucket_of_[parameter]];
  while (next_bucket_ < incomplete_.size() && incomplete_[next_bucket_] == 0) send_next_bucket();
}

void GradientExchange::finish_sums() {
  while (next_bucket_ < incomplete_.size()) send_next_bucket();
  for (auto& each : arriving_) add_up(each);
  arriving_.clear();
  begin_step();
}

void GradientExchange::send_next_bucket() {
  const NoGrad no_grad;
  const auto bucket = next_bucket_++;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (bucket_of_[i] != bucket) continue;
    const auto& tensor = parameters_[i].tensor;
    const auto g = gradient(tensor);
    set_gradient(tensor, g.defined() ? contiguous(g)
                                     : zeros(tensor.shape(), tensor.dtype(), tensor.device()));
  }
  if (arriving_.size() == most_on_their_way) {
    add_up(arriving_.front());
    arriving_.pop_front();
  }
  arriving_.push_back(begin_to_send(bucket));
}

GradientExchange::Arriving GradientExchange::begin_to_send(std::size_t bucket) const {
  Arriving arriving{.bucket = bucket};
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    if (rank == ranks_.rank()) continue;
    for (const auto& range : ranges_of(bucket, rank)) {
      const auto g = gradient(parameters_[range.parameter].tensor);
      arriving.sent.push_back(on_host(part_of(g, range)));
      sends.push_back(to(rank, arriving.sent.back()));
    }
  }
  for (const auto& range : ranges_of(bucket, ranks_.rank())) {
    auto& pieces = arriving.pieces.emplace_back(static_cast<std::size_t>(ranks_.size()));
    for (int rank = 0; rank < ranks_.size(); ++rank) {
      if (rank == ranks_.rank()) continue;
      auto& piece = pieces[static_cast<std::size_t>(rank)];
      piece =
          empty({range.size()}, parameters_[range.parameter].tensor.dtype(), Device{Backend::cpu});
      receives.push_back(from(rank, piece));
    }
  }
  arriving.ticket =
      ranks_.exchange(std::move(sends), std::move(receives), of_bucket("gradients", bucket));
  return arriving;
}

void GradientExchange::add_up(Arriving& arriving) {
  ranks_.wait(arriving.ticket);
  const auto& own = ranges_of(arriving.bucket, ranks_.rank());
  const auto join = [](Tensor left, const Tensor& right) {
    return lookback::sum_gradients(std::move(left), right);
  };
  for (std::size_t i = 0; i < own.size(); ++i) {
    const auto mine = part_of(gradient(parameters_[own[i].parameter].tensor), own[i]);
    BinaryCounter<Tensor> sum;
    for (auto& piece : arriving.pieces[i])
      sum.add(piece.defined() ? std::exchange(piece, {}) : on_host(mine), join);
    transfer(sum.total(join), mine);
  }
}

std::vector<Tensor> GradientExchange::sum(const std::vector<Tensor>& numbers) const {
  const auto count = numbers.size();
  std::vector<double> mine, all(count * static_cast<std::size_t>(ranks_.size()));
  for (const auto& number : numbers) mine.push_back(on_host(number).item());
  ranks_.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)),
                    "losses");
  std::vector<Tensor> sums;
  for (std::size_t i = 0; i < count; ++i) {
    BinaryCounter<double> counter;
    for (std::size_t k = i; k < all.size(); k += count) counter.add(all[k], std::plus<>{});
    sums.push_back(
        to_device(from_values<double>({counter.total(std::plus<>{})}, {}), numbers[i].device()));
  }
  return sums;
}

// Of this rank's gradients, chunk by chunk, its ranges one behind the other, on the host.
Tensor GradientExchange::own_squares() const {
  const auto device = parameters_.at(0).tensor.device();
  std::vector<Tensor> parts;
  for (const auto& range : own())
    parts.push_back(part_of(gradient(parameters_[range.parameter].tensor), range));
  const auto squares = empty({kernels::count_chunks(parts, device.backend)}, DType::f64, device);
  kernels::chunk_squares(device.backend, {.tensors = {parts.begin(), parts.end()}, .y = squares});
  return on_host(squares);
}

// Those of a rank, put where one process that has all gradients would have them.
void GradientExchange::put_in_order(const Tensor& squares, int rank, const Tensor& all) const {
  const auto chunk = kernels::chunk_elements(parameters_.at(0).tensor.backend());
  auto next = squares.elements<double>().begin();
  for (const auto& range : shards_.of(rank)) {
    const auto first = first_chunks_[range.parameter] + range.begin / chunk;
    const auto count = chunks_in(range.size(), parameters_.at(0).tensor.backend());
    std::copy_n(next, count, all.elements<double>().begin() + first);
    next += count;
  }
}

Tensor GradientExchange::norm() const {
  const auto device = parameters_.at(0).tensor.device();
  const auto mine = own_squares();
  std::vector<Tensor> squares;  // of each rank
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    if (rank == ranks_.rank()) {
      squares.push_back(mine);
      continue;
    }
    std::int64_t chunks = 0;
    for (const auto& range : shards_.of(rank)) chunks += chunks_in(range.size(), device.backend);
    squares.push_back(empty({chunks}, DType::f64, cpu_device));
    sends.push_back(to(rank, mine));
    receives.push_back(from(rank, squares.back()));
  }
  ranks_.wait(ranks_.exchange(std::move(sends), std::move(receives), "squares of gradients"));
  const auto all = empty({first_chunks_.back()}, DType::f64, cpu_device);
  for (int rank = 0; rank < ranks_.size(); ++rank)
    put_in_order(squares[static_cast<std::size_t>(rank)], rank, all);
  const auto norm = empty({}, DType::f64, device);
  kernels::root_of_sum(device.backend, {.squares = to_device(all, device), .y = norm});
  return norm;
}

void GradientExchange::share_weights() {
  struct Part {
    Tensor arrived, place;
  };
  std::vector<Part> parts;
  std::vector<Communicator::Ticket> tickets;
  for (std::size_t bucket = 0; bucket < shards_.buckets().size(); ++bucket) {
    std::vector<Send> sends;
    std::vector<Receive> receives;
    for (int owner = 0; owner < ranks_.size(); ++owner) {
      for (const auto& range : ranges_of(bucket, owner)) {
        const auto place = part_of(parameters_[range.parameter].tensor.detach(), range);
        if (owner != ranks_.rank()) {
          parts.push_back({host_memory_for(place), place});
          receives.push_back(from(owner, parts.back().arrived));
          continue;
        }
        parts.push_back({on_host(place), {}});
        for (int rank = 0; rank < ranks_.size(); ++rank) {
          if (rank != owner) sends.push_back(to(rank, parts.back().arrived));
        }
      }
    }
    tickets.push_back(
        ranks_.exchange(std::move(sends), std::move(receives), of_bucket("weights", bucket)));
  }
  for (const auto ticket : tickets) ranks_.wait(ticket);
  for (const auto& [arrived, place] : parts) {
    if (place.defined()) take_arrived(arrived, place);
  }
  for (const auto& parameter : parameters_) parameter.tensor.storage()->bump_version();
}

void GradientExchange::take_weights_of_first() {
  for (const auto& parameter : parameters_) {
    const auto whole = parameter.tensor.detach();
    const auto host = on_host(whole);
    ranks_.broadcast({static_cast<std::byte*>(host.raw_data()), bytes_of(host)}, 0,
                     "weights of rank 0");
    take_arrived(host, whole);
    parameter.tensor.storage()->bump_version();
  }
}

std::vector<AdamW::State> GradientExchange::whole_moments() const {
  std::vector<AdamW::State> whole;
  if (ranks_.rank() != 0) return whole;
  for (const auto& [name, tensor, initial] : parameters_) {
    const auto fresh = [&x = tensor] { return zeros(x.shape(), x.dtype(), cpu_device); };
    whole.push_back({name, fresh(), fresh()});
  }
  return whole;
}

std::vector<AdamW::State> GradientExchange::gather(const AdamW& adamw) const {
  auto whole = whole_moments();
  const bool gets_all = ranks_.rank() == 0;
  for (const auto moment : {&AdamW::State::first_moment, &AdamW::State::second_moment}) {
    std::vector<Tensor> sent;
    std::vector<Send> sends;
    std::vector<Receive> receives;
    const auto own_ranges = own();
    for (std::size_t i = 0; i < own_ranges.size(); ++i) {
      sent.push_back(on_host(adamw.states()[i].*moment));
      if (!gets_all) {
        sends.push_back(to(0, sent.back()));
      } else {
        transfer(sent.back(), part_of(whole[own_ranges[i].parameter].*moment, own_ranges[i]));
      }
    }
    for (int rank = 1; gets_all && rank < ranks_.size(); ++rank) {
      for (const auto& range : shards_.of(rank))
        receives.push_back(from(rank, part_of(whole[range.parameter].*moment, range)));
    }
    ranks_.wait(ranks_.exchange(std::move(sends), std::move(receives), "moments for rank 0"));
  }
  return whole;
}

void GradientExchange::scatter(const std::vector<AdamW::State>& whole, const AdamW& adamw) const {
  const bool has_all = ranks_.rank() == 0;
  for (const auto moment : {&AdamW::State::first_moment, &AdamW::State::second_moment}) {
    std::vector<Tensor> arrived;
    std::vector<Send> sends;
    std::vector<Receive> receives;
    const auto own_ranges = own();
    for (std::size_t i = 0; i < own_ranges.size(); ++i) {
      const auto& place = adamw.states()[i].*moment;
      if (has_all) {
        transfer(part_of(whole[own_ranges[i].parameter].*moment, own_ranges[i]), place);
        continue;
      }
      arrived.push_back(host_memory_for(place));
      receives.push_back(from(0, arrived.back()));
    }
    for (int rank = 1; has_all && rank < ranks_.size(); ++rank) {
      for (const auto& range : shards_.of(rank))
        sends.push_back(to(rank, part_of(whole[range.parameter].*moment, range)));
    }
    ranks_.wait(ranks_.exchange(std::move(sends), std::move(receives), "moments of rank 0"));
    for (std::size_t i = 0; i < arrived.size(); ++i)
      take_arrived(arrived[i], adamw.states()[i].*moment);
  }
}

}  // namespace lookback
