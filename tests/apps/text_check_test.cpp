// Binary data under --data: refused by name. Texts in any encoding: trained on.
#include "apps/data/text_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/check.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using std::string;
using testing::HasSubstr;
using namespace std::string_literals;

std::span<const std::byte> bytes_of(const string& text) { return std::as_bytes(std::span(text)); }

string error_of(const string& content) {
  try {
    check_is_text(bytes_of(content), "file");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TextCheck, KnownFormatsAreNamed) {
  const std::vector<std::pair<string, string>> all = {
      {"\x1f\x8b\x08\x01", "is compressed by gzip, not a text: its name must end in .gz"},
      {"BZh91AY&SY\xff\x01", "is compressed by bzip2"},
      {"\xfd\x37zXZ\0\1"s, "is compressed by xz"},
      {"\x28\xb5\x2f\xfd\x04", "is compressed by zstd"},
      {"PK\x03\x04\x14", "is a zip archive"},
      {"\x93NUMPY\x01\0"s, "is a NumPy array, not a text: its name must end in .npy"},
      {"\x40\0\0\0\0\0\0\0{\"weight\":{}}"s, "is a safetensors file"},
      {"GGUF\3\0\0\0"s, "is a GGUF model"},
      {"PAR1\x15\0"s, "is a Parquet file"},
      {"ARROW1\0\0"s, "is an Arrow file"},
      {"%PDF-1.7\n\xe2\xe3", "is a PDF"},
      {"\x89PNG\r\n\x1a\n", "is a PNG image"},
      {"\xff\xd8\xff\xe0", "is a JPEG image"},
      {"\177ELF\2", "is a program"},
      {"\xff\xfeS\0o\0"s, "is UTF-16, not a text: `iconv -f UTF-16 -t UTF-8` makes it UTF-8"},
      {"\xfe\xff\0S\0o"s, "is UTF-16"},
  };
  for (const auto& [content, text] : all) {
    EXPECT_THAT(error_of(content), HasSubstr("[data] file: " + text));
  }
}

TEST(TextCheck, AnythingElseIsBinaryByItsZeros) {
  const string text(65535, 'a');
  EXPECT_THAT(error_of("ab\0c"s), HasSubstr("file: byte 2 is 0, which no text has: is it binary?"));
  EXPECT_THAT(error_of(text + "\0"s), HasSubstr("byte 65535 is 0"));
  EXPECT_EQ(error_of(text + "a\0"s), "no error");  // further on than is looked
}

TEST(TextCheck, TextsAreTexts) {
  for (const string text :
       {"", "a", "so it goes", "caf\xc3\xa9", "caf\xe9", "\xef\xbb\xbf with a mark", "\x1b[1mbold",
        "\f\t\r\n", "{\"json\": 1}", "        {\"indented\": 1}", "GGUF is a format", "PAR1",
        "%PDF-1.7 is how such files begin", "\xff", "\xf0\x9f\xa6\x99"}) {
    EXPECT_EQ(error_of(text), "no error") << text;
  }
}

TEST(TextCheck, WhereUtf8Ends) {
  EXPECT_EQ(first_not_utf8(bytes_of("caf\xc3\xa9 \xf0\x9f\xa6\x99")), std::nullopt);
  EXPECT_EQ(first_not_utf8(bytes_of("caf\xe9 noir")), 3U);
  EXPECT_EQ(first_not_utf8(bytes_of("cut \xf0\x9f\xa6")), 4U);
  const string letters(65535, 'a');
  EXPECT_EQ(first_not_utf8(bytes_of(letters + "\xc3\xa9")), std::nullopt);  // across the border
  EXPECT_EQ(first_not_utf8(bytes_of(letters + "a\xe9")), std::nullopt);     // behind it
  EXPECT_EQ(first_not_utf8(bytes_of(letters + "\xe9")), 65535U);
}

TEST(TextCheck, TrainRefusesBinaryDataAndTrainsOnLatin1) {
  const SmallRun small;
  ASSERT_EQ(small.train().code, 0);
  const string weights = std::filesystem::path(small.run()) / "model.safetensors";
  for (const string command : {"eval", "diagnose"}) {
    expect_error(run_lookback({command, small.run(), "--data", weights}), 1,
                 weights + ": is a safetensors file, not a text");
  }
  const string apart = small.path() / "weights.bytes";  // a run's own files are refused as data
  std::filesystem::copy(weights, apart);
  expect_error(small.train({"--overwrite", "--validation-data", apart}), 1,
               apart + ": is a safetensors file, not a text");

  string book;
  for (int i = 0; i < 400; ++i) book += "Le caf\xe9 est ferm\xe9. ";
  write_text(small.text(), book);
  const auto result = small.train({"--overwrite"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "lookback: warning: " + small.text() +
                            ": byte 6 is not UTF-8 (latin-1?): convert it, or prompt the model "
                            "in the same encoding\n");
}

}  // namespace
}  // namespace lookback::tests
