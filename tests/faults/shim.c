/* Faults at the n-th file call, and another clock, for a process that has this file preloaded.
 *
 * Only files below one folder count. shim_arm() starts counting (a forked child calls it); a process that is executed reads
 * SHIM_ROOT, SHIM_KIND, SHIM_ERRNO, SHIM_AT and SHIM_REPORT instead. SHIM_CLOCK moves the clock by so many seconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum kind { OFF, LOG, ONCE, ONWARD, SHORT, TORN, DIE_BEFORE, DIE_AFTER, STOP };

#define MOST_FDS 4096
#define KILLED 137

static char root[512];
static int kind, error_number, report = -1;
static long at, count;
static long clock_offset;
static char tracked[MOST_FDS];

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

#define NEXT(type, name, ...)                      \
    static type (*real)(__VA_ARGS__);              \
    if (!real) real = (type(*)(__VA_ARGS__))next(name)

void shim_arm(const char *folder, int what, int number, long n, const char *report_path) {
    snprintf(root, sizeof root, "%s", folder);
    error_number = number;
    at = n;
    count = 0;
    memset(tracked, 0, sizeof tracked);
    if (*report_path) report = (int)syscall(SYS_openat, AT_FDCWD, report_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    kind = what;
}

void shim_clock(long seconds) { clock_offset = seconds; }

__attribute__((constructor)) static void from_environment(void) {
    const char *folder = getenv("SHIM_ROOT"), *moved = getenv("SHIM_CLOCK"), *path = getenv("SHIM_REPORT");
    if (moved) clock_offset = atol(moved);
    if (folder) shim_arm(folder, atoi(getenv("SHIM_KIND")), atoi(getenv("SHIM_ERRNO")), atol(getenv("SHIM_AT")), path ? path : "");
}

static int below(const char *path) { return kind != OFF && !strncmp(path, root, strlen(root)); }

static int is_tracked(int fd) { return kind != OFF && fd >= 0 && fd < MOST_FDS && tracked[fd]; }

static void note(long n, const char *call, const char *path, int fd) {
    char line[1200], target[600] = "", link[40];
    if (!path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        long size = syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1);
        target[size > 0 ? size : 0] = 0;
        path = target;
    }
    int size = snprintf(line, sizeof line, "%ld %s %s\n", n, call, path);
    if (report >= 0) syscall(SYS_write, report, line, size);
}

/* Whether a call can fail like that: a file that is there opens on a full disk, and only these calls are interrupted. */
static int can_fail(const char *call, int takes_space) {
    if (error_number == EINTR) return !strcmp(call, "open") || strstr(call, "write") || !strcmp(call, "ftruncate");
    return error_number == EIO || takes_space || strcmp(call, "open");
}

/* Count one call. 0: go on. -1: fail with errno. 1: write half of it. 2: write half of it, then die. 3: die after it. */
static int strike(const char *call, const char *path, int fd, int takes_space, int writes) {
    long n = ++count;
    if (kind == LOG) note(n, call, path, fd);
    if (n < at || kind == LOG) return 0;
    if (n == at && kind != LOG) note(n, call, path, fd);
    switch (kind) {
    case ONCE:
        if (n > at || !can_fail(call, takes_space)) return 0;
        errno = error_number;
        return -1;
    case ONWARD:
        if (!takes_space && error_number != EIO) return 0;
        errno = error_number;
        return -1;
    case SHORT:
        return n == at && writes;
    case TORN:
        return writes ? 2 : (_exit(KILLED), 0);
    case DIE_BEFORE:
        _exit(KILLED);
    case DIE_AFTER:
        return 3;
    case STOP:
        if (n == at) raise(SIGSTOP);
    }
    return 0;
}

#define ENDING(result) (hit == 3 ? (_exit(KILLED), (result)) : (result))

/* -- opening */

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < MOST_FDS) {
        struct stat info;
        tracked[fd] = below(path) && !fstat(fd, &info) && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
    }
    return fd;
}

static int new_file(const char *path, int flags) {
    struct stat info;
    return (flags & O_CREAT) && stat(path, &info);
}

#define MODE                                  \
    mode_t mode = 0;                          \
    if (flags & (O_CREAT | __O_TMPFILE)) {    \
        va_list rest;                         \
        va_start(rest, flags);                \
        mode = va_arg(rest, mode_t);          \
        va_end(rest);                         \
    }

