#include "runtime/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "runtime/check.h"
#include "tests/paths.h"

namespace lookback {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const std::string& path) {
  try {
    const MappedFile file{path, "data"};
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(MappedFile, HoldsTheBytes) {
  const tests::TemporaryDirectory folder;
  const std::string path = folder.path() / "some file";
  std::ofstream{path, std::ios::binary} << std::string("a\0b", 3);
  MappedFile file{path, "data"};
  ASSERT_EQ(file.size(), 3u);
  EXPECT_EQ(std::to_integer<char>(file.bytes()[2]), 'b');
  EXPECT_EQ(file.path(), path);
  MappedFile moved{std::move(file)};
  EXPECT_EQ(std::to_integer<char>(moved.bytes()[0]), 'a');

  std::ofstream{folder.path() / "empty"};
  EXPECT_EQ(MappedFile((folder.path() / "empty").string(), "data").size(), 0u);
}

TEST(MappedFile, SaysWhatIsWrong) {
  const tests::TemporaryDirectory folder;
  EXPECT_THAT(error_of(folder.path() / "absent"),
              AllOf(StartsWith("[data]"), HasSubstr("absent: there is no such file")));
  EXPECT_THAT(error_of(folder.path()), HasSubstr("is a folder"));
  const std::string pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error_of(pipe), HasSubstr("is not a regular file"));
  std::ofstream{folder.path() / "file"} << "x";
  EXPECT_THAT(error_of(folder.path() / "file" / "below"), HasSubstr("cannot be read: "));
}

TEST(MappedFile, SaysWhatMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "the superuser may read every file";
  const tests::TemporaryDirectory folder;
  const std::string path = folder.path() / "secret";
  std::ofstream{path} << "x";
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_THAT(error_of(path), HasSubstr("cannot be read: Permission denied"));
}

}  // namespace
}  // namespace lookback
