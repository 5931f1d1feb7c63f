// Where the kernels of an operation are, and what callers include.
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/house/source_tree.h"

namespace lookback::tests {
namespace {

using std::string;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// autograd/ops.h includes every public operation.
std::vector<string> missing_operations(const std::vector<SourceFile>& files) {
  const string folder = "autograd/ops/";
  std::set<string> operations;
  for (const auto& file : files) {
    const bool is_public = file.name.find('/', folder.size()) == string::npos;
    if (file.name.starts_with(folder) && is_public && file.extension() == ".h")
      operations.insert(file.name);
  }
  for (const auto& file : files) {
    if (file.name != "autograd/ops.h") continue;
    for (const auto& name : quoted_includes(file)) operations.erase(name);
  }
  return {operations.begin(), operations.end()};
}

TEST(House, OneHeaderHasAllOperations) {
  EXPECT_THAT(missing_operations(source_tree()), IsEmpty());
  EXPECT_THAT(missing_operations({{"autograd/ops.h", "#include \"autograd/ops/binary.h\"\n"},
                                  {"autograd/ops/binary.h", ""},
                                  {"autograd/ops/unary.h", ""},
                                  {"autograd/ops/detail/rows.h", ""}}),
              ElementsAre("autograd/ops/unary.h"));
}

// Whoever reads a slot is told where its kernels are: a file of kernels/cpu or kernels/cuda that
// registers a kernel for a slot is named in the header that declares the slot.
std::vector<string> unnamed_kernels(const std::vector<SourceFile>& files) {
  static const std::regex slot(R"(Slot<[^;]*>\s*(\w+)\{\s*")");
  static const std::regex registration(
      R"(Registration\s+\w+\s*\{\s*(\w+),|LOOKBACK_REGISTER\((\w+)\);)");
  const auto each = [](const SourceFile& file, const std::regex& pattern, const auto& visit) {
    const auto& text = file.text;
    for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found)
      visit(found->str(1) + (found->size() > 2 ? found->str(2) : ""));
  };
  std::map<string, const SourceFile*> headers;
  for (const auto& file : files) {
    if (file.folder() != "kernels" || file.extension() != ".h") continue;
    each(file, slot, [&](const string& name) { headers[name] = &file; });
  }
  std::vector<string> found;
  for (const auto& file : files) {
    if (!file.name.starts_with("kernels/cpu/") && !file.name.starts_with("kernels/cuda/")) continue;
    each(file, registration, [&](const string& name) {
      const auto header = headers.find(name);
      if (header != headers.end() && header->second->text.find(file.name) == string::npos)
        found.push_back(header->second->name + ": does not name " + file.name + " for " + name);
    });
  }
  return found;
}

TEST(House, SlotsNameTheFilesThatFillThem) {
  EXPECT_THAT(unnamed_kernels(source_tree()), IsEmpty());
  const SourceFile header{"kernels/a.h",
                          "// Filled by kernels/cpu/a.cpp.\ninline Slot<A> a{\"a\"};\n"};
  const string registration = "const Registration registered{a, Backend::cpu, run};\n";
  EXPECT_THAT(unnamed_kernels({header, {"kernels/cpu/a.cpp", registration}}), IsEmpty());
  EXPECT_THAT(unnamed_kernels({header, {"kernels/cuda/a.cu", registration}}),
              ElementsAre("kernels/a.h: does not name kernels/cuda/a.cu for a"));
}

}  // namespace
}  // namespace lookback::tests
