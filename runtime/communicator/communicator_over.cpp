#include "runtime/communicator/communicator_over.h"

#include <exception>
#include <map>
#include <utility>

#include "runtime/check.h"
#include "runtime/host_name.h"

namespace lookback {
namespace {

const Check check{"communicator"};

class SeveralProcesses final : public Communicator {
 public:
  SeveralProcesses(std::shared_ptr<Transport> transport, const Launch& launch,
                   const CarrierOptions& options)
      : carrier_(std::move(transport), options), rank_(carrier_.rank()), size_(carrier_.size()) {
    check(rank_ == launch.rank && size_ == launch.size,
          "MPI says that this is rank {} of {}, its launcher rank {} of {}: is that mpirun of "
          "another MPI than the one that Lookback was built for?",
          rank_, size_, launch.rank, launch.size);
  }

  ~SeveralProcesses() override {
    if (finished_ || failed_ || std::uncaught_exceptions() > exceptions_before_) return;
    try {
      finish();
    } catch (const Error&) {
      // Who wants to know calls finish().
    }
  }

  void learn_hosts() { hosts_ = all_gather_texts(host_name(), "the names of all hosts"); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const std::string& host_of(int rank) const override {
    check(0 <= rank && rank < size_, "rank {} of {}", rank, size_);
    return hosts_.at(static_cast<std::size_t>(rank));
  }

  Ticket exchange(std::vector<Send> sends, std::vector<Receive> receives,
                  std::string name) override {
    for (const auto& [to, bytes] : sends) check_other(to, name);
    for (const auto& [from, bytes] : receives) check_other(from, name);
    const auto ticket = next_++;
    const auto exchange =
        std::make_shared<Exchange>(ticket, name, in_context(name), sends, receives);
    throw_if(carrier_.begin(exchange));
    open_.emplace(ticket, exchange);
    return ticket;
  }

  void wait(Ticket ticket) override {
    const auto found = open_.find(ticket);
    check(found != open_.end(), "there is no exchange {} to wait for", ticket);
    const auto exchange = found->second;
    open_.erase(found);
    throw_if(carrier_.wait(exchange));
  }

  void set_timeout(std::chrono::seconds timeout) override { carrier_.set_timeout(timeout); }

  void finish() override {
    if (finished_) return;
    barrier("the end of the run");
    throw_if(carrier_.finish());
    finished_ = true;
  }

 private:
  void end_all_ranks(int exit_status) override { carrier_.abort(exit_status); }

  void check_other(int other, const std::string& name) const {
    check(0 <= other && other < size_ && other != rank_,
          "\"{}\": rank {} of {} cannot exchange with rank {}", name, rank_, size_, other);
  }

  void throw_if(const std::optional<Failure>& failure) {
    if (!failure) return;
    failed_ = true;
    throw_failure(*failure, rank_, hosts_);
  }

  const int exceptions_before_ = std::uncaught_exceptions();
  Carrier carrier_;
  int rank_, size_;
  std::vector<std::string> hosts_;
  std::map<Ticket, std::shared_ptr<Exchange>> open_;
  Ticket next_ = 0;
  bool finished_ = false, failed_ = false;
};

}  // namespace

std::unique_ptr<Communicator> communicator_over(std::shared_ptr<Transport> transport,
                                                const Launch& launch,
                                                const CarrierOptions& options) {
  auto communicator = std::make_unique<SeveralProcesses>(std::move(transport), launch, options);
  communicator->learn_hosts();
  return communicator;
}

}  // namespace lookback
