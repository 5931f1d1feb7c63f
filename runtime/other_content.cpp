#include "runtime/other_content.h"

#include <array>
#include <cctype>

namespace lookback {
namespace {

struct Beginning {
  std::string_view bytes;
  std::string_view content;
};

constexpr std::string_view page =
    "is a web page, not the file itself: the download was refused or asked for a login; fetch it "
    "again";
constexpr std::string_view pickle =
    "is a pickle of PyTorch, which can run code and is not read: save the model with transformers' "
    "save_pretrained, which writes safetensors";
constexpr std::string_view compressed = "is compressed: unpack it";

// Letters count as their capitals do not, behind white space.
constexpr std::array texts = {
    Beginning{"version https://git-lfs.github.com/",
              "is a Git LFS pointer, not the file itself: run git lfs pull in its folder"},
    Beginning{"<!doctype", page},
    Beginning{"<html", page},
    Beginning{"<?xml", page},
    Beginning{"<!--", page},
    Beginning{"{\"error\"", "is an error message of a server, not the file itself: fetch it again"},
};
constexpr std::array binaries = {
    Beginning{"GGUF", "is a GGUF file of llama.cpp: take the model that it was made from"},
    Beginning{"PK\x03\x04", pickle},
    Beginning{"\x80\x02", pickle},
    Beginning{"\x80\x03", pickle},
    Beginning{"\x80\x04", pickle},
    Beginning{"\x80\x05", pickle},
    Beginning{"\x89HDF", "is an HDF5 file of TensorFlow: save the model with PyTorch"},
    Beginning{"\x93NUMPY", "is an array of NumPy"},
    Beginning{"\x1f\x8b", compressed},
    Beginning{"\x28\xb5\x2f\xfd", compressed},
    Beginning{"BZh", compressed},
    Beginning{
        "IQ== 0\n",
        "is a vocabulary of tiktoken, not of SentencePiece: take the tokenizer.json of the same "
        "model"},
    Beginning{"\xfd"
              "7zXZ",
              compressed},
};

bool begins(std::string_view text, std::string_view small) {
  if (text.size() < small.size()) return false;
  for (std::size_t i = 0; i < small.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(text[i])) != small[i]) return false;
  }
  return true;
}

}  // namespace

std::string_view other_content(std::string_view first_bytes) {
  for (const auto& [bytes, content] : binaries) {
    if (first_bytes.starts_with(bytes)) return content;
  }
  const auto behind_mark =
      first_bytes.starts_with("\xef\xbb\xbf") ? first_bytes.substr(3) : first_bytes;
  const auto begin = behind_mark.find_first_not_of(" \t\r\n");
  if (begin == behind_mark.npos) return {};
  for (const auto& [bytes, content] : texts) {
    if (begins(behind_mark.substr(begin), bytes)) return content;
  }
  return {};
}

}  // namespace lookback
