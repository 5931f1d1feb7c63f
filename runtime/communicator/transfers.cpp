#include "runtime/communicator/transfers.h"

#include <algorithm>
#include <utility>

namespace lookback {

Exchange::Exchange(std::int64_t number, const std::string& name, std::string described,
                   const std::vector<Send>& sends, const std::vector<Receive>& receives)
    : number_(number), name_(name), described_(std::move(described)) {
  messages_.reserve(sends.size() + receives.size());
  for (const auto& [to, bytes] : sends) add(to, false, bytes.data(), bytes.size());
  for (const auto& [from, bytes] : receives) add(from, true, bytes.data(), bytes.size());
  open_ = messages_.size();
}

void Exchange::add(int other, bool incoming, const std::byte* bytes, std::size_t size) {
  messages_.push_back({.exchange = this,
                       .other = other,
                       .incoming = incoming,
                       .bytes = const_cast<std::byte*>(bytes),
                       .header = MessageHeader(number_, size, name_),
                       .arrived = {},
                       .open = 1});
}

Transfers::Transfers(Transport& transport, std::size_t piece_bytes)
    : transport_(transport),
      piece_bytes_(piece_bytes),
      peers_(static_cast<std::size_t>(transport.size())) {}

void Transfers::begin(std::shared_ptr<Exchange> exchange) {
  if (exchange->messages_.empty()) {
    finished_.push_back(std::move(exchange));
    return;
  }
  auto& begun = *active_.emplace_back(std::move(exchange));
  for (auto& message : begun.messages_) {
    if (failure_) return;
    if (!message.incoming) {
      send(message);
      continue;
    }
    auto& expected = peers_[static_cast<std::size_t>(message.other)].expected;
    expected.push_back(&message);
    if (expected.size() == 1) ask_for_header(message);
  }
}

template <class Start>
void Transfers::in_pieces(Message& message, const Start& start) {
  for (std::size_t begin = 0; begin < message.header.bytes; begin += piece_bytes_) {
    const auto count = std::min<std::size_t>(piece_bytes_, message.header.bytes - begin);
    if (!start(message.bytes + begin, count)) return transport_failed(message.exchange);
    ++message.open;
  }
}

void Transfers::send(Message& message) {
  if (!transport_.send(message.other, Transport::Channel::headers,
                       reinterpret_cast<const std::byte*>(&message.header), sizeof(MessageHeader),
                       &message)) {
    return transport_failed(message.exchange);
  }
  in_pieces(message, [&](const std::byte* bytes, std::size_t count) {
    return transport_.send(message.other, Transport::Channel::payloads, bytes, count, &message);
  });
}

void Transfers::ask_for_header(Message& message) {
  if (!transport_.receive(message.other, Transport::Channel::headers,
                          reinterpret_cast<std::byte*>(&message.arrived), sizeof(MessageHeader),
                          &message)) {
    transport_failed(message.exchange);
  }
}

void Transfers::take_header(Message& message) {
  auto& expected = peers_[static_cast<std::size_t>(message.other)].expected;
  expected.pop_front();
  if (message.arrived != message.header) {
    failure_ = OtherMessage{.from = message.other,
                            .arrived = message.arrived,
                            .expected = message.header,
                            .exchange = message.exchange->described_};
    return;
  }
  in_pieces(message, [&](std::byte* bytes, std::size_t count) {
    return transport_.receive(message.other, Transport::Channel::payloads, bytes, count, &message);
  });
  if (!failure_ && !expected.empty()) ask_for_header(*expected.front());
}

bool Transfers::poll(Time now) {
  void* const* tokens = nullptr;
  const int count = transport_.poll(tokens);
  if (count < 0) {
    transport_failed(nullptr);
    return true;
  }
  for (int i = 0; i < count && !failure_; ++i) part_done(*static_cast<Message*>(tokens[i]), now);
  return count > 0;
}

void Transfers::part_done(Message& message, Time now) {
  auto& peer = peers_[static_cast<std::size_t>(message.other)];
  peer.last_answer = now;
  // Of a message that comes in, the header is the first part: nothing else has been asked for.
  if (message.incoming && !peer.expected.empty() && peer.expected.front() == &message) {
    take_header(message);
    if (failure_) return;
  }
  if (--message.open > 0 || --message.exchange->open_ > 0) return;
  const auto done = std::ranges::find(active_, message.exchange, &std::shared_ptr<Exchange>::get);
  finished_.push_back(std::move(*done));
  active_.erase(done);
}

std::vector<std::shared_ptr<Exchange>> Transfers::take_finished() {
  return std::exchange(finished_, {});
}

void Transfers::check_answers(const Exchange& exchange, Time waiting_since, Time now,
                              Time timeout) {
  std::vector<int> silent;
  for (const auto& message : exchange.messages_) {
    const auto& peer = peers_[static_cast<std::size_t>(message.other)];
    const bool known = std::ranges::find(silent, message.other) != silent.end();
    if (message.open == 0 || known) continue;
    if (now - std::max(waiting_since, peer.last_answer) > timeout) silent.push_back(message.other);
  }
  if (silent.empty()) return;
  std::ranges::sort(silent);
  failure_ = Unanswered{.ranks = std::move(silent),
                        .timeout = std::chrono::round<std::chrono::milliseconds>(timeout),
                        .exchange = exchange.described_};
}

void Transfers::transport_failed(const Exchange* exchange) {
  failure_ = TransportFailed{.rank = transport_.lost_rank(),
                             .problem = transport_.problem(),
                             .exchange = exchange == nullptr ? "" : exchange->described_};
}

}  // namespace lookback
