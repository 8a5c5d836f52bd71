// SPDX-License-Identifier: Apache-2.0
// What tells a temporary file or folder that is being written from one whose writer died: the writer
// holds an advisory flock() lock on it. On file systems without locks nothing is taken for abandoned.
#pragma once

#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

namespace rotor {

// Whether no writer holds what is open at the descriptor; its lock is the caller's then.
inline bool take_abandoned(int descriptor) { return ::flock(descriptor, LOCK_EX | LOCK_NB) == 0; }

// Locks what was just made. False when another process took it for abandoned before it was locked.
inline bool claim_temporary(int descriptor) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return false;
  }
  struct stat status;
  return ::fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

}  // namespace rotor
