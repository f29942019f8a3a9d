/* A library for LD_PRELOAD: calls on files below one folder fail, or kill the process, as they are told to.
 *
 *   fault_arm("/folder/", 5, ENOSPC, 1)   the fifth such call fails with ENOSPC, and all after it
 *   fault_arm("/folder/", 5, EIO, 0)      the fifth alone
 *   fault_arm("/folder/", 5, 0, 0)        SIGKILL in its place
 *   fault_arm("", 0, 0, 0)                none
 *   fault_calls()                         how many there have been since
 *
 * Such calls are those that change something: opening for writing, writing (of which the first half is
 * written), syncing, renaming, truncating, making a folder. Removing files always works. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t folder_length;
static atomic_long calls;
static long nth;
static int error_number, stays;

void fault_arm(const char *where, long which, int error, int sticky) {
  snprintf(folder, sizeof folder, "%s", where);
  folder_length = strlen(folder);
  calls = 0;
  nth = which;
  error_number = error;
  stays = sticky;
}
long fault_calls(void) { return calls; }

static int below(const char *path) { return folder_length && strncmp(path, folder, folder_length) == 0; }

static int below_fd(int fd) {
  char link[64], path[PATH_MAX];
  if (!folder_length) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = '\0';
  return below(path);
}

/* Does this call fail? */
static int fails(void) {
  const long now = ++calls;
  if (nth == 0 || (stays ? now < nth : now != nth)) return 0;
  if (error_number == 0) kill(getpid(), SIGKILL);
  errno = error_number;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                      \
  int name(const char *path, int flags, ...) {          \
    va_list rest;                                       \
    va_start(rest, flags);                              \
    const mode_t mode = va_arg(rest, mode_t);           \
    va_end(rest);                                       \
    const int writes = flags & (O_WRONLY | O_RDWR | O_CREAT); \
    if (writes && below(path) && fails()) return -1;    \
    return REAL(name)(path, flags, mode);               \
  }
OPEN(open)
OPEN(open64)

#define WRITE(name, parameters, whole, half)                         \
  ssize_t name parameters {                                          \
    if (below_fd(fd) && fails()) {                                   \
      const int error = errno;                                       \
      if (bytes > 1 && REAL(name) half < 0) return -1;               \
      errno = error;                                                 \
      return -1;                                                     \
    }                                                                \
    return REAL(name) whole;                                         \
  }
WRITE(write, (int fd, const void *data, size_t bytes), (fd, data, bytes), (fd, data, bytes / 2))
WRITE(pwrite, (int fd, const void *data, size_t bytes, off_t at), (fd, data, bytes, at), (fd, data, bytes / 2, at))
WRITE(pwrite64, (int fd, const void *data, size_t bytes, off64_t at), (fd, data, bytes, at), (fd, data, bytes / 2, at))

#define ON_FD(name, parameters, arguments)       \
  int name parameters {                          \
    if (below_fd(fd) && fails()) return -1;      \
    return REAL(name) arguments;                 \
  }
ON_FD(fsync, (int fd), (fd))
ON_FD(fdatasync, (int fd), (fd))
ON_FD(ftruncate, (int fd, off_t size), (fd, size))
ON_FD(ftruncate64, (int fd, off64_t size), (fd, size))

int rename(const char *from, const char *to) {
  if (below(to) && fails()) return -1;
  return REAL(rename)(from, to);
}
int mkdir(const char *path, mode_t mode) {
  if (below(path) && fails()) return -1;
  return REAL(mkdir)(path, mode);
}
