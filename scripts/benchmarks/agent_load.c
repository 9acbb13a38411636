/* Asks the agent for the same thing again and again, and prints what it took as JSON.
 *
 * agent_load SOCKET CLIENTS SECONDS RATE < REQUEST
 *
 * RATE 0: each client asks anew as soon as it was answered, which shows the most that the agent serves. Else all clients together
 * ask so often in a second, each in its turn; the time of an answer then counts from the moment at which the request was due, so
 * that one which had to wait for a late one is not taken for a fast one. In C, because both share the machine: what the load
 * itself costs is printed too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CLIENTS = 1000, LARGEST = 1 << 18, MOST_TIMES = 1 << 22 };

static char request[LARGEST], right[LARGEST], got[LARGEST];
static size_t request_size, right_size;
static double due[MOST_CLIENTS], times[MOST_TIMES];
static size_t received[MOST_CLIENTS];
static struct pollfd ends[MOST_CLIENTS];
static struct sockaddr_un place = {.sun_family = AF_UNIX};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static int ask(void) {
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (end < 0 || connect(end, (struct sockaddr *)&place, sizeof place) < 0) fail("connect");
    if (write(end, request, request_size) != (ssize_t)request_size) fail("write");
    return end;
}

/* What every answer has to be. */
static void ask_once(void) {
    int end = ask();
    ssize_t size;
    while ((size = read(end, right + right_size, sizeof right - right_size)) > 0) right_size += size;
    close(end);
    if (right_size < 7 || right[0] != 'A' || right[5] || right[6]) {
        fprintf(stderr, "the agent did not serve the request\n");
        exit(1);
    }
}

/* Take what is there; whether it was all. */
static int take(int n) {
    ssize_t size = read(ends[n].fd, got, sizeof got);
    if (size < 0 && errno == EAGAIN) return 0;
    if (size < 0 || received[n] + size > right_size || memcmp(got, right + received[n], size) ||
        (size == 0 && received[n] != right_size)) {
        fprintf(stderr, "a wrong answer\n");
        exit(1);
    }
    received[n] += size;
    return received[n] == right_size;
}

static int compare(const void *left, const void *other) {
    double a = *(const double *)left, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double processor_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **words) {
    if (count != 5 || strlen(words[1]) >= sizeof place.sun_path) return 2;
    strcpy(place.sun_path, words[1]);
    int clients = atoi(words[2]);
    double seconds = atof(words[3]), rate = atof(words[4]);
    if (clients < 1 || clients > MOST_CLIENTS) return 2;
    request_size = fread(request, 1, sizeof request, stdin);
    ask_once();

    double start = now(), used = processor_seconds(), at;
    size_t answered = 0;
    for (int n = 0; n < clients; n++) {
        ends[n] = (struct pollfd){-1, POLLIN, 0};
        due[n] = rate > 0 ? start + n / rate : start;
    }
    while ((at = now()) < start + seconds && answered < MOST_TIMES) {
        double soonest = start + seconds;
        for (int n = 0; n < clients; n++) {
            if (ends[n].fd < 0 && due[n] <= at) {
                ends[n].fd = ask();
                fcntl(ends[n].fd, F_SETFL, O_NONBLOCK);
                received[n] = 0;
            } else if (ends[n].fd < 0 && due[n] < soonest) {
                soonest = due[n];
            }
        }
        double left = soonest - now();
        struct timespec wait = {0, left > 0 ? (left < 0.9 ? (long)(left * 1e9) : 900000000) : 0};
        if (ppoll(ends, clients, &wait, NULL) < 0) fail("poll");
        for (int n = 0; n < clients; n++) {
            if (ends[n].fd >= 0 && ends[n].revents && take(n)) {
                close(ends[n].fd);
                ends[n].fd = -1;
                times[answered++] = now() - due[n];
                due[n] = rate > 0 ? due[n] + clients / rate : now();
            }
        }
    }
    double elapsed = now() - start;
    if (!answered) return 1;
    qsort(times, answered, sizeof *times, compare);
    printf("{\"rate\": %f, \"p50\": %f, \"p99\": %f, \"load\": %f}\n", answered / elapsed, times[answered / 2],
           times[answered * 99 / 100], (processor_seconds() - used) / elapsed);
    return 0;
}
