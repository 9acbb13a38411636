/* The command `keyvault` where a C compiler was there at build time: asks the agent, and leaves the rest to Python.
 *
 * It speaks for the caller exactly as keyvault/agent/client.py does; keyvault/agent/protocol.py describes the wire. Whatever is
 * not plainly an answer, and is not there in time, counts as no agent: then `keyvault-python`, beside this file, does it all.
 * An answer is read whole and every length in it checked before a byte of it is shown. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#define USUAL_DATA "/Library/Application Support"
#else
#define USUAL_DATA "/.local/share"
#endif

enum { LARGEST_REQUEST = 262144, LARGEST_ANSWER = 64 << 20, LONGEST_PATH = 103 };
enum { FIRST_BYTE = 50, WHOLE_ANSWER = 2000 }; /* milliseconds */
enum { DONE = 0, EXEC = 2 };                   /* status */
enum { OUT = 1, ERR = 2, DATA = 3 };           /* streams */
enum { FAILED = 1, READER_GONE = 141 };        /* exit codes */

extern char **environ;
static unsigned char request[4 + LARGEST_REQUEST];
static size_t filled = 4;

/* ---- where the agent of this environment's vault would be */

static bool fits(char *path, size_t size, const char *base, const char *middle, const char *end) {
    int length = snprintf(path, size, "%s%s%s", base, middle, end);
    return length > 0 && (size_t)length < size;
}

/* The folder that a variable names, or the usual one below HOME, and `end` below it. */
static bool below(char *path, size_t size, const char *variable, const char *usual, const char *end) {
    const char *base = getenv(variable);
    if (base == NULL || *base == 0) {
        base = getenv("HOME");
        if (base == NULL || *base == 0) return false;
    } else {
        usual = "";
    }
    return base[0] == '/' && !isspace((unsigned char)base[strlen(base) - 1]) && fits(path, size, base, usual, end);
}

/* A path from the root on that has one spelling. */
static bool is_plain(const char *path) {
    while (*path == '/') {
        size_t length = strcspn(++path, "/");
        if (length == 0 || (length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.')) return false;
        path += length;
    }
    return *path == 0;
}

static bool find_socket(char *folder, char *path) {
    char home[PATH_MAX], name[32];
    const char *given = getenv("KEYVAULT_HOME"), *runtime = getenv("XDG_RUNTIME_DIR");
    bool found = given != NULL && *given != 0 ? fits(home, sizeof home, given, "", "")
                                              : below(home, sizeof home, "XDG_DATA_HOME", USUAL_DATA, "/keyvault");
    if (!found || home[0] != '/' || !is_plain(home)) return false;
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a: it names the socket, and the agent compares the path itself */
    for (const unsigned char *at = (const unsigned char *)home; *at; at++) hash = (hash ^ *at) * 0x100000001b3u;
    snprintf(name, sizeof name, "/%016llx.sock", (unsigned long long)hash);
    found = runtime != NULL && runtime[0] == '/' ? fits(folder, LONGEST_PATH + 1, runtime, "/keyvault", "")
                                                 : below(folder, LONGEST_PATH + 1, "XDG_STATE_HOME", "/.local/state", "/keyvault/run");
    return found && fits(path, LONGEST_PATH + 1, folder, name, "");
}

/* ---- the request */

static bool put(const void *bytes, size_t size) {
    if (size > sizeof request - filled) return false;
    memcpy(request + filled, bytes, size);
    filled += size;
    return true;
}

static bool put_field(const char *text) { /* with the NUL that parts it from the next one */
    return put(text, strlen(text) + 1);
}

static bool write_request(int count, char **words) {
    char folder[PATH_MAX], streams[32];
    struct stat info;
    struct winsize window = {0};
    for (int fd = 0; fd < 3; fd++)
        if (fstat(fd, &info) < 0) return false; /* Python says what a closed stream means */
    int terminal = isatty(1);
    if (terminal && ioctl(1, TIOCGWINSZ, &window) < 0) return false;
    snprintf(streams, sizeof streams, "%d%d%d,%u", isatty(0), terminal, isatty(2), (unsigned)window.ws_col);
    if (getcwd(folder, sizeof folder) == NULL || !put_field("1") || !put_field("call") || !put_field(folder)) return false;
    if (!put_field(streams)) return false;
    snprintf(streams, sizeof streams, "%d", count);
    if (!put_field(streams)) return false;
    for (int n = 0; n < count; n++)
        if (!put_field(words[n])) return false;
    for (char **entry = environ; *entry != NULL; entry++)
        if (!put_field(*entry)) return false;
    filled--; /* the last NUL parts nothing */
    uint32_t size = (uint32_t)(filled - 4);
    for (int n = 0; n < 4; n++) request[n] = (unsigned char)(size >> (24 - 8 * n));
    return true;
}

/* ---- talking, with a deadline */

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (long long)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static bool wait_for(int fd, short what, long long until) {
    for (;;) {
        struct pollfd one = {fd, what, 0};
        long long left = until - now();
        int ready = left > 0 ? poll(&one, 1, (int)left) : 0;
        if (ready >= 0 || errno != EINTR) return ready == 1;
    }
}

static bool send_all(int fd, const unsigned char *bytes, size_t size, long long until) {
    while (size > 0) {
        ssize_t sent = write(fd, bytes, size);
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, until)) {
            return false;
        }
    }
    return true;
}

