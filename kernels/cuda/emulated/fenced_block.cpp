#include "kernels/cuda/emulated/fenced_block.h"

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <mutex>

#include "runtime/allocator.h"

namespace lookback::device::emulated {
namespace {

constexpr std::size_t page = 4096;

std::size_t rounded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }
std::size_t whole_pages(std::size_t bytes) { return (rounded(bytes) + page - 1) / page * page; }

// Pages of all blocks, and who wants them how.
struct Pages {
  std::mutex mutex;
  std::map<std::byte*, std::size_t> bytes_from;
  int hiding = 0;   // HideFromHost that live
  int running = 0;  // OnDevice that live

  int protection() const { return hiding > 0 && running == 0 ? PROT_NONE : PROT_READ | PROT_WRITE; }
  // After a change of `count` by `step`.
  void change(int& count, int step) {
    const std::lock_guard lock(mutex);
    const int before = protection();
    count += step;
    if (protection() == before) return;
    for (const auto& [first, bytes] : bytes_from) mprotect(first, bytes, protection());
  }
};

Pages& all_pages() {
  static auto& pages = *new Pages;  // tensors with static lifetime give blocks back at exit
  return pages;
}

}  // namespace

HideFromHost::HideFromHost() { all_pages().change(all_pages().hiding, 1); }
HideFromHost::~HideFromHost() { all_pages().change(all_pages().hiding, -1); }
OnDevice::OnDevice() { all_pages().change(all_pages().running, 1); }
OnDevice::~OnDevice() { all_pages().change(all_pages().running, -1); }

std::byte* fenced_block(std::size_t bytes) {
  const auto inside = whole_pages(bytes);
  void* pages = mmap(nullptr, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw OutOfMemory("the emulated GPU has no memory left");
  auto* first = static_cast<std::byte*>(pages) + page;
  mprotect(first, inside, PROT_READ | PROT_WRITE);
  auto* block = first + inside - rounded(bytes);
  std::memset(block, 0xff, bytes);
  auto& all = all_pages();
  const std::lock_guard lock(all.mutex);
  all.bytes_from[first] = inside;
  mprotect(first, inside, all.protection());
  return block;
}

void free_fenced_block(std::byte* block, std::size_t bytes) noexcept {
  const auto inside = whole_pages(bytes);
  auto& all = all_pages();
  const std::lock_guard lock(all.mutex);
  all.bytes_from.erase(block + rounded(bytes) - inside);
  munmap(block + rounded(bytes) - inside - page, inside + 2 * page);
}

}  // namespace lookback::device::emulated
