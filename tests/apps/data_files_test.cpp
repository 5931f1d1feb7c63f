// Text and token files: reading, windows, splits, and every kind of bad input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "apps/data/open.h"
#include "apps/data/token_array.h"
#include "runtime/check.h"
#include "tests/paths.h"

namespace lookback {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DataFiles : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.path() / name; }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream{path(name), std::ios::binary} << bytes;
    return path(name);
  }

  template <class Number>
  static std::string as_bytes(const std::vector<Number>& numbers) {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
  }

  template <class Token>
  std::string write_with_header(const std::string& name, std::int32_t magic, std::int32_t version,
                                std::int32_t count, const std::vector<Token>& tokens) const {
    std::vector<std::int32_t> header(256, 0);
    header[0] = magic;
    header[1] = version;
    header[2] = count;
    return write(name, as_bytes(header) + as_bytes(tokens));
  }

  // n bytes: byte i is 'a' + i % 26.
  static std::string alphabet(std::size_t n) {
    std::string text(n, ' ');
    for (std::size_t i = 0; i < n; ++i) text[i] = static_cast<char>('a' + i % 26);
    return text;
  }

  tests::TemporaryDirectory folder_;
};

template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    return error.what();
  }
  return "no error";
}

std::string open_error(const DataOptions& options) {
  return error_of([&] { open_data(options); });
}

std::vector<std::int64_t> all_tokens(const TokenArray& array) {
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(array.size()));
  array.read(0, tokens);
  return tokens;
}

TEST_F(DataFiles, BytesComeBackAsTheyWere) {
  std::string every_byte(256, ' ');
  for (std::size_t i = 0; i < 256; ++i) every_byte[i] = static_cast<char>(i);
  const auto tokens = ByteTokenizer{}.encode(every_byte);
  EXPECT_EQ(tokens[200], 200);
  EXPECT_EQ(ByteTokenizer{}.decode(tokens), every_byte);
  const TokenArray array{{write("bytes.txt", every_byte.substr(1))}};  // a text has no byte 0
  EXPECT_EQ(ByteTokenizer{}.decode(all_tokens(array)), every_byte.substr(1));
}

TEST_F(DataFiles, BareTokensAndBothHeaders) {
  const std::vector<std::uint16_t> small = {3, 65535, 0, 7};
  const std::vector<std::uint32_t> large = {5, 128255, 70000};
  EXPECT_THAT(all_tokens(TokenArray{{write("bare.bin", as_bytes(small))}}),
              ElementsAre(3, 65535, 0, 7));
  EXPECT_THAT(all_tokens(TokenArray{{write_with_header("gpt2.bin", 20240520, 1, 4, small)}}),
              ElementsAre(3, 65535, 0, 7));
  const TokenArray llama{{write_with_header("llama3.bin", 20240801, 7, 3, large)}};
  EXPECT_THAT(all_tokens(llama), ElementsAre(5, 128255, 70000));
  EXPECT_EQ(llama.largest_token(), 128255);
  // Shards of different kinds, joined and read across their seams.
  const TokenArray joined{{path("gpt2.bin"), path("llama3.bin"), path("bare.bin")}};
  EXPECT_EQ(joined.size(), 11);
  std::vector<std::int64_t> middle(6);
  joined.read(3, middle);
  EXPECT_THAT(middle, ElementsAre(7, 5, 128255, 70000, 3, 65535));
  EXPECT_THAT(error_of([&] { joined.read(8, std::span{middle}.first(4)); }), HasSubstr("of 11"));
}

