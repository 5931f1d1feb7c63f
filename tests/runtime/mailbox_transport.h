// Ranks as threads of one process: a transport through memory, which can also fail.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "runtime/communicator/transport.h"

namespace lookback::tests {

class Mailboxes {
 public:
  using Channel = Transport::Channel;

  void put(int from, int to, Channel channel, const std::byte* bytes, std::size_t count) {
    const std::lock_guard lock(mutex_);
    boxes_[{from, to, channel}].emplace_back(bytes, bytes + count);
  }

  bool take(int from, int to, Channel channel, std::byte* bytes, std::size_t count) {
    const std::lock_guard lock(mutex_);
    auto& box = boxes_[{from, to, channel}];
    if (box.empty()) return false;
    if (box.front().size() != count) wrong_sizes = true;
    std::copy_n(box.front().begin(), std::min(count, box.front().size()), bytes);
    box.pop_front();
    return true;
  }

  std::atomic<bool> wrong_sizes = false;

 private:
  std::mutex mutex_;
  std::map<std::tuple<int, int, Channel>, std::deque<std::vector<std::byte>>> boxes_;
};

class MailboxTransport final : public Transport {
 public:
  MailboxTransport(std::shared_ptr<Mailboxes> mailboxes, int rank, int size)
      : mailboxes_(std::move(mailboxes)), rank_(rank), size_(size) {}

  // What goes wrong.
  std::atomic<bool> does_not_start = false, hangs_in_start = false, hangs_in_poll = false,
                    hangs_in_finish = false;
  std::atomic<int> unreachable = no_rank;
  // What was done.
  std::atomic<bool> is_finished = false;
  std::atomic<std::size_t> largest_sent = 0;

  bool start() noexcept override {
    hang_while(hangs_in_start);
    return !does_not_start;
  }
  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }

  bool send(int to, Channel channel, const std::byte* bytes, std::size_t count,
            void* token) noexcept override {
    if (to == unreachable) return false;
    if (channel == Channel::payloads) largest_sent = std::max<std::size_t>(largest_sent, count);
    mailboxes_->put(rank_, to, channel, bytes, count);
    sent_.push_back(token);
    return true;
  }

  bool receive(int from, Channel channel, std::byte* bytes, std::size_t count,
               void* token) noexcept override {
    expected_[{from, channel}].push_back({bytes, count, token});
    return true;
  }

  int poll(void* const*& tokens) noexcept override {
    hang_while(hangs_in_poll);
    done_.swap(sent_);
    sent_.clear();
    for (auto& [place, queue] : expected_) {
      while (!queue.empty() && mailboxes_->take(place.first, rank_, place.second,
                                                queue.front().bytes, queue.front().count)) {
        done_.push_back(queue.front().token);
        queue.pop_front();
      }
    }
    tokens = done_.data();
    return static_cast<int>(done_.size());
  }

  bool finish() noexcept override {
    hang_while(hangs_in_finish);
    is_finished = true;
    return true;
  }
  void abort(int) noexcept override {}

  const char* problem() const noexcept override { return "the wire is cut"; }
  int lost_rank() const noexcept override { return unreachable; }

 private:
  struct Expected {
    std::byte* bytes;
    std::size_t count;
    void* token;
  };

  static void hang_while(const std::atomic<bool>& flag) {
    while (flag) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  std::shared_ptr<Mailboxes> mailboxes_;
  int rank_, size_;
  std::map<std::pair<int, Channel>, std::deque<Expected>> expected_;
  std::vector<void*> sent_, done_;
};

}  // namespace lookback::tests