static bool receive(int fd, unsigned char *bytes, size_t size, long long until) {
    while (size > 0) {
        if (!wait_for(fd, POLLIN, until)) return false;
        ssize_t got = recv(fd, bytes, size, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
        if (got > 0) {
            bytes += got;
            size -= (size_t)got;
        }
    }
    return true;
}

/* The process at the other end is this user's, as the kernel tells. */
static bool is_ours(int fd) {
#ifdef __linux__
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && size == sizeof peer && peer.uid == geteuid();
#else
    uid_t user;
    gid_t group;
    return getpeereid(fd, &user, &group) == 0 && user == geteuid();
#endif
}

static uint32_t number(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The answer after its length, or NULL. */
static unsigned char *ask(const char *folder, const char *path, size_t *size) {
    struct stat info;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned char first[4], *answer = NULL;
    long long until = now() + FIRST_BYTE;
    if (lstat(folder, &info) < 0 || info.st_mode != (S_IFDIR | 0700) || info.st_uid != geteuid()) return NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return NULL;
    memcpy(address.sun_path, path, strlen(path) + 1); /* at most LONGEST_PATH */
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && is_ours(fd) && send_all(fd, request, filled, until) &&
        receive(fd, first, 1, until) && first[0] == 'A') {
        until = now() + WHOLE_ANSWER;
        if (receive(fd, first, 4, until) && (*size = number(first)) >= 2 && *size <= LARGEST_ANSWER &&
            (answer = malloc(*size)) != NULL && !receive(fd, answer, *size, until)) {
            free(answer);
            answer = NULL;
        }
    }
    close(fd);
    return answer;
}

/* ---- showing it */

static bool is_whole(const unsigned char *answer, size_t size) {
    for (size_t at = 2; at < size;) {
        if (size - at < 5 || answer[at] < OUT || answer[at] > DATA || size - at - 5 < number(answer + at + 1)) return false;
        at += 5 + number(answer + at + 1);
    }
    return true;
}

/* Write it all; 0, or the error. */
static int write_all(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno != EINTR) return errno;
        if (written > 0) {
            at += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

/* The chunks for stdout and stderr, in their order; the exit code, or that of a stdout that cannot be written to. */
static int show(const unsigned char *answer, size_t size, int code) {
    char said[256];
    for (size_t at = 2; at < size; at += 5 + number(answer + at + 1)) {
        int error = answer[at] == DATA ? 0 : write_all(answer[at], answer + at + 5, number(answer + at + 1));
        if (error == 0 || answer[at] != OUT) continue; /* nobody can hear that stderr is gone */
        if (error == EPIPE) return READER_GONE;
        int length = snprintf(said, sizeof said, "keyvault: error: cannot write the output: %s\n", strerror(error));
        for (char *c = said + strlen("keyvault: error: "); *c; c++) *c = (char)tolower((unsigned char)*c);
        if (length > 0 && (size_t)length < sizeof said) write_all(ERR, said, (size_t)length);
        static const char hint[] = "keyvault: hint: see where the output goes\n";
        write_all(ERR, hint, sizeof hint - 1);
        return FAILED;
    }
    return code;
}

/* Become the program of `run`, found as execvp(3) would in the new PATH. Returns where that fails: Python says why. */
static void become(const unsigned char *answer, size_t size, int count, char **words) {
    char path[PATH_MAX], *end, *data = malloc(size), **block;
    size_t used = 0, entries = 0;
    if (data == NULL) return;
    for (size_t at = 2; at < size; at += 5 + number(answer + at + 1)) {
        if (answer[at] != DATA) continue;
        memcpy(data + used, answer + at + 5, number(answer + at + 1));
        used += number(answer + at + 1);
    }
    data[used] = 0; /* there is room: `size` counts status and code too */
    long index = strtol(data, &end, 10);
    for (size_t n = 0; n <= used; n++) entries += data[n] == 0;
    if (!isdigit((unsigned char)data[0]) || end - data > 6 || *end != 0 || index < 1 || index >= count) return;
    if ((block = calloc(entries + 1, sizeof *block)) == NULL) return;
    entries = 0;
    for (char *at = end + 1; at <= data + used; at += strlen(at) + 1) {
        if (*at == '=' || strchr(at, '=') == NULL) return; /* no variable */
        block[entries++] = at;
    }
    if (entries == 0) return;
    const char *search = "/bin:/usr/bin", *program = words[index];
    for (size_t n = 0; n < entries; n++)
        if (strncmp(block[n], "PATH=", 5) == 0) search = block[n] + 5;
    if (strchr(program, '/') != NULL) search = "";
    for (;; search++) { /* an empty part is this folder */
        size_t length = strcspn(search, ":");
        int needed = snprintf(path, sizeof path, "%.*s%s%s", (int)length, search, length ? "/" : "", program);
        if (needed > 0 && (size_t)needed < sizeof path) execve(path, words + index, block);
        search += length;
        if (*search == 0) return;
    }
}

/* Show what the agent answers, and end; or become the program that it names. Returns where Python has to do it. */
static void serve(int count, char **words) {
    char folder[LONGEST_PATH + 1], path[LONGEST_PATH + 1];
    size_t size = 0;
    if (!find_socket(folder, path) || access(path, F_OK) < 0 || !write_request(count, words)) return;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL}, pipe_before, size_before;
    sigaction(SIGPIPE, &ignore, &pipe_before); /* as the interpreter does: an error tells, and does not kill */
    sigaction(SIGXFSZ, &ignore, &size_before);
    unsigned char *answer = ask(folder, path, &size);
    if (answer != NULL && is_whole(answer, size) && answer[0] == DONE) exit(show(answer, size, answer[1]));
    if (answer != NULL && is_whole(answer, size) && answer[0] == EXEC) {
        show(answer, size, 0);
        sigaction(SIGPIPE, &usual, NULL);
        sigaction(SIGXFSZ, &usual, NULL);
        become(answer, size, count, words);
    }
    sigaction(SIGPIPE, &pipe_before, NULL);
    sigaction(SIGXFSZ, &size_before, NULL);
}

/* Whether the agent is asked at all: for words that it serves, and where nothing else is to unlock the vault. */
static bool is_for_agent(int count, char **words) {
    static const char *const served[] = {"env", "get", "which", "list", "hook", "run", NULL};
    static const char *const instead[] = {"KEYVAULT_NO_AGENT",        "KEYVAULT_PASSPHRASE", "KEYVAULT_PASSPHRASE_FILE",
                                          "KEYVAULT_PASSPHRASE_FD", "KEYVAULT_KEY_FILE",   NULL};
    for (int n = 0; instead[n] != NULL; n++) {
        const char *value = getenv(instead[n]);
        if (value != NULL && *value != 0) return false;
    }
    bool known = false, plan = false;
    for (int n = 0; count > 0 && served[n] != NULL; n++) known = known || strcmp(words[0], served[n]) == 0;
    for (int n = 0; n < count; n++) plan = plan || strcmp(words[n], "--plan") == 0;
    return known && (plan || strcmp(words[0], "hook") != 0);
}

/* Shells call this in a folder that may be a stranger's, which an empty part of PYTHONPATH would have Python load modules from. */
static void keep_absolute_parts(void) {
    const char *part = getenv("PYTHONPATH");
    char *kept = part != NULL ? malloc(strlen(part) + 1) : NULL, *end = kept;
    while (kept != NULL && *part != 0) {
        size_t length = strcspn(part, ":");
        if (*part == '/') {
            if (end != kept) *end++ = ':';
            memcpy(end, part, length);
            end += length;
        }
        part += length + (part[length] == ':');
    }
    if (end != kept) *end = 0;
    if (end == kept || setenv("PYTHONPATH", kept, 1) != 0) unsetenv("PYTHONPATH");
    free(kept);
}

int main(int count, char **words) {
    char path[PATH_MAX + 16], asked[] = "--asked", **rest = calloc((size_t)count + 2, sizeof *rest);
    if (is_for_agent(count - 1, words + 1)) serve(count - 1, words + 1);
#ifdef __APPLE__
    char found[PATH_MAX];
    uint32_t room = sizeof found;
    bool known = _NSGetExecutablePath(found, &room) == 0 && realpath(found, path) != NULL;
#else
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    bool known = length > 0;
    path[known ? length : 0] = 0;
#endif
    char *slash = known ? strrchr(path, '/') : NULL;
    /* What these two start is the person's, and gets it as it is. */
    if (count < 2 || (strcmp(words[1], "run") != 0 && strcmp(words[1], "rotate") != 0)) keep_absolute_parts();
    if (slash != NULL && rest != NULL) {
        memcpy(slash + 1, "keyvault-python", 16); /* there is room */
        rest[0] = path;
        rest[1] = asked; /* so that Python neither waits for a silent agent again nor loads its own client */
        for (int n = 1; n < count; n++) rest[n + 1] = words[n];
        execv(path, rest);
    }
    fprintf(stderr, "keyvault: error: cannot start keyvault-python: %s\n", slash != NULL ? strerror(errno) : "it was not found");
    fprintf(stderr, "keyvault: hint: install keyvault anew\n");
    return FAILED;
}
