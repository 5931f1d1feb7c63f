// How tokens lie in a file whose name ends in .bin or .npy: which numbers, and from which byte on.
//
// The file says so itself: llm.c's 256 int32 header (header[0] a magic number, header[1] a version,
// header[2] the number of tokens that follow: 20240520, version 1: uint16; 20240801, version 7:
// uint32), a packed chunk of lit-llama, litgpt and TinyLlama (LITPKDS), a NumPy array of one
// dimension. Or a file beside it does: Megatron's or fairseq's .idx. All others are bare: what is
// asked for with --bin-dtype, or uint16 (nanoGPT's) where nothing speaks against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "apps/data/token_type.h"
#include "runtime/input_file.h"

namespace lookback {

struct TokenLayout {
  enum class Source { file, other };  // who says so

  std::size_t header_bytes = 0;  // in front of the tokens
  TokenType type = TokenType::uint16;
  Source said_by = Source::other;
};

struct TokenLayoutOptions {
  std::optional<TokenType> bin_dtype = {};
  std::optional<std::int64_t> vocabulary_size = {};  // that tokens are meant for, where it is known
};

// Throws Error, naming the file and what would be right: a header that lies, is of an unknown
// version or holds other numbers than tokens; a file of another kind (compressed, a model, text); a
// size that is no multiple of a token's; --bin-dtype against what the file says; and a bare file
// that may well be wider than uint16 (bare_tokens.h) or must be, for a vocabulary above 65,536.
TokenLayout token_layout(const InputFile& file, const TokenLayoutOptions& options);

}  // namespace lookback
