// A .bin of tokens as llm.c writes it, and its description beside it; what was begun is gone on
// with.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/data/token_description.h"
#include "apps/folder/unfinished.h"
#include "runtime/system_files.h"

namespace lookback {

// What the tokens are made from, in this order.
struct TokenWork {
  std::vector<std::string> files;
  Checksum settings = {};  // of all that tokens depend on beside the texts
};

// The header is 256 int32: 20240520, 1, how many tokens follow, each uint16; or 20240801, 7 and
// uint32. X.bin and its description appear when both are whole. Until then the tokens are in
// X.bin.partial, and X.bin.partial.json says, a few seconds old at most, which files and parts of
// files they are of. Another writer of the same work goes on there, if the contents of these files
// are what they were.
class TokenWriter {
 public:
  static constexpr std::chrono::milliseconds usual_interval{5000};
  // uint16 for a vocabulary of up to 65,536. Throws Error where another process writes the file.
  TokenWriter(std::string path, const Tokenizer& tokenizer, TokenWork work,
              std::chrono::milliseconds between_saves = usual_interval);
  // Without commit(): what can be gone on with stays.
  ~TokenWriter();
  TokenWriter(const TokenWriter&) = delete;
  TokenWriter& operator=(const TokenWriter&) = delete;

  // How much another writer has left: whole files, and parts of the one behind them.
  std::int64_t files_done() const { return files_done_; }
  std::int64_t parts_done() const { return parts_done_; }
  // Whether this one goes on, or another one can.
  bool is_saved() const { return is_saved_; }
  const std::string& partial() const { return partial_; }

  // Throws Error beyond 2^31 - 1 tokens, which the header cannot say.
  void add(std::span<const std::uint32_t> tokens);
  void end_part(std::int64_t documents);
  void end_file(std::int64_t documents);

  const TokenDescription& description() const { return description_; }
  // In place of commit(), where something stops the work: saves what there is to go on with.
  void keep();
  void commit();

 private:
  bool go_on();
  void begin();
  void save_in_time();
  void save();
  void write(std::span<const std::byte> bytes);
  std::string progress_path() const { return partial_ + ".json"; }
  Checksum content_of(std::int64_t file);

  std::string path_, partial_;
  TokenWork work_;
  TokenDescription description_;
  std::optional<Unfinished> unfinished_;  // as long as nobody could go on with it
  FileDescriptor file_;
  std::int64_t files_done_ = 0, parts_done_ = 0;
  std::int64_t tokens_done_ = 0;    // of these
  std::vector<Checksum> contents_;  // of the first files
  bool is_saved_ = false, is_committed_ = false;
  std::chrono::milliseconds between_saves_;
  std::chrono::steady_clock::time_point last_save_ = std::chrono::steady_clock::now();
  std::vector<std::byte> bytes_;
};

}  // namespace lookback
