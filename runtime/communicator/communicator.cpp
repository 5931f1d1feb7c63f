#include "runtime/communicator.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "runtime/check.h"
#include "runtime/communicator/failure.h"

namespace lookback {
namespace {

const Check check{"communicator"};

template <class Values>
std::span<std::byte> bytes_of(Values& values) {
  return std::as_writable_bytes(std::span(values));
}

}  // namespace

std::string Communicator::in_context(const std::string& name) const {
  return context_.empty() ? name : context_ + ", " + name;
}

void Communicator::abort(int exit_status) {
  end_all_ranks(exit_status);
  _exit(exit_status);
}

void Communicator::all_gather(std::span<const std::byte> mine, std::span<std::byte> all,
                              std::string name) {
  const auto ranks = static_cast<std::size_t>(size());
  check(all.size() == mine.size() * ranks,
        "all_gather \"{}\": {} bytes from each of {} ranks into {}", name, mine.size(), ranks,
        all.size());
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int other = 0; other < size(); ++other) {
    const auto part = all.subspan(static_cast<std::size_t>(other) * mine.size(), mine.size());
    if (other == rank()) {
      std::ranges::copy(mine, part.begin());
    } else {
      sends.push_back({other, mine});
      receives.push_back({other, part});
    }
  }
  wait(exchange(std::move(sends), std::move(receives), std::move(name)));
}

std::vector<std::string> Communicator::all_gather_texts(const std::string& mine,
                                                        const std::string& name) {
  const std::vector<std::uint64_t> own_size = {mine.size()};
  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size()));
  all_gather(std::as_bytes(std::span(own_size)), bytes_of(sizes), name);
  std::vector<std::string> texts(sizes.size());
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int other = 0; other < size(); ++other) {
    const auto index = static_cast<std::size_t>(other);
    if (other == rank()) {
      texts[index] = mine;
      continue;
    }
    texts[index].resize(sizes[index]);
    sends.push_back({other, std::as_bytes(std::span(mine))});
    receives.push_back({other, bytes_of(texts[index])});
  }
  wait(exchange(std::move(sends), std::move(receives), name));
  return texts;
}

// Each round doubles the ranks that have it, counted from `from` on: a piece passes the slowest
// connection log2(size) times, and not size - 1 times.
void Communicator::broadcast(std::span<std::byte> bytes, int from, const std::string& name) {
  check(0 <= from && from < size(), "broadcast \"{}\" from rank {} of {}", name, from, size());
  const int place = (rank() - from + size()) % size();
  for (std::size_t begin = 0; begin == 0 || begin < bytes.size(); begin += largest_piece_bytes) {
    const auto piece = bytes.subspan(begin, std::min(largest_piece_bytes, bytes.size() - begin));
    for (int have = 1; have < size(); have *= 2) {
      std::vector<Send> sends;
      std::vector<Receive> receives;
      const auto rank_of = [&](int other_place) { return (other_place + from) % size(); };
      if (place < have && place + have < size()) sends.push_back({rank_of(place + have), piece});
      if (have <= place && place < 2 * have) receives.push_back({rank_of(place - have), piece});
      wait(exchange(std::move(sends), std::move(receives), name));
    }
  }
}

std::string Communicator::broadcast_text(std::string text, int from, const std::string& name) {
  std::vector<std::uint64_t> length = {text.size()};
  broadcast(bytes_of(length), from, name);
  text.resize(length.front());
  broadcast(bytes_of(text), from, name);
  return text;
}

std::optional<std::vector<std::string>> Communicator::last_words(const std::string& own) {
  constexpr std::chrono::seconds patience{3};
  try {
    set_timeout(patience);
    set_context({});
    return all_gather_texts(own, name_of_last_words);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void Communicator::barrier(std::string name) { all_gather({}, {}, std::move(name)); }

}  // namespace lookback