TEST_F(DataFiles, MalformedTokenFiles) {
  const std::vector<std::uint16_t> tokens = {1, 2, 3};
  const auto bad = [&](const std::string& file) { return error_of([&] { TokenArray{{file}}; }); };
  EXPECT_THAT(bad(path("absent.bin")), HasSubstr("absent.bin: there is no such file"));
  EXPECT_THAT(bad(write("empty.bin", "")), HasSubstr("empty.bin: is empty"));
  EXPECT_THAT(bad(write("odd.bin", "abcde")), HasSubstr("odd.bin: an odd number of bytes (5)"));
  EXPECT_THAT(bad(write_with_header("more.bin", 20240520, 1, 4, tokens)),
              HasSubstr("the header says 4 tokens of 2 bytes, but 6 bytes follow"));
  EXPECT_THAT(bad(write_with_header("fewer.bin", 20240520, 1, 2, tokens)),
              HasSubstr("the header says 2 tokens of 2 bytes, but 6 bytes follow"));
  EXPECT_THAT(bad(write_with_header("negative.bin", 20240801, 7, -3, tokens)),
              HasSubstr("the header says -3 tokens of 4 bytes"));
  EXPECT_THAT(bad(write_with_header<std::uint16_t>("none.bin", 20240520, 1, 0, {})),
              HasSubstr("the header says 0 tokens"));
  EXPECT_THAT(bad(write_with_header("old.bin", 20240520, 7, 3, tokens)),
              HasSubstr("header 20240520 of version 7 is not known: version 1 is"));
  const std::vector<std::int32_t> cut = {20240801, 7, 1};
  EXPECT_THAT(bad(write("cut.bin", as_bytes(cut))),
              HasSubstr("12 bytes are too few for the header"));
}

TEST_F(DataFiles, TokensOutsideTheVocabulary) {
  const auto file = write("tokens.bin", as_bytes(std::vector<std::uint16_t>{1, 2, 300, 4, 999}));
  EXPECT_THAT(open_error({.data = file, .block_size = 1, .vocabulary_size = 300}),
              HasSubstr("token 300 at position 2 is outside the vocabulary of 300"));
  // In whichever file it stands.
  const auto good = write("good.bin", as_bytes(std::vector<std::uint16_t>(100, 7)));
  EXPECT_THAT(
      open_error({.data = good, .validation_data = file, .block_size = 1, .vocabulary_size = 301}),
      AllOf(HasSubstr("tokens.bin"), HasSubstr("token 999 at position 4")));
  const auto wide =
      write_with_header("wide.bin", 20240801, 7, 2, std::vector<std::uint32_t>{1, 4294967295u});
  EXPECT_THAT(error_of([&] { TokenArray{{wide}}.check_vocabulary(1 << 20); }),
              HasSubstr("token 4294967295 at position 1"));
}

TEST_F(DataFiles, VocabularyOfTokenFiles) {
  const auto file = write("t.bin", as_bytes(std::vector<std::uint16_t>(100, 41)));
  EXPECT_EQ(open_data({.data = file, .block_size = 4}).training->vocabulary_size(), 42);
  const auto given = open_data({.data = file, .block_size = 4, .vocabulary_size = 50});
  EXPECT_EQ(given.training->vocabulary_size(), 50);
  EXPECT_FALSE(given.training->has_floor());
  EXPECT_FALSE(given.training->scored_bytes());
  EXPECT_EQ(given.validation->tokenizer().decode(std::vector<std::int64_t>{41, 0}), "41 0");
  EXPECT_THAT(error_of([&] { given.training->nats(TokenBatch{}); }), HasSubstr("no probabilities"));
}

TEST_F(DataFiles, SplitsAtNinetyFivePercent) {
  for (const std::size_t n : {41u, 100u, 999u, 1000u}) {
    const auto data = open_data({.data = write("text.txt", alphabet(n)), .block_size = 1});
    const auto training = static_cast<std::int64_t>(n * 95 / 100);
    EXPECT_EQ(data.training->tokens(), training) << n;
    EXPECT_EQ(data.validation->tokens(), static_cast<std::int64_t>(n) - training) << n;
    EXPECT_EQ(data.validation->scored_bytes(), static_cast<std::int64_t>(n) - training - 1);
    EXPECT_EQ(data.training->vocabulary_size(), 256);
    const auto first = data.validation->evaluation_batch(0, 1, 2);
    EXPECT_EQ(first.inputs[0], 'a' + training % 26) << n;
  }
  // A .bin on tokens, not on bytes.
  const auto bin = write("t.bin", as_bytes(std::vector<std::uint16_t>(101, 1)));
  EXPECT_EQ(open_data({.data = bin, .block_size = 1}).training->tokens(), 95);
}

