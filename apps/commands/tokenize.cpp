// lookback tokenize: text to a .bin of tokens
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "apps/cli/command.h"
#include "apps/data/data_files.h"
#include "apps/data/document_start.h"
#include "apps/data/encode_file.h"
#include "apps/data/open.h"
#include "apps/data/token_array.h"
#include "apps/data/token_writer.h"
#include "apps/data/tokenizer_config.h"
#include "apps/data/tokenizer_file.h"
#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

class Tokenize final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional({.placeholder = "DATA",
                          .help = "text as train reads it: a file, a folder, a glob, records of "
                                  "JSON, .gz and .zst of these",
                          .target = &data_});
    flags.add("tokenizer", tokenizer_, "FILE",
              "FILE.model or FILE.json, or a model's folder that has one");
    flags.add("output", output_, "X.bin", "where the tokens go, and what they are to X.bin.json");
    flags.add("text-field", text_field_, "NAME",
              "where records of JSON (.jsonl, .json) have their text");
    add_bos_flag(
        flags, add_bos_,
        "whether the tokenizer's first token (<s>) stands in front of each document; auto: "
        "no");
    flags.add_toggle("overwrite", overwrite_, "replaces an output that is there");
  }

  ExitCode run(const Session& session) override {
    check_flags();
    const auto tokenizer = read_tokenizer(tokenizer_);
    const auto in_front = tokens_in_front(*tokenizer, add_bos_, TextKind::data);
    const auto files = files_of(data_);
    for (const auto& file : files) {
      if (format_of(file) == TokenFormat::bin)
        fail("tokenize", "{}: holds tokens already: name text", file);
    }
    if (!session.flags->given("add-bos")) {
      for (const auto& note : tokenizer_notes(*tokenizer, in_front, TextKind::data))
        session.console.note(note);
    }
    TokenWriter writer(output_, *tokenizer, {files, settings(in_front)});
    try {
      write_files(session.console, files,
                  {.text_field = text_field_, .tokenizer = *tokenizer, .in_front = in_front},
                  writer);
    } catch (const Error& error) {
      writer.keep();
      if (!writer.is_saved()) throw;
      throw Error(fmt::format("{}; {} has what was done before: the same command goes on there",
                              error.what(), writer.partial()));
    }
    writer.commit();
    const auto& written = writer.description();
    session.console.summary(fmt::format("{} tokens ({}) of {} documents are in {}", written.tokens,
                                        name_of(written.dtype), written.documents, output_),
                            {{"tokens", written.tokens},
                             {"documents", written.documents},
                             {"dtype", name_of(written.dtype)},
                             {"tokenizer", written.tokenizer},
                             {"tokenizer_checksum", to_string(written.tokenizer_checksum)},
                             {"output", output_}});
    return ExitCode::good;
  }

 private:
  void check_flags() {
    if (data_.empty()) usage_error("DATA is missing: a text file, a folder or a glob of them");
    if (is_built_in_data(data_))
      usage_error("{}: is no text: built-in data have tokens of their own", data_);
    if (tokenizer_.empty()) usage_error("--tokenizer is missing: FILE.model or FILE.json");
    if (fs::is_directory(tokenizer_)) {
      const auto own = tokenizer_in(tokenizer_);
      if (own.empty()) {
        usage_error("--tokenizer {}: the folder has no tokenizer.model and no tokenizer.json",
                    tokenizer_);
      }
      tokenizer_ = own;
    }
    if (!is_tokenizer_file(tokenizer_))
      usage_error("--tokenizer {}: must be FILE.model or FILE.json", tokenizer_);
    if (!output_.ends_with(".bin"))
      usage_error("--output {}: must end in .bin, by which tokens are known",
                  output_.empty() ? "is missing" : output_);
    if (!overwrite_ && fs::exists(output_))
      fail("output", "{}: is there already: --overwrite replaces it", output_);
  }

  // What the tokens depend on beside the texts.
  Checksum settings(const std::vector<std::int64_t>& in_front) const {
    RunningChecksum sum;
    sum.add(to_string(checksum_of_tokenizer(tokenizer_)));
    sum.add(std::as_bytes(std::span(in_front)));
    sum.add(text_field_);
    return sum.value();
  }

  static void write_files(const Console& console, const std::vector<std::string>& files,
                          const HowToEncode& how, TokenWriter& writer) {
    if (writer.is_saved()) {
      console.note(fmt::format("goes on behind the {} tokens of {}", writer.description().tokens,
                               writer.partial()));
    }
    const std::span left = std::span(files).subspan(static_cast<std::size_t>(writer.files_done()));
    EncodingProgress progress(console, left);
    for (const auto& file : left) {
      progress.begin_file(file);
      encode_file(file, how, writer, progress);
      progress.end_file(writer.description().tokens);
    }
  }

  std::string data_, tokenizer_, output_, text_field_ = DataOptions().text_field;
  AddBos add_bos_ = AddBos::automatic;
  bool overwrite_ = false;
};

const AddCommand<Tokenize> registered{"tokenize", "writes the tokens of a text to a file"};

}  // namespace
}  // namespace lookback
