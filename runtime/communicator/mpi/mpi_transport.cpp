// Messages by MPI. Compiled once for each implementation that the build finds: their headers do not
// agree on what a request is.
#include <mpi.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "runtime/communicator/transport.h"

namespace lookback {
namespace {

class MpiTransport final : public Transport {
 public:
  bool start() noexcept override {
    int level = 0;
    if (!works(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level))) return false;
    if (level < MPI_THREAD_FUNNELED) {
      problem_ = "this MPI was built without threads";
      return false;
    }
    // Errors come back, in place of an end with MPI's own text.
    return works(MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN)) &&
           works(MPI_Comm_rank(ranks_, &rank_)) && works(MPI_Comm_size(ranks_, &size_));
  }

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }

  bool send(int to, Channel channel, const std::byte* bytes, std::size_t count,
            void* token) noexcept override {
    MPI_Request request = MPI_REQUEST_NULL;
    const int result = MPI_Isend(bytes, static_cast<int>(count), MPI_BYTE, to,
                                 static_cast<int>(channel), ranks_, &request);
    return began(result, request, to, token);  // NOLINT(clang-analyzer-optin.mpi.MPI-Checker)
  }

  bool receive(int from, Channel channel, std::byte* bytes, std::size_t count,
               void* token) noexcept override {
    MPI_Request request = MPI_REQUEST_NULL;
    const int result = MPI_Irecv(bytes, static_cast<int>(count), MPI_BYTE, from,
                                 static_cast<int>(channel), ranks_, &request);
    return began(result, request, from, token);  // NOLINT(clang-analyzer-optin.mpi.MPI-Checker)
  }

  int poll(void* const*& tokens) noexcept override {
    lost_rank_ = no_rank;
    done_.clear();
    tokens = done_.data();
    if (requests_.empty()) {
      int there = 0;
      return works(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, ranks_, &there, MPI_STATUS_IGNORE)) ? 0
                                                                                               : -1;
    }
    indices_.resize(requests_.size());
    statuses_.resize(requests_.size());
    int count = 0;
    const int result = MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count,
                                    indices_.data(), statuses_.data());
    if (result == MPI_ERR_IN_STATUS) return note_failed(count);
    if (!works(result)) return -1;
    for (int i = 0; i < count; ++i) done_.push_back(begun_[index_of(i)].token);
    if (count > 0) remove_finished();
    tokens = done_.data();
    return static_cast<int>(done_.size());
  }

  bool finish() noexcept override { return works(MPI_Finalize()); }

  void abort(int exit_status) noexcept override {
    int begun = 0, ended = 0;  // outside of the two MPI knows of no others
    if (MPI_Initialized(&begun) == MPI_SUCCESS && begun != 0 &&
        MPI_Finalized(&ended) == MPI_SUCCESS && ended == 0) {
      MPI_Abort(ranks_, exit_status);
    }
    _exit(exit_status);
  }

  const char* problem() const noexcept override { return problem_; }
  int lost_rank() const noexcept override { return lost_rank_; }

 private:
  struct Begun {
    int other;
    void* token;
  };

  bool works(int result) noexcept {
    if (result == MPI_SUCCESS) return true;
    int length = 0;
    if (MPI_Error_string(result, text_.data(), &length) != MPI_SUCCESS) length = 0;
    text_[static_cast<std::size_t>(length)] = '\0';
    problem_ = text_.data();
    return false;
  }

  bool began(int result, MPI_Request request, int other, void* token) noexcept {
    lost_rank_ = other;
    if (!works(result)) return false;
    requests_.push_back(request);
    begun_.push_back({other, token});
    return true;
  }

  std::size_t index_of(int finished) const {
    return static_cast<std::size_t>(indices_[static_cast<std::size_t>(finished)]);
  }

  int note_failed(int count) noexcept {
    for (int i = 0; i < count; ++i) {
      const int error = statuses_[static_cast<std::size_t>(i)].MPI_ERROR;
      if (error == MPI_SUCCESS || error == MPI_ERR_PENDING) continue;
      lost_rank_ = begun_[index_of(i)].other;
      works(error);
      return -1;
    }
    problem_ = "MPI reports an error and does not say where";
    return -1;
  }

  void remove_finished() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if (requests_[i] == MPI_REQUEST_NULL) continue;
      requests_[kept] = requests_[i];
      begun_[kept++] = begun_[i];
    }
    requests_.resize(kept);
    begun_.resize(kept);
  }

  MPI_Comm ranks_ = MPI_COMM_WORLD;
  int rank_ = 0, size_ = 0;
  std::vector<MPI_Request> requests_;  // those that are not done, and with the same index
  std::vector<Begun> begun_;           // what is known of them
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
  std::vector<void*> done_;
  std::array<char, MPI_MAX_ERROR_STRING + 1> text_ = {};
  const char* problem_ = "";
  int lost_rank_ = no_rank;
};

}  // namespace
}  // namespace lookback

extern "C" {

[[gnu::visibility("default")]] int lookback_transport_version() {
  return lookback::transport_version;
}

[[gnu::visibility("default")]] lookback::Transport* lookback_make_transport() {
  static lookback::MpiTransport transport;
  return &transport;
}

}  // extern "C"