TEST_F(DataFiles, TrainingWindowsLieInTheTrainingPartAndEverywhereInIt) {
  // Bytes are their own positions, so a window tells where it came from; from 1: no text has a 0.
  std::string text(200, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i + 1);
  const auto data = open_data({.data = write("text.txt", text), .seed = 5, .block_size = 7});
  std::map<std::int64_t, int> starts;
  for (std::int64_t step = 0; step < 500; ++step) {
    const auto batch = data.training->training_batch(step, 0, 4, 7);
    ASSERT_EQ(batch.scored(), 28);
    for (std::size_t row = 0; row < 4; ++row) {
      for (std::size_t t = 0; t < 7; ++t) {
        ASSERT_EQ(batch.inputs[7 * row + t], batch.inputs[7 * row] + static_cast<std::int64_t>(t));
        ASSERT_EQ(batch.targets[7 * row + t], batch.inputs[7 * row + t] + 1);
      }
      ++starts[batch.inputs[7 * row]];
    }
  }
  // 190 training tokens: windows of 8 start at 0 .. 182.
  EXPECT_EQ(starts.size(), 183u);
  EXPECT_EQ(starts.begin()->first, 1);
  EXPECT_EQ(starts.rbegin()->first, 183);
}

TEST_F(DataFiles, AFileIsADocument) {
  write("docs/a.txt", "aaaa.");
  write("docs/b.txt", "bb.");
  write("docs/c.txt", std::string(30, 'c') + ".");
  const auto data =
      open_data({.data = path("docs"), .validation_data = path("docs"), .block_size = 12});
  const auto tokens = data.training->training_batch(7, 2, 60, 12);
  const auto documents = data.training->training_documents(7, 2, 60, 12);
  ASSERT_EQ(documents.size(), 60u * 13);
  std::map<std::int64_t, int> letters;
  for (std::size_t i = 0; i < tokens.inputs.size(); ++i) {
    if (tokens.inputs[i] == '.') continue;
    ++letters[tokens.inputs[i]];
    EXPECT_EQ(documents[i + i / 12], tokens.inputs[i] - 'a');
  }
  EXPECT_EQ(letters.size(), 3u);
  EXPECT_EQ(data.training->document_name(1), path("docs/b.txt"));
}

TEST_F(DataFiles, ASeparatorIsWhatMostFilesEndWith) {
  const auto separator = [&](const std::string& name, const std::vector<std::string>& texts) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      write(fmt::format("{}/{}.txt", name, i), texts[i] + std::string(i == 0 ? 50 : 0, '\n'));
    }
    return open_data({.data = path(name), .block_size = 2}).training->separator();
  };
  EXPECT_EQ(separator("lines", {"one\n", "two\n", "three"}), '\n');
  EXPECT_EQ(separator("half", {"one\n", "two\n", "three", "four"}), std::nullopt);
  EXPECT_EQ(separator("letters", {"one\n", "the", "more", "we"}), std::nullopt);
  EXPECT_EQ(separator("sentences", {"one\n", "two.", "three.", "four."}), std::nullopt);
  write("1.bin", as_bytes(std::vector<std::uint16_t>(60, 9)));
  write("2.bin", as_bytes(std::vector<std::uint16_t>{1, 9}));
  EXPECT_EQ(open_data({.data = path("*.bin"), .block_size = 2}).training->separator(), 9);
}

TEST_F(DataFiles, BatchesDependOnSeedStepAndRowOfTheStepAlone) {
  const auto file = write("text.txt", alphabet(5000));
  const auto inputs = [&](std::uint64_t seed, std::int64_t step, std::int64_t micro_step,
                          std::int64_t rows) {
    return open_data({.data = file, .seed = seed, .block_size = 16})
        .training->training_batch(step, micro_step, rows, 16)
        .inputs;
  };
  const auto base = inputs(1, 2, 3, 4);
  EXPECT_EQ(base, inputs(1, 2, 3, 4));
  // However the step is cut into micro-steps.
  const auto all = inputs(1, 2, 0, 16);
  EXPECT_EQ(base, std::vector(all.begin() + 12 * 16, all.end()));
  EXPECT_NE(base, inputs(2, 2, 3, 4));
  EXPECT_NE(base, inputs(1, 3, 3, 4));
  EXPECT_NE(base, inputs(1, 2, 4, 4));
}

