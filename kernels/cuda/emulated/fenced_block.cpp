#include "kernels/cuda/emulated/fenced_block.h"

#include <sys/mman.h>

#include <cstring>

#include "runtime/allocator.h"

namespace lookback::device::emulated {
namespace {

constexpr std::size_t page = 4096;

std::size_t rounded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }
std::size_t whole_pages(std::size_t bytes) { return (rounded(bytes) + page - 1) / page * page; }

}  // namespace

std::byte* fenced_block(std::size_t bytes) {
  const auto inside = whole_pages(bytes);
  void* pages = mmap(nullptr, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw OutOfMemory("the emulated GPU has no memory left");
  auto* first = static_cast<std::byte*>(pages) + page;
  mprotect(first, inside, PROT_READ | PROT_WRITE);
  auto* block = first + inside - rounded(bytes);
  std::memset(block, 0xff, bytes);
  return block;
}

void free_fenced_block(std::byte* block, std::size_t bytes) noexcept {
  const auto inside = whole_pages(bytes);
  munmap(block + rounded(bytes) - inside - page, inside + 2 * page);
}

}  // namespace lookback::device::emulated
