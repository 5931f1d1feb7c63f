#include "tests/apps/cut_run.h"

#include "apps/model/sealed_json.h"
#include "tests/apps/run_files.h"

namespace lookback::tests {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

ProgramResult CutRun::resume(const fs::path& folder, std::vector<std::string> more) {
  more.insert(more.begin(), {"train", "--resume", "--output-dir", folder, "--quiet"});
  return run_lookback(more);
}

void CutRun::train_and_cut(int step, std::vector<std::string> more) const {
  more.insert(more.begin(), {"--save-steps=2", "--logging-steps=3", "--eval-steps=4",
                             "--save-total-limit=9", "--threads=1", "--output-dir"});
  more.insert(more.begin() + 6, folder("whole"));
  ASSERT_EQ(small_.train(more).code, 0);
  fs::copy(folder("whole"), folder("cut"), fs::copy_options::recursive);
  for (const auto& entry : fs::directory_iterator(folder("cut"))) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("checkpoint-") && std::stoi(name.substr(11)) > step) {
      fs::remove_all(entry.path());
    }
  }
}

void CutRun::expect_refused(const std::string& text, const std::vector<std::string>& more) const {
  const auto before = run_files(folder("cut"));
  expect_error(resume(folder("cut"), more), 1, text);
  EXPECT_EQ(differing_files(run_files(folder("cut")), before), "") << text;
}

void CutRun::expect_whole() const {
  const auto result = resume(folder("cut"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(differing_files(run_files(folder("cut")), run_files(folder("whole"))), "");
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return at == text.npos ? text : text.replace(at, what.size(), with);
}

void reseal(const fs::path& trainer_state) {
  auto object = Json::parse(read_text(trainer_state));
  object.erase("checksum");
  write_text(trainer_state, sealed_text(object));
}

void unseal(const fs::path& trainer_state) {
  auto object = Json::parse(read_text(trainer_state));
  for (const auto* key :
       {"settings", "config", "data", "tokenizer", "metrics", "files", "checksum"}) {
    object.erase(key);
  }
  write_text(trainer_state, object.dump(2) + "\n");
}

void flip_bit(const fs::path& file, std::size_t byte, int bit) {
  auto bytes = read_text(file);
  bytes.at(byte) = static_cast<char>(bytes.at(byte) ^ (1 << bit));
  write_text(file, bytes);
}

}  // namespace lookback::tests
