// Files of tokens that other programs wrote: how wide their tokens are is known, or asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "apps/data/open.h"
#include "apps/data/token_array.h"
#include "runtime/check.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using std::string;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;
using Tokens = std::vector<std::int64_t>;

template <class Number>
string bytes_of(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

template <class Number>
string number(Number value) {
  return bytes_of(std::vector<Number>{value});
}

// Ids as text has them: 600 of them below `size`, the small ones more often.
template <class Number>
std::vector<Number> ids(std::int64_t size) {
  std::mt19937 random(7);
  std::vector<Number> all;
  while (all.size() < 600) {
    const auto below = random() % 5 == 0 ? size : size / 3 + 1;
    all.push_back(static_cast<Number>(static_cast<std::int64_t>(random()) % below));
  }
  return all;
}

class TokenFiles : public testing::Test {
 protected:
  string write(const string& name, const string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    write_text(path(name), bytes);
    return path(name);
  }
  string path(const string& name) const { return folder_.path() / name; }

  static string error_of(const string& file, const TokenLayoutOptions& options = {}) {
    try {
      TokenArray({file}, {.layout = options});
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
      return error.what();
    }
    return "no error";
  }

  static string open_error(const string& file, TokenType type) {
    try {
      open_data({.data = file, .bin_dtype = type, .block_size = 4});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  static Tokens tokens_of(const string& file, const TokenLayoutOptions& options = {}) {
    const TokenArray array({file}, {.layout = options});
    Tokens tokens(static_cast<std::size_t>(array.size()));
    array.read(0, tokens);
    return tokens;
  }

  static string numpy(const string& type, const string& shape, const string& body,
                      char version = 1) {
    const auto header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape +
                        ", }" + string(20, ' ') + "\n";
    const auto length = version == 1 ? number(static_cast<std::uint16_t>(header.size()))
                                     : number(static_cast<std::uint32_t>(header.size()));
    return "\x93NUMPY"s + string(1, version) + string(1, '\0') + length + header + body;
  }

  static string packed(std::uint64_t version, char code, std::uint64_t count, const string& body) {
    return "LITPKDS" + number(version) + string(1, code) + number(count) + body;
  }

  // Megatron's index of one document in two sequences.
  static string megatron(std::uint64_t version, char code, std::int64_t count, std::int64_t width) {
    const auto half = static_cast<std::int32_t>(count / 2);
    return "MMIDIDX\0\0"s + number(version) + string(1, code) + number(std::uint64_t{2}) +
           number(std::uint64_t{2}) +
           bytes_of(std::vector{half, static_cast<std::int32_t>(count) - half}) +
           bytes_of(Tokens{0, half * width}) + bytes_of(Tokens{0, 2});
  }

  TemporaryDirectory folder_;
};

TEST_F(TokenFiles, WideTokensAreNotTakenForUint16) {
  for (const std::int64_t size : {2, 4, 90, 256, 32000, 128256, 151936, 262144}) {
    SCOPED_TRACE(size);
    EXPECT_THAT(error_of(write("four.bin", bytes_of(ids<std::uint32_t>(size)))),
                AllOf(HasSubstr("four.bin: every second of its 16-bit numbers is 0"),
                      HasSubstr("--bin-dtype uint32 reads "), HasSubstr("--bin-dtype uint16 ")));
    EXPECT_THAT(error_of(write("eight.bin", bytes_of(ids<std::int64_t>(size)))),
                HasSubstr("where a token has 8 bytes: --bin-dtype int64 reads "));
    const auto wide = ids<std::int64_t>(size);
    EXPECT_EQ(tokens_of(path("four.bin"), {.bin_dtype = TokenType::uint32}), wide);
    EXPECT_EQ(tokens_of(path("four.bin"), {.bin_dtype = TokenType::int32}), wide);
    EXPECT_EQ(tokens_of(path("eight.bin"), {.bin_dtype = TokenType::int64}), wide);
    EXPECT_EQ(tokens_of(path("four.bin"), {.bin_dtype = TokenType::uint16}).size(), 1200U);
  }
  // Mostly padding, whether it is 0 or -100.
  for (const std::int32_t padding : {0, -100}) {
    auto padded = ids<std::int32_t>(32000);
    padded.resize(6000, padding);
    EXPECT_THAT(error_of(write("padded.bin", bytes_of(padded))), HasSubstr("--bin-dtype uint32"));
  }
  EXPECT_THAT(error_of(path("padded.bin"), {.bin_dtype = TokenType::int32}), "no error");
  EXPECT_THAT(open_error(path("padded.bin"), TokenType::int32),
              HasSubstr("token -100 at position 600 is outside the vocabulary"));
}

TEST_F(TokenFiles, NarrowTokensAre) {
  for (const std::int64_t size : {2, 4, 90, 256, 4000, 32000, 65536})
    EXPECT_EQ(tokens_of(write("two.bin", bytes_of(ids<std::uint16_t>(size)))),
              ids<std::int64_t>(size));
  // One id alone, a separator that stands often, and files too short to say anything.
  EXPECT_EQ(tokens_of(write("two.bin", bytes_of(std::vector<std::uint16_t>(400, 7)))),
            Tokens(400, 7));
  auto often = ids<std::uint16_t>(500);
  for (std::size_t i = 0; i < often.size(); i += 3) often[i] = 0;
  EXPECT_EQ(error_of(write("two.bin", bytes_of(often))), "no error");
  EXPECT_THAT(tokens_of(write("two.bin", bytes_of(std::vector<std::uint16_t>{5, 0, 9, 0}))),
              ElementsAre(5, 0, 9, 0));
}

TEST_F(TokenFiles, OtherNumbersAreNoTokens) {
  std::vector<float> real;
  std::vector<std::uint32_t> swapped;
  for (const auto id : ids<std::uint32_t>(32000)) {
    real.push_back(static_cast<float>(id));
    swapped.push_back(__builtin_bswap32(id));
  }
  EXPECT_THAT(error_of(write("real.bin", bytes_of(real))), HasSubstr("floating-point"));
  // What was never tokens: weights, of either sign and well below 1.
  std::vector<float> weights;
  std::vector<double> wide_weights;
  for (int i = 1; i < 400; ++i) {
    weights.push_back(static_cast<float>(std::sin(i) / 3));
    wide_weights.push_back(std::cos(i) / 50);
  }
  EXPECT_THAT(error_of(write("real.bin", bytes_of(weights))), HasSubstr("floating-point"));
  EXPECT_THAT(error_of(write("real.bin", bytes_of(wide_weights))), HasSubstr("floating-point"));
  EXPECT_THAT(error_of(write("swapped.bin", bytes_of(swapped))), HasSubstr("highest byte first"));
  std::vector<std::uint16_t> bytes;
  for (const auto id : ids<std::uint16_t>(256))
    bytes.push_back(static_cast<std::uint16_t>(id << 8));
  EXPECT_THAT(error_of(write("swapped.bin", bytes_of(bytes))),
              HasSubstr("the highest byte comes first (big-endian)"));
}

TEST_F(TokenFiles, AVocabularyAbove65536NeedsFourBytes) {
  const auto file = write("t.bin", bytes_of(ids<std::uint16_t>(60000)));
  EXPECT_EQ(error_of(file, {.vocabulary_size = 65536}), "no error");
  EXPECT_THAT(
      error_of(file, {.vocabulary_size = 128256}),
      HasSubstr("t.bin: says nothing of how wide its tokens are, and a vocabulary of 128256 "
                "needs more than two bytes: --bin-dtype uint32"));
  EXPECT_EQ(error_of(file, {.bin_dtype = TokenType::uint16, .vocabulary_size = 128256}),
            "no error");
  EXPECT_THAT(error_of(write("t.bin", "abcdef"), {.bin_dtype = TokenType::uint32}),
              HasSubstr("6 bytes are no whole number of tokens: uint32 has 4 bytes"));
}

TEST_F(TokenFiles, PackedChunks) {
  const auto body = bytes_of(std::vector<std::uint16_t>{5, 6, 65000});
  EXPECT_THAT(tokens_of(write("c.bin", packed(1, 8, 3, body))), ElementsAre(5, 6, 65000));
  EXPECT_THAT(tokens_of(write("c.bin", packed(1, 4, 2, bytes_of(std::vector{7, 128255})))),
              ElementsAre(7, 128255));
  EXPECT_THAT(error_of(write("c.bin", packed(2, 8, 3, body))),
              HasSubstr("of version 2: 1 is known"));
  EXPECT_THAT(error_of(write("c.bin", packed(1, 8, 4, body))),
              HasSubstr("the header says 4 tokens of uint16, but 6 bytes follow it"));
  EXPECT_THAT(error_of(write("c.bin", packed(1, 7, 3, body))),
              HasSubstr("of the kind 7 (float32)"));
  EXPECT_THAT(error_of(write("c.bin", packed(1, 99, 3, body))), HasSubstr("of the kind 99 (?)"));
  EXPECT_THAT(error_of(write("c.bin", "LITPKDS\1")), HasSubstr("8 bytes are too few for a chunk"));
  EXPECT_THAT(error_of(write("c.bin", packed(1, 8, 3, body)), {.bin_dtype = TokenType::uint32}),
              HasSubstr("its header says that its tokens are uint16, --bin-dtype says uint32"));
}

TEST_F(TokenFiles, NumPyArrays) {
  const auto small = bytes_of(std::vector<std::uint16_t>{5, 6, 7});
  EXPECT_THAT(tokens_of(write("a.npy", numpy("<u2", "(3,)", small))), ElementsAre(5, 6, 7));
  EXPECT_THAT(tokens_of(write("a.npy", numpy("<u2", "(3,)", small, 2))), ElementsAre(5, 6, 7));
  EXPECT_THAT(tokens_of(write("a.bin", numpy("|u1", "(3,)", "abc"))), ElementsAre(97, 98, 99));
  for (const string type : {"<i8", "<u8"}) {
    EXPECT_THAT(tokens_of(write("a.npy", numpy(type, "(2,)", bytes_of(Tokens{1, 200000})))),
                ElementsAre(1, 200000));
  }
  EXPECT_THAT(tokens_of(write("a.npy", numpy("<i4", "(1,)", number(70000)))), ElementsAre(70000));
  const auto bad = [&](const string& content) { return error_of(write("b.npy", content)); };
  EXPECT_THAT(bad(numpy("<u2", "(3, 1)", small)),
              HasSubstr("of shape \"(3, 1)\": tokens must have one"));
  EXPECT_THAT(bad(numpy("<u2", "()", small)), HasSubstr("of shape \"()\""));
  EXPECT_THAT(bad(numpy(">u2", "(3,)", small)), HasSubstr("is a NumPy array of \">u2\""));
  EXPECT_THAT(bad(numpy("<f4", "(3,)", small)), HasSubstr("is a NumPy array of \"<f4\""));
  EXPECT_THAT(bad(numpy("<u2", "(4,)", small)), HasSubstr("was it cut short?"));
  EXPECT_THAT(bad(numpy("<u2", "(0,)", "")), HasSubstr("without elements"));
  EXPECT_THAT(bad(numpy("<u2", "(3,)", small, 9)), HasSubstr("of version 9"));
  EXPECT_THAT(bad(numpy("<u2", "(3,)", small).substr(0, 40)), HasSubstr("the header of the NumPy"));
  EXPECT_THAT(bad("\x93NUMPY"s), HasSubstr("too few"));
  EXPECT_THAT(bad("\x93NUMPY\1\0\4\0{}  "s), HasSubstr("has no descr and shape"));
  // As dolma and OLMo write them.
  EXPECT_THAT(bad(small), HasSubstr("b.npy: has no header of NumPy (dolma and OLMo"));
  EXPECT_THAT(tokens_of(path("b.npy"), {.bin_dtype = TokenType::uint16}), ElementsAre(5, 6, 7));
}

TEST_F(TokenFiles, AnIndexBesideThem) {
  const auto wide = ids<std::int32_t>(32000);
  const auto bin = write("m.bin", bytes_of(wide));
  const auto with = [&](const string& index, const TokenLayoutOptions& options = {}) {
    write("m.idx", index);
    return error_of(bin, options);
  };
  EXPECT_EQ(with(megatron(1, 4, 600, 4)), "no error");
  EXPECT_EQ(tokens_of(bin), Tokens(wide.begin(), wide.end()));
  EXPECT_THAT(with(megatron(1, 4, 600, 4), {.bin_dtype = TokenType::uint16}),
              HasSubstr("m.idx says that its tokens are int32, --bin-dtype says uint16"));
  EXPECT_THAT(with(megatron(1, 4, 598, 4)), HasSubstr("were they made together?"));
  EXPECT_THAT(with(megatron(2, 4, 600, 4)), HasSubstr("Megatron-LM of version 2"));
  EXPECT_THAT(with(megatron(1, 6, 600, 4)), HasSubstr("of the kind 6 (float64)"));
  EXPECT_THAT(with(megatron(1, 4, 600, 4).substr(0, 40)), HasSubstr("was it cut short?"));
  EXPECT_THAT(with("MMIDIDX\0\0\1"s), HasSubstr("too few for an index"));
  EXPECT_EQ(with("TNTIDX\0\0"s + number(std::uint64_t{1}) + number(std::uint64_t{4})), "no error");
  EXPECT_THAT(with("something else"),
              AllOf(HasSubstr("m.idx beside it is no index of"), HasSubstr("--bin-dtype")));
  EXPECT_EQ(with("something else", {.bin_dtype = TokenType::int32}), "no error");
  EXPECT_THAT(with(""), HasSubstr("is no index of"));
  // A folder of both is the tokens.
  write("m.idx", megatron(1, 4, 600, 4));
  EXPECT_EQ(files_of(folder_.path()), std::vector<string>{bin});

  const auto chunk = write("lit/chunk-0-0.bin", bytes_of(wide));
  write("lit/index.json", R"({"chunks": [{"filename": "chunk-0-0.bin"}], "config": {}})");
  EXPECT_THAT(error_of(chunk), HasSubstr("chunk-0-0.bin: is a chunk of litdata"));
}

TEST_F(TokenFiles, OtherFilesOfThatName) {
  const auto bad = [&](const string& content) { return error_of(write("x.bin", content)); };
  std::vector<std::int32_t> header(300, 0);
  header[1] = 1;
  for (const auto& [magic, name] :
       std::vector<std::pair<std::int32_t, string>>{{20240522, "questions of an evaluation"},
                                                    {20240326, "a model"},
                                                    {20240328, "a tokenizer"}}) {
    header[0] = magic;
    EXPECT_THAT(bad(bytes_of(header)), HasSubstr(name + " of llm.c"));
  }
  header[0] = 20270101;
  EXPECT_THAT(bad(bytes_of(header)),
              HasSubstr("the header 20270101 of version 1, which is not known"));
  EXPECT_THAT(bad("PK\3\4 archive/data.pkl"), HasSubstr("is a zip archive (a model of PyTorch"));
  EXPECT_THAT(bad("\x1f\x8b\x08\0\1\2"s), HasSubstr("is compressed by gzip, not tokens"));
  EXPECT_THAT(bad("GGUF\3\0"s), HasSubstr("is a GGUF model"));
  EXPECT_THAT(bad("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
              HasSubstr("is a Git LFS pointer"));
  EXPECT_THAT(bad("<!DOCTYPE html><html><body>Not found</body></html>"),
              HasSubstr("is text, not tokens: give it a name that ends in .txt"));
  std::filesystem::create_directory(path("d.bin"));
  EXPECT_THAT(error_of(path("d.bin")), HasSubstr("d.bin: is a folder"));
  std::filesystem::create_symlink("nowhere", path("l.bin"));
  EXPECT_THAT(error_of(path("l.bin")), HasSubstr("l.bin: there is no such file"));
  EXPECT_THAT(error_of(write("e.npy", "")), HasSubstr("e.npy: is empty"));
}

TEST(TokenFilesOfARun, AreReadTheSameWayAgain) {
  const SmallRun small;
  const auto text = read_text(small.text());
  const string bin = small.path() / "four.bin";
  write_text(bin, bytes_of(std::vector<std::uint32_t>(text.begin(), text.end())));
  const std::vector<string> flags = {"--data", bin, "--json"};
  expect_error(small.train(flags), 1,
               "four.bin: every second of its 16-bit numbers is 0, as where");
  expect_error(run_lookback({"diagnose", "--config", small.config(), "--data", bin, "--output-dir",
                             small.path() / "d"}),
               1, "--bin-dtype uint32 reads ");
  const auto wide = small.train({"--data", bin, "--bin-dtype", "uint32", "--json"});
  ASSERT_EQ(wide.code, 0) << wide.err;
  EXPECT_THAT(read_text(std::filesystem::path(small.run()) / "options.toml"),
              HasSubstr("bin_dtype = \"uint32\""));
  const auto loss = SmallRun::json(wide).at("validation_loss").get<double>();
  const auto again = run_lookback({"eval", small.run(), "--json"});
  EXPECT_EQ(SmallRun::json(again).at("loss").get<double>(), loss) << again.err;
  EXPECT_EQ(
      run_lookback({"train", "--resume", "--output-dir", small.run(), "--max-steps", "8"}).code, 0);
  expect_error(
      run_lookback({"train", "--resume", "--output-dir", small.run(), "--bin-dtype", "uint16"}), 2,
      "--bin-dtype uint16: the run has uint32");
  expect_error(run_lookback({"eval", small.run(), "--data", bin}), 1, "say which");
  expect_error(run_lookback({"eval", small.run(), "--data", small.text(), "--bin-dtype", "int64"}),
               1, "holds no tokens, and --bin-dtype goes with a .bin or .npy");
  // In bytes, the text is the same data.
  const auto bytes = small.train({"--overwrite", "--json"});
  EXPECT_EQ(SmallRun::json(bytes).at("validation_loss").get<double>(), loss);
}

}  // namespace
}  // namespace lookback::tests