TEST_F(DataFiles, EvaluationScoresEveryTokenButTheFirstOnce) {
  for (const std::int64_t n : {9, 16, 17, 18, 33, 40}) {
    const auto text = alphabet(static_cast<std::size_t>(n));
    const auto source =
        open_evaluation({.data = write("text.txt", text), .block_size = 8}, Split::all);
    const auto rows = *source->evaluation_rows(8);
    EXPECT_EQ(rows, (n - 1 + 7) / 8) << n;
    std::vector<std::int64_t> scored;
    for (std::int64_t first = 0; first < rows; first += 3) {
      const auto batch = source->evaluation_batch(first, 3, 8);
      EXPECT_EQ(batch.rows, std::min<std::int64_t>(3, rows - first));
      for (std::size_t i = 0; i < batch.targets.size(); ++i) {
        if (batch.targets[i] == ignored_target) continue;
        // Each target's input is the token right before it.
        EXPECT_EQ(batch.inputs[i], text[scored.size()]);
        scored.push_back(batch.targets[i]);
      }
    }
    EXPECT_EQ(ByteTokenizer{}.decode(scored), text.substr(1)) << n;
    EXPECT_THAT(error_of([&] { source->evaluation_batch(rows, 1, 8); }),
                HasSubstr("evaluation row"));
  }
}

TEST_F(DataFiles, SplitsOfAnEvaluation) {
  const auto file = write("text.txt", alphabet(100));
  const auto other = write("other.txt", alphabet(30));
  const auto tokens = [&](const std::string& validation, Split split) {
    return *open_evaluation({.data = file, .validation_data = validation, .block_size = 4}, split)
                ->tokens();
  };
  EXPECT_EQ(tokens("", Split::train), 95);
  EXPECT_EQ(tokens("", Split::validation), 5);
  EXPECT_EQ(tokens("", Split::all), 100);
  EXPECT_EQ(tokens(other, Split::train), 100);
  EXPECT_EQ(tokens(other, Split::validation), 30);
  EXPECT_EQ(split_of("train"), Split::train);
  EXPECT_EQ(split_of("validation"), Split::validation);
  EXPECT_EQ(split_of("all"), Split::all);
  EXPECT_THAT(error_of([] { split_of("valid"); }), HasSubstr("did you mean"));
  // The validation split of a run is what `eval` opens.
  const auto run = open_data({.data = file, .block_size = 4});
  const auto again = open_evaluation({.data = file, .block_size = 4}, Split::validation);
  EXPECT_EQ(run.validation->evaluation_batch(0, 9, 4).targets,
            again->evaluation_batch(0, 9, 4).targets);
}

TEST_F(DataFiles, ValidationDataOfTheirOwn) {
  const auto data = open_data({.data = write("a.txt", alphabet(100)),
                               .validation_data = write("b.txt", alphabet(30)),
                               .block_size = 8});
  EXPECT_EQ(data.training->tokens(), 100);
  EXPECT_EQ(data.validation->tokens(), 30);
}

TEST_F(DataFiles, FoldersAndGlobsJoinInNameOrder) {
  write("books/b.txt", "BBB");
  write("books/a.txt", "AA");
  write("books/c.txt", "C");
  write("books/.hidden", "hidden");
  write("books/below/d.txt", "D");
  write("books/[x].txt", "X");
  std::filesystem::create_symlink("circle.txt", path("books/circle.txt"));
  const auto text = [&](const std::string& spec) {
    return ByteTokenizer{}.decode(all_tokens(TokenArray{files_of(spec)}));
  };
  EXPECT_EQ(text(path("books")), "XAABBBC");
  EXPECT_EQ(text(path("books/[ab].txt")), "AABBB");
  EXPECT_EQ(text(path("books/*.txt")), "XAABBBC");
  EXPECT_EQ(text(path("books/?.txt")), "AABBBC");
  EXPECT_EQ(text(path("books/[x].txt")), "X");
}