#define OPEN(name, symbol)                                                                       \
    int name(const char *path, int flags, ...) {                                                 \
        NEXT(int, symbol, const char *, int, mode_t);                                            \
        MODE                                                                                     \
        int hit = below(path) ? strike("open", path, -1, new_file(path, flags), 0) : 0;          \
        if (hit < 0) return -1;                                                                  \
        int fd = opened(real(path, flags, mode), path);                                          \
        return ENDING(fd);                                                                       \
    }
OPEN(open, "open")
OPEN(open64, "open64")

#define OPENAT(name, symbol)                                                                     \
    int name(int folder, const char *path, int flags, ...) {                                     \
        NEXT(int, symbol, int, const char *, int, mode_t);                                       \
        MODE                                                                                     \
        int hit = below(path) ? strike("open", path, -1, new_file(path, flags), 0) : 0;          \
        if (hit < 0) return -1;                                                                  \
        int fd = opened(real(folder, path, flags, mode), path);                                  \
        return ENDING(fd);                                                                       \
    }
OPENAT(openat, "openat")
OPENAT(openat64, "openat64")

int close(int fd) {
    NEXT(int, "close", int);
    if (fd >= 0 && fd < MOST_FDS) tracked[fd] = 0;
    return real(fd);
}

/* -- writing */

#define WRITE(call)                                                              \
    int hit = is_tracked(fd) ? strike(call, NULL, fd, 1, size > 1) : 0;          \
    if (hit < 0) return -1;                                                      \
    if (hit == 1 || hit == 2) size /= 2;

ssize_t write(int fd, const void *data, size_t size) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    WRITE("write")
    ssize_t done = real(fd, data, size);
    if (hit == 2) _exit(KILLED);
    return ENDING(done);
}

#define PWRITE(name, symbol)                                            \
    ssize_t name(int fd, const void *data, size_t size, off_t where) {  \
        NEXT(ssize_t, symbol, int, const void *, size_t, off_t);        \
        WRITE("pwrite")                                                 \
        ssize_t done = real(fd, data, size, where);                     \
        if (hit == 2) _exit(KILLED);                                    \
        return ENDING(done);                                            \
    }
PWRITE(pwrite, "pwrite")
PWRITE(pwrite64, "pwrite64")

/* -- the rest: one descriptor or path, nothing to tear */

#define BY_FD(name, symbol, call, space, parameters, ...)                       \
    int name parameters {                                                       \
        static int(*real) parameters;                                           \
        if (!real) real = (int(*) parameters)next(symbol);                      \
        int hit = is_tracked(fd) ? strike(call, NULL, fd, space, 0) : 0;        \
        if (hit < 0) return -1;                                                 \
        int done = real(__VA_ARGS__);                                           \
        return ENDING(done);                                                    \
    }
BY_FD(fsync, "fsync", "fsync", 0, (int fd), fd)
BY_FD(fdatasync, "fdatasync", "fsync", 0, (int fd), fd)
BY_FD(ftruncate, "ftruncate", "ftruncate", size > 0, (int fd, off_t size), fd, size)
BY_FD(ftruncate64, "ftruncate64", "ftruncate", size > 0, (int fd, off_t size), fd, size)
BY_FD(fchmod, "fchmod", "fchmod", 0, (int fd, mode_t mode), fd, mode)

#define BY_PATH(name, call, space, parameters, ...)                             \
    int name parameters {                                                       \
        static int(*real) parameters;                                           \
        if (!real) real = (int(*) parameters)next(#name);                       \
        int hit = below(path) ? strike(call, path, -1, space, 0) : 0;           \
        if (hit < 0) return -1;                                                 \
        int done = real(__VA_ARGS__);                                           \
        return ENDING(done);                                                    \
    }
BY_PATH(unlink, "unlink", 0, (const char *path), path)
BY_PATH(unlinkat, "unlink", 0, (int folder, const char *path, int flags), folder, path, flags)
BY_PATH(rename, "rename", 0, (const char *from, const char *path), from, path)
BY_PATH(renameat, "rename", 0, (int a, const char *from, int b, const char *path), a, from, b, path)
BY_PATH(link, "link", 1, (const char *from, const char *path), from, path)
BY_PATH(linkat, "link", 1, (int a, const char *from, int b, const char *path, int flags), a, from, b, path, flags)
BY_PATH(mkdir, "mkdir", 1, (const char *path, mode_t mode), path, mode)

/* -- the clock */

int clock_gettime(clockid_t clock, struct timespec *now) {
    NEXT(int, "clock_gettime", clockid_t, struct timespec *);
    int done = real(clock, now);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += clock_offset;
    return done;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *now, void *zone) {
    NEXT(int, "gettimeofday", struct timeval *, void *);
    int done = real(now, zone);
    if (!done) now->tv_sec += clock_offset;
    return done;
}
