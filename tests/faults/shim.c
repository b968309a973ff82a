/* Stands before libc for one process, and acts only on files of one folder (FAULTS_DATA). What goes wrong is said by
 * files that a test puts into FAULTS_CONTROL:
 *
 *   sync-fails-once    the next fsync or fdatasync returns EIO, and what was not yet synced is gone, as on Linux, where
 *                      the pages of a failed write-back are clean afterwards and are read anew from the disk
 *   sync-fails         every fsync and fdatasync returns EIO
 *   write-fails-once   the next write returns EIO
 *   full               every write that makes a file longer returns ENOSPC
 *   clock              holds a number of seconds by which the wall clock is off
 *
 * With FAULTS_DURABLE, a copy of each file as it was last synced is kept in that folder: what a loss of power leaves. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REAL(name, ...) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int is_set(const char *fault) {
  char path[PATH_MAX];
  const char *control = getenv("FAULTS_CONTROL");
  return control && snprintf(path, sizeof path, "%s/%s", control, fault) > 0 && access(path, F_OK) == 0;
}

/* A fault that happens once is over when its file is gone; of several threads one removes it. */
static int is_set_once(const char *fault) {
  char path[PATH_MAX];
  const char *control = getenv("FAULTS_CONTROL");
  return control && snprintf(path, sizeof path, "%s/%s", control, fault) > 0 && unlink(path) == 0;
}

/* The path of an open file of the folder; nothing for all others. The shared-memory file is no file that lasts. */
static const char *ours(int fd, char *path) {
  char link[64];
  const char *data = getenv("FAULTS_DATA");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (!data || length <= 0) return NULL;
  path[length] = 0;
  size_t prefix = strlen(data);
  if (strncmp(path, data, prefix) || path[prefix] != '/' || !strcmp(path + length - 4, "-shm")) return NULL;
  return path;
}

static ssize_t raw_write(int fd, const void *bytes, size_t count) {
  REAL(write);
  return real(fd, bytes, count);
}

static int copy(const char *from, const char *to) {
  char block[1 << 16];
  ssize_t count = -1;
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (in >= 0 && out >= 0) {
    off_t length = 0;
    while ((count = read(in, block, sizeof block)) > 0) {
      if (raw_write(out, block, (size_t)count) != count) abort();
      length += count;
    }
    if (ftruncate(out, length)) abort();
  }
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return count == 0 ? 0 : -1;
}

static int durable(const char *path, char *kept) {
  const char *folder = getenv("FAULTS_DURABLE");
  return folder && snprintf(kept, PATH_MAX, "%s/%s", folder, strrchr(path, '/') + 1) > 0;
}

/* Whole or not at all: the process may be killed in between. */
static void keep(const char *path) {
  char kept[PATH_MAX], fresh[PATH_MAX + 4];
  if (!durable(path, kept)) return;
  snprintf(fresh, sizeof fresh, "%s.new", kept);
  if (copy(path, fresh) || rename(fresh, kept)) abort();
}

static void forget_unsynced(const char *path) {
  char kept[PATH_MAX];
  if (!durable(path, kept)) return;
  if (access(kept, F_OK) == 0 ? copy(kept, path) : truncate(path, 0)) abort();
}

static int sync_faults(const char *path) {
  if (is_set_once("sync-fails-once")) {
    forget_unsynced(path);
    return -1;
  }
  return is_set("sync-fails") ? -1 : 0;
}

#define SYNC(name) \
  int name(int fd) { \
    char path[PATH_MAX]; \
    REAL(name); \
    if (!ours(fd, path)) return real(fd); \
    if (sync_faults(path)) { \
      errno = EIO; \
      return -1; \
    } \
    int result = real(fd); \
    if (result == 0) keep(path); \
    return result; \
  }
SYNC(fsync)
SYNC(fdatasync)

/* An errno, or 0. */
static int write_fault(int fd, off_t end) {
  char path[PATH_MAX];
  struct stat file;
  if (!ours(fd, path)) return 0;
  if (is_set_once("write-fails-once")) return EIO;
  if (is_set("full") && fstat(fd, &file) == 0 && end > file.st_size) return ENOSPC;
  return 0;
}

#define FAIL_IF(fault) \
  int wrong = fault; \
  if (wrong) { \
    errno = wrong; \
    return -1; \
  }

ssize_t write(int fd, const void *bytes, size_t count) {
  FAIL_IF(write_fault(fd, lseek(fd, 0, SEEK_CUR) + (off_t)count));
  return raw_write(fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  REAL(pwrite);
  FAIL_IF(write_fault(fd, offset + (off_t)count));
  return real(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  REAL(pwrite64);
  FAIL_IF(write_fault(fd, (off_t)(offset + (off64_t)count)));
  return real(fd, bytes, count, offset);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(clock_gettime);
  int result = real(clock, now);
  const char *control = getenv("FAULTS_CONTROL");
  if (clock == CLOCK_REALTIME && control && result == 0) {
    char path[PATH_MAX], text[32] = "";
    snprintf(path, sizeof path, "%s/clock", control);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
      if (read(file, text, sizeof text - 1) > 0) now->tv_sec += atol(text);
      close(file);
    }
  }
  return result;
}