TEST_F(DataFiles, BadSpecs) {
  EXPECT_THAT(open_error({.data = ""}), HasSubstr("no data"));
  EXPECT_THAT(open_error({.data = path("absent.txt")}),
              AllOf(StartsWith("[data]"), HasSubstr("absent.txt: there is no such file")));
  EXPECT_THAT(open_error({.data = write("empty.txt", "")}), HasSubstr("empty.txt: is empty"));
  std::filesystem::create_directories(path("nothing/here"));
  EXPECT_THAT(
      open_error({.data = path("nothing")}),
      HasSubstr("nothing: there is no file in this folder (those of sub-folders are left out: a "
                "glob, " +
                path("nothing/*/*") + ", names them)"));
  EXPECT_THAT(open_error({.data = path("nothing/*.txt")}), HasSubstr("no file matches"));
  write("mixed/a.txt", alphabet(100));
  write("mixed/b.bin", alphabet(100));
  EXPECT_THAT(open_error({.data = path("mixed")}), HasSubstr("text and .bin cannot be joined"));
  EXPECT_THAT(open_error({.data = "builtin:story"}), HasSubstr("did you mean builtin:stories?"));
  EXPECT_THAT(open_error({.data = "builtin:"}), HasSubstr("there is no built-in source \"\""));
  EXPECT_THAT(open_error({.data = "builtin:uniform", .block_size = 0}),
              HasSubstr("block size of 0"));
}

TEST_F(DataFiles, TooShort) {
  const auto file = write("text.txt", alphabet(1000));
  EXPECT_THAT(open_error({.data = file, .block_size = 950}),
              HasSubstr("950 tokens for training are too few: one block (block size 950 + 1) "
                        "needs 951"));
  EXPECT_THAT(open_error({.data = file, .block_size = 50}),
              HasSubstr("50 tokens for validation are too few"));
  EXPECT_EQ(open_error({.data = file, .block_size = 49}), "no error");
  EXPECT_THAT(
      open_error({.data = file, .validation_data = write("b.txt", "short"), .block_size = 49}),
      HasSubstr("b.txt: 5 tokens for validation are too few"));
  const DataOptions one{.data = write("one.txt", "x"), .block_size = 256};
  EXPECT_THAT(error_of([&] { open_evaluation(one, Split::all); }),
              HasSubstr("1 tokens for evaluation are too few"));
  const auto source = open_evaluation({.data = file}, Split::train);
  EXPECT_THAT(error_of([&] { source->training_batch(0, 0, 1, 950); }),
              HasSubstr("950 tokens are fewer than one block"));
  EXPECT_THAT(error_of([&] { source->training_batch(0, 0, 0, 8); }), HasSubstr("0 rows"));
}

TEST_F(DataFiles, DataThatDoNotFit) {
  const auto text = write("text.txt", alphabet(1000));
  EXPECT_THAT(open_error({.data = text, .block_size = 8, .vocabulary_size = 100}),
              HasSubstr("has a vocabulary of 256, the config of 100: vocab_size must be at least "
                        "256"));
  EXPECT_EQ(open_error({.data = text, .block_size = 8, .vocabulary_size = 320}), "no error");
  EXPECT_THAT(open_error({.data = text, .validation_data = "builtin:stories", .block_size = 8}),
              HasSubstr("they must use the same"));
  EXPECT_THAT(open_error({.data = "builtin:uniform", .validation_data = "builtin:markov"}),
              HasSubstr("they must use the same"));
}

TEST_F(DataFiles, Tokenizers) {
  EXPECT_EQ(make_tokenizer("bytes", 0)->vocabulary_size(), 256);
  EXPECT_EQ(make_tokenizer("numbers", 64)->vocabulary_size(), 64);
  EXPECT_EQ(make_tokenizer("stories", 0)->name(), "stories");
  EXPECT_THAT(error_of([] { make_tokenizer("byte", 0); }), HasSubstr("did you mean bytes?"));
  const NumberTokenizer numbers{10};
  EXPECT_THAT(numbers.encode(" 3\n 0 9 "), ElementsAre(3, 0, 9));
  EXPECT_THAT(numbers.encode(""), ElementsAre());
  for (const char* bad : {"10", "-1", "x", "3x", "99999999999999999999"}) {
    EXPECT_THAT(
        error_of([&] { numbers.encode(bad); }),
        HasSubstr("\"" + std::string(bad) + "\" is no token: these data are numbers from 0 to 9"));
  }
  EXPECT_THAT(error_of([&] {
                numbers.decode(std::vector<std::int64_t>{3, 10});
              }),
              HasSubstr("token 10 is outside the vocabulary: 0 to 9"));
}

}  // namespace
}  // namespace lookback
