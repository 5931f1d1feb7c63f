#include "apps/train/run_record.h"

#include "apps/cli/session.h"
#include "apps/data/tokenizer_file.h"
#include "apps/folder/replacement.h"

namespace lookback {

std::optional<RunRecord> read_run_record(const std::filesystem::path& directory) {
  refuse_half_replaced(directory);
  auto path = directory / "options.toml";
  const auto folder = std::filesystem::absolute(directory / "").parent_path();
  if (!exists(path) && folder.filename().string().starts_with("checkpoint-")) {
    path = folder.parent_path() / "options.toml";
  }
  if (!exists(path)) return std::nullopt;
  RunRecord record;
  SessionFlags session;
  Flags flags;
  record.options.declare(flags);
  session.declare(flags);
  flags.read_toml(path.string());
  record.seed = static_cast<std::uint64_t>(session.seed);
  record.device = session.device;
  return record;
}

std::string tokenizer_file_of(const std::filesystem::path& directory,
                              const std::optional<RunRecord>& run) {
  if (run && !is_tokenizer_file(run->options.tokenizer)) return {};
  auto own = tokenizer_in(directory);
  return own.empty() && run ? run->options.tokenizer : own;
}

std::string tokenizer_of(const std::filesystem::path& directory,
                         const std::optional<RunRecord>& run) {
  if (auto file = tokenizer_file_of(directory, run); !file.empty()) return file;
  return run && !run->options.tokenizer.empty() ? run->options.tokenizer : "bytes";
}

}  // namespace lookback
