// Calls to the system about files and folders, carried through: what a signal interrupts is
// repeated, and a write that stops short goes on.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace lookback {

// An open file or folder, closed at the end. Functions that return an int return the system's error
// number; 0: done.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  // `flags` as open(2) has them; a new file is readable and writable for whom the umask lets.
  FileDescriptor(const std::filesystem::path& path, int flags);
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;

  bool is_open() const { return descriptor_ >= 0; }
  int open_error() const { return error_; }  // why it is not open
  int get() const { return descriptor_; }

  [[nodiscard]] int write(std::span<const std::byte> bytes) const;
  // Appends all that is left to be read.
  [[nodiscard]] int read_all(std::string& text) const;
  // Returns when what was written is on the disk.
  [[nodiscard]] int sync() const;
  // Exclusively (flock), until it is closed; EWOULDBLOCK: another holds the lock.
  [[nodiscard]] int lock() const;
  [[nodiscard]] int close();

 private:
  int descriptor_ = -1;
  int error_ = 0;
};

// Each returns the system's error number; 0: done.
[[nodiscard]] int make_directory(const std::filesystem::path& folder);
[[nodiscard]] int rename_path(const std::filesystem::path& from, const std::filesystem::path& to);
// A file, a link, or an empty folder.
[[nodiscard]] int remove_path(const std::filesystem::path& path);

// Returns when what was made, renamed and removed in the folder is on the disk. Throws Error,
// naming the folder, where the disk failed. As in PostgreSQL (fsync_fname_ext), two errors are no
// failure: EINVAL, of file systems that cannot be asked about a folder (CIFS, some of FUSE), and
// EACCES, of a folder that may be written but not read.
void sync_folder(const std::filesystem::path& folder);

}  // namespace lookback
